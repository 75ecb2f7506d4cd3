"""Who may read at all: not those who are blocked; in strict mode nobody unsigned; nobody once the owner has left."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Handler

from node.answers import PRIVATE
from node.errors import Reason
from node.model import Clock, Iri
from node.negotiation import Form, choose

KEY_KEPT = timedelta(days=30)
"""How long the keys are still shown after the owner left, so that others can check the Delete (federation.md §12)."""

GUARDED = "Accept, Signature, Signature-Input"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate(Protocol):
    """Who asks, on the strength of an HTTP signature."""

    async def viewer(self, request: web.Request) -> Iri | None: ...
    async def is_shut_out(self, request: web.Request) -> bool: ...


class Documents(Protocol):
    """What the guard itself answers with, and when the owner left."""

    async def stub(self) -> bytes: ...
    async def server_actor(self) -> bytes: ...
    async def left_at(self) -> datetime | None: ...


class Guard:
    """`strict`: only signed requests are answered (the setting `authorized_fetch`)."""

    def __init__(self, gate: Gate, documents: Documents, *, clock: Clock, strict: bool) -> None:
        self._gate = gate
        self._documents = documents
        self._clock = clock
        self._strict = strict

    def actor(self, answer: Answer) -> Answer:
        """Before the actor document. In strict mode others see what they need to check a signature, and no more:
        two servers that each want the other's key first would never get to know each other."""
        if not self._strict:
            return answer

        async def guarded(request: web.Request) -> web.StreamResponse:
            if _is_for_people(request):
                return await answer(request)
            if await self._gate.viewer(request) is None:
                return _activity(200, await self._documents.stub())
            return _for_one(await answer(request))

        return guarded

    def reading(self, answer: Answer) -> Answer:
        """Before notes, activities and collections. Without a signature nobody can be told from anybody: a blocked
        account that does not sign reads what is public, unless the mode is strict."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if _is_for_people(request):
                return await answer(request)
            if "Signature" in request.headers and await self._gate.is_shut_out(request):
                return _no(Reason.BLOCKED, "you are blocked by the owner of this node")
            if not self._strict:
                return await answer(request)
            if await self._gate.viewer(request) is None:
                return _no(Reason.UNSIGNED, "this node answers signed requests only (authorized fetch)")
            return _for_one(await answer(request))

        return guarded

    @web.middleware
    async def farewell(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """After the owner left, everything is gone; the keys stay for some weeks."""
        left = await self._documents.left_at()
        if left is None:
            return await handler(request)
        if request.method in ("GET", "HEAD") and self._clock() - left < KEY_KEPT:
            if request.path == "/actor":
                return _activity(200, await self._documents.stub())
            if request.path == "/server-actor":
                return _activity(200, await self._documents.server_actor())
        said = {"error": "this account was deleted by its owner", "code": "gone"}
        return web.json_response(said, status=410, headers={"Cache-Control": PRIVATE, "Vary": GUARDED})


def _is_for_people(request: web.Request) -> bool:
    """A browser, which is led to the page."""
    return choose(request.headers.get("Accept"), default=Form.ACTIVITY) is Form.HTML


def _for_one(response: web.StreamResponse) -> web.StreamResponse:
    """Nobody else may be given it out of a cache."""
    response.headers["Cache-Control"] = PRIVATE
    response.headers["Vary"] = GUARDED
    response.headers.pop("Access-Control-Allow-Origin", None)
    return response


def _activity(status: int, body: bytes) -> web.Response:
    headers = {"Content-Type": Form.ACTIVITY.value, "Cache-Control": PRIVATE, "Vary": GUARDED}
    return web.Response(status=status, body=body, headers=headers)


def _no(reason: Reason, message: str) -> web.Response:
    body = json.dumps({"error": message, "code": reason.code}).encode()
    headers = {"Content-Type": "application/json", "Cache-Control": PRIVATE, "Vary": GUARDED}
    return web.Response(status=reason.status, body=body, headers=headers)
