"""The inbox's door: cap the body, keep the raw bytes, answer 202 or say in words why not."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import replace

from aiohttp import web

from node.errors import CuicuiError, Reason, Refused, StoreError
from node.federation.inbox import Inbox
from node.federation.own import incoming_of
from node.model import Clock, host_of
from node.observe import count
from node.peers import address_of
from node.storage import refusals
from node.storage.refusals import Refusal
from node.storage.store import Store

log = logging.getLogger("cuicui.inbox")

BODY_LIMIT = 1 << 20
BODY_TIMEOUT = 30.0
"""Seconds for the whole body, however it drips (security.md §10)."""

RETRY_AFTER = "60"
_TYPES = frozenset({"application/activity+json", "application/ld+json", "application/json"})
_KEPT_AT_MOST = 256


class Reception:
    """Answers POST /inbox, and remembers whom it turned away, for the owner to read."""

    def __init__(self, inbox: Inbox, store: Store, clock: Clock) -> None:
        self._inbox = inbox
        self._store = store
        self._clock = clock
        self._turned_away: OrderedDict[tuple[str, str], Refusal] = OrderedDict()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await _body(request)
            await self._inbox.receive(incoming_of(request, body))
        except Refused as refused:
            self._note(request, refused)
            answer = web.json_response({"error": refused.message, "code": refused.code}, status=refused.status)
            if refused.status == 503:
                answer.headers["Retry-After"] = RETRY_AFTER
            return answer
        except StoreError as error:
            log.error("store", extra={"why": error.message})
            count("refused.store")
            answer = web.json_response({"error": "this node cannot store anything now", "code": "store"}, status=503)
            answer.headers["Retry-After"] = RETRY_AFTER
            return answer
        count("accepted")
        return web.Response(status=202)

    def _note(self, request: web.Request, refused: Refused) -> None:
        """One log event and one counter per refusal. For the owner they are summed up by host and code, so that
        a flood of them costs neither disk nor reading."""
        host = _claimed_host(request) or str(address_of(request))
        count(f"refused.{refused.code}")
        log.info("refused", extra={"code": refused.code, "host": host, "why": refused.message[:300]})
        key = (host, refused.code)
        known = self._turned_away.pop(key, None)
        fresh = Refusal(self._clock(), host, None, refused.code, refused.message.encode(errors="replace").decode())
        self._turned_away[key] = replace(fresh, times=known.times + 1) if known else fresh
        if len(self._turned_away) > _KEPT_AT_MOST:
            self._turned_away.popitem(last=False)

    async def write_down(self) -> None:
        """Put what was refused since the last time into the store. Called now and then."""
        entries, self._turned_away = list(self._turned_away.values()), OrderedDict()
        if not entries:
            return
        try:
            async with self._store.write() as tx:
                await refusals.add_many(tx, entries)
        except CuicuiError as error:
            log.warning("refusals not written", extra={"why": error.message})


async def _body(request: web.Request) -> bytes:
    """The bytes as sent: not compressed, of a type we read, at most 1 MiB (federation.md §11.1, security.md §10)."""
    if any(value.strip().lower() != "identity" for value in request.headers.getall("Content-Encoding", ())):
        raise Refused(Reason.ENCODED_BODY, "a compressed body is not read here", hint="send it as it is")
    if request.content_type not in _TYPES:
        raise Refused(Reason.WRONG_TYPE, f"{request.content_type} is not ActivityPub")
    if (request.content_length or 0) > BODY_LIMIT:
        raise Refused(Reason.TOO_LARGE, f"the body is larger than {BODY_LIMIT} bytes")
    try:
        if request.content.is_eof():  # it came with the head, as most do: nothing to wait for, nothing to time
            body = request.content.read_nowait()
            if len(body) > BODY_LIMIT:
                raise Refused(Reason.TOO_LARGE, f"the body is larger than {BODY_LIMIT} bytes")
            return body
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()  # stops at the application's client_max_size
    except TimeoutError:
        raise Refused(Reason.SLOW_BODY, f"the body did not arrive within {BODY_TIMEOUT:.0f} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refused(Reason.TOO_LARGE, f"the body is larger than {BODY_LIMIT} bytes") from None
    except (ValueError, web.RequestPayloadError) as error:  # aiohttp's word for chunks that are none
        raise Refused(Reason.BROKEN_BODY, f"the body cannot be read: {str(error)[:100]!r}") from None


def _claimed_host(request: web.Request) -> str | None:
    """Whom the request says it is from: the host of its key id, unverified, for the log alone."""
    for name in ("Signature", "Signature-Input"):
        for part in request.headers.get(name, "").replace(";", ",").split(","):
            label, _, value = part.strip().partition("=")
            if label.lower() == "keyid" and value.startswith('"http'):
                return ascii(host_of(value.strip('"')))[1:-1][:255] or None  # header bytes need not be text
    return None
