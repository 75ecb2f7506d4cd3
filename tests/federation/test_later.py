"""What waits to be done (again): an odd or slow answer of one server keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from node import errands
from node.federation import backfill
from node.model import Draft, Tell
from node.storage import chores
from tests.support.attack import greet
from tests.support.homes import Home, eventually
from tests.support.outboxes import Outbox, follow, written
from tests.support.stranger import AP, Place, Stranger, never

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _raw(*headers: bytes, body: bytes) -> Served:
    """An answer whose headers are these bytes, text or not."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        head = (b"HTTP/1.1 200 OK", *headers, b"Content-Length: %d" % len(body), b"Connection: close", b"", body)
        request.transport.write(b"\r\n".join(head))
        request.transport.close()
        return web.Response()

    return answer


async def _renames(home: Home, friend: Stranger, name: str) -> None:
    """Somebody changes their profile, which is fetched from their server."""
    friend.extra = {"name": name}
    friend.publish()
    assert (await friend.deliver(friend.activity("Update", friend.document()), home.base)).status == 202


async def _is_called(home: Home, friend: Stranger, name: str) -> None:
    async def renamed() -> bool:
        return (await home.node.owner.people([friend.iri]))[friend.iri].actor.name == name

    await eventually(renamed)


async def test_an_answer_in_odd_bytes_keeps_nobody_waiting(
    alice: Home, carol: Stranger, mallory: Stranger, elsewhere: Place
) -> None:
    """house.md, batches: one that cannot be done is retried alone, and parked with its reason; whatever bytes that
    reason is made of, its neighbours never notice."""
    await greet(alice, carol)
    await greet(alice, mallory)
    path = urlsplit(mallory.iri).path
    elsewhere.asked.clear()
    elsewhere.documents[path] = _raw(b"Content-Type: text/\xff\xfe", body=b"{}")
    assert (await mallory.deliver(mallory.activity("Update", mallory.document()), alice.base)).status == 202

    async def asked() -> bool:
        return elsewhere.asked[path] > 0

    await eventually(asked)
    await _renames(alice, carol, "Caroline")
    await _is_called(alice, carol, "Caroline")
    await asyncio.sleep(1)
    assert elsewhere.asked[path] == 1  # and not again and again


async def test_a_server_that_never_answers_keeps_nobody_waiting(
    alice: Home, carol: Stranger, place: Place, elsewhere: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 2: "dead or slow ones delay only themselves". So here: people on a server that hangs change their
    profiles, one after another, and are asked for before carol is."""
    crowd = [elsewhere.stranger(f"slow{number}") for number in range(12)]
    for one in (carol, *crowd):
        await greet(alice, one)
    monkeypatch.setattr(alice.node.client, "_total_timeout", 1.0)  # ten seconds, to everybody else
    for one in crowd:
        elsewhere.documents[urlsplit(one.iri).path] = never
    for one in crowd:
        assert (await one.deliver(one.activity("Update", one.document()), alice.base)).status == 202
    await _renames(alice, carol, "Caroline")
    await _is_called(alice, carol, "Caroline")


async def test_an_entity_tag_in_odd_bytes_is_done_without(alice: Home, carol: Stranger, place: Place) -> None:
    """RFC 9110 §8.8.3: an entity tag may hold bytes that are no text (obs-text); the outbox it comes with is read all
    the same, once."""
    outbox = f"{carol.iri}/outbox"
    page = {"id": outbox, "type": "OrderedCollection", "orderedItems": written(carol, 3)}
    headers = f"Content-Type: {AP}".encode(), b'ETag: "\xff\xfe"'
    place.documents[urlsplit(outbox).path] = _raw(*headers, body=json.dumps(page).encode())
    backfilled: list[str] = []
    alice.node.events.subscribe(lambda tell: backfilled.append(tell.subject) if tell.kind == "backfilled" else None)
    await follow(alice, carol)

    async def done() -> bool:
        return bool(backfilled)

    await eventually(done)
    assert len(await alice.texts()) == 3
    async with alice.node.store.read() as tx:
        assert await chores.get(tx, chores.OUTBOX, carol.iri) is None


async def test_what_cannot_even_be_put_off_is_not_done_again_at_once(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the database, or the disk is full: what was fetched cannot be stored, nor that it was.
    Nobody's server is asked again and again meanwhile, and with room again it is done."""
    await alice.stop()
    monkeypatch.setattr("node.storage.store.BUSY_MS", 20)
    await alice.start()
    outbox = Outbox(carol, written(carol, 3))
    wanted = (await alice.node.owner.follow(carol.iri)).activity
    other = sqlite3.connect(alice.settings.data / "cuicui.db", isolation_level=None)
    asked = asyncio.Event()

    async def locks(request: web.Request) -> web.StreamResponse:
        if not asked.is_set():
            other.execute("BEGIN IMMEDIATE")
            asked.set()
        return await outbox.answer(request)

    carol.place.documents[urlsplit(f"{carol.iri}/outbox").path] = locks
    monkeypatch.setattr(backfill, "NAP", 2.0)
    assert (await carol.deliver(carol.activity("Accept", wanted), alice.base)).status == 202
    await asyncio.wait_for(asked.wait(), 8)
    try:
        await asyncio.sleep(1.5)
        assert len(outbox.pages) <= 1, outbox.pages
    finally:
        other.execute("ROLLBACK")
        other.close()
    await eventually(lambda: alice.shows("post 3 of carol"))


async def test_a_planned_post_that_cannot_be_published_is_not_dropped_in_silence(alice: Home) -> None:
    """The owner sees it in the list, and why; and can give it another time."""
    planned = await alice.node.schedule.plan(Draft("in vain"), alice.clock() + timedelta(minutes=6))
    other = sqlite3.connect(alice.settings.data / "cuicui.db", isolation_level=None)
    other.execute("CREATE TRIGGER x BEFORE INSERT ON notes BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")

    for number, wait in enumerate((timedelta(minutes=7), *errands.RETRIES)):
        alice.clock.forward(wait)
        alice.node.events.publish([Tell("errand", "")])  # it sleeps by its own clock, not by the one put forward

        async def tried(number: int = number) -> bool:
            async with alice.node.store.read() as tx:
                chore = await chores.get(tx, chores.SCHEDULED, str(planned.id))
            return chore is None or chore.attempts > number

        await eventually(tried)
    other.execute("DROP TRIGGER x")
    other.close()
    problem = (await alice.node.schedule.get(planned.id)).problem
    assert problem is not None
    assert "disk is full" in problem
    await alice.node.schedule.move(planned.id, alice.clock() + timedelta(minutes=6))
    alice.clock.forward(timedelta(minutes=7))
    alice.node.events.publish([Tell("errand", "")])
    await eventually(lambda: alice.shows("in vain"))
