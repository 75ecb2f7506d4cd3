"""Work in the background, habits and absences, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest_asyncio

from node.ids import Snowflake
from node.model import Actor, Audience, Authorship, Iri, Note, Verdict, Visibility
from node.storage import absences, actors, chores, cursors, notes, relations, threads
from node.storage.cursors import Cursor
from node.storage.relations import State
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
HOUR = timedelta(hours=1)
flakes = Snowflake(7)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    async with empty_store.write() as tx:
        who = Actor(HER, "Person", "her", Iri(f"{HER}/inbox"))
        await actors.put(tx, who, id=flakes.mint(NOW), at=NOW, document=b"{}")
        await relations.start_follow(tx, HER, Iri("https://own.example/follows/1"), NOW)
        await relations.settle_follow(tx, HER, State.ACCEPTED)
    return empty_store


async def _note(store: Store, name: str, at: datetime, answers: str | None = None) -> Iri:
    iri = Iri(f"https://remote.example/notes/{name}")
    async with store.write() as tx:
        brief = (await actors.briefs(tx, [HER]))[HER]
        parent = Iri(f"https://remote.example/notes/{answers}") if answers else None
        new = notes.NewNote(
            id=flakes.mint(at),
            note=Note(iri, HER, Audience(), f"<p>{name}</p>", published=at, in_reply_to=parent),
            author_id=brief.id,
            visibility=Visibility.PUBLIC,
            published=at,
            received_at=at,
            authorship=Authorship(Verdict.VOUCHED, "For a test."),
            activity=None,
        )
        await notes.add_many(tx, [new])
    return iri


async def test_a_chore_stays_until_it_is_done(store: Store) -> None:
    """Issue 3: "Resumable": what is planned is a row, and so is how far it got."""
    async with store.write() as tx:
        await chores.add_many(tx, chores.OUTBOX, [HER], NOW, {"since": 1})
        await chores.add_many(tx, chores.OUTBOX, [HER], NOW, {"since": 2})
        [chore] = await chores.due(tx, NOW)
        assert chore.state == {"since": 1}
        await chores.keep_state(tx, chore.id, {"since": 1, "stored": 3})
        assert await chores.untried(tx, chores.OUTBOX) == 1
        await chores.postpone(tx, chore.id, NOW + HOUR, "busy", counts=False, state=chore.state)
        assert await chores.untried(tx, chores.OUTBOX) == 1
        await chores.postpone(tx, chore.id, NOW + HOUR, "no answer", state=chore.state)
        assert await chores.untried(tx, chores.OUTBOX) == 0
        assert await chores.due(tx, NOW) == []
        assert await chores.next_at(tx) == NOW + HOUR
        await chores.put(tx, chores.OUTBOX, HER, NOW)
        [again] = await chores.due(tx, NOW)
        assert (again.attempts, again.state) == (0, {})
        await chores.done(tx, again.id)
        assert await chores.next_at(tx) is None


async def test_what_is_remembered_is_forgotten_in_time(store: Store) -> None:
    """security.md §5: "TTL on every remote-keyed row"; what the owner is to hear waits for the owner."""
    async with store.write() as tx:
        await chores.note_down(tx, chores.THREAD, "https://remote.example/notes/1", NOW, {"more": 4})
        await chores.note_down(tx, chores.TELL, "1", NOW, {})
        await chores.sweep(tx, NOW + HOUR)
        assert await chores.get(tx, chores.THREAD, "https://remote.example/notes/1") is None
        assert len(await chores.of_kind(tx, chores.TELL)) == 1


async def test_habits_are_told_from_what_is_here(store: Store) -> None:
    """How often somebody writes, and when their outbox was read last."""
    for hours in (0, 2, 4):
        await _note(store, f"n{hours}", NOW - hours * HOUR)
    await _note(store, "long ago", NOW - timedelta(days=60))
    async with store.write() as tx:
        await cursors.put(tx, Cursor(HER, checked_at=NOW, etag='https://x/ "1"'))
        [rhythm] = await cursors.rhythms(tx, Snowflake(0).mint(NOW - timedelta(days=30)))
        assert (rhythm.posts, rhythm.oldest, rhythm.newest) == (3, NOW - 4 * HOUR, NOW)
        assert (rhythm.actor, rhythm.checked_at) == (HER, NOW)
        assert await cursors.get(tx, HER) == Cursor(HER, checked_at=NOW, etag='https://x/ "1"')


async def test_an_absence_counts_posts_people_and_the_lost(store: Store) -> None:
    """Issue 3: "412 posts by 38 people recovered; 2 could not be reached"."""
    async with store.write() as tx:
        absence = await absences.begin(tx, NOW - 24 * HOUR, NOW)
        await absences.recovered(tx, absence.id, 5, first=True)
        await absences.recovered(tx, absence.id, 2, first=False)
        await absences.reached(tx, absence.id, HER, answered=False)
        again = await absences.begin(tx, NOW + HOUR, NOW + 3 * HOUR)
        assert (again.id, again.since, again.until) == (absence.id, NOW - 24 * HOUR, NOW + 3 * HOUR)
        assert (again.posts, again.people, again.unreachable) == (7, 1, (HER,))
        await absences.reached(tx, absence.id, HER, answered=True)
        assert await absences.end(tx, absence.id, NOW)
        assert not await absences.end(tx, absence.id, NOW)
        assert (await absences.begin(tx, NOW, NOW)).id != absence.id


async def test_a_conversation_is_read_in_one_go(store: Store) -> None:
    """What a post answers, the first word first; and what answers it, oldest first; a ring of answers ends."""
    root = await _note(store, "root", NOW - 3 * HOUR)
    middle = await _note(store, "middle", NOW - 2 * HOUR, answers="root")
    leaf = await _note(store, "leaf", NOW - HOUR, answers="middle")
    await _note(store, "ring1", NOW, answers="ring2")
    ring = await _note(store, "ring2", NOW, answers="ring1")
    async with store.read() as tx:
        assert [post.note.iri for post in await threads.above(tx, leaf)] == [root, middle]
        assert [post.note.iri for post in await threads.below(tx, root)] == [middle, leaf]
        assert len(await threads.above(tx, ring)) == 1
        assert len(await threads.below(tx, ring)) == 1
        assert await threads.settled(tx, [root, Iri("https://remote.example/notes/none")]) == {root}


async def test_what_was_under_way_when_a_node_died_is_due_at_once(store: Store) -> None:
    """A lease ends with who held it; what was planned anew meanwhile, or waits for its time, keeps it."""
    subjects = [f"https://own.example/notes/{number}" for number in range(3)]
    async with store.write() as tx:
        for subject in subjects:
            await chores.plan(tx, chores.POLL, subject, NOW)
        held, again, _ = await chores.due(tx, NOW, errands=True)
        for chore in (held, again):
            assert await chores.lease(tx, chore, NOW + HOUR)
            assert not await chores.lease(tx, chore, NOW + HOUR)
        await chores.plan(tx, chores.POLL, subjects[1], NOW + 2 * HOUR, earlier=False)
        await chores.plan(tx, chores.POLL, subjects[2], NOW + HOUR, earlier=False)
        assert await chores.due(tx, NOW, errands=True) == []
        assert await chores.release(tx, NOW) == 1
        (left,) = await chores.due(tx, NOW, errands=True)
        assert (left.subject, left.state) == (subjects[0], {})
        assert await chores.release(tx, NOW) == 0
