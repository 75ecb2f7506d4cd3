"""A node comes back after a week, and finds everything there."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import datetime, timedelta

import pytest
from aiohttp import web

from node.model import Post
from node.reading import Recovered
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually
from tests.support.outboxes import Outbox, follow, host, written
from tests.support.stranger import PUBLIC, Json, Place, Stranger, stamp

WEEK = timedelta(days=7)


async def caught_up(home: Home) -> Recovered:
    async def over() -> Recovered | None:
        found = await home.node.reading.last_absence()
        return found if found is not None and found.over else None

    found = await eventually(over, within=15.0)
    assert found is not None
    return found


def words(posts: list[Post]) -> list[str]:
    return [post.note.content.removeprefix("<p>").removesuffix("</p>") for post in posts]


async def test_a_week_offline(
    alice: Home, clock: FakeClock, carol: Stranger, dave: Stranger, mallory: Stranger, elsewhere: Place
) -> None:
    """Issue 3: "You were away 19 days: 412 posts by 38 people recovered; 2 could not be reached"; no storm."""
    for friend in (carol, dave, mallory):
        Outbox(friend, [])
        await follow(alice, friend)
    await alice.idle()
    await alice.stop()
    gone = clock()
    clock.forward(WEEK)
    by_carol = written(carol, 45, newest=clock() - timedelta(hours=1))
    old = written(carol, 5, newest=gone - timedelta(days=2))
    original = host(dave, dave.prove(dave.note("an old gem", published=stamp(gone - timedelta(days=90)))))
    boost = dave.activity("Announce", original["id"], published=stamp(clock() - timedelta(days=1)), to=[PUBLIC])
    Outbox(carol, [*by_carol, *old])
    Outbox(dave, [boost, *written(dave, 3, newest=clock() - timedelta(days=2))])
    await elsewhere.hang_up()

    told: list[str] = []
    await alice.start()
    alice.node.events.subscribe(lambda tell: told.append(tell.kind))
    found = await caught_up(alice)
    await elsewhere.listen()
    assert (found.posts, found.people) == (45 + 3 + 1, 2)
    assert list(found.unreachable) == [mallory.iri]
    assert found.sentence == "You were away 7 days: 49 posts by 2 people recovered; 1 could not be reached."
    assert "note" not in told

    posts = await alice.node.owner.timeline(limit=80)
    assert words(posts)[:3] == ["post 45 of carol", "post 44 of carol", "post 43 of carol"]
    assert "an old gem" in words(posts)
    assert len(posts) == 45 + 3 + 1, "what was there before the absence is not brought home"
    assert [stamp(post.note.published or gone) for post in posts if post.author.iri == carol.iri] == [
        item["published"] for item in by_carol
    ]
    assert await alice.node.reading.last_absence(once=True) == found
    assert await alice.node.reading.last_absence(once=True) is None, "it is told once"


async def test_whoever_could_not_be_reached_is_asked_again(
    alice: Home, clock: FakeClock, carol: Stranger, place: Place
) -> None:
    """A server that is down when the node comes back loses nothing: its posts come when it is up."""
    Outbox(carol, [])
    await follow(alice, carol)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    Outbox(carol, written(carol, 2, newest=clock() - timedelta(days=1)))
    await place.hang_up()
    await alice.start()
    assert (await caught_up(alice)).unreachable == (carol.iri,)
    await place.listen()
    clock.forward(timedelta(minutes=5))
    await alice.restart()

    async def reached() -> bool:
        found = await alice.node.reading.last_absence()
        return found is not None and found.unreachable == () and found.posts == 2

    await eventually(reached)


async def test_a_node_that_is_stopped_half_way_goes_on(alice: Home, clock: FakeClock, carol: Stranger) -> None:
    """Issue 3: "Resumable: killed half-way, it goes on"; and nothing is there twice."""
    Outbox(carol, [])
    await follow(alice, carol)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    outbox = Outbox(carol, written(carol, 100, newest=clock() - timedelta(hours=1)), size=10)
    stuck = asyncio.Event()
    path = next(path for path in carol.place.documents if path.endswith("/outbox"))

    async def breaks_down(request: web.Request) -> web.StreamResponse:
        if request.query.get("page") == "6":
            stuck.set()
            await asyncio.sleep(3600)
        return await outbox.answer(request)

    carol.place.documents[path] = breaks_down
    await alice.start()
    await asyncio.wait_for(stuck.wait(), 8)
    await alice.stop()
    carol.place.documents[path] = outbox.answer
    await alice.start()
    found = await caught_up(alice)
    assert (found.posts, found.people) == (100, 1)
    assert (await alice.rows())["notes"] == 100


async def test_an_absence_is_not_forgotten_while_the_database_is_locked(
    alice: Home, clock: FakeClock, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the database as the node comes back, and is done before the node has found out that it
    was away: what it notes down first, that it is awake, or on stopping, is not what tells it that it was not."""
    Outbox(carol, [])
    await follow(alice, carol)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    Outbox(carol, written(carol, 5, newest=clock() - timedelta(hours=1)))
    monkeypatch.setattr("node.storage.store.BUSY_MS", 20)
    other = sqlite3.connect(alice.settings.data / "cuicui.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        await alice.start()
        await asyncio.sleep(0.3)
    finally:
        other.execute("ROLLBACK")
        other.close()
    await alice.node.backfill.heartbeat()
    await alice.restart()
    assert (await caught_up(alice)).posts == 5


async def test_a_short_restart_is_no_absence(alice: Home, clock: FakeClock, carol: Stranger) -> None:
    """Nobody is asked anything because a node was started anew."""
    outbox = Outbox(carol, [])
    await follow(alice, carol)
    await alice.idle()
    asked = carol.place.asked.total()
    clock.forward(timedelta(minutes=30))
    await alice.restart()
    await asyncio.sleep(0.3)
    assert await alice.node.reading.last_absence() is None
    assert carol.place.asked.total() == asked
    assert outbox.items == []


async def test_somebody_silent_for_longer_than_usual_is_asked(alice: Home, clock: FakeClock, carol: Stranger) -> None:
    """Issue 3: "a followed author has been silent longer than they usually are"; unchanged pages cost nothing."""
    items = written(carol, 10, every=timedelta(hours=2))
    outbox = Outbox(carol, items)
    await follow(alice, carol)
    await alice.idle()
    day = timedelta(hours=20)
    for _ in range(2):  # awake all the time: no absence
        clock.forward(day / 40)
        await alice.node.backfill.heartbeat()
    await _pass_awake(alice, clock, timedelta(hours=30))

    async def unchanged() -> bool:
        return outbox.unchanged == 1

    await eventually(unchanged)
    await alice.idle()
    lost = written(carol, 1, newest=clock())
    outbox.items = [*lost, *items]
    await _pass_awake(alice, clock, timedelta(hours=30))

    async def home() -> bool:
        posts = await alice.node.owner.timeline(limit=80)
        return posts[0].note.iri == _id(lost[0])

    await eventually(home)
    assert await alice.node.reading.last_absence() is None


async def _pass_awake(home: Home, clock: FakeClock, time: timedelta) -> None:
    """Time goes by while the node runs: its heart beats, and it looks around once."""
    clock.forward(time)
    await home.node.backfill.heartbeat()
    await home.restart()


def _id(create: Json) -> str:
    note = create["object"]
    assert isinstance(note, dict)
    return str(note["id"])


async def test_an_outbox_too_large_to_hold_is_read_twice(alice: Home, clock: FakeClock, carol: Stranger) -> None:
    """Memory is bounded: of a long outbox the newest pages are let go, and asked for again in their turn."""
    Outbox(carol, [])
    await follow(alice, carol)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    newest: datetime = clock() - timedelta(hours=1)
    items = written(carol, 12, newest=newest)
    for item in items:
        note = item["object"]
        assert isinstance(note, dict)
        note["content"] = "<p>" + "x " * 45_000 + "</p>"
        note["attachment"] = [{"type": "Note", "content": "y" * 450_000}]
    outbox = Outbox(carol, items, size=1)
    await alice.start()
    found = await caught_up(alice)
    assert found.posts == 12
    assert outbox.pages.count(0) == 2
    assert outbox.pages.count(11) == 1
