"""Behind a proxy: whom a limit counts, and that nobody chooses by a header whom (security.md §7, X-Forwarded-For).

The proxy of these tests is 127.0.0.1, and 127.0.0.2 is a stranger who has found the node's own port.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from node.door import Door, public_address
from node.peers import caller
from node.storage import refusals
from node.web.signin.attempts import FREE
from tests.support.attack import greet, nothing_changes
from tests.support.browser import Browser, Page, give_password
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import AP, Stranger

PASSWORD = "a long and sunny summer"
PROXY, STRANGER = "127.0.0.1", "127.0.0.2"
ONE, OTHER = "93.184.216.34", "93.184.216.35"
HOUSE, SAME_HOUSE, NEXT_HOUSE = "2606:2800:220:1::1", "2606:2800:220:1:ffff::2", "2606:2800:220:2::1"
TRUSTED = tuple(map(ip_network, ("127.0.0.1", "10.1.0.0/16", "::1", "2606:2800:999::/48")))


@pytest.mark.parametrize(
    ("peer", "lines", "counted"),
    [
        (PROXY, [ONE], ONE),
        (PROXY, [f" {ONE} "], ONE),
        ("::1", [ONE], ONE),
        ("::ffff:127.0.0.1", [ONE], ONE),  # as a socket for both families sees IPv4
        (PROXY, [f"::ffff:{ONE}"], ONE),
        (PROXY, [HOUSE], HOUSE),
        (PROXY, [f"{OTHER}, {ONE}"], ONE),  # what stands left was sent, not seen
        (PROXY, [OTHER, ONE], ONE),  # more lines are one list (RFC 9110 §5.3)
        (PROXY, [ONE, ""], PROXY),
        (PROXY, [f"{OTHER}, {ONE}, 10.1.2.3"], ONE),  # a proxy in front of the proxy
        (PROXY, [f"{ONE}, 2606:2800:999::7, 10.1.2.3"], ONE),
        (PROXY, [f"10.1.2.4, {PROXY}"], "10.1.2.4"),  # nobody but proxies: the farthest
        (PROXY, [f"10.1.2.4, {ONE}"], ONE),  # a stranger calls himself a proxy
        (PROXY, [], PROXY),
        (PROXY, [""], PROXY),
        (PROXY, [f"{ONE},"], PROXY),
        (PROXY, ["unknown"], PROXY),
        (PROXY, [f"{ONE}:4711"], PROXY),
        (PROXY, [f"{ONE}, unix:"], PROXY),
        (PROXY, [f"{ONE}, 10.1.2.3, x"], PROXY),
        (PROXY, [f"x, {ONE}"], ONE),
        (PROXY, ["9" * 5000], PROXY),
        (PROXY, ["1.2.3.4.5", "0x7f.1", "１.２.３.４"], PROXY),
        (STRANGER, [ONE], STRANGER),
        (OTHER, [ONE, "10.1.2.3"], OTHER),
        ("127.0.0.10", [ONE], "127.0.0.10"),
        ("", [ONE], ""),  # a socket file has no address, and is not trusted by one
        (None, [ONE], None),
    ],
)
def test_the_last_that_is_no_proxy_of_ours_is_the_one(peer: str | None, lines: list[str], counted: str | None) -> None:
    """X-Forwarded-For from the right; from a peer that is not trusted, nothing of it."""
    assert caller(peer, lines, TRUSTED) == counted
    assert caller(peer, lines, ()) == peer


@pytest.fixture
async def behind(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """Alice's node, which believes the proxy at 127.0.0.1."""
    home = await settle_in(tmp_path, "alice", clock=clock, trusted_proxies=PROXY)
    try:
        yield await home.start()
    finally:
        await home.stop()


async def _said(home: Home, request: str, *forwarded: str, peer: str = PROXY) -> bytes:
    """What the node answers to a request head that comes from `peer`, with these X-Forwarded-For lines."""
    async with asyncio.timeout(8):
        reader, writer = await asyncio.open_connection(PROXY, home.settings.listen_port, local_addr=(peer, 0))
        lines = "".join(f"X-Forwarded-For: {line}\r\n" for line in forwarded)
        writer.write(f"{request}\r\nHost: {home.settings.listen}\r\n{lines}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
    return answer


async def _left(home: Home, *forwarded: str, peer: str = PROXY) -> int:
    """How many requests to the API whoever asks has left."""
    head = await _said(home, "GET /api/v1/instance HTTP/1.1", *forwarded, peer=peer)
    named = {name.lower(): value for name, _, value in (line.partition(b": ") for line in head.split(b"\r\n"))}
    return int(named[b"x-ratelimit-remaining"])


async def test_two_strangers_behind_the_proxy_are_counted_apart(behind: Home) -> None:
    """And one cannot count under another's address, nor under many, by what they send themselves."""
    first = await _left(behind, ONE)
    assert await _left(behind, ONE) == first - 1
    assert await _left(behind, OTHER) == first
    for number, spoofed in enumerate((OTHER, "198.51.100.9", PROXY, "", "x", f"{OTHER}, {PROXY}")):
        assert await _left(behind, f"{spoofed}, {ONE}") == first - 2 - number
        assert await _left(behind, spoofed, HOUSE if number % 2 else SAME_HOUSE) == first - number
    assert await _left(behind, NEXT_HOUSE) == first
    assert await _left(behind, OTHER) == first - 1


async def test_a_stranger_at_the_port_itself_changes_nothing_by_the_header(behind: Home) -> None:
    """ "trusted proxies explicit": who is not named is counted as who they are, whatever they say."""
    first = await _left(behind, ONE, peer=STRANGER)
    for number, said in enumerate((ONE, OTHER, PROXY, HOUSE, f"{ONE}, {PROXY}")):
        assert await _left(behind, said, peer=STRANGER) == first - 1 - number
    assert await _left(behind, ONE) == first  # nothing of that was counted under the name they gave
    assert await _left(behind, STRANGER) == first - 6  # this is who it was


async def test_by_default_nobody_is_believed(alice: Home) -> None:
    """Not loopback either, as long as the settings do not say so."""
    first = await _left(alice, ONE)
    for number, said in enumerate((OTHER, HOUSE, PROXY, "x")):
        assert await _left(alice, said) == first - 1 - number


async def _guess(home: Home, password: str, *forwarded: str) -> Page:
    browser = Browser(home)
    said = {"X-Forwarded-For": ", ".join(forwarded)}
    return await browser.send(await browser.get("/login", headers=said), headers=said, password=password)


async def test_a_flood_of_guesses_by_one_does_not_shut_the_owner_out(
    behind: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Brute force … X-Forwarded-For": the pause is for who guessed, also under names that they make up."""
    await give_password(behind, PASSWORD, monkeypatch)
    pause = 0
    for _ in range(3 * FREE):  # each pause is longer than the one before; the last of them is not waited for
        behind.clock.forward(timedelta(seconds=pause))
        wrong = await _guess(behind, "wrong", "198.51.100.7", ONE)
        pause = int(wrong.headers.get("Retry-After", 0))
        if pause > 10:
            break
    assert (await _guess(behind, PASSWORD, OTHER, ONE)).status == 429  # right, and not listened to yet
    assert (await _guess(behind, PASSWORD, OTHER)).status == 303
    assert (await _guess(behind, PASSWORD, ONE)).status == 429


async def test_what_is_refused_is_listed_under_the_address_it_came_from(behind: Home) -> None:
    """`cuicui refused` names who it was, not the proxy."""
    for peer, said in ((PROXY, ONE), (STRANGER, OTHER)):
        answer = await _said(behind, "POST /inbox HTTP/1.1\r\nContent-Type: application/activity+json", said, peer=peer)
        assert b" 401 " in answer.split(b"\r\n")[0]
    await behind.node.reception.write_down()
    async with behind.node.store.read() as tx:
        assert {one.host for one in await refusals.newest(tx)} == {ONE, STRANGER}


@pytest.fixture
async def narrow(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """A node behind the proxy, with two places for each address; 127.0.0.2 stands for a public one."""

    def counted(peer: object) -> str | None:
        return STRANGER if isinstance(peer, tuple) and peer[0] == STRANGER else public_address(peer)

    home = await settle_in(tmp_path, "alice", clock=clock, trusted_proxies=PROXY)
    home.door = Door(each=2, counted=counted, trusted=home.settings.trusted_proxies)
    try:
        yield await home.start()
    finally:
        await home.stop()


async def _begin(home: Home, *forwarded: str, peer: str = PROXY) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A delivery whose body does not come yet."""
    async with asyncio.timeout(8):
        there = await asyncio.open_connection(PROXY, home.settings.listen_port, local_addr=(peer, 0))
        head = f"POST /inbox HTTP/1.1\r\nHost: {home.settings.listen}\r\nContent-Type: application/activity+json\r\n"
        head += "".join(f"X-Forwarded-For: {line}\r\n" for line in forwarded) + "Content-Length: 2\r\n\r\n"
        there[1].write(head.encode())
        await there[1].drain()
    return there


async def test_one_stranger_does_not_take_every_place_behind_the_proxy(narrow: Home, carol: Stranger) -> None:
    """security.md §10: "connection cap", for each that the proxy names; the rest are answered."""
    async with nothing_changes(narrow, carol):
        held = [await _begin(narrow, OTHER, one) for one in (HOUSE, SAME_HOUSE)]

        async def crowded() -> bool:
            said = await _said(narrow, "GET /nodeinfo/2.1 HTTP/1.1", f"{ONE}, {HOUSE}")
            assert said.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 200 "))
            return b" 503 " in said.split(b"\r\n")[0] and b"Retry-After: 60" in said and b'"crowded"' in said

        await eventually(crowded)
        for other in (ONE, OTHER, NEXT_HOUSE, "10.0.0.9", "x"):
            assert (await _said(narrow, "GET /nodeinfo/2.1 HTTP/1.1", other)).startswith(b"HTTP/1.1 200 "), other
        for reader, writer in held:
            writer.write(b"{}")
            assert b" 401 " in await asyncio.wait_for(reader.readline(), 8)
            writer.close()

        async def room() -> bool:
            return (await _said(narrow, "GET /nodeinfo/2.1 HTTP/1.1", HOUSE)).startswith(b"HTTP/1.1 200 ")

        await eventually(room)


async def test_a_stranger_at_the_port_takes_their_own_places_alone(narrow: Home) -> None:
    """Forged names neither free a place of theirs nor take one of somebody else's."""
    held = [await _begin(narrow, said, peer=STRANGER) for said in (ONE, ONE)]
    answer = await _said(narrow, "GET /nodeinfo/2.1 HTTP/1.1", OTHER, peer=STRANGER)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert (await _said(narrow, "GET /nodeinfo/2.1 HTTP/1.1", ONE)).startswith(b"HTTP/1.1 200 ")
    for _, writer in held:
        writer.close()


LIES = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}


async def test_a_proxy_is_believed_on_the_address_alone(behind: Home, carol: Stranger) -> None:
    """What a signature is for, and what we are called, is said by base_url, whoever claims otherwise."""
    await greet(behind, carol)
    activity = carol.say("through the proxy", behind.node.ids.actor)
    lies = [*LIES.items(), ("X-Forwarded-For", ONE)]
    assert (await carol.deliver(activity, to=behind.base, tamper=lambda headers: [*headers, *lies])).status == 202
    assert await behind.shows("through the proxy")
    body = json.dumps(carol.say("elsewhere", behind.node.ids.actor)).encode()
    moved = carol.signed("POST", "http://evil.example/inbox", body)
    refused = await carol.send(
        "POST",
        behind.base + "/inbox",
        [*moved, ("Content-Type", AP), ("X-Forwarded-Host", behind.settings.listen)],
        body,
    )
    assert (refused.status, refused.code) == (401, "wrong_host")
