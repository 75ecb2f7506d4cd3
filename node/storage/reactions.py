"""Likes, boosts and emoji reactions, the owner's and others', each until it is undone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select

from node.model import Counts, Iri, ReactionKind, Visibility
from node.notify import of_reaction
from node.storage.activities import apart
from node.storage.dialect import Tx, insert_new, ms, rounded, when
from node.storage.schema import actors, home, notes, notifications, reactions

MOST_NAMED = 20
"""Different emojis that are counted for one post."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """`id` is also the number of the home timeline's entry, where a boost makes one."""

    id: int
    note: Iri
    actor: Iri
    kind: ReactionKind
    content: str
    activity: Iri
    at: datetime
    url: str | None = None
    """The picture of a custom emoji."""


@dataclass(frozen=True, slots=True)
class Target:
    """A note, as far as a reaction to it needs to know."""

    id: int
    author: Iri
    visibility: Visibility
    own: bool


async def targets(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Target]:
    """Which of these notes are here."""
    rows = await tx.execute(_TARGETS, {"iris": rounded(set(iris))})
    return {Iri(row.iri): Target(row.id, Iri(row.author), Visibility(row.visibility), row.own) for row in rows}


_TARGETS = (
    select(notes.c.iri, notes.c.id, notes.c.visibility, notes.c.own, actors.c.iri.label("author"))
    .join(actors, actors.c.id == notes.c.author_id)
    .where(notes.c.iri.in_(bindparam("iris", expanding=True)))
)


async def add_many(tx: Tx, new: Sequence[Reaction]) -> None:
    """The same reaction of the same actor to the same note stays one (security.md §2: like stuffing)."""
    await insert_new(
        tx,
        reactions,
        [
            {
                "id": item.id,
                "note": item.note,
                "actor": item.actor,
                "kind": item.kind.value,
                "content": item.content,
                "activity": item.activity,
                "at": ms(item.at),
                "url": item.url,
            }
            for item in new
        ],
    )


Standing = tuple[Iri, Iri, ReactionKind, str]
"""Note, actor, kind, content: what there is one of."""


async def standing(tx: Tx, iris: Iterable[Iri], by: Iterable[Iri]) -> set[Standing]:
    """What these actors did with these notes already."""
    rows = await tx.execute(_STANDING, {"iris": rounded(set(iris)), "by": rounded(set(by))})
    return {(Iri(row.note), Iri(row.actor), ReactionKind(row.kind), row.content) for row in rows}


_STANDING = select(reactions.c.note, reactions.c.actor, reactions.c.kind, reactions.c.content).where(
    reactions.c.note.in_(bindparam("iris", expanding=True)), reactions.c.actor.in_(bindparam("by", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Undone:
    """What somebody takes back: by the id of the activity, or by what it was about."""

    actor: Iri
    activity: Iri | None
    object: Iri | None
    kinds: tuple[ReactionKind, ...]
    content: str = ""

    def among(self, rows: Sequence[Any]) -> set[int]:
        """The one that the id names; only where it names none (or none was given), what was done to the object."""
        own = [row for row in rows if row.actor == self.actor and row.kind in self.kinds]
        if self.activity is not None:
            spelled = (self.activity, apart(self.activity, self.actor))
            if named := {row.id for row in own if row.activity in spelled}:
                return named
        if self.object is None:
            return set()
        return {row.id for row in own if row.note == self.object and self.content in ("", row.content)}


async def undo(tx: Tx, wanted: Sequence[Undone]) -> set[Undone]:
    """Take reactions back, each by its own actor alone, out of the home timeline too. Which of them found something."""
    named = [(item.activity, item.actor) for item in wanted if item.activity is not None]
    by_id = {spelled for iri, actor in named for spelled in (iri, apart(iri, actor))}
    by_note = {item.object for item in wanted if item.object is not None}
    rows = list(
        await tx.execute(
            select(reactions).where(
                reactions.c.actor.in_({item.actor for item in wanted}),
                reactions.c.activity.in_(by_id) | reactions.c.note.in_(by_note),
            )
        )
    )
    found = {item: item.among(rows) for item in wanted}
    gone = set().union(*found.values())
    if gone:
        await tx.execute(delete(home).where(home.c.id.in_(gone)))
        await _untell(tx, [row for row in rows if row.id in gone])
        await tx.execute(delete(reactions).where(reactions.c.id.in_(gone)))
    return {item for item, ids in found.items() if ids}


async def _untell(tx: Tx, undone: Sequence[Any]) -> None:
    """What was taken back is nothing to be told of."""
    theirs = select(notes.c.id, reactions.c.actor, reactions.c.kind).join(notes, notes.c.iri == reactions.c.note)
    rows = list(await tx.execute(theirs.where(reactions.c.id.in_([row.id for row in undone]), notes.c.own)))
    for row in rows:
        await tx.execute(
            delete(notifications).where(
                notifications.c.note_id == row.id,
                notifications.c.actor == row.actor,
                notifications.c.kind == of_reaction(ReactionKind(row.kind)).value,
            )
        )


async def by(tx: Tx, note: Iri, actor: Iri, kinds: Sequence[ReactionKind]) -> list[Reaction]:
    """What an actor did with a note, oldest first."""
    rows = await tx.execute(
        select(reactions)
        .where(reactions.c.note == note, reactions.c.actor == actor, reactions.c.kind.in_(kinds))
        .order_by(reactions.c.id)
    )
    return [
        Reaction(
            row.id,
            Iri(row.note),
            Iri(row.actor),
            ReactionKind(row.kind),
            row.content,
            Iri(row.activity),
            when(row.at),
            row.url,
        )
        for row in rows
    ]


async def interactors(tx: Tx, note: Iri) -> set[Iri]:
    """Who reacted to a note or answered it: whom its edits concern as well."""
    reacted = select(reactions.c.actor).where(reactions.c.note == note)
    answered = select(actors.c.iri).join(notes, notes.c.author_id == actors.c.id).where(notes.c.in_reply_to == note)
    return {Iri(iri) for iri in (await tx.execute(reacted.union(answered))).scalars()}


async def lately_at_home(tx: Tx, ids: Iterable[int], since: int) -> set[int]:
    """Which of these notes have an entry in the home timeline above the number `since`."""
    rows = await tx.execute(select(home.c.note_id).where(home.c.note_id.in_(set(ids)), home.c.id > since))
    return set(rows.scalars())


async def show(tx: Tx, entries: Sequence[tuple[int, int, int]]) -> None:
    """Put boosts into the home timeline: (number of the entry, of the note, of the one who boosted)."""
    rows = [{"id": entry, "note_id": note, "actor_id": actor} for entry, note, actor in entries]
    await insert_new(tx, home, rows)


async def counts(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Counts]:
    """What was done with these notes, as far as it was seen here; answers that anybody may read."""
    wanted = set(iris)
    if not wanted:
        return {}
    asked = {"iris": rounded(wanted)}
    reacted = await tx.execute(_reacted(), asked)
    likes: dict[Iri, int] = {}
    boosts: dict[Iri, int] = {}
    emojis: dict[Iri, list[tuple[str, int]]] = {}
    for row in reacted:
        if row.kind == ReactionKind.EMOJI:
            emojis.setdefault(row.note, []).append((row.content, row.times))
        else:
            (likes if row.kind == ReactionKind.LIKE else boosts)[row.note] = row.times
    replies = {row.in_reply_to: row.times for row in await tx.execute(_answered(), asked)}
    return {
        iri: Counts(likes.get(iri, 0), boosts.get(iri, 0), replies.get(iri, 0), tuple(emojis.get(iri, ())[:MOST_NAMED]))
        for iri in wanted
    }


@cache
def _reacted() -> Select[Any]:
    return (
        select(reactions.c.note, reactions.c.kind, reactions.c.content, func.count().label("times"))
        .where(reactions.c.note.in_(bindparam("iris", expanding=True)))
        .group_by(reactions.c.note, reactions.c.kind, reactions.c.content)
        .order_by(func.count().desc(), reactions.c.content)
    )


@cache
def _answered() -> Select[Any]:
    return (
        select(notes.c.in_reply_to, func.count().label("times"))
        .where(notes.c.in_reply_to.in_(bindparam("iris", expanding=True)))
        .where(notes.c.visibility.in_(("public", "unlisted")))
        .group_by(notes.c.in_reply_to)
    )


async def forget_actor(tx: Tx, actor: Iri) -> None:
    """The account is gone: what it did with posts goes, and what it brought home."""
    theirs = select(reactions.c.id).where(reactions.c.actor == actor)
    await tx.execute(delete(home).where(home.c.id.in_(theirs)))
    await tx.execute(delete(reactions).where(reactions.c.actor == actor))
    await tx.execute(delete(notifications).where(notifications.c.actor == actor))
