"""Reactions, versions, pins and reports, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest_asyncio

from node.ids import Snowflake
from node.model import Actor, Audience, Authorship, Counts, Iri, Note, ReactionKind, Verdict, Visibility
from node.storage import actors, featured, notes, reactions, reports, revisions, timelines
from node.storage.reactions import Reaction, Undone
from node.storage.reports import Report
from node.storage.store import Store

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HER = Iri("https://remote.example/users/her")
HIM = Iri("https://remote.example/users/him")
NOTE = Note(Iri("https://remote.example/notes/1"), HER, Audience(), "<p>one</p>", published=NOW)
LIKE, BOOST, EMOJI = ReactionKind.LIKE, ReactionKind.BOOST, ReactionKind.EMOJI
flakes = Snowflake(7)


@pytest_asyncio.fixture(loop_scope="session")
async def store(empty_store: Store) -> Store:
    """Her post, and two who know of it."""
    async with empty_store.write() as tx:
        for iri in (HER, HIM):
            who = Actor(iri, "Person", iri.rpartition("/")[2], Iri(f"{iri}/inbox"))
            await actors.put(tx, who, id=flakes.mint(NOW), at=NOW, document=b"{}")
        author = (await actors.ids_of(tx, [HER]))[HER]
        because = Authorship(Verdict.SIGNED, "because")
        new = notes.NewNote(flakes.mint(NOW), NOTE, author, Visibility.PUBLIC, NOW, NOW, because, None)
        await notes.add_many(tx, [new])
    return empty_store


def _reaction(name: str, kind: ReactionKind, content: str = "", actor: Iri = HIM) -> Reaction:
    iri = Iri(f"https://remote.example/activities/{name}")
    return Reaction(flakes.mint(NOW), NOTE.iri, actor, kind, content, iri, NOW)


async def test_reactions_are_counted_and_undone(store: Store) -> None:
    """security.md §2: "unique (actor, object)"; an Undo moves its own actor's rows alone."""
    given = [_reaction("1", LIKE), _reaction("2", LIKE), _reaction("3", EMOJI, "🎉"), _reaction("4", BOOST)]
    async with store.write() as tx:
        await reactions.add_many(tx, given)
        him, target = (await actors.ids_of(tx, [HIM]))[HIM], (await reactions.targets(tx, [NOTE.iri]))[NOTE.iri]
        await reactions.show(tx, [(given[3].id, target.id, him)])
    async with store.read() as tx:
        assert (await reactions.counts(tx, [NOTE.iri]))[NOTE.iri] == Counts(1, 1, 0, (("🎉", 1),))
        assert await reactions.interactors(tx, NOTE.iri) == {HIM}
        assert [one.activity for one in await reactions.by(tx, NOTE.iri, HIM, [LIKE, EMOJI])] == [
            given[0].activity,
            given[2].activity,
        ]
        shown = await timelines.home_posts(tx, now=NOW)
        assert [(post.boosted_by.iri if post.boosted_by else None, post.entry) for post in shown] == [
            (HIM, given[3].id)
        ]
    hers, his = (Undone(who, given[0].activity, None, tuple(ReactionKind)) for who in (HER, HIM))
    boost = Undone(HIM, None, NOTE.iri, (BOOST,))
    async with store.write() as tx:
        assert await reactions.undo(tx, [hers]) == set()
        assert await reactions.undo(tx, [his, boost]) == {his, boost}
        assert (await reactions.counts(tx, [NOTE.iri]))[NOTE.iri] == Counts(0, 0, 0, (("🎉", 1),))
        assert await timelines.home_posts(tx, now=NOW) == []


async def test_versions_are_kept_up_to_a_number(store: Store) -> None:
    """An edit puts the version before aside, with its verdict; of very many the oldest go."""
    async with store.write() as tx:
        post = await notes.get(tx, NOTE.iri)
        assert post is not None
        for number in range(revisions.MOST + 5):
            await revisions.keep(tx, post.id)
            newer = replace(NOTE, content=f"<p>{number}</p>", updated=NOW + timedelta(seconds=number + 1))
            await notes.edit(tx, post.id, newer, post.authorship, activity=NOTE.iri)
        kept = await revisions.of(tx, post.id)
    assert len(kept) == revisions.MOST
    assert (kept[-1].content, kept[-1].verdict) == (f"<p>{revisions.MOST + 3}</p>", Verdict.SIGNED)


async def test_pins_stand_in_order_and_go_with_the_post(store: Store) -> None:
    """The newest pin first; twice is once; nothing of a deleted post is left."""
    async with store.write() as tx:
        await featured.pin(tx, HER, NOTE.iri)
        await featured.pin(tx, HER, NOTE.iri)
        await reactions.add_many(tx, [_reaction("1", LIKE)])
        assert [post.note.iri for post in await featured.pinned(tx, HER)] == [NOTE.iri]
        assert await featured.pinned(tx, HIM) == []
        assert await notes.bury(tx, notes.Tombstone(NOTE.iri, HER, "Note", NOW, public=True))
        assert await featured.count(tx, HER) == 0
        assert (await reactions.counts(tx, [NOTE.iri]))[NOTE.iri] == Counts()


async def test_reports_are_bounded(store: Store) -> None:
    """security.md §10: "Everything is bounded"; the newest first."""
    async with store.write() as tx:
        await reports.add_many(tx, [Report(HER, (NOTE.iri,), str(n), NOW) for n in range(reports.MOST + 3)])
        assert [one.comment for one in await reports.newest(tx, 2)] == ["502", "501"]
        assert len(await reports.newest(tx, 1000)) == reports.MOST
