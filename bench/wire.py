"""HTTP/1.1 as cheap as it can be, for the load generators: their cost must not be taken for the node's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

Handler = Callable[[bytes, bytes, bytes], bytes | None]
"""(request line, header bytes, body) → the answer's bytes; None never answers."""

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def ok(body: bytes, media_type: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Server(asyncio.Protocol):
    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            line_end = self._buffer.index(b"\r\n")
            head = self._buffer[line_end + 2 : end + 2]
            length = content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            line, body = self._buffer[:line_end], self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            answer = self._handler(line, head, body)
            if answer is not None:
                self._transport.write(answer)


def content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"content-length:")
    return int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0


async def serve(handler: Handler, port: int = 0, address: str = "0.0.0.0") -> asyncio.Server:
    """Listens on every loopback address at once: each 127.x.y.z is a host of its own to the node."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: _Server(handler), address, port, backlog=4096)


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def request(target: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST, ready to be written to a socket."""
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class _Sender(asyncio.Protocol):
    """One connection: writes the next request when the last one was answered."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        request = self._work.take()
        if request is None:
            self._transport.close()
        else:
            self._sent = time.perf_counter()
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = content_length(self._buffer[: end + 2])
        if len(self._buffer) < end + 4 + length:
            return
        status, text = int(self._buffer[9:12]), self._buffer[end + 4 : end + 4 + length]
        self._buffer = b""
        self._work.answered(status, text, time.perf_counter() - self._sent)
        if self._work.keep_alive:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._work.left()


class _Work:
    def __init__(self, requests: Sequence[bytes], keep_alive: bool, connect: Callable[[], None]) -> None:
        self._requests = iter(requests)
        self._open = len(requests)
        self._exhausted = False
        self._connect = connect
        self.keep_alive = keep_alive
        self.statuses: dict[int, int] = {}
        self.seconds: list[float] = []
        self.sample = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self) -> bytes | None:
        request = next(self._requests, None)
        self._exhausted = request is None
        return request

    def answered(self, status: int, text: bytes, seconds: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)
        if status >= 300 and not self.sample:
            self.sample = text[:300]
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.done.set_result(None)

    def left(self) -> None:
        """A connection ended. Its place is taken by a new one, as long as there is something to send."""
        if self._open > 0 and not self._exhausted:
            self._connect()


async def send_all(
    requests: Sequence[bytes], host: str, port: int, *, connections: int, keep_alive: bool = True, timeout: float = 300
) -> _Work:
    """Send everything over so many connections side by side, each waiting for its answer."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()

    def connect() -> None:
        task: asyncio.Task[object] = asyncio.ensure_future(loop.create_connection(lambda: _Sender(work), host, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    work = _Work(requests, keep_alive, connect)
    for _ in range(min(connections, len(requests))):
        connect()
    await asyncio.wait_for(work.done, timeout)
    return work
