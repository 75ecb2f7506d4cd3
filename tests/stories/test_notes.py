"""What others write: stored once, edited and deleted by its author alone; what is private stays private."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from node.federation import handlers
from node.federation.handlers import Handler
from node.model import Create, Draft, Iri, Visibility
from node.storage import activities
from tests.support.attack import greet, nothing_changes
from tests.support.homes import Home, eventually
from tests.support.stranger import Json, Place, Stranger, stamp


def _edited(who: Stranger, said: Json, words: str, *, at: datetime, by: Stranger | None = None) -> Json:
    note = said["object"]
    assert isinstance(note, dict)
    newer = {key: value for key, value in note.items() if key != "proof"}
    newer |= {"content": f"<p>{words}</p>", "updated": stamp(at)}
    author = by or who
    return author.activity("Update", author.prove(newer) if author.proofs else newer, to=note["to"])


async def test_a_note_is_edited_by_its_author(alice: Home, dave: Stranger) -> None:
    """federation.md §7: Update Note, "full object with updated"; its evidence is the Update."""
    said = dave.say("first words", alice.node.ids.actor)
    await dave.deliver(said, alice.base)
    await dave.deliver(_edited(dave, said, "second words", at=datetime.now(UTC) + timedelta(seconds=2)), alice.base)
    post = await alice.shows("second words")
    assert post is not None
    assert post.authorship.verdict == "signed"
    assert await alice.shows("first words") is None


async def test_an_older_edit_does_not_undo_a_newer_one(alice: Home, carol: Stranger) -> None:
    """integrity-proofs §7: "an Update older than the stored `updated` … is refused"."""
    said = carol.say("version one", alice.node.ids.actor)
    now = datetime.now(UTC)
    await carol.deliver(said, alice.base)
    await carol.deliver(_edited(carol, said, "version three", at=now + timedelta(minutes=2)), alice.base)
    async with nothing_changes(alice, carol):
        await carol.deliver(_edited(carol, said, "version two", at=now + timedelta(minutes=1)), alice.base)
        await carol.deliver(_edited(carol, said, "version too", at=now + timedelta(minutes=2)), alice.base)
    assert await alice.shows("version three")


async def test_an_update_that_is_no_edit_changes_no_words(alice: Home, carol: Stranger) -> None:
    """federation.md §6: "`updated` newer than stored as an edit, without it as a silent refresh"."""
    said = carol.say("as it was", alice.node.ids.actor)
    note = said["object"]
    assert isinstance(note, dict)
    await carol.deliver(said, alice.base)
    async with nothing_changes(alice, carol):
        silent = carol.activity("Update", {**note, "content": "<p>as it never was</p>"})
        assert (await carol.deliver(silent, alice.base)).status == 202
    assert await alice.shows("as it was")


@pytest.mark.parametrize("kind", ["Update", "Delete"])
async def test_a_neighbour_is_not_the_author(alice: Home, carol: Stranger, place: Place, kind: str) -> None:
    """Mastodon CVE-2024-37903: "same host is not same author"."""
    neighbour = place.stranger("neighbour")
    said = carol.say("mine", alice.node.ids.actor)
    await carol.deliver(said, alice.base)
    await greet(alice, neighbour)
    note = said["object"]
    assert isinstance(note, dict)
    async with nothing_changes(alice, carol):
        if kind == "Delete":
            assert (await neighbour.deliver(neighbour.activity("Delete", note["id"]), alice.base)).status == 202
        else:
            forged = _edited(carol, said, "forged", at=datetime.now(UTC) + timedelta(hours=1), by=neighbour)
            assert (await neighbour.deliver(forged, alice.base)).verdict == (403, "wrong_author")
            stolen = {**note, "attributedTo": neighbour.iri, "content": "<p>forged</p>"}
            stolen["updated"] = stamp(datetime.now(UTC) + timedelta(hours=1))
            assert (await neighbour.deliver(neighbour.activity("Update", stolen), alice.base)).status == 202
    assert await alice.shows("mine")
    assert await alice.shows("forged") is None


async def test_a_known_note_is_not_overwritten_by_another_create(alice: Home, carol: Stranger) -> None:
    """security.md §2: "Create of a known id = no-op"; a re-sent Create may not widen the audience."""
    said = carol.say("as it was", alice.node.ids.actor)
    await carol.deliver(said, alice.base)
    note = said["object"]
    assert isinstance(note, dict)
    async with nothing_changes(alice, carol):
        other = {**note, "content": "<p>as it never was</p>", "to": ["https://www.w3.org/ns/activitystreams#Public"]}
        await carol.deliver(carol.create(other, id=carol.new_id("activities")), alice.base)
    post = await alice.shows("as it was")
    assert post is not None
    assert post.visibility is Visibility.DIRECT


async def test_what_was_deleted_stays_deleted(alice: Home, carol: Stranger) -> None:
    """integrity-proofs §7: "a Create after a stored Delete is refused", in any order, and replayed or new."""
    said = carol.say("a slip of the pen", alice.node.ids.actor)
    note = said["object"]
    assert isinstance(note, dict)
    await carol.deliver(said, alice.base)
    gone = {"id": note["id"], "type": "Tombstone"}
    await carol.deliver(carol.activity("Delete", gone), alice.base)
    assert await alice.shows("slip") is None
    async with nothing_changes(alice, carol):
        await carol.deliver(said, alice.base)
        await carol.deliver({**said, "id": carol.new_id("activities")}, alice.base)
        await carol.deliver(_edited(carol, said, "a slip again", at=datetime.now(UTC)), alice.base)
    assert await alice.shows("slip") is None


async def test_what_was_deleted_is_nowhere_in_the_log(alice: Home, carol: Stranger) -> None:
    """What its author took back is not kept as evidence either: of a deleted post the Delete alone stays."""
    said = carol.say("a slip of the pen", alice.node.ids.actor)
    note = said["object"]
    assert isinstance(note, dict)
    await carol.deliver(said, alice.base)
    await carol.deliver(_edited(carol, said, "another slip", at=datetime.now(UTC) + timedelta(minutes=1)), alice.base)
    await carol.deliver(carol.activity("Delete", note["id"]), alice.base)
    async with alice.node.store.read() as tx:
        assert [one.type for one in await activities.about(tx, Iri(str(note["id"])))] == ["Delete"]


async def test_a_delete_that_overtakes_its_create_wins(alice: Home, carol: Stranger) -> None:
    """federation.md §7: "remember the id … for Delete-before-Create"."""
    said = carol.say("never seen", alice.node.ids.actor)
    note = said["object"]
    assert isinstance(note, dict)
    await greet(alice, carol)
    await carol.deliver(carol.activity("Delete", note["id"]), alice.base)
    await carol.deliver(said, alice.base)
    assert await alice.shows("never seen") is None


async def test_a_neighbour_cannot_delete_what_has_not_come_yet(alice: Home, carol: Stranger, place: Place) -> None:
    """security.md §2: "id squatting also blocks the true post"."""
    neighbour = place.stranger("neighbour")
    said = carol.say("not yet here", alice.node.ids.actor)
    note = said["object"]
    assert isinstance(note, dict)
    await greet(alice, neighbour)
    await neighbour.deliver(neighbour.activity("Delete", note["id"]), alice.base)
    await carol.deliver(said, alice.base)
    assert await alice.shows("not yet here")
    await carol.deliver(carol.activity("Delete", note["id"]), alice.base)
    await neighbour.deliver(neighbour.activity("Delete", note["id"]), alice.base)
    await carol.deliver({**said, "id": carol.new_id("activities")}, alice.base)
    assert await alice.shows("not yet here") is None


async def test_an_account_that_deletes_itself_takes_everything_with_it(alice: Home, carol: Stranger) -> None:
    """federation.md §12: posts, and both directions of following."""
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await carol.deliver(carol.say("my last words", alice.node.ids.actor), alice.base)
    await carol.deliver(carol.activity("Delete", carol.iri), alice.base)
    assert await alice.said_to_me() == []
    assert await alice.node.owner.followers() == []


async def test_dates_of_others_are_not_believed_beyond_reason(alice: Home, carol: Stranger) -> None:
    """security.md §2: "clamp published"."""
    await carol.deliver(
        carol.say("from the future", alice.node.ids.actor, published="9999-12-31T23:59:59Z"), alice.base
    )
    await carol.deliver(carol.say("from the past", alice.node.ids.actor, published="0001-01-01T00:00:00Z"), alice.base)
    future, past = await alice.shows("from the future"), await alice.shows("from the past")
    assert future is not None
    assert past is not None
    now = datetime.now(UTC)
    assert future.note.published is not None
    assert past.note.published is not None
    assert future.note.published <= now
    assert past.note.published >= now - timedelta(days=3700)


@pytest.mark.parametrize(
    "when", ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999999999+00:00", "0001-01-01T00:00:00.000001Z"]
)
async def test_the_ends_of_the_calendar_can_be_read_again(alice: Home, carol: Stranger, when: str) -> None:
    """security.md §4: "one bad row never breaks a page"; so what is kept is a date whenever it is looked at."""
    me = alice.node.ids.actor
    said = carol.say("at the end of days", me, updated=when)
    asked = carol.say("until the end of days", me, type="Question", oneOf=[{"name": "yes"}], endTime=when, closed=when)
    for activity in (said, asked):
        assert (await carol.deliver(activity, alice.base)).status == 202
    for words in ("at the end of days", "until the end of days"):
        post = await alice.shows(words)
        assert post is not None
        edge = post.note.updated or (post.note.poll and post.note.poll.ends)
        assert edge is not None
        assert edge.year == int(when[:4])


# ── when something of ours fails ─────────────────────────────────────────────────────────────


async def test_one_that_cannot_be_applied_spares_its_neighbours_and_is_parked_at_last(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """house.md, batches: taken out, "retried alone, and parked after three tries with its reason"."""
    await greet(alice, carol)
    real: Handler = handlers.TABLE[Create]

    async def stumbles(tx, arrived, here):  # type: ignore[no-untyped-def]
        if any("stumble" in item.activity.note.content for item in arrived):
            raise TypeError("a defect of ours")
        return await real(tx, arrived, here)

    monkeypatch.setitem(handlers.TABLE, Create, stumbles)
    me = alice.node.ids.actor
    assert (await carol.deliver(carol.say("stumble here", me), alice.base)).status == 202
    assert (await carol.deliver(carol.say("unharmed", me), alice.base)).status == 202
    assert await alice.shows("unharmed")
    assert (await alice.rows())["arrivals"] == 1
    for wait in (timedelta(seconds=10), timedelta(minutes=3), timedelta(hours=1), timedelta(hours=1)):
        alice.clock.forward(wait)
        await alice.node.inbox.retry()
    assert await alice.node.inbox.retry() == 0
    assert (await alice.rows())["arrivals"] == 1


async def test_one_that_could_not_be_applied_is_applied_later(
    alice: Home, carol: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """202 means on disk: what was accepted is done when the hindrance is gone."""
    await greet(alice, carol)

    async def fails(tx, arrived, here):  # type: ignore[no-untyped-def]
        raise TypeError("a defect of ours")

    with monkeypatch.context() as broken:
        broken.setitem(handlers.TABLE, Create, fails)
        assert (await carol.deliver(carol.say("patience", alice.node.ids.actor), alice.base)).status == 202
        assert await alice.shows("patience") is None
    await alice.restart()
    alice.clock.forward(timedelta(seconds=10))
    assert await alice.node.inbox.retry() == 1
    assert await alice.shows("patience")
    assert (await alice.rows())["arrivals"] == 0


async def test_what_the_database_dislikes_spares_its_neighbours(alice: Home, carol: Stranger, dave: Stranger) -> None:
    """house.md, batches: an activity that fails is "taken out (savepoint), retried alone": also where it is the
    database that says no. Here its number is taken, as may happen with posts of the same millisecond."""
    me = alice.node.ids.actor
    await greet(alice, carol)
    await greet(alice, dave)
    assert (await dave.deliver(dave.say("first", me, published="2026-01-01T00:00:00Z"), alice.base)).status == 202
    first = await alice.shows("first")
    assert first is not None
    flakes = alice.node.snowflake
    async with alice.node.store.write():  # so that all but the first of these wait for one batch
        says = [carol.activity("Delete", carol.new_id()), dave.say("second", me, published="2026-01-01T00:00:00Z")]
        says += [carol.say(f"unharmed {number}", me) for number in range(4)]
        sent = []
        for who, saying in zip([carol, dave, *[carol] * 4], says, strict=True):
            sent.append(asyncio.ensure_future(who.deliver(saying, alice.base)))
            await asyncio.sleep(0.1)
        while flakes.mint(alice.clock()) % 65_536 != (first.id - 1) % 65_536:
            pass
    assert [reply.status for reply in await asyncio.gather(*sent)] == [202] * 6
    assert await alice.shows("second")
    assert all([await alice.shows(f"unharmed {number}") for number in range(4)])


# ── privacy (security.md §9) ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("visibility", [Visibility.FOLLOWERS, Visibility.DIRECT])
async def test_a_private_note_is_there_for_those_it_is_for(
    alice: Home, carol: Stranger, mallory: Stranger, visibility: Visibility
) -> None:
    """security.md §9: "private = 404 (same as absent) to everyone but verified addressee/follower"."""
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    await greet(alice, mallory)
    posted = await alice.node.owner.post(Draft(f"{carol.handle} for your eyes", visibility))
    note = posted.post.note.iri
    absent = await mallory.get(f"{alice.base}/notes/{posted.post.id + 7}")
    for url in (note, f"{note}/activity", f"{note}/replies"):
        for reply in (await mallory.get(url), await mallory.get(url, signed=False), await carol.get(url, signed=False)):
            assert (reply.status, reply.body) == (404, absent.body)
        assert (await carol.get(url)).status == 200
    for url in ("/outbox", "/outbox?page=true", "/@alice", "/featured", f"/contexts/{posted.post.id}"):
        reply = await carol.get(alice.base + url, signed=False)
        assert b"for your eyes" not in reply.body

    async def came() -> bool:
        return bool(carol.place.of_type("Create"))

    await eventually(came)
    assert not mallory.place.received
    await alice.node.owner.delete(note)
    assert (await mallory.get(note)).status == 404


async def test_a_forged_signature_opens_nothing(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """A key id of the addressee is not the addressee's key."""
    await greet(alice, carol)
    posted = await alice.node.owner.post(Draft(f"{carol.handle} a secret", Visibility.DIRECT))
    url = posted.post.note.iri
    headers = mallory.signed("GET", url, b"", covered="(request-target) host date", key_id=carol.key_id)
    assert (await mallory.send("GET", url, headers, None)).status == 404


async def test_a_removed_follower_reads_no_more(alice: Home, carol: Stranger) -> None:
    """security.md §9: "after block/removal nothing more"."""
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    posted = await alice.node.owner.post(Draft("to my followers", Visibility.FOLLOWERS))
    assert (await carol.get(posted.post.note.iri)).status == 200
    await alice.node.owner.reject(carol.iri)
    assert (await carol.get(posted.post.note.iri)).status == 404
