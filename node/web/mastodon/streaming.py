"""The streaming routes: who may listen to what, over SSE and over WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from node.storage.tokens import Token
from node.web.mastodon.call import Call
from node.web.mastodon.dispatch import CORS
from node.web.mastodon.errors import ApiError, Forbidden, Invalid, TooMany
from node.web.mastodon.route import ANY_TOKEN, ANYONE, Route, allows
from node.web.streaming import Channel, Stream, channel

LARGEST = 4096
"""Octets of one message from an app."""


async def health(call: Call) -> web.Response:
    return web.Response(text="OK")


def _scope(to: Channel) -> str:
    return "read:notifications" if to == ("user:notification",) else "read:statuses"


def _checked(token: Token, name: str, tag: str, list_: str) -> Channel:
    """The channel asked for. Raises Invalid where there is none, Forbidden where the token does not open it."""
    to = channel(name, tag=tag, list_=list_)
    if to is None:
        raise Invalid(
            "Unknown stream type" if name not in ("hashtag", "hashtag:local", "list") else "Missing parameter"
        )
    if not token.is_owner or not allows(token.scopes, _scope(to)):
        raise Forbidden(f"Access token does not cover required scopes: {_scope(to)}")
    return to


def _opened(call: Call, *, is_ws: bool) -> Stream:
    token, transport = call.the_token(), call.request.transport
    stream = call.api.streams.open(
        token.hash,
        hears=allows(token.scopes, "read:notifications"),
        is_ws=is_ws,
        abort=transport.abort if transport is not None else lambda: None,
    )
    if stream is None:
        raise TooMany("too many streams are open")
    return stream


# ── Server-sent events ───────────────────────────────────────────────────────────────────────


def _sse(name: str) -> Any:
    async def handler(call: Call) -> web.StreamResponse:
        media = name.startswith("public") and call.flag("only_media")
        wanted = f"{name}:media" if media else name
        to = _checked(call.the_token(), wanted, call.text("tag"), call.text("list"))
        if call.request.method == "HEAD":  # what were written after it would be read as the next answer
            return web.Response(headers={"Content-Type": "text/event-stream"})
        stream = _opened(call, is_ws=False)
        streams = call.api.streams
        streams.listen(stream, to)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "private, no-store",
                "X-Accel-Buffering": "no",
                **CORS,
            }
        )
        try:
            await response.prepare(call.request)
            await response.write(b":)\n")
            while (frame := await stream.next()) is not None:
                await response.write(frame or b":thump\n")
        except ConnectionError:
            pass
        finally:
            streams.leave(stream)
        return response

    return handler


# ── WebSocket ────────────────────────────────────────────────────────────────────────────────


async def socket(call: Call) -> web.StreamResponse:
    """One connection for any number of streams. Without an upgrade there is nothing here."""
    token = call.the_token()
    if not token.is_owner:
        raise Forbidden("This method requires an authenticated user")
    asked = call.text("stream")
    first = _checked(token, asked, call.text("tag"), call.text("list")) if asked else None
    offered = call.request.headers.get("Sec-WebSocket-Protocol", "")
    ws = web.WebSocketResponse(
        protocols=[one.strip() for one in offered.split(",")][:1] if offered else (),
        compress=False,  # a megabyte of tables for each that is idle
        max_msg_size=LARGEST,
        autoping=False,
        timeout=2.0,
    )
    if not ws.can_prepare(call.request):
        raise Invalid("a WebSocket is spoken here", hint="over plain HTTP: /api/v1/streaming/user")
    stream = _opened(call, is_ws=True)
    streams = call.api.streams
    writing: asyncio.Task[None] | None = None
    try:
        await ws.prepare(call.request)
        if first is not None:
            streams.listen(stream, first)
        writing = asyncio.create_task(_write(ws, stream))
        async for message in ws:
            stream.heard_at = asyncio.get_running_loop().time()
            if message.type is WSMsgType.PING:
                await ws.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                _obey(call, token, stream, message.data)
    except ConnectionError:
        pass
    finally:
        streams.leave(stream)
        if writing is not None:
            writing.cancel()
    return ws


async def _write(ws: web.WebSocketResponse, stream: Stream) -> None:
    try:
        while (frame := await stream.next()) is not None:
            if frame:
                await ws.send_frame(frame, WSMsgType.TEXT)
            else:
                await ws.ping()
        await ws.close(code=1000)
    except (ConnectionError, RuntimeError):
        pass  # it is closed; the reading side notices as well


def _obey(call: Call, token: Token, stream: Stream, text: str) -> None:
    """`{"type": "subscribe", "stream": "hashtag", "tag": "tea"}` and its contrary; answered when it cannot be done."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(said, dict) or said.get("type") not in ("subscribe", "unsubscribe"):
        return
    name, tag, list_ = (str(said.get(field) or "") for field in ("stream", "tag", "list"))
    try:
        to = _checked(token, name, tag, list_)
        if said["type"] == "unsubscribe":
            call.api.streams.ignore(stream, to)
        elif not call.api.streams.listen(stream, to):
            raise Invalid("too many streams in one connection")
    except ApiError as error:
        stream.put(json.dumps({"error": error.message, "status": error.status}).encode())


_PATH = "/api/v1/streaming"


def _route(path: str, name: str) -> Route:
    return Route("GET", f"{_PATH}/{path}", _sse(name), ANY_TOKEN, in_url=True)


ROUTES = (
    Route("GET", f"{_PATH}/health", health, ANYONE),
    Route("GET", _PATH, socket, ANY_TOKEN, in_url=True),
    _route("user", "user"),
    _route("user/notification", "user:notification"),
    _route("direct", "direct"),
    _route("public", "public"),
    _route("public/local", "public:local"),
    _route("public/remote", "public:remote"),
    _route("hashtag", "hashtag"),
    _route("hashtag/local", "hashtag:local"),
    _route("list", "list"),
)
