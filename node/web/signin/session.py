"""The owner's browser: its cookie, and the proof that a form came from our own page."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from node.ids import Ids
from node.model import origin_of
from node.storage import sessions
from node.storage.sessions import Session
from node.storage.store import Store

LIFETIME = timedelta(days=30)
"""A session ends when it was not used for so long."""

TOUCH_EVERY = timedelta(hours=1)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that is logged in. `form_token` goes into each of its forms, and is worth nothing in another's."""

    session: Session
    form_token: str


class Cookies:
    """Names and attributes of our two cookies (security.md §7): HttpOnly, SameSite=Lax, and with TLS `__Host-`."""

    def __init__(self, ids: Ids) -> None:
        self._secure = ids.base.startswith("https:")
        prefix = "__Host-" if self._secure else ""
        self.session = f"{prefix}cuicui"
        self.before = f"{prefix}cuicui-form"
        """For the form that logs in, before there is a session: the same value in cookie and form."""

    def put(self, response: web.StreamResponse, name: str, value: str, *, lasts: timedelta | None = None) -> None:
        response.set_cookie(
            name,
            value,
            max_age=None if lasts is None else int(lasts.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )

    def drop(self, response: web.StreamResponse, name: str) -> None:
        response.del_cookie(name, path="/", secure=self._secure, httponly=True, samesite="Lax")


class Sessions:
    def __init__(self, store: Store, cookies: Cookies) -> None:
        self._store = store
        self._cookies = cookies

    async def find(self, request: web.Request, now: datetime) -> Browser | None:
        value = request.cookies.get(self._cookies.session)
        if not value:
            return None
        hash_ = _hash(value)
        async with self._store.read() as tx:
            found = await sessions.get(tx, hash_, since=now - LIFETIME)
        if found is None:
            return None
        if now - found.seen_at > TOUCH_EVERY:
            async with self._store.write() as tx:
                await sessions.touch(tx, hash_, now)
        return Browser(found, _hash(f"form:{value}"))

    async def begin(self, request: web.Request, response: web.StreamResponse, now: datetime) -> None:
        """A new id at each login; what the browser had before ends (session fixation)."""
        value = secrets.token_urlsafe(32)
        agent = request.headers.get("User-Agent", "")[:200]
        async with self._store.write() as tx:
            if before := request.cookies.get(self._cookies.session):
                await sessions.end(tx, _hash(before))
            await sessions.end_stale(tx, before=now - LIFETIME)
            await sessions.add(tx, Session(_hash(value), agent, now, now))
        self._cookies.put(response, self._cookies.session, value, lasts=LIFETIME)

    async def end(self, hash_: str) -> None:
        async with self._store.write() as tx:
            await sessions.end(tx, hash_)


def same_secret(one: str | None, other: str | None) -> bool:
    """Both there, and equal, in constant time."""
    if not one or not other:
        return False
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def is_from_here(request: web.Request, ids: Ids) -> bool:
    """Whether a browser says that a form was sent from our own page. Programs say nothing, and pass:
    what protects against other sites is said by every browser, and the form's own token comes on top.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    return origin is None or origin_of(origin) == ids.origin
