"""Around every request: headers that keep pages harmless, and errors as page or JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node.errors import BadDocument, CuicuiError, NotAllowed, NotFound, Refused, StoreError, Unreachable
from node.negotiation import Form, choose

log = logging.getLogger("cuicui.web")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; media-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""On everything the node answers (security.md §6); a handler that sets one of them keeps its own."""

_OPENED_BY_APPS = ("/login", "/oauth/")
"""Where web apps (Phanpy) send a window of their own, which must find its way back to the one that opened it.

Any stricter policy, on a redirect too, cuts that thread for good: to the app the window is then closed. What an opener
gains is little: to send the window elsewhere, and to see whether it is closed; framing stays forbidden.
"""

_ONLY_JSON = ("/api/", "/oauth/token", "/oauth/revoke", "/.well-known/", "/nodeinfo/", "/inbox")
_ACTIVITYPUB = ("/actor", "/server-actor", "/outbox", "/followers", "/following", "/featured", "/notes/", "/contexts/")
_WORDS = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
_STATUS: tuple[tuple[type[CuicuiError], int], ...] = (
    (NotFound, 404),
    (NotAllowed, 422),
    (BadDocument, 400),
    (StoreError, 503),
    (Unreachable, 502),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as it may be told to anybody."""

    status: int
    code: str
    message: str
    hint: str | None = None


ErrorPage = Callable[[Failure], str]


async def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: runs just before the headers of any answer are sent."""
    headers = response.headers
    if request.path.startswith(_OPENED_BY_APPS):
        headers.setdefault("Cross-Origin-Opener-Policy", "unsafe-none")
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers["Server"] = "cuicui"


def answer_errors(page: ErrorPage) -> Middleware:
    """The one place where an error becomes an answer."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400 or error.content_type == "application/json":
                raise
            code = _WORDS.get(error.status, "error")
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return _answer(request, Failure(error.status, code, error.reason.lower()), page, allow)
        except Exception as error:
            if isinstance(error, ConnectionError | asyncio.TimeoutError):
                raise  # the asker is gone
            return _answer(request, failure_of(request, error), page, {})

    return middleware


def failure_of(request: web.Request, error: Exception) -> Failure:
    if isinstance(error, Refused):
        return Failure(error.status, error.code, error.message, error.hint)
    if isinstance(error, StoreError):
        log.error("store_failed", extra={"problem": error.message, "hint": error.hint, "route": _route(request)})
        return Failure(503, error.code, "the node cannot reach its database")
    if isinstance(error, CuicuiError):
        for kind, status in _STATUS:
            if isinstance(error, kind):
                return Failure(status, error.code, error.message, error.hint)
    number = secrets.token_hex(6)
    log.error(
        "request_failed",
        exc_info=error,
        extra={"request": number, "method": request.method, "route": _route(request)},
    )
    return Failure(500, "internal", "something went wrong here", f"the owner finds it in the log as {number}")


def _route(request: web.Request) -> str:
    """The pattern, not the address: an address may hold what is private."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _answer(request: web.Request, failure: Failure, page: ErrorPage, extra: dict[str, str]) -> web.Response:
    headers = {"Cache-Control": "no-store", "Vary": "Accept", **extra}
    if failure.status == 503:
        headers["Retry-After"] = "10"
    if _wants_page(request):
        return web.Response(status=failure.status, text=page(failure), content_type="text/html", headers=headers)
    said = {"error": failure.message, "code": failure.code}
    if failure.hint:
        said["hint"] = failure.hint
    return web.Response(status=failure.status, text=json.dumps(said), content_type="application/json", headers=headers)


def _wants_page(request: web.Request) -> bool:
    path = request.path
    if path.startswith(_ONLY_JSON):
        return False
    default = Form.ACTIVITY if path.startswith(_ACTIVITYPUB) else Form.HTML
    return choose(request.headers.get("Accept"), default=default) is Form.HTML
