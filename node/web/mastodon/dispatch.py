"""From a request to its handler and back: token, scope, form, answer; CORS and JSON errors around everything.

Answers are `private, no-store`: most are the owner's (security.md §6).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from aiohttp import web

from node.errors import CuicuiError
from node.model import Tell
from node.peers import address_of, network
from node.storage import tokens
from node.storage.tokens import Token
from node.web.mastodon import conversations, forms, gather, notifications
from node.web.mastodon.call import Call
from node.web.mastodon.errors import ApiError, Forbidden, TooMany, Unauthorized
from node.web.mastodon.finding import Finder
from node.web.mastodon.kept import Kept
from node.web.mastodon.reply import reply
from node.web.mastodon.rooms import Rooms
from node.web.mastodon.route import ANY_TOKEN, ANYONE, Route, Table, allows
from node.web.middleware import failure_of
from node.web.streaming import Streams

CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, Idempotency-Key"
    ),
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Accept, Accept-Language",
    "Access-Control-Max-Age": "86400",
}

SPAN = 300
"""Seconds in which requests are counted."""

ALLOWED = {True: 300_000, False: 3_000}
"""Requests in that time: by an app of the owner's (a bound against loops, not a price), and by an anonymous address."""

COUNTED = 4096
"""Who asked is remembered for so many: a crowd costs no more than that."""

TOKENS_KEPT = 256


class Api:
    """The client API of one node. `handle` answers every request below `/api` and `/oauth`."""

    def __init__(self, rooms: Rooms, table: Table) -> None:
        self.rooms = rooms
        self.table = table
        self._tokens: OrderedDict[str, Token] = OrderedDict()
        self._taken_back = 0
        self._counts: dict[str, tuple[int, int]] = {}
        self._on_revoked: list[Callable[[set[str]], None]] = []
        self._used: dict[str, None] = {}
        self._kept = Kept(rooms.store, rooms.clock)
        self.finder = Finder(rooms.store)
        self.streams = Streams(
            rooms.store,
            rooms.events,
            rooms.clock,
            render_status=partial(gather.rendered, rooms),
            render_notification=partial(notifications.rendered, rooms),
            render_conversation=partial(conversations.rendered, rooms),
        )
        self.on_revoked(self.streams.revoked)
        rooms.events.subscribe(self._hear)

    # ── requests ─────────────────────────────────────────────────────────────────────────────

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={**CORS, **PREFLIGHT})
        counted: dict[str, str] = {}
        try:
            response = await self._answer(request, counted)
        except web.HTTPException as error:
            response = reply({"error": error.reason}, status=error.status)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            response = _failed(request, error)
        if not response.prepared:
            response.headers.update(CORS)
            response.headers.update(counted)
            response.headers.setdefault("Cache-Control", "private, no-store")
            response.headers.setdefault("Vary", "Authorization, Origin")
        return response

    async def _answer(self, request: web.Request, counted: dict[str, str]) -> web.StreamResponse:
        found = None if "\0" in request.path else self.table.find(request.path)  # nothing that is kept has such a name
        if found is None:
            return reply({"error": "Record not found"}, status=404)
        methods, named = found
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allow = ", ".join(sorted(methods))
            return reply({"error": "Method not allowed"}, status=405, headers={"Allow": allow})
        token = await self._token_for(route, request)
        self._count(request, token, counted)
        if route.kept and request.method == "GET" and not request.body_exists:
            is_owner = token is not None and token.is_owner
            return await self._kept.get_or_make(
                (is_owner, request.raw_path), lambda: self._call(route, request, named, token)
            )
        return await self._call(route, request, named, token)

    async def _call(
        self, route: Route, request: web.Request, named: dict[str, str], token: Token | None
    ) -> web.StreamResponse:
        params = await forms.read(request, files=self._room_for_files() if route.files else 0)
        try:
            # Most show something of it: from now on it is at hand, in their transactions too.
            await self.rooms.profile()
            return await route.handler(Call(self, request, named, params, token))
        finally:
            for value in params.values():
                if isinstance(value, forms.Upload):
                    value.file.close()

    def _room_for_files(self) -> int:
        settings = self.rooms.settings
        return max(forms.FILE_LIMIT, max(settings.image_limit, settings.recording_limit) + 1 << 20)

    # ── who asks ─────────────────────────────────────────────────────────────────────────────

    async def _token_for(self, route: Route, request: web.Request) -> Token | None:
        """Raises Unauthorized or Forbidden when the request may not use the route."""
        if route.scope == ANYONE:
            return None
        token = await self.bearer(request)
        if token is None and route.in_url and (value := _in_url(request)):
            token = await self.token(value)
        if token is None:
            if route.anonymous:
                return None
            raise Unauthorized("The access token is invalid", hint="let the owner log in: /oauth/authorize")
        if route.scope == ANY_TOKEN:
            return token
        if not token.is_owner:
            if route.anonymous:
                return None  # an app's own token opens what is open to anybody
            raise Forbidden("This method requires an authenticated user")
        if not allows(token.scopes, route.scope):
            raise Forbidden(f"This action is outside the authorized scopes: {route.scope} is needed")
        return token

    async def bearer(self, request: web.Request) -> Token | None:
        """The token in the Authorization header; None without one. Raises Unauthorized for one that is not good."""
        written = request.headers.get("Authorization")
        if written is None:
            return None
        scheme, _, value = written.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise Unauthorized("The access token is invalid")
        return await self.token(value.strip())

    async def token(self, value: str) -> Token:
        """Raises Unauthorized for a token that we did not give, or took back."""
        hash_ = tokens.hashed(value)
        known = self._tokens.get(hash_)
        if known is None:
            before = self._taken_back
            async with self.rooms.store.read() as tx:
                known = await tokens.find(tx, value)
            if known is None:
                raise Unauthorized("The access token is invalid")
            if before != self._taken_back:  # tokens were revoked while we looked: perhaps this one, after it was read
                return await self.token(value)
            self._tokens[hash_] = known
            self.rooms.met_token(hash_, value)
            if len(self._tokens) > TOKENS_KEPT:
                self._tokens.popitem(last=False)
        return known

    def on_revoked(self, listener: Callable[[set[str]], None]) -> None:
        """Be told the hashes of tokens that were taken back here; an empty set when it may be any of them."""
        self._on_revoked.append(listener)

    def forget_tokens(self, hashes: set[str]) -> None:
        """Tokens were revoked: they open nothing from now on, and what they opened is closed."""
        self._taken_back += 1
        for hash_ in hashes or set(self._tokens):
            self._tokens.pop(hash_, None)
        for listener in self._on_revoked:
            listener(hashes)

    def _hear(self, tell: Tell) -> None:
        if tell.kind == "tokens":
            self.forget_tokens(set(tell.subject.split()))
        if tell.kind == "foreign":  # another process wrote: it may have revoked some
            self.forget_tokens(set())
            self._kept.clear()

    # ── how often ────────────────────────────────────────────────────────────────────────────

    def _count(self, request: web.Request, token: Token | None, counted: dict[str, str]) -> None:
        """Puts the X-RateLimit headers into `counted`. Raises TooMany; that answer has them as well."""
        who = token.hash if token is not None else network(address_of(request))
        allowed = ALLOWED[token is not None]
        now = int(time.time())
        span = now // SPAN
        before = self._counts.pop(who, (span, 0))
        count = before[1] + 1 if before[0] == span else 1
        self._counts[who] = (span, count)  # at the end: the first are those who asked least lately
        if len(self._counts) > COUNTED:
            del self._counts[next(iter(self._counts))]
        counted |= {
            "X-RateLimit-Limit": str(allowed),
            "X-RateLimit-Remaining": str(max(0, allowed - count)),
            "X-RateLimit-Reset": _iso((span + 1) * SPAN),
        }
        if count > allowed:
            left = SPAN - now % SPAN
            counted["Retry-After"] = str(left)
            raise TooMany("Too many requests", hint=f"again in {left} seconds")


def _in_url(request: web.Request) -> str:
    """A token where a browser's stream can put one: in the query, or as the WebSocket's subprotocol."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")[0].strip()
    return request.query.get("access_token") or offered


def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(seconds))


def _failed(request: web.Request, error: Exception) -> web.Response:
    headers = {}
    if isinstance(error, ApiError):
        status, code, message, hint = error.status, error.code, error.message, error.hint
    else:
        failure = failure_of(request, error)
        status, code, message, hint = failure.status, failure.code, failure.message, failure.hint
    if status == 401:
        headers["WWW-Authenticate"] = f'Bearer realm="cuicui", error="invalid_token", error_description="{message}"'
    if status in (429, 503):
        headers["Retry-After"] = "10"
    said = {"error": message, "code": code}
    if hint and isinstance(error, CuicuiError):
        said["error_description"] = f"{message} ({hint})"  # some apps show this one alone
    return reply(said, status=status, headers=headers)
