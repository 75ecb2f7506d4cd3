"""Exhaustion at the door: connections that say little, or nothing, or are too many (security.md §10)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node import door as doors
from node.door import Door, public_address
from tests.support.attack import greet, nothing_changes
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import Stranger


@pytest.fixture
async def narrow(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """Alice's node behind a door for six, who have half a second for the head of a request."""
    home = await settle_in(tmp_path, "alice", clock=clock)
    home.door = Door(most=6, each=4, head_timeout=0.5)
    try:
        yield await home.start()
    finally:
        await home.stop()


async def _connect(home: Home) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", home.settings.listen_port)


def _head(home: Home, path: str = "/nodeinfo/2.1") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {home.settings.listen}\r\n".encode()


async def _drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _ends(reader: asyncio.StreamReader, within: float) -> float:
    """How long it took until the node closed the connection."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(within):
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    return time.monotonic() - began


async def test_ten_seconds_for_a_head() -> None:
    """security.md §10: "header time-out 10 s"."""
    assert Door().head_timeout == 10


async def test_a_connection_that_says_nothing_is_closed(narrow: Home, carol: Stranger) -> None:
    """security.md §10: slow headers, at their slowest."""
    async with nothing_changes(narrow, carol):
        reader, writer = await _connect(narrow)
        assert 0.3 < await _ends(reader, 10) < 8
        writer.close()


async def test_a_head_that_drips_is_closed(narrow: Home, carol: Stranger) -> None:
    """A byte now and then does not buy another half second."""
    async with nothing_changes(narrow, carol):
        reader, writer = await _connect(narrow)
        dripping = asyncio.ensure_future(_drip(writer, _head(narrow) + b"X-Slow: yes\r\n" * 20))
        assert await _ends(reader, 10) < 8
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()


async def test_a_good_request_does_not_pay_for_a_slow_one(narrow: Home, carol: Stranger) -> None:
    """The clock runs again from the first byte of the next request on the same connection."""
    async with nothing_changes(narrow, carol):
        reader, writer = await _connect(narrow)
        writer.write(_head(narrow) + b"\r\n")
        assert b" 200 " in await reader.readline()
        await asyncio.sleep(0.8)  # to wait in between is allowed: that is what connections are kept for
        writer.write(_head(narrow) + b"\r\n")
        assert b" 200 " in await reader.readuntil(b" 200 ")
        dripping = asyncio.ensure_future(_drip(writer, _head(narrow) + b"X-Slow: yes\r\n" * 20))
        assert await _ends(reader, 10) < 8
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        writer.close()


async def test_a_slow_body_has_the_time_of_a_body(narrow: Home, carol: Stranger) -> None:
    """What is counted here ends with the head: a delivery over a slow line is taken."""
    activity = carol.say("slowly", narrow.node.ids.actor)
    body = json.dumps(activity).encode()
    await greet(narrow, carol)
    reader, writer = await _connect(narrow)
    headers = carol.signed("POST", narrow.base + "/inbox", body)
    head = "POST /inbox HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers)
    head += f"Content-Type: application/activity+json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body[:20])
    await writer.drain()
    await asyncio.sleep(1.0)
    writer.write(body[20:])
    assert b" 202 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    assert await narrow.shows("slowly")


async def test_idle_connections_make_room(narrow: Home, carol: Stranger) -> None:
    """Somebody who holds every place without asking anything keeps nobody out."""
    await greet(narrow, carol)
    held = [await _connect(narrow) for _ in range(20)]
    await greet(narrow, carol)
    for _, writer in held:
        writer.close()


async def test_busy_places_are_not_taken_away_and_the_next_is_told_to_come_back(narrow: Home, carol: Stranger) -> None:
    """security.md §10: "connection cap"; those who are being served are served to the end."""
    await greet(narrow, carol)
    await carol.place.session.close()  # its kept connections would be among the six
    head = f"POST /inbox HTTP/1.1\r\nHost: {narrow.settings.listen}\r\nContent-Type: application/activity+json\r\n"
    head += "Content-Length: 400\r\n\r\n{"
    busy = [await _connect(narrow) for _ in range(6)]
    for _, writer in busy:
        writer.write(head.encode())
        await writer.drain()
    await asyncio.sleep(0.3)
    reader, writer = await _connect(narrow)
    answer = await asyncio.wait_for(reader.read(65536), 5)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 60" in answer
    writer.close()
    for reader, writer in busy:
        writer.write(b" " * 399)
        assert b" 4" in await asyncio.wait_for(
            reader.readline(), 5
        )  # read to its end, and then refused for what it was
        writer.close()
    await eventually(lambda: _answers(narrow))


async def _answers(home: Home) -> bool:
    try:
        reader, writer = await _connect(home)
        writer.write(_head(home) + b"Connection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
    except ConnectionError:
        return False
    return b" 200 " in line


async def test_one_address_does_not_take_every_place(narrow: Home) -> None:
    """A cap for each public address; here loopback stands for one."""
    await narrow.stop()
    narrow.door = Door(most=6, each=4, head_timeout=0.5, counted=lambda _peer: "192.0.2.1")
    await narrow.start()
    held = [await _connect(narrow) for _ in range(4)]
    await asyncio.sleep(0.1)
    reader, writer = await _connect(narrow)
    assert (await asyncio.wait_for(reader.read(100), 5)).startswith(b"HTTP/1.1 503 ")
    writer.close()
    for _, writer in held:
        writer.close()
    await eventually(lambda: _answers(narrow))


@pytest.mark.parametrize(
    ("peer", "counted_as"),
    [
        (("127.0.0.1", 4000), None),  # a proxy on this machine
        (("10.1.2.3", 4000), None),
        (("fd00::1", 4000, 0, 0), None),
        (("fe80::1%eth0", 4000, 0, 2), None),
        (("::1", 4000, 0, 0), None),
        (("93.184.216.34", 4000), "93.184.216.34"),
        (("::ffff:93.184.216.34", 4000, 0, 0), "93.184.216.34"),
        (("2606:2800:220:1:248:1893:25c8:1946", 4000, 0, 0), "2606:2800:220:1::/64"),
        ("", None),  # a unix socket
        (None, None),
    ],
)
def test_who_is_counted_as_one(peer: object, counted_as: str | None) -> None:
    """Of IPv6 a household has a whole network; private addresses are proxies of ours."""
    assert public_address(peer) == counted_as


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux")
async def test_a_peer_that_takes_nothing_is_given_up_by_the_system() -> None:
    """An answer that nobody reads does not hold its place for ever."""
    with socket.socket() as sock:
        doors._give_up_on_stalled(sock)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == doors.STALLED * 1000


def test_a_door_forgets_who_left() -> None:
    """Nothing is kept of a connection that is over."""
    door = Door()

    class Knocks:
        address = "192.0.2.1"
        protocol = object()

    visit = Knocks()
    assert door.enter(visit)  # type: ignore[arg-type]
    assert len(door) == 1
    assert door.leave(visit)  # type: ignore[arg-type]
    assert not door.leave(visit)  # type: ignore[arg-type]
    assert (len(door), len(door._open), len(door._waiting)) == (0, 0, 0)


NO_REQUESTS = (
    b"hush hush\r\n\r\n",
    b"GET /hush\x01 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: hush\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"hush" * 5000 + b"\r\n\r\n",
    b"POST /inbox HTTP/1.1\r\nHost: x\r\nContent-Length: hush\r\n\r\n",
    b"POST /inbox HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hush",  # TLS, to a port that speaks none
)


@pytest.mark.parametrize("sent", NO_REQUESTS)
async def test_what_is_no_request_is_answered_like_one(narrow: Home, sent: bytes) -> None:
    """The policy of every answer, no word of what was sent, and no name of the library that could not read it."""
    reader, writer = await _connect(narrow)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.0 400 ")  # after which the connection ends
    assert json.loads(body) == {"error": "this is no request", "code": "bad_request"}
    _carries_the_policy(head)
    assert b"hush" not in head and b"iohttp" not in head  # noqa: PT018


def _carries_the_policy(head: bytes) -> None:
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert fields["Server"] == "cuicui"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in fields["Content-Security-Policy"]
    assert fields["Cache-Control"] == "no-store"


async def test_who_finds_no_room_is_told_under_the_same_policy(narrow: Home) -> None:
    """Also the answer that is given before anything was read."""
    await narrow.stop()
    narrow.door = Door(most=6, each=1, counted=lambda _peer: "192.0.2.1")
    await narrow.start()
    _, held = await _connect(narrow)
    await asyncio.sleep(0.1)
    reader, writer = await _connect(narrow)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    held.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["code"] == "crowded"
    assert f"Content-Length: {len(body)}".encode() in head
    _carries_the_policy(head)
