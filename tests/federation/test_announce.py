"""Boosts that arrive: whose they are, what they may show, and what they cannot forge."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from node.federation import inbox
from node.model import Iri, Post
from node.observe import counters
from node.storage import arrivals, reactions, schema
from tests.support.attack import greet, nothing_changes
from tests.support.following import arrives, befriend, said, seen
from tests.support.homes import Home, eventually
from tests.support.stranger import PUBLIC, Json, Place, Stranger, never


async def followed(home: Home, who: Stranger) -> None:
    """The owner follows them, and they said yes."""
    relation = await home.node.owner.follow(who.iri)
    await who.deliver(who.activity("Accept", relation.activity), home.base)


async def boosts(home: Home, iri: object) -> int:
    async with home.node.store.read() as tx:
        return (await reactions.counts(tx, [Iri(str(iri))]))[Iri(str(iri))].boosts


def serve(place: Place, note: Json) -> Json:
    """Put a note where its id says it lives."""
    place.documents[urlsplit(str(note["id"])).path] = note
    return note


async def at_home(home: Home, words: str) -> Post | None:
    return next((post for post in await home.node.owner.timeline(limit=80) if words in post.note.content), None)


async def test_a_boost_of_an_unknown_post_is_fetched_from_its_origin(
    alice: Home, carol: Stranger, mallory: Stranger, elsewhere: Place
) -> None:
    """federation.md §7: "Inbound: fetch the object from its own origin, never trust an embedded foreign object"."""
    await followed(alice, carol)
    note = serve(elsewhere, mallory.prove(mallory.note("worth reading")))
    forged = {**note, "content": "<p>never written</p>"}
    assert (await carol.deliver(carol.activity("Announce", forged), alice.base)).status == 202

    async def shown() -> Post | None:
        return await at_home(alice, "worth reading")

    post = await eventually(shown)
    assert post is not None
    assert post.boosted_by is not None
    assert (post.boosted_by.iri, post.author.iri, post.authorship.verdict) == (carol.iri, mallory.iri, "signed")
    assert await at_home(alice, "never written") is None
    assert (await alice.rows())["arrivals"] == 0


async def test_what_has_no_proof_is_vouched_for_by_its_origin(
    alice: Home, carol: Stranger, dave: Stranger, place: Place
) -> None:
    """Nothing fetched is trusted more than what is delivered: `vouched`, or `signed` where a proof holds."""
    await followed(alice, dave)
    note = serve(place, carol.note("said elsewhere"))
    await dave.deliver(dave.activity("Announce", note["id"]), alice.base)

    async def shown() -> Post | None:
        return await at_home(alice, "said elsewhere")

    post = await eventually(shown)
    assert post is not None
    assert post.authorship.verdict == "vouched"


@pytest.mark.parametrize("how", ["attributed to a neighbour of the victim", "private", "not there", "broken proof"])
async def test_a_boost_cannot_bring_what_its_origin_does_not_give(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger, elsewhere: Place, how: str
) -> None:
    """security.md §2: "Announce with embedded forgery"; boosts show only what anybody may read."""
    await greet(alice, mallory)
    await followed(alice, carol)
    note = mallory.note("a lie")
    if how == "attributed to a neighbour of the victim":
        serve(elsewhere, {**note, "attributedTo": dave.iri})
    elif how == "private":
        serve(elsewhere, {**note, "to": [f"{mallory.iri}/followers"]})
    elif how == "broken proof":
        serve(elsewhere, {**mallory.prove(note), "content": "<p>a lie, changed</p>"})
    async with nothing_changes(alice, carol):
        assert (await carol.deliver(carol.activity("Announce", note["id"]), alice.base)).status == 202

        async def tried() -> bool:
            path = urlsplit(str(note["id"])).path
            return elsewhere.asked[path] > 0 and (await alice.rows())["arrivals"] == 0

        await eventually(tried)
        assert await at_home(alice, "a lie") is None


async def test_a_private_post_is_not_boosted(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """security.md §9: "boost only public/unlisted"."""
    await followed(alice, carol)
    said = dave.say("between us", alice.node.ids.actor)
    await dave.deliver(said, alice.base)
    note = said["object"]
    assert isinstance(note, dict)
    async with nothing_changes(alice, carol):
        await carol.deliver(carol.activity("Announce", note["id"]), alice.base)
        assert await boosts(alice, note["id"]) == 0


async def test_boosts_of_strangers_do_not_reach_the_timeline(alice: Home, carol: Stranger, elsewhere: Place) -> None:
    """security.md §2, unwanted content: "boost by followed"; nothing is fetched for anybody else."""
    author = elsewhere.stranger("author")
    note = serve(elsewhere, author.note("look at me"))
    async with nothing_changes(alice, carol):
        await carol.deliver(carol.activity("Announce", note["id"]), alice.base)
    assert elsewhere.asked[urlsplit(str(note["id"])).path] == 0


async def test_a_boost_of_a_known_post_counts_once(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """security.md §2: "unique (actor, object)"; a post at home already is not shown twice."""
    await followed(alice, carol)
    await followed(alice, dave)
    note = carol.note("popular")
    await carol.deliver(carol.create(note), alice.base)
    for _ in range(3):
        await dave.deliver(dave.activity("Announce", note["id"]), alice.base)
    assert await boosts(alice, note["id"]) == 1
    assert [text for text in await alice.texts() if "popular" in text] == ["<p>popular</p>"]


async def test_only_the_booster_takes_a_boost_back(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger, place: Place
) -> None:
    """security.md §2: "Undo.object looked up by id in our DB, stored actor == signer"."""
    await followed(alice, carol)
    note = serve(place, dave.prove(dave.note("seen through carol")))
    boost, now = carol.activity("Announce", note["id"]), datetime.now(UTC)
    await carol.deliver(boost, alice.base, at=now)

    async def shown() -> Post | None:
        return await at_home(alice, "seen through carol")

    assert await eventually(shown)
    neighbour = place.stranger("neighbour")
    await greet(alice, neighbour)
    await greet(alice, mallory)
    async with nothing_changes(alice, dave):
        reply = await mallory.deliver(mallory.activity("Undo", boost["id"]), alice.base)
        assert reply.verdict == (403, "wrong_origin")
        reply = await neighbour.deliver(neighbour.activity("Undo", boost), alice.base)
        assert reply.verdict == (403, "wrong_actor")
        half = {"type": "Announce", "id": boost["id"], "object": note["id"]}
        await neighbour.deliver(neighbour.activity("Undo", half), alice.base)
    assert await at_home(alice, "seen through carol")
    await carol.deliver(carol.activity("Undo", boost), alice.base, at=now)
    assert await at_home(alice, "seen through carol") is None
    assert await boosts(alice, note["id"]) == 0
    await carol.deliver(boost, alice.base, at=now)  # replayed: it is used up
    assert await boosts(alice, note["id"]) == 0


async def test_a_boost_goes_with_the_follow(alice: Home, carol: Stranger, dave: Stranger, place: Place) -> None:
    """What an unfollowed account brought leaves the timeline with it."""
    await followed(alice, carol)
    note = serve(place, dave.prove(dave.note("gone with carol")))
    await carol.deliver(carol.activity("Announce", note["id"]), alice.base)

    async def shown() -> Post | None:
        return await at_home(alice, "gone with carol")

    assert await eventually(shown)
    await alice.node.owner.unfollow(carol.iri)
    assert await at_home(alice, "gone with carol") is None


async def test_a_server_that_does_not_answer_is_asked_again_and_then_no_more(
    alice: Home, carol: Stranger, elsewhere: Place
) -> None:
    """A boost that cannot be fetched is dropped in the end: nothing is left waiting for ever."""
    await followed(alice, carol)
    author = elsewhere.stranger("author")
    note = author.note("unreachable")
    await elsewhere.hang_up()
    await carol.deliver(carol.activity("Announce", note["id"]), alice.base)
    dropped = counters["announce.unreachable"]

    async def given_up() -> bool:
        alice.clock.forward(timedelta(hours=1))
        await alice.node.inbox.retry()
        return counters["announce.unreachable"] > dropped

    await eventually(given_up)
    assert (await alice.rows())["arrivals"] == 0


async def test_a_flood_of_boosts_is_written_together(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """decisions.md §11: on the paths that flood, work is done in batches."""
    await followed(alice, carol)
    said = [dave.note(f"number {n}", cc=[alice.node.ids.actor], published=str(datetime.now(UTC))) for n in range(5)]
    for note in said:
        assert PUBLIC in str(note["to"])
        await dave.deliver(dave.create(note), alice.base)
    for note in said:
        await carol.deliver(carol.activity("Announce", note["id"]), alice.base)
    assert [await boosts(alice, note["id"]) for note in said] == [1] * 5
    boosted = [post for post in await alice.node.owner.timeline() if post.boosted_by is not None]
    assert [post.boosted_by.iri for post in boosted if post.boosted_by] == [carol.iri] * 5
    page = await alice.node.owner.timeline(before=boosted[1].entry, limit=2)
    assert [post.id for post in page] == [post.id for post in boosted[2:4]]


async def test_a_neighbours_undo_does_not_use_up_what_comes(alice: Home, dave: Stranger, place: Place) -> None:
    """security.md §1: ids are remembered for each actor: only the owner of an id can use it up."""
    neighbour = place.stranger("neighbour")
    await greet(alice, neighbour)
    await followed(alice, dave)
    post = await said(alice, "boost me")
    coming, now = dave.activity("Announce", post.note.iri), datetime.now(UTC)
    early = {"type": "Announce", "id": coming["id"], "object": post.note.iri}
    for undone in (coming["id"], early):
        assert (await neighbour.deliver(neighbour.activity("Undo", undone), alice.base)).status == 202
    assert (await dave.deliver(coming, alice.base, at=now)).status == 202
    assert await seen(alice, post.note.iri) == (0, 1, 0)
    assert (await dave.deliver(dave.activity("Undo", coming["id"]), alice.base, at=now)).status == 202
    assert await seen(alice, post.note.iri) == (0, 0, 0)
    assert (await dave.deliver(coming, alice.base, at=now)).status == 202  # undone is used up, by its owner
    assert await seen(alice, post.note.iri) == (0, 0, 0)


async def test_our_boosts_are_in_our_outbox_among_the_posts(alice: Home, bob: Home, dave: Stranger) -> None:
    """ActivityPub §5.1; and another node of this kind finds them there after it was away."""
    note = serve(dave.place, dave.prove(dave.note("worth passing on")))
    await followed(alice, dave)
    assert (await dave.deliver(dave.create(note), alice.base)).status == 202
    for words in ("before", "between", "after"):
        if words == "after":
            await alice.node.interactions.boost(Iri(str(note["id"])))
        await said(alice, words)
    page = json.loads((await dave.get(f"{alice.base}/outbox?page=true")).body)
    assert [item["type"] for item in page["orderedItems"]] == ["Create", "Announce", "Create", "Create"]
    assert page["orderedItems"][1]["object"] == note["id"]
    top = json.loads((await dave.get(f"{alice.base}/outbox")).body)
    assert top["totalItems"] == 4
    older = f"{alice.base}/outbox?page=true&max_id={page['prev'].rpartition('=')[2]}"
    assert json.loads((await dave.get(older)).body)["orderedItems"][0]["type"] == "Announce"
    await befriend(bob, alice)  # the recent posts are fetched on follow, boosts with them

    async def passed_on() -> bool:
        home = await bob.node.owner.timeline(limit=40)
        return any(post.boosted_by is not None and post.note.iri == note["id"] for post in home)

    await eventually(passed_on)
    await alice.node.interactions.unboost(Iri(str(note["id"])))
    assert json.loads((await dave.get(f"{alice.base}/outbox")).body)["totalItems"] == 3


@pytest.mark.parametrize("by", ["a stranger's changes of profile", "boosts of somebody who is followed"])
async def test_what_waits_for_a_slow_server_keeps_nobody_elses_boosts_waiting(
    alice: Home, carol: Stranger, mallory: Stranger, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """security.md §5, slow answers: whom one server keeps waiting is who asks for what is on it."""
    await followed(alice, carol)
    if "followed" in by:
        await followed(alice, mallory)
    await greet(alice, mallory)
    await alice.idle()
    monkeypatch.setattr(inbox, "SLOW", 0.5)
    monkeypatch.setattr(alice.node.client, "_total_timeout", 1.0)  # ten seconds, to everybody else
    mallory.place.documents |= dict.fromkeys(("/users/mallory", "/slow"), never)
    for _ in range(30):
        if "followed" in by:
            said = mallory.activity("Announce", f"{mallory.place.base}/slow", to=[PUBLIC])
        else:
            said = mallory.activity("Update", mallory.document())
        assert (await mallory.deliver(said, alice.base)).status == 202
    await asyncio.sleep(1.5)  # the others are being seen to
    note = serve(carol.place, carol.note("worth reading"))
    assert (await carol.deliver(carol.activity("Announce", note["id"], to=[PUBLIC]), alice.base)).status == 202
    await arrives(alice, "worth reading")


async def test_a_flood_of_changed_profiles_leaves_room_for_boosts(
    alice: Home, mallory: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §0.10: what waits is bounded, and one stranger does not fill it: a fetch that has not begun
    brings whatever is announced before it."""
    await greet(alice, mallory)
    await alice.idle()
    monkeypatch.setattr(alice.node.client, "_total_timeout", 1.0)
    mallory.place.documents["/users/mallory"] = never
    for _ in range(12):
        said = mallory.activity("Update", mallory.document())
        assert (await mallory.deliver(said, alice.base)).status == 202
    async with alice.node.store.read() as tx:
        assert (await arrivals.waiting(tx))[0] <= 2
    mallory.extra = {"name": "Mallory the Second"}
    mallory.publish()
    assert (await mallory.deliver(mallory.activity("Update", mallory.document()), alice.base)).status == 202

    async def renamed() -> bool:
        alice.clock.forward(timedelta(minutes=1))
        await alice.node.inbox.retry()
        return (await alice.node.actors.get(mallory.iri)).actor.name == "Mallory the Second"

    await eventually(renamed)


async def test_an_answer_of_a_type_that_is_no_text_stops_nobody(
    alice: Home, carol: Stranger, mallory: Stranger, elsewhere: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """house.md, batches: "its neighbours never notice"; nor are those who wait kept waiting. Why it failed is text."""

    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/\xff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    await followed(alice, carol)
    async with await asyncio.start_server(noise, "127.0.0.1", 0) as listener:
        there = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/x"
        assert (await carol.deliver(carol.activity("Announce", there), alice.base)).status == 202
        quoting = mallory.prove(mallory.note("look at this", to=[alice.node.ids.actor], quote=there))
        assert (await mallory.deliver(mallory.create(quoting), alice.base)).status == 202

        async def both_tried() -> bool:
            async with alice.node.store.read() as tx:
                reasons = [
                    (await tx.execute(select(table.c.last_error))).scalars().all()
                    for table in (schema.arrivals, schema.chores)
                ]
            return all(any("answered with text/" in (reason or "") for reason in found) for found in reasons)

        await eventually(both_tried)
        note = serve(elsewhere, mallory.note("worth reading"))
        assert (await carol.deliver(carol.activity("Announce", note["id"]), alice.base)).status == 202

        async def shown() -> Post | None:
            return await at_home(alice, "worth reading")

        assert await eventually(shown)
    assert "worker failed" not in caplog.text
