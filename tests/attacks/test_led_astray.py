"""A node that can be led to make requests: by key ids, boosts, redirects, threads in circles (security.md §4, §5)."""

from __future__ import annotations

import asyncio
import socket
import time
from asyncio.selector_events import BaseSelectorEventLoop
from datetime import timedelta

import pytest
from aiohttp import web
from sqlalchemy import select

from node.model import Draft, Iri, Tell, Visibility
from node.storage import schema
from tests.support.attack import greet, nothing_changes
from tests.support.following import follows
from tests.support.homes import Home, eventually
from tests.support.stranger import AP, PUBLIC, Json, Place, Stranger, never

ODD = (
    *("http://10.0.0.1/users/x#main-key", "https://169.254.169.254/latest/meta-data#k", "https://[fd00::1]/k"),
    *("https://[::ffff:10.0.0.1]/k", "https://[64:ff9b::a00:1]/k", "https://[2002:a00:1::]/k", "https://0xa000001/k"),
    *("https://167772161/k", "https://10.1/k", "https://012.0.0.1/k", "https://0.0.0.0/k", "https://[::]/k"),
    *("https://100.64.0.1/k", "https://192.0.0.8/k", "https://224.0.0.1/k", "https://255.255.255.255/k"),
    *("https://user@10.0.0.1/k", "https://10.0.0.1:22/k", "https://intranet.local/k", "https://metadata.internal/k"),
)
"""Where no stranger may send us; in the tests only loopback is allowed."""


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every address that a socket of this process connects to; the connecting itself is left as it is."""
    seen: list[object] = []
    connect = BaseSelectorEventLoop.sock_connect

    async def watched(self: BaseSelectorEventLoop, sock: socket.socket, address: object) -> None:
        seen.append(address)
        await connect(self, sock, address)  # type: ignore[arg-type]

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", watched)
    return seen


@pytest.mark.parametrize("where", ODD)
async def test_a_key_id_leads_nowhere_it_may_not(
    alice: Home, carol: Stranger, mallory: Stranger, dialled: list[object], where: str
) -> None:
    """Mastodon CVE-2026-22245 and its kin: the address is checked as dialled, whatever it was written like."""
    async with nothing_changes(alice, carol):
        dialled.clear()
        began = time.monotonic()
        said = mallory.say("x", alice.node.ids.actor)
        reply = await mallory.deliver(said, alice.base, key_id=where)
        assert reply.status in (400, 401, 503)
        assert reply.code in ("bad_signature_header", "unknown_key", "key_unreachable")
        assert time.monotonic() - began < 5
        assert {address[0] for address in dialled if isinstance(address, tuple)} <= {"127.0.0.1", "::1"}


async def test_a_boost_leads_nowhere_it_may_not(
    alice: Home, carol: Stranger, dave: Stranger, dialled: list[object]
) -> None:
    """The same by way of an activity of somebody whom the owner follows."""
    await follows(alice, dave)
    await greet(alice, carol)
    assert dialled, "carol's key was fetched, and was seen to be"
    dialled.clear()
    for where in ODD:
        boost = dave.activity("Announce", where.partition("#")[0], to=[PUBLIC])
        assert (await dave.deliver(boost, alice.base)).status in (202, 400)
    await alice.node.inbox.retry()
    assert {address[0] for address in dialled if isinstance(address, tuple)} <= {"127.0.0.1", "::1"}
    assert (await alice.texts()) == []
    await greet(alice, carol)


async def _redirect_in(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://10.0.0.1/users/mallory")


async def _redirect_round(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(f"{request.path}?{request.query_string}x")


async def _bomb(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"id": "' + b"x" * (3 << 20) + b'"}', content_type=AP)


async def _page(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="<p>hello</p>", content_type="text/html")


async def _drip(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": AP})
    await answer.prepare(request)
    for _ in range(600):
        await answer.write(b" ")
        await asyncio.sleep(0.1)
    return answer


@pytest.mark.parametrize("answer", [_redirect_in, _redirect_round, _bomb, _page], ids=["in", "round", "bomb", "page"])
async def test_a_key_that_is_not_to_be_had_costs_one_question(
    alice: Home, carol: Stranger, mallory: Stranger, answer: object
) -> None:
    """Fedify CVE-2025-23221, CVE-2026-34148: redirects, sizes and types are bounded, and a no is remembered."""
    mallory.place.documents["/users/mallory"] = answer  # type: ignore[assignment]
    async with nothing_changes(alice, carol):
        replies = [await mallory.deliver(mallory.say("x", alice.node.ids.actor), alice.base) for _ in range(3)]
        assert {reply.status for reply in replies} <= {401, 503}
    assert mallory.place.asked["/users/mallory"] <= 4  # three redirects and no more; then nothing for a while


async def test_a_key_that_drips_keeps_nobody_waiting(
    alice: Home, carol: Stranger, mallory: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mastodon CVE-2023-36461: a deadline for the whole, and meanwhile everybody else is heard."""
    monkeypatch.setattr(alice.node.client, "_total_timeout", 2.0)  # ten seconds, to everybody else
    mallory.place.documents["/users/mallory"] = _drip
    await greet(alice, carol)
    slow = asyncio.ensure_future(mallory.deliver(mallory.say("x", alice.node.ids.actor), alice.base))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await greet(alice, carol)
    assert not slow.done() or time.monotonic() - began > 1.5
    assert time.monotonic() - began < 5
    reply = await asyncio.wait_for(slow, 20)
    assert reply.verdict == (503, "key_unreachable")
    await greet(alice, carol)


async def test_quotes_of_what_does_not_answer_keep_nothing_of_the_owners_waiting(
    alice: Home, mallory: Stranger
) -> None:
    """A stranger may have us look for any number of quoted posts; what the owner scheduled is published meanwhile."""
    mallory.place.documents |= {f"/slow/{number}": never for number in range(20)}
    for number in range(20):
        look = mallory.say(f"look {number}", alice.node.ids.actor, quote=f"{mallory.place.base}/slow/{number}")
        assert (await mallory.deliver(look, alice.base)).status == 202

    async def asked() -> bool:
        return any(path.startswith("/slow/") for path in mallory.place.asked)

    await eventually(asked)
    await alice.node.schedule.plan(Draft("at its time"), alice.clock() + timedelta(hours=1))
    alice.clock.forward(timedelta(hours=1))
    alice.node.events.publish([Tell("errand", "")])  # the clock of tests is put forward and wakes nobody

    async def published() -> bool:
        return bool(await alice.texts())

    await eventually(published)


async def test_conversations_in_circles_end(alice: Home, carol: Stranger, place: Place) -> None:
    """security.md §4, cycles: a reply to itself, two that answer each other; stored, shown, opened, served."""
    await follows(alice, carol)
    first, second, alone = (carol.note(f"round {number}") for number in range(3))
    first["inReplyTo"], second["inReplyTo"], alone["inReplyTo"] = second["id"], first["id"], alone["id"]
    for note in (first, second, alone):
        place.documents[str(note["id"]).removeprefix(place.base)] = note
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    for note in (first, second, alone):
        async with asyncio.timeout(10):
            post = await alice.node.owner.find_post(str(note["id"]))
            assert post is not None
            await alice.node.reading.open_thread(str(post.note.iri))
    await eventually(lambda: alice.shows("round 2"))
    await greet(alice, carol)


async def test_another_posts_address_on_a_post_leads_nobody_to_it(
    alice: Home, carol: Stranger, mallory: Stranger, place: Place, elsewhere: Place
) -> None:
    """security.md §0, rule 1: who writes the id or the page of somebody else's post as the page of their own, and is
    here first, gets no answer that was meant for that one.
    """
    await follows(alice, carol)
    page = f"{place.base}/@carol/1"
    note = carol.note("hers", url=page)
    for address in (str(note["id"]), page):
        assert (await mallory.deliver(mallory.say("mine", alice.node.ids.actor, url=address), alice.base)).status == 202
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    for address in (str(note["id"]), page):
        found = await alice.node.owner.find_post(address)
        assert found is not None
        assert found.note.author == carol.iri
    answered = Iri(str(note["id"]))
    await alice.node.owner.post(Draft("for one", visibility=Visibility.DIRECT, in_reply_to=answered))
    await alice.quiet()
    assert [one.path for one in place.received if b"for one" in one.body] == ["/users/carol/inbox"]
    assert elsewhere.received == []
    unknown = f"{place.base}/@carol/2"
    assert (await mallory.deliver(mallory.say("x", alice.node.ids.actor, url=unknown), alice.base)).status == 202
    assert await alice.node.owner.find_post(unknown) is None, "who stands behind that page says its server"


@pytest.mark.parametrize("name", ["actor", "object", "id", "type", "attributedTo"])
async def test_names_count_as_they_are_written(alice: Home, carol: Stranger, mallory: Stranger, name: str) -> None:
    """security.md §2, "exact case": `Actor` is not `actor`, for whoever checks and for whoever reads."""
    said: Json = mallory.create({**mallory.note("odd", to=[alice.node.ids.actor]), "AttributedTo": carol.iri})
    said = {**said, name.capitalize(): said.get(name, carol.iri), "Actor": carol.iri, "ID": carol.new_id()}
    assert (await mallory.deliver(said, alice.base)).status == 202
    post = await alice.shows("odd")
    assert post is not None
    assert post.note.author == mallory.iri
    without = {key: value for key, value in said.items() if key != name}
    if name in ("actor", "object", "id", "type"):
        async with nothing_changes(alice, carol, but=("actors", "keys", "hosts")):
            assert (await mallory.deliver(without, alice.base)).status in (400, 401, 403)


async def test_an_answer_whose_type_is_no_text_is_told_of_in_text(alice: Home, dave: Stranger) -> None:
    """security.md §4, "SQLite/UTF-8 encode errors": bytes in a header are no reason to ask a server again for ever."""
    await follows(alice, dave)
    asked = 0

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/\xff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(odd, "127.0.0.1", 0) as server:
        where = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/odd"
        assert (await dave.deliver(dave.activity("Announce", where, to=[PUBLIC]), alice.base)).status == 202

        async def put_off() -> bool:
            async with alice.node.store.read() as tx:
                return (await tx.execute(select(schema.arrivals.c.attempts))).scalar_one() == 1

        await eventually(put_off)
    assert asked == 1


async def test_a_date_that_no_calendar_has_is_no_date(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """RFC 9110 §10.2.3: Retry-After is a date or a number. What is neither says nothing, and breaks nothing."""

    async def busy(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, headers={"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"})

    mallory.place.documents["/users/mallory"] = busy
    async with nothing_changes(alice, carol):
        reply = await mallory.deliver(mallory.say("x", alice.node.ids.actor), alice.base)
        assert reply.verdict == (503, "key_unreachable")
