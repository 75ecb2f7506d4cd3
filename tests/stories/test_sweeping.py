"""Strangers flood, time goes on: what nobody refers to is gone, and whoever speaks again is heard as new."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from node import sweeping
from node.app import _evidence
from node.federation import quota
from node.federation.examine import Examiner
from node.model import Iri, Post, Verdict
from node.storage import actors as stored
from node.storage import bookmarks, notes
from node.storage import schema as tables
from tests.media.test_cache import _files, _look, _serving
from tests.support.attack import greet
from tests.support.clock import FakeClock
from tests.support.following import follows, said
from tests.support.homes import Home, eventually, settle_in
from tests.support.pictures import with_metadata
from tests.support.stranger import Json, Place, Stranger

MONTH = timedelta(days=31)


def _tagged(author: Stranger, words: str, **more: object) -> Json:
    """A Create of a public post that comes here by its hashtag, which the owner follows."""
    tag = [{"type": "Hashtag", "name": "#wren", "href": f"{author.place.base}/t"}]
    note = author.note(words, tag=tag, **more)
    return author.create(author.prove(note) if author.proofs else note)


async def _arrives(home: Home, author: Stranger, activity: Json) -> Post:
    reply = await author.deliver(activity, home.base, at=home.clock())
    assert reply.verdict == (202, None)
    found = await _find(home, activity)
    assert found is not None
    return found


async def _find(home: Home, activity: Json) -> Post | None:
    note = activity["object"]
    assert isinstance(note, dict)
    async with home.node.store.read() as tx:
        return await notes.get(tx, Iri(str(note["id"])))


async def _knows(home: Home, who: Stranger) -> bool:
    async with home.node.store.read() as tx:
        return await stored.get(tx, who.iri) is not None


async def test_after_a_flood_everything_is_as_before(
    alice: Home, carol: Stranger, place: Place, clock: FakeClock
) -> None:
    """security.md §10: "TTL for remote objects nobody here refers to": no row is left but keys."""
    await alice.node.owner.follow_tag("wren")
    await follows(alice, carol)
    friend = await _arrives(alice, carol, _tagged(carol, "a friend"))
    clock.forward(timedelta(hours=1))
    before = await alice.rows()
    flooders = [place.stranger(f"flooder{number}", proofs=number % 2 == 0) for number in range(6)]
    for who in flooders:
        created = _tagged(who, "flood", attachment=[{"type": "Image", "url": f"{place.base}/x.png"}])
        await _arrives(alice, who, created)
        about = created["object"]
        assert isinstance(about, dict)
        edited = {**about, "content": "edited", "updated": "2031-01-01T00:00:00Z"}
        edited.pop("proof", None)
        for activity in (
            who.activity("Update", who.prove(edited) if who.proofs else edited),
            who.activity("Like", about["id"]),
            who.activity("Announce", about["id"]),
            who.activity("Delete", who.new_id()),
        ):
            assert (await who.deliver(activity, alice.base, at=clock())).status == 202
    await alice.node.owner.timeline(limit=80)
    grown = await alice.rows()
    assert all(grown[name] > before[name] for name in ("notes", "activities", "actors", "keys", "reactions", "home"))
    clock.forward(timedelta(days=29))
    assert (await alice.node.sweeper.sweep())["posts"] == 0, "not before its time"
    clock.forward(timedelta(days=2))
    gone = await alice.node.sweeper.sweep()
    assert gone["posts"] == gone["people"] == len(flooders)
    after = await alice.rows()
    assert {name for name, rows in after.items() if rows > before[name]} == {"keys", "tombstones"}
    clock.forward(timedelta(days=90))
    await alice.node.sweeper.sweep()
    assert (await alice.rows())["tombstones"] == before["tombstones"]
    assert await alice.texts() == [friend.note.content]
    async with alice.node.store.read() as tx:
        assert await stored.get(tx, carol.iri)


async def test_what_is_gone_may_come_again(alice: Home, carol: Stranger, dave: Stranger, clock: FakeClock) -> None:
    """The same activity, delivered again, is taken as new, with its verdict; its author is met again for it."""
    await alice.node.owner.follow_tag("wren")
    spoken = [(who, _tagged(who, f"a wren, says {who.name}")) for who in (carol, dave)]
    first = {who.name: await _arrives(alice, who, activity) for who, activity in spoken}
    clock.forward(MONTH)
    await alice.node.sweeper.sweep()
    for who, activity in spoken:
        assert await _find(alice, activity) is None
        assert not await _knows(alice, who)
        again = await _arrives(alice, who, activity)
        assert again.authorship.verdict is first[who.name].authorship.verdict
        assert again.authorship.key == first[who.name].authorship.key
        assert again.authorship.key_since == first[who.name].authorship.key_since, "the key was known all the time"
        assert again.note == first[who.name].note
        assert await alice.shows(who.name)
    await alice.node.sweeper.sweep()
    assert await _find(alice, spoken[1][1]), "it has its time again"


async def test_a_pin_outlives_its_account(alice: Home, dave: Stranger, mallory: Stranger, clock: FakeClock) -> None:
    """key-history.md §7: whoever takes over the address of somebody forgotten gets no fresh first use."""
    await alice.node.owner.follow_tag("wren")
    post = await _arrives(alice, dave, _tagged(dave, "the true one"))
    assert post.authorship.verdict is Verdict.SIGNED
    clock.forward(MONTH)
    await alice.node.sweeper.sweep()
    assert not await _knows(alice, dave)
    true, dave.identity = dave.identity, mallory.identity
    dave.publish()
    forged = await _arrives(alice, dave, _tagged(dave, "the forger"))
    assert forged.authorship.verdict is Verdict.CHANGED
    dave.identity = true
    dave.publish()
    clock.forward(timedelta(hours=1))
    again = await _arrives(alice, dave, _tagged(dave, "the true one again"))
    assert again.authorship.verdict is Verdict.SIGNED
    assert again.authorship.key_since == post.authorship.key_since


async def test_the_evidence_of_what_stays_verifies(
    alice: Home, carol: Stranger, dave: Stranger, place: Place, clock: FakeClock
) -> None:
    """Issue 2: a saved post verifies offline; so does one whose author has long been silent, and one saved before."""
    await alice.node.owner.follow_tag("wren")
    flood = [await _arrives(alice, carol, _tagged(carol, f"flood {number}")) for number in range(3)]
    kept = [await _arrives(alice, who, _tagged(who, "kept")) for who in (carol, dave)]
    async with alice.node.store.write() as tx:
        for post in kept:
            await bookmarks.add(tx, post.id, post.id)
    gone = await _arrives(alice, place.stranger("erin"), _tagged(place.stranger("erin"), "gone"))
    saved_before = await _evidence(alice.node, gone)
    clock.forward(MONTH)
    assert (await alice.node.sweeper.sweep())["posts"] == len(flood) + 1
    await place.hang_up()
    examiner = Examiner(
        alice.node.store,
        alice.node.actors,
        alice.node.fetcher,
        alice.node.documents,
        ids=alice.node.ids,
        own_key=alice.node.keys.identity.public,
        clock=clock,
        offline=True,
    )
    bundles = [await _evidence(alice.node, post) for post in kept]
    verdicts = [(await examiner.file(json.dumps(one).encode())).verdict for one in (*bundles, saved_before)]
    assert verdicts == [Verdict.VOUCHED, Verdict.SIGNED, Verdict.VOUCHED]


async def test_pictures_go_with_what_showed_them(
    alice: Home, carol: Stranger, place: Place, clock: FakeClock, tmp_path: Path
) -> None:
    """What else shows the same picture has it fetched again, under the same address; apps may have kept that."""
    await alice.node.owner.follow_tag("wren")
    place.documents["/wren.jpg"] = _serving(with_metadata("JPEG", size=(90, 60)))
    url = f"{place.base}/wren.jpg"
    shown = [{"type": "Image", "mediaType": "image/jpeg", "url": url}]
    await _arrives(alice, carol, _tagged(carol, "look", attachment=shown))
    address = alice.node.remote_media.address(url)
    assert (await _look(carol, address)).status == 200
    assert _files(alice)
    clock.forward(MONTH)
    await alice.node.sweeper.sweep()
    assert _files(alice) == []
    assert (await _look(carol, address)).status == 200
    assert place.asked["/wren.jpg"] == 2


async def test_what_is_taken_up_while_a_sweep_goes_on_stays(
    alice: Home, carol: Stranger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was found to be needed by nobody, and is asked about again when its turn comes."""
    await alice.node.owner.follow_tag("wren")
    posts = [await _arrives(alice, carol, _tagged(carol, f"number {number}")) for number in range(4)]
    clock.forward(MONTH)
    monkeypatch.setattr(sweeping, "AT_ONCE", 1)

    async def first_gone() -> bool:
        return (await alice.rows())["notes"] < len(posts)

    async with asyncio.timeout(30):
        sweep = asyncio.create_task(alice.node.sweeper.sweep())
        await eventually(first_gone)
        await alice.node.interactions.like(posts[-1].note.iri)
        assert (await sweep)["posts"] == len(posts) - 1
    assert await alice.shows("number 3")


async def test_somebody_speaks_while_they_are_forgotten(
    alice: Home, carol: Stranger, dave: Stranger, clock: FakeClock
) -> None:
    """A delivery that was let in under a key in memory, and found its account gone, is applied a moment later."""
    await alice.node.owner.follow_tag("wren")
    await greet(alice, dave)
    first = await _arrives(alice, carol, _tagged(carol, "before"))
    async with alice.node.store.write() as tx:  # as a sweep does it, before it tells anybody
        await tx.execute(delete(tables.notes).where(tables.notes.c.id == first.id))
        await tx.execute(delete(tables.actors).where(tables.actors.c.iri == carol.iri))
    late = _tagged(carol, "in between")
    assert (await carol.deliver(late, alice.base)).status == 202
    alice.node.actors.forget_cached()
    clock.forward(timedelta(minutes=1))
    await alice.node.inbox.retry()
    assert await _find(alice, late)
    await greet(alice, dave)


async def test_the_node_sweeps_by_itself(
    alice: Home, carol: Stranger, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some minutes after its start, and then once a day."""
    await alice.node.owner.follow_tag("wren")
    activity = _tagged(carol, "for a while")
    await _arrives(alice, carol, activity)
    clock.forward(MONTH)
    monkeypatch.setattr(sweeping, "FIRST", 0.01)
    await alice.restart()

    async def gone() -> bool:
        return await _find(alice, activity) is None and not await _knows(alice, carol)

    await eventually(gone)
    await _arrives(alice, carol, activity)


async def test_nothing_goes_when_everything_is_to_be_kept(tmp_path: Path, carol: Stranger, clock: FakeClock) -> None:
    """`keep_remote_days = 0`."""
    home = await settle_in(tmp_path, "alice", clock=clock, keep_remote_days=0)
    try:
        await home.start()
        await home.node.owner.follow_tag("wren")
        await _arrives(home, carol, _tagged(carol, "for ever"))
        clock.forward(timedelta(days=9_000))
        before = await home.rows()
        assert await home.node.sweeper.sweep() == {}
        assert await home.rows() == before
    finally:
        await home.stop()


async def test_a_restart_makes_no_new_room(
    alice: Home, carol: Stranger, mallory: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was kept of a server's strangers today counts today, also after the node was started again."""
    monkeypatch.setattr(quota, "ROOM", 20_000)
    await alice.restart()
    me = alice.node.ids.actor
    await follows(alice, carol)
    for words in ("x", "y"):
        assert (await mallory.deliver(mallory.say(words * 8_000, me), alice.base)).status == 202
    await carol.deliver(carol.create(carol.note("f" * 30_000)), alice.base)
    await alice.restart()

    async def counted() -> bool:
        return bool(alice.node.actors.quota._each._used)

    await eventually(counted)
    assert set(alice.node.actors.quota._each._used) == {f"127.0.0.1:{mallory.place.port}"}
    assert (await mallory.deliver(mallory.say("z" * 8_000, me), alice.base)).verdict == (503, "busy")
    await greet(alice, carol)


async def test_many_servers_have_no_more_room_than_one_that_is_large(
    alice: Home, carol: Stranger, mallory: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names cost nothing: a quota for each server alone is none. Where the owner follows somebody, people are heard."""
    monkeypatch.setattr(quota, "ROOM", 20_000)
    monkeypatch.setattr(quota, "ALL", 1)
    await alice.restart()
    await follows(alice, carol)
    neighbour = carol.place.stranger("neighbour")
    me = alice.node.ids.actor
    async with Place() as third, Place() as fourth:
        verdicts = [
            (await who.deliver(who.say("x" * 7_000, me), alice.base)).verdict
            for who in (mallory, third.stranger("erin"), fourth.stranger("frank"))
        ]
    assert verdicts == [(202, None), (202, None), (503, "busy")]
    await greet(alice, neighbour)
    await greet(alice, carol)


async def test_deletions_do_not_fill_the_disk(
    alice: Home, carol: Stranger, mallory: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each leaves a tombstone, of posts too that never were: so they have a measure, apart from what is said."""
    monkeypatch.setattr(quota, "ROOM_FOR_DELETIONS", 2_000)
    await alice.restart()
    await greet(alice, mallory)
    verdicts = {
        (await mallory.deliver(mallory.activity("Delete", mallory.new_id()), alice.base)).verdict for _ in range(20)
    }
    assert verdicts == {(202, None), (503, "busy")}
    async with alice.node.store.read() as tx:
        assert len((await tx.execute(select(tables.tombstones))).all()) < 10
    await greet(alice, mallory)
    await follows(alice, carol)
    assert (await said(alice, "mine")).own
