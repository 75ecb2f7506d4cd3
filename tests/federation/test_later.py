"""What waits to be done (again): an odd or slow answer of one server keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from node.storage import chores
from tests.support.attack import greet
from tests.support.homes import Home, eventually
from tests.support.outboxes import follow, written
from tests.support.stranger import AP, Place, Stranger

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
