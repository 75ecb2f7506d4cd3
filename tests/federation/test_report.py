"""Reports and blocks that go out: to whom, in whose name, and what is owed to nobody any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from node.errors import NotAllowed, NotFound
from node.model import Draft
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.following import follows
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import Place, Received, Stranger


async def followed_by(home: Home, who: Stranger) -> None:
    assert (await who.deliver(who.activity("Follow", home.node.ids.actor), home.base)).status == 202
    await home.quiet()
    who.place.received.clear()


# ── reports ──────────────────────────────────────────────────────────────────────────────────


async def test_a_report_goes_to_the_server_of_whom_it_is_about(alice: Home, place: Place, mallory: Stranger) -> None:
    """federation.md §7: Flag, from the server actor, to the account's server; the account first, then posts."""
    spammer = place.stranger("spammer", shared_inbox=True)
    await greet(alice, spammer)
    await greet(alice, mallory)
    post = (await alice.said_to_me())[-1]
    place.received.clear()
    done = await alice.node.moderation.report(spammer.handle, posts=[str(post.id)], comment=" advertising ")
    await alice.quiet()
    assert done.hosts == (f"127.0.0.1:{place.port}",)
    flag = place.of_type("Flag")[0]
    assert flag.path == "/inbox"
    assert flag.json["actor"] == alice.node.ids.server_actor
    assert flag.json["object"] == [spammer.iri, post.note.iri]
    assert (flag.json["content"], flag.json["to"]) == ("advertising", [spammer.iri])
    assert alice.node.ids.server_key in flag.headers["Signature"] + flag.headers.get("Signature-Input", "")
    assert alice.node.ids.actor + '"' not in flag.body.decode()  # nothing names the owner
    assert mallory.place.of_type("Flag") == []
    assert await alice.node.interactions.reports() == []  # those are what others reported
    assert (await mallory.get(str(flag.json["id"]))).status == 404


async def test_a_report_is_forwarded_to_those_who_were_answered(
    alice: Home, carol: Stranger, mallory: Stranger
) -> None:
    """`--forward`: whose people a bad answer was meant for may want to know."""
    await follows(alice, carol)
    note = carol.note("good morning")
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    bad = mallory.note("bad answer", to=[alice.node.ids.actor], inReplyTo=note["id"])
    assert (await mallory.deliver(mallory.create(bad), alice.base)).status == 202
    await alice.node.moderation.block(mallory.iri)
    with pytest.raises(NotFound):  # what is blocked is not here any more: report first
        await alice.node.moderation.report(mallory.iri, posts=[str(bad["id"])])
    await alice.node.moderation.unblock(mallory.iri)
    for forward, hosts in ((False, 1), (True, 2)):
        done = await alice.node.moderation.report(mallory.iri, posts=[str(bad["id"])], forward=forward)
        assert len(done.hosts) == hosts
    await alice.quiet()
    assert len(carol.place.of_type("Flag")) == 1


async def test_a_report_says_only_what_is_so(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """Nobody is reported for what somebody else wrote."""
    await greet(alice, carol)
    await greet(alice, mallory)
    others = next(post for post in await alice.said_to_me() if post.note.author == carol.iri)
    with pytest.raises(NotAllowed):
        await alice.node.moderation.report(mallory.iri, posts=[str(others.id)])
    with pytest.raises(NotAllowed):
        await alice.node.moderation.report(alice.node.ids.actor)
    with pytest.raises(NotAllowed):
        await alice.node.moderation.report(mallory.iri, comment="x" * 1001)
    await alice.quiet()
    assert mallory.place.of_type("Flag") == []


async def test_a_node_of_ours_shows_it_to_its_owner(alice: Home, bob: Home) -> None:
    """Flag, both ways: what one node sends the other reads."""
    await alice.node.moderation.report(bob.node.ids.actor, comment="too loud")

    async def there() -> bool:
        return bool(await bob.node.interactions.reports())

    await eventually(there)
    report = (await bob.node.interactions.reports())[0]
    assert (report.actor, report.about, report.comment) == (
        alice.node.ids.server_actor,
        (bob.node.ids.actor,),
        "too loud",
    )


# ── blocks ───────────────────────────────────────────────────────────────────────────────────


async def test_the_server_of_a_blocked_account_is_told_once_and_told_again_when_it_is_over(
    alice: Home, carol: Stranger
) -> None:
    """federation.md §7: Block and its Undo, to the account's own inbox; follows end on both sides."""
    await followed_by(alice, carol)
    await follows(alice, carol)
    for _ in range(2):
        await alice.node.moderation.block(carol.handle)
    await alice.quiet()
    block = [item for item in carol.place.received if item.json["type"] == "Block"]
    assert [(item.path, item.json["object"], item.json["to"]) for item in block] == [
        (f"/users/{carol.name}/inbox", carol.iri, [carol.iri])
    ]
    assert await alice.node.owner.followers() == await alice.node.owner.following() == []
    await alice.node.moderation.unblock(carol.handle)
    await alice.quiet()
    undo = carol.place.of_type("Undo")[-1].json
    assert isinstance(undo["object"], dict)
    assert (undo["object"]["type"], undo["object"]["id"]) == ("Block", block[0].json["id"])
    assert (await carol.get(str(block[0].json["id"]))).status == 404


async def test_whom_one_blocks_next_is_no_reason_to_forget_who_was_told_nothing_yet(
    alice: Home, carol: Stranger, place: Place
) -> None:
    """federation.md §7, §9: their server is down; what parts us is owed to it whatever is blocked meanwhile."""
    dave = place.stranger("dave")
    for one in (carol, dave):
        await followed_by(alice, one)
    place.answer = 503
    await alice.node.moderation.block(carol.handle)
    for whom in (dave.handle, carol.handle, "unheard.of.example"):
        await alice.node.moderation.block(whom)
    place.answer = 202
    place.received.clear()
    alice.clock.forward(timedelta(hours=2))
    alice.node.delivery.wake()
    await alice.quiet()
    told = sorted((item.path, str(item.json["type"])) for item in place.received)
    assert told == [(f"/users/{one.name}/inbox", what) for one in (carol, dave) for what in ("Block", "Reject")]


async def test_what_parts_us_from_a_blocked_domain_is_owed_whoever_is_blocked_next(
    alice: Home, carol: Stranger, place: Place
) -> None:
    """federation.md §9: the same, of a whole server that is down."""
    await followed_by(alice, carol)
    place.answer = 503
    await alice.node.moderation.block(f"127.0.0.1:{place.port}")
    await alice.node.moderation.block("unheard.of.example")
    place.answer = 202
    place.received.clear()
    alice.clock.forward(timedelta(hours=2))
    alice.node.delivery.wake()
    await alice.quiet()
    assert [str(item.json["type"]) for item in place.received] == ["Reject"]


@pytest.mark.parametrize("how", ["the setting is off", "a domain", "an imported list"])
async def test_nobody_is_told_otherwise(
    tmp_path: Path, clock: FakeClock, carol: Stranger, place: Place, how: str
) -> None:
    """README, `send_blocks`: blocked domains and imported lists are never told, nor anybody when it is off."""
    home = await settle_in(tmp_path, "quiet", clock=clock, send_blocks=how != "the setting is off")
    try:
        await home.start()
        await followed_by(home, carol)
        if how == "an imported list":
            await home.node.moderation.import_blocks(f"Account address\n{carol.handle[1:]}\n")
        else:
            await home.node.moderation.block(carol.iri if how == "the setting is off" else f"127.0.0.1:{place.port}")
        await home.quiet()
        assert [item.json["type"] for item in place.received] == ["Reject"]
    finally:
        await home.stop()


@pytest.fixture
async def slow(place: Place) -> AsyncIterator[asyncio.Event]:
    """A server that answers deliveries when it is told to."""
    from aiohttp import web

    go = asyncio.Event()

    async def answer(_item: Received) -> web.StreamResponse:
        await go.wait()
        return web.Response(status=202)

    place.answer = answer
    yield go
    go.set()


async def test_what_waits_for_those_who_are_blocked_is_dropped(
    alice: Home, place: Place, slow: asyncio.Event, mallory: Stranger
) -> None:
    """Deliveries queued for a host that gets blocked do not go out any more, also those already in hand."""
    one, two = place.stranger("one"), place.stranger("two")
    slow.set()
    for who in (one, two, mallory):
        await followed_by(alice, who)
    slow.clear()
    for number in range(4):
        await alice.node.owner.post(Draft(f"post {number}"))
    await eventually(lambda: _length(place, 2))  # two at a time: the rest waits
    await alice.node.moderation.block(f"127.0.0.1:{place.port}")
    slow.set()
    await alice.quiet()
    kinds = [item.json["type"] for item in place.received]
    assert kinds.count("Create") == 2
    assert kinds.count("Reject") == 2
    assert len(mallory.place.of_type("Create")) == 4


async def test_what_waits_for_one_account_is_dropped_with_it(alice: Home, carol: Stranger, clock: FakeClock) -> None:
    """A server that was down gets nothing for an account that was blocked meanwhile; its neighbour gets theirs."""
    neighbour = carol.place.stranger("neighbour")
    await followed_by(alice, carol)
    await followed_by(alice, neighbour)
    carol.place.answer = 503
    await alice.node.owner.post(Draft("while you were out"))
    await eventually(lambda: _length(carol.place, 1))
    await asyncio.sleep(0.2)
    await alice.node.moderation.block(carol.iri)
    carol.place.received.clear()
    carol.place.answer = 202
    clock.forward(timedelta(hours=3))
    alice.node.delivery.wake()
    await alice.quiet()
    creates = carol.place.of_type("Create")
    assert {item.path for item in creates} == {f"/users/{neighbour.name}/inbox"}


async def _length(place: Place, least: int) -> bool:
    return len(place.received) >= least
