"""The door inwards: how many may stand in it at one time, and for how long without a word (security.md §10)."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from node import peers
from node.observe import count, http_log
from node.settings import Network
from node.web.middleware import HEADERS

HEAD_TIMEOUT = 10.0
"""Seconds for the head of a request, from when the connection is made, or from its first byte on one in use."""

STALLED = 30
"""Seconds until a peer that takes nothing of what it asked for is given up."""

MOST = 4096
"""Connections at one time; fewer where the system grants fewer files."""

EACH = 256
"""Connections of one public address (of IPv6: one network of 64 bits) at one time. A proxy of ours has a
private address, or is trusted by the settings, and speaks for many: of each that a trusted one names, so many
requests at one time."""

KEPT = 30.0
"""Seconds until a connection that is not used is closed."""

KEPT_BEHIND_PROXY = 3600.0
"""The same for a node that has a proxy in front: longer than any proxy keeps one, so that none meets a closing one
with a delivery. What stands idle makes room for newcomers all the same."""

_USUAL = 200
"""Characters of X-Forwarded-For, of which a proxy and one in front of it need 80."""

_ALWAYS = {**HEADERS, "Server": "cuicui", "Cache-Control": "no-store"}
_FULL = (
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\nConnection: close\r\n"
    + "".join(f"{name}: {value}\r\n" for name, value in _ALWAYS.items())
    + "Content-Type: application/json\r\nContent-Length: 53\r\n\r\n"
    + '{"error": "too many connections", "code": "crowded"}\n'
).encode()


class Door:
    """Knows who stands in it: who waits with nothing asked, who is being answered.

    `counted` says, of a peer, as which address it is counted; None for those of whom any number may come.
    `trusted` are proxies: any number of connections may come from them, and whom they name is counted by request.
    """

    def __init__(
        self,
        *,
        most: int | None = None,
        each: int = EACH,
        head_timeout: float = HEAD_TIMEOUT,
        counted: Callable[[object], str | None] | None = None,
        trusted: tuple[Network, ...] = (),
    ) -> None:
        self._counted = counted or public_address
        self._trusted = trusted
        self._known_whom = lru_cache(maxsize=1024)(self._whom)
        self._most = most if most is not None else _files_for_connections()
        self._each = each
        self.head_timeout = head_timeout
        self._open: Counter[str] = Counter()
        self._waiting: OrderedDict[Visit, None] = OrderedDict()
        self._by_protocol: dict[object, Visit] = {}

    def __len__(self) -> int:
        """Connections that are open."""
        return len(self._by_protocol)

    @property
    def middleware(self) -> Middleware:
        """To be the outermost of the application's: here a head has come whole, and here its answer is done."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            visit = self._by_protocol.get(request.protocol)
            if visit is None:  # no connection of this door's
                return await handler(request)
            self._waiting.pop(visit, None)
            visit.head_came()
            try:
                if not visit.speaks_for_others:
                    return await handler(request)
                return await self._for_another(request, handler)
            finally:
                visit.answered()
                if request.protocol in self._by_protocol:
                    self._waiting[visit] = None

        return note

    async def _for_another(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What a proxy passes on: a place is taken by the one it speaks for, while the answer is made."""
        lines = tuple(request.headers.getall(peers.FORWARDED, ()))
        is_usual = sum(map(len, lines)) < _USUAL  # what is longer is read again each time: it is not worth the room
        address = (self._known_whom if is_usual else self._whom)(request.remote, lines)
        if address is None:
            return await handler(request)
        if self._open[address] >= self._each:
            count("connections.too_many_of_one")
            said = {"error": "too many requests at one time", "code": "crowded"}
            return web.json_response(said, status=503, headers={"Retry-After": "60"})
        self._take(address)
        try:
            return await handler(request)
        finally:
            self._give_back(address)

    def _whom(self, proxy: str | None, lines: tuple[str, ...]) -> str | None:
        """The address that what a proxy passes on is counted under; None for one that is not counted."""
        return self.counted((peers.caller(proxy, lines, self._trusted),))

    def speaks_for_others(self, peer: object) -> bool:
        """Whether it is a proxy that is trusted."""
        return bool(self._trusted) and peers.is_trusted(_host(peer), self._trusted)

    def counted(self, peer: object) -> str | None:
        """The address that a connection is counted under; None for one that is not."""
        return None if self.speaks_for_others(peer) else self._counted(peer)

    def _take(self, address: str) -> None:
        self._open[address] += 1

    def _give_back(self, address: str) -> None:
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    async def listen(self, runner: web.AppRunner, host: str, port: int) -> asyncio.AbstractServer:
        """Let people in, until what is returned is closed; the caller sets the runner up, and cleans it up afterwards.

        Raises OSError.
        """
        serve = runner.server
        assert serve is not None, "the runner is not set up"
        loop = asyncio.get_running_loop()
        how: dict[str, Any] = {
            "access_log": None,
            "logger": http_log(),
            "keepalive_timeout": KEPT_BEHIND_PROXY if self._trusted else KEPT,
        }
        return await loop.create_server(
            lambda: Visit(self, Conversation(serve, loop=loop, **how), loop), host, port, backlog=1024
        )

    def enter(self, visit: Visit) -> bool:
        """Whether there is room; for a newcomer, the one who has waited longest with nothing asked makes some."""
        if visit.address is not None and self._open[visit.address] >= self._each:
            count("connections.too_many_of_one")
            return False
        if len(self) >= self._most:
            if not self._waiting:
                count("connections.too_many")
                return False
            idle, _ = self._waiting.popitem(last=False)
            count("connections.made_room")
            idle.end()
        if visit.address is not None:
            self._take(visit.address)
        self._by_protocol[visit.protocol] = visit
        self._waiting[visit] = None
        return True

    def leave(self, visit: Visit) -> bool:
        """Whether they had been let in."""
        if self._by_protocol.pop(visit.protocol, None) is None:
            return False
        self._waiting.pop(visit, None)
        if visit.address is not None:
            self._give_back(visit.address)
        return True


class Conversation(web.RequestHandler):
    """aiohttp's side of a connection; what goes wrong below our application is answered as above it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What cannot be read as HTTP is said back to nobody, since anybody may have written it."""
        status = super().handle_error(request, status, exc, message).status
        code, said = (
            ("bad_request", "this is no request") if status < 500 else ("internal", "something went wrong here")
        )
        answer = web.json_response({"error": said, "code": code}, status=status, headers=_ALWAYS)
        answer.force_close()
        return answer


class Visit(asyncio.Protocol):
    """One connection: passes everything on to aiohttp's protocol, and looks at the clock."""

    def __init__(self, door: Door, protocol: web.RequestHandler, loop: asyncio.AbstractEventLoop) -> None:
        self.protocol = protocol
        self.address: str | None = None
        self.speaks_for_others = False
        self._door = door
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.speaks_for_others = self._door.speaks_for_others(peer)
        self.address = self._door.counted(peer)
        _give_up_on_stalled(transport.get_extra_info("socket"))
        if not self._door.enter(self):
            transport.write(_FULL)
            transport.close()
            return
        self.protocol.connection_made(transport)
        self._timer = self._loop.call_later(self._door.head_timeout, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        if self._door.leave(self):
            self.protocol.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._busy and self._timer is None:  # the next request on a connection in use begins
            self._timer = self._loop.call_later(self._door.head_timeout, self._too_slow)
        self.protocol.data_received(data)

    def eof_received(self) -> None:
        self.protocol.eof_received()

    def head_came(self) -> None:
        self._busy = True
        self._stop_timer()

    def answered(self) -> None:
        self._busy = False

    def end(self) -> None:
        """Close; what was written still goes out, and what was begun is not waited for."""
        if self._transport is not None:
            self._transport.close()

    def _too_slow(self) -> None:
        self._timer = None
        count("connections.slow_head")
        self.end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def public_address(peer: object) -> str | None:
    """The address that is counted as one; None for those that are not: private ones, and sockets without any."""
    address = _host(peer)
    return None if peers.is_crowd(address) else peers.network(address)


def _host(peer: object) -> str | None:
    """The address in a socket's name for its peer."""
    return str(peer[0]) if isinstance(peer, tuple) and peer else None


def _give_up_on_stalled(sock: object) -> None:
    """Have the system end a connection whose peer takes nothing of an answer, also one that is closing."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux
    if option is not None and sock is not None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, option, STALLED * 1000)  # type: ignore[attr-defined]
        except OSError:
            pass  # it is gone already, or no TCP


def _files_for_connections() -> int:
    """Half of the files that this process may open: the rest is for what goes out, and the store."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(16, min(MOST, soft // 2))
