"""Edits and deletions that happened while we were away are found out about, within bounds."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from node.errors import NotFound
from node.federation.corrections import DOUBTS
from node.model import Verdict
from tests.stories.test_a_week_offline import caught_up
from tests.support.clock import FakeClock
from tests.support.homes import Home
from tests.support.outboxes import Outbox, follow, host, written
from tests.support.stranger import AP, AS2, Json, Place, Stranger, stamp

WEEK = timedelta(days=7)


def edited(who: Stranger, create: Json, words: str, at: str) -> Json:
    """The same Create, as an outbox shows it after an edit."""
    assert isinstance(create["object"], dict)
    plain = {key: value for key, value in create["object"].items() if key != "proof"}
    note = {**plain, "content": f"<p>{words}</p>", "updated": at}
    return {**create, "object": who.prove(note) if who.proofs else note}


def note_of(create: Json) -> Json:
    assert isinstance(create["object"], dict)
    return create["object"]


@pytest.mark.parametrize("name", ["carol", "dave"])
async def test_an_absence_brings_edits_and_deletions_too(
    alice: Home, clock: FakeClock, place: Place, name: str
) -> None:
    """Catch-up compares `updated`, and asks after posts that the outbox lists no more: 404, 410 or a Tombstone."""
    friend = place.stranger(name, proofs=name == "dave")
    outbox = Outbox(friend, [])
    await follow(alice, friend)
    posts = written(friend, 6, newest=clock() - timedelta(minutes=1), every=timedelta(minutes=1))
    for create in reversed(posts):
        assert (await friend.deliver(create, alice.base)).status == 202
    outbox.items = list(posts)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    changed = edited(friend, posts[1], "what I meant", stamp(clock() - timedelta(days=1)))
    for create in (posts[0], posts[5]):
        host(friend, note_of(create))
    host(friend, note_of(posts[4]))  # unlisted now, and still there
    stone: Json = {"@context": AS2, "id": note_of(posts[3])["id"], "type": "Tombstone"}
    friend.place.documents[urlsplit(str(stone["id"])).path] = stone
    outbox.items = [*written(friend, 1, newest=clock() - timedelta(hours=1)), posts[0], changed, posts[5]]
    await alice.start()
    await caught_up(alice)
    texts = "".join(await alice.texts())
    assert "what I meant" in texts
    for number, there in ((6, True), (5, False), (4, False), (3, False), (2, True), (1, True)):
        assert (f">post {number} of {name}<" in texts) is there, number
    post = await alice.shows("what I meant")
    assert post is not None
    assert post.authorship.verdict is (Verdict.SIGNED if friend.proofs else Verdict.VOUCHED)
    versions = await alice.node.owner.history(post.note.iri)
    assert [f"post 5 of {name}" in version.content for version in versions] == [True, False]


async def test_what_an_outbox_leaves_out_is_asked_for_within_bounds(
    alice: Home, clock: FakeClock, carol: Stranger
) -> None:
    """security.md §0.10: an outbox that lists nothing does not make us ask for everything."""
    outbox = Outbox(carol, [], size=200)
    await follow(alice, carol)
    posts = written(carol, 2 * DOUBTS, newest=clock(), every=timedelta(seconds=30))
    for create in posts:
        assert (await carol.deliver(create, alice.base)).status == 202
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    outbox.items = [*written(carol, 1, newest=clock() - timedelta(hours=1)), posts[0], posts[-1]]
    carol.place.asked.clear()
    await alice.start()
    await caught_up(alice)
    asked = sum(times for path, times in carol.place.asked.items() if "/notes/" in path)
    assert asked == DOUBTS


async def test_no_post_that_the_walk_has_just_brought_is_doubted(
    alice: Home, clock: FakeClock, carol: Stranger
) -> None:
    """Posts written together stand on several pages, in any order; that one page has not all of them says nothing."""
    outbox = Outbox(carol, [], size=4)
    await follow(alice, carol)
    await alice.idle()
    await alice.stop()
    clock.forward(WEEK)
    posts = written(carol, 12, newest=clock() - timedelta(hours=1), every=timedelta(seconds=1))
    outbox.items = [post for start in range(4) for post in posts[start::4]]
    await alice.start()
    await caught_up(alice)
    texts = "".join(await alice.texts())
    assert [number for number in range(1, 13) if f">post {number} of carol<" not in texts] == []


async def test_a_post_that_is_opened_is_as_its_origin_shows_it(alice: Home, dave: Stranger) -> None:
    """An edit that was missed is there when the post is opened; what was deleted is there no more."""
    Outbox(dave, [])
    await follow(alice, dave)
    create = written(dave, 1)[0]
    assert (await dave.deliver(create, alice.base)).status == 202
    iri = str(note_of(create)["id"])
    host(dave, note_of(edited(dave, create, "second thoughts", "2031-01-01T00:00:00Z")))
    assert "second thoughts" in (await alice.node.reading.open_thread(iri)).post.note.content

    async def gone(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=410, content_type=AP)

    dave.place.documents[urlsplit(iri).path] = gone
    alice.clock.forward(timedelta(hours=1))
    with pytest.raises(NotFound):
        await alice.node.reading.open_thread(iri)
    assert await alice.texts() == []
    assert (await dave.deliver(create, alice.base)).status in (202, 401)
    assert await alice.texts() == []  # a late Create does not bring it back


@pytest.mark.parametrize("status", [404, 500])
async def test_what_is_hidden_or_broken_is_not_deleted(alice: Home, dave: Stranger, status: int) -> None:
    """A post for few is not shown to our server actor; a server in trouble says nothing about its posts."""
    Outbox(dave, [])
    await follow(alice, dave)
    private = dave.create(dave.prove(dave.note("for followers", to=[f"{dave.iri}/followers"])))
    public = written(dave, 1)[0]
    for create in (private, public):
        assert (await dave.deliver(create, alice.base)).status == 202
        path = urlsplit(str(note_of(create)["id"])).path

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status)

        dave.place.documents[path] = answer
    for create in (private, *([public] if status == 500 else [])):
        assert (await alice.node.reading.open_thread(str(note_of(create)["id"]))).post
    assert len(await alice.texts()) == 2


async def test_only_a_newer_version_by_the_same_author_counts(alice: Home, dave: Stranger, carol: Stranger) -> None:
    """federation.md §6: newer by `updated`; security.md §2: same host is not same author."""
    Outbox(dave, [])
    await follow(alice, dave)
    create = written(dave, 1)[0]
    assert (await dave.deliver(create, alice.base)).status == 202
    iri = str(note_of(create)["id"])
    forged = {
        **note_of(create),
        "attributedTo": carol.iri,
        "content": "<p>forged</p>",
        "updated": "2031-01-01T00:00:00Z",
    }
    forged.pop("proof")
    for shown in (forged, note_of(edited(dave, create, "older", "2020-01-01T00:00:00Z"))):
        host(dave, shown)
        assert "post 1 of dave" in (await alice.node.reading.open_thread(iri)).post.note.content
        alice.clock.forward(timedelta(minutes=11))
    assert "post 1 of dave" in (await alice.texts())[0]
