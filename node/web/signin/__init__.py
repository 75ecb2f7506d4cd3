"""Where the owner logs in with a browser, lets apps in, and shows them out again.

These pages belong to the owner alone, work without JavaScript, and are never cached. Every form
carries a token that only our own page can know, and must not come from another site (security.md §6).
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from node.peers import address_of
from node.storage import oauth, profile, sessions, tokens
from node.storage.oauth import Grant
from node.storage.tokens import hashed
from node.web import words
from node.web.mastodon.dispatch import Api
from node.web.signin import ask as asking
from node.web.signin.agents import spoken
from node.web.signin.ask import Ask, Problem
from node.web.signin.attempts import Attempts
from node.web.signin.session import LIFETIME, Browser, Cookies, Sessions, is_from_here, same_secret

__all__ = ["SignIn"]

CODE_LIFETIME = timedelta(seconds=60)
FORM_LIMIT = 64 * 1024
FORM_TIMEOUT = 30.0
"""Seconds for a whole form (security.md §10)."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' {target}; "
    "base-uri 'none'; frame-ancestors 'none'"
)

Render = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Shown:
    """An app or a browser that is let in, as the page lists it."""

    id: str
    name: str
    since: words.Moment
    used: words.Moment | None
    scopes: str = ""
    is_this: bool = False
    whole: str = ""
    """All that a browser says of itself."""


class SignIn:
    """The handlers. `render` makes a page from a template and values."""

    def __init__(self, api: Api, render: Render) -> None:
        self._api = api
        self._rooms = api.rooms
        self._render = render
        self._cookies = Cookies(api.rooms.ids)
        self._sessions = Sessions(api.rooms.store, self._cookies)
        self._attempts = Attempts()

    # ── log in, log out ──────────────────────────────────────────────────────────────────────

    async def login(self, request: web.Request) -> web.Response:
        to = _local(request.query.get("next"))
        if await self._sessions.find(request, self._now()) is not None and "again" not in request.query:
            return _see(to)
        return await self._login_page(request, to)

    async def _login_page(
        self, request: web.Request, to: str, *, problem: str | None = None, status: int = 200
    ) -> web.Response:
        async with self._rooms.store.read() as tx:
            has_password = await profile.password_hash(tx) is not None
        token = request.cookies.get(self._cookies.before, "")
        if not _TOKEN.fullmatch(token):  # none yet, or none of ours
            token = secrets.token_urlsafe(32)
        response = self._page(
            "login.html", status=status, next=to, token=token, problem=problem, has_password=has_password
        )
        self._cookies.put(response, self._cookies.before, token)
        return response

    async def log_in(self, request: web.Request) -> web.Response:
        form = await _form(request)
        to = _local(form.get("next"))
        if not is_from_here(request, self._rooms.ids) or not same_secret(
            form.get("token"), request.cookies.get(self._cookies.before)
        ):
            return await self._login_page(request, to, problem="The form was too old. Please try again.", status=403)
        address, now = address_of(request) or "", self._now()
        if (pause := self._attempts.begin(address, now)) is not None:
            return await self._too_often(request, to, pause)
        if not await self._is_right(form.get("password", "")):
            return await self._login_page(request, to, problem="That is not the password.", status=401)
        self._attempts.succeeded(address)
        response = _see(to)
        await self._sessions.begin(request, response, now)
        self._cookies.drop(response, self._cookies.before)
        return response

    async def _too_often(self, request: web.Request, to: str, pause: timedelta) -> web.Response:
        seconds = max(1, int(pause.total_seconds() + 0.999))
        response = await self._login_page(
            request, to, problem=f"Too many wrong passwords. Try again in {seconds} seconds.", status=429
        )
        response.headers["Retry-After"] = str(seconds)
        return response

    async def _is_right(self, password: str) -> bool:
        return await self._rooms.owner.check_password(password)

    async def log_out(self, request: web.Request) -> web.Response:
        browser, _ = await self._own_form(request)
        await self._sessions.end(browser.session.hash)
        response = _see("/")
        self._cookies.drop(response, self._cookies.session)
        return response

    # ── let an app in ────────────────────────────────────────────────────────────────────────

    async def authorize(self, request: web.Request) -> web.Response:
        """The app's question, put to the owner."""
        asked = await self._read(request.query)
        if isinstance(asked, Problem):
            return self._wrong(asked)
        browser = await self._sessions.find(request, self._now())
        force = request.query.get("force_login", "").lower() in ("true", "1")
        if browser is None or (force and self._now() - browser.session.created_at > CODE_LIFETIME):
            again = {"again": "1"} if force else {}
            return _see(f"/login?{urlencode({'next': str(request.rel_url), **again})}")
        fields = {name: request.query[name] for name in asking.FIELDS if name in request.query}
        response = self._page(
            "authorize.html",
            ask=asked,
            app=asked.app,
            meanings=asking.meanings(asked.scopes),
            fields=fields,
            token=browser.form_token,
        )
        if not asked.is_shown:  # a browser checks the redirect that follows a form as well
            response.headers["Content-Security-Policy"] = _POLICY.format(target=asked.target)
        return response

    async def decide(self, request: web.Request) -> web.Response:
        _, form = await self._own_form(request)
        asked = await self._read(form)
        if isinstance(asked, Problem):
            return self._wrong(asked)
        if form.get("decision") != "allow":
            if asked.is_shown:
                return self._page("code.html", code=None, app=asked.app)
            return _go(asked.back(error="access_denied", error_description="the owner said no"))
        code, now = secrets.token_urlsafe(32), self._now()
        grant = Grant(
            hash=hashed(code),
            app_id=asked.app.id,
            scopes=asked.scopes,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            expires_at=now + (10 * CODE_LIFETIME if asked.is_shown else CODE_LIFETIME),  # typing takes a while
            used_at=None,
        )
        async with self._rooms.store.write() as tx:
            await oauth.add_grant(tx, grant, now=now)
        if asked.is_shown:
            return self._page("code.html", code=code, app=asked.app)
        return _go(asked.back(code=code, iss=f"{self._rooms.ids.base}/"))

    async def _read(self, params: Mapping[str, str]) -> Ask | Problem:
        client_id = params.get("client_id", "")
        async with self._rooms.store.read() as tx:
            app = await oauth.app_of(tx, client_id) if client_id else None
        return asking.read(params, app)

    def _wrong(self, problem: Problem) -> web.Response:
        if problem.ask is not None and not problem.ask.is_shown:
            return _go(problem.ask.back(error=problem.word, error_description=problem.message[:200]))
        return self._page("code.html", status=400, code=None, app=None, problem=problem.message)

    # ── who is let in ────────────────────────────────────────────────────────────────────────

    async def access(self, request: web.Request) -> web.Response:
        """Every app and browser that may act for the owner."""
        now = self._now()
        browser = await self._sessions.find(request, now)
        if browser is None:
            return _see("/login?next=/access")
        async with self._rooms.store.read() as tx:
            held = await tokens.held(tx)
            open_ = await sessions.everything(tx, since=now - LIFETIME)
        return self._page(
            "access.html",
            token=browser.form_token,
            apps=[
                Shown(
                    token.hash[:16],
                    token.app_name or token.label,
                    words.moment(token.created_at, now),
                    words.moment(token.used_at, now) if token.used_at else None,
                    " ".join(sorted(token.scopes)),
                )
                for token in held
            ],
            browsers=[
                Shown(
                    session.hash[:16],
                    spoken(session.agent),
                    words.moment(session.created_at, now),
                    words.moment(session.seen_at, now),
                    is_this=session.hash == browser.session.hash,
                    whole=session.agent,
                )
                for session in open_
            ],
        )

    async def show_out(self, request: web.Request) -> web.Response:
        browser, form = await self._own_form(request)
        wanted = form.get("id", "")
        async with self._rooms.store.write() as tx:
            held = [token.hash for token in await tokens.held(tx) if token.hash[:16] == wanted]
            gone = await tokens.revoke(tx, hashes=held)
            for session in await sessions.everything(tx, since=self._now() - LIFETIME):
                if session.hash[:16] == wanted:
                    await sessions.end(tx, session.hash)
        if gone:
            self._api.forget_tokens(set(gone))
        response = _see("/access")
        if wanted == browser.session.hash[:16]:
            self._cookies.drop(response, self._cookies.session)
        return response

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _now(self) -> datetime:
        return self._rooms.clock()

    async def _own_form(self, request: web.Request) -> tuple[Browser, dict[str, str]]:
        """The form of a browser that is logged in, sent from our own page. Raises 403 otherwise."""
        form = await _form(request)
        browser = await self._sessions.find(request, self._now())
        if (
            browser is None
            or not is_from_here(request, self._rooms.ids)
            or not same_secret(form.get("token"), browser.form_token)
        ):
            raise web.HTTPForbidden(reason="the form is not of this session: go back, reload, and try again")
        return browser, form

    def _page(self, template: str, *, status: int = 200, **values: object) -> web.Response:
        return web.Response(
            status=status,
            text=self._render(template, **values),
            content_type="text/html",
            headers={"Cache-Control": "no-store"},
        )


async def _form(request: web.Request) -> dict[str, str]:
    if (request.content_length or 0) > FORM_LIMIT:
        raise web.HTTPRequestEntityTooLarge(FORM_LIMIT, request.content_length or 0)
    try:
        async with asyncio.timeout(FORM_TIMEOUT):
            posted = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(reason=f"the form did not arrive within {FORM_TIMEOUT:.0f} s") from None
    except (ValueError, UnicodeDecodeError, LookupError):
        raise web.HTTPBadRequest(reason="the form cannot be read") from None
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _local(to: str | None) -> str:
    """A page of ours to go on to; anything else, and nothing, means the profile (security.md §6, open redirect)."""
    return to if to and _LOCAL.fullmatch(to) else "/"


def _see(to: str) -> web.Response:
    return web.Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})


def _go(to: str) -> web.Response:
    return web.Response(
        status=302, headers={"Location": to, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )
