"""Which posts the owner, or somebody whom the owner follows, did anything with: what a sweep leaves (sweep.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, bindparam, cast, exists, or_, select

from node.model import Iri
from node.storage import blocks
from node.storage.dialect import Tx, ms
from node.storage.schema import (
    actors,
    bookmarks,
    featured,
    filter_statuses,
    followers,
    follows,
    list_members,
    notes,
    notifications,
    reactions,
    votes,
)

ANCESTORS = 200
"""How far up a thread is looked for where it begins."""

TOGETHER = 500
"""Posts of the owner's that are read together."""

_ME: ColumnElement[str] = bindparam("me")


def _is_followed(author: ColumnElement[Any]) -> ColumnElement[bool]:
    """By the owner, who may wait for the answer still."""
    return exists().where(follows.c.actor == author, follows.c.state.in_(("accepted", "pending")))


def _went_to(author: ColumnElement[Any], moved_to: ColumnElement[Any], times: int = 3) -> ColumnElement[bool]:
    """Whether somebody moved, once or some more times, to an account that is followed, and that names the one before.

    Their own word is not enough: anybody may say that they went there.
    """
    new = actors.alias()
    names_it = cast(new.c.also_known_as, Text).contains(author)
    there = _is_followed(new.c.iri)
    if times > 1:
        there = or_(there, _went_to(new.c.iri, new.c.moved_to, times - 1))
    return and_(moved_to.is_not(None), exists().where(new.c.iri == moved_to, names_it, there))


def _by_us(other: Any, by: Any) -> ColumnElement[bool]:
    """Whether a post (`other`, by `by`) is the owner's, or of somebody followed."""
    return and_(by.c.id == other.c.author_id, or_(other.c.own, _is_followed(by.c.iri)))


def _is_referred_to() -> ColumnElement[bool]:
    answer, quoting, by, author = notes.alias(), notes.alias(), actors.alias(), actors.c.iri
    pins = featured.c.actor
    follower = exists().where(followers.c.actor == pins, followers.c.state == "accepted")
    did = or_(reactions.c.actor == _ME, _is_followed(reactions.c.actor))
    return or_(
        _is_followed(author),
        _went_to(author, actors.c.moved_to),
        exists().where(list_members.c.actor == author),
        and_(notes.c.for_owner, blocks.is_known(author)),
        exists().where(reactions.c.note == notes.c.iri, did),
        exists().where(bookmarks.c.note_id == notes.c.id),
        exists().where(filter_statuses.c.note_id == notes.c.id),
        exists().where(votes.c.question == notes.c.iri, votes.c.actor == _ME),
        exists().where(notifications.c.note_id == notes.c.id, notifications.c.kind != "mention"),
        exists().where(pins == author, featured.c.note == notes.c.iri, or_(follower, blocks.is_known(pins))),
        exists().where(answer.c.in_reply_to == notes.c.iri, _by_us(answer, by)),
        exists().where(quoting.c.quote == notes.c.iri, _by_us(quoting, by)),
    )


_ALONE = (
    select(notes.c.id, notes.c.iri, notes.c.url, notes.c.in_reply_to, notes.c.for_owner)
    .join(actors, actors.c.id == notes.c.author_id)
    .where(
        notes.c.id.in_(bindparam("numbers", expanding=True)),
        ~notes.c.own,
        notes.c.received_at < bindparam("before"),
        ~_is_referred_to(),
    )
)
"""Made once: to build it takes longer than to run it."""


@dataclass(frozen=True, slots=True)
class Alone:
    """A post that nobody refers to, but perhaps the thread that it is in."""

    id: int
    iri: Iri
    url: str | None
    in_reply_to: Iri | None
    for_owner: bool


async def alone(tx: Tx, numbers: Sequence[int], me: Iri, before: datetime) -> list[Alone]:
    """Which of these came before then and are referred to by nobody."""
    rows = await tx.execute(_ALONE, {"numbers": list(numbers), "me": me, "before": ms(before)})
    return [Alone(row.id, row.iri, row.url, row.in_reply_to, bool(row.for_owner)) for row in rows]


# ── threads ──────────────────────────────────────────────────────────────────────────────────

_OWN = (
    select(notes.c.id, notes.c.iri, notes.c.in_reply_to)
    .where(notes.c.own, notes.c.id > bindparam("after"))
    .order_by(notes.c.id)
    .limit(TOGETHER)
)
_PARENTS = select(notes.c.iri, notes.c.in_reply_to, notes.c.own).where(
    notes.c.iri.in_(bindparam("iris", expanding=True))
)


@dataclass(slots=True)
class OwnersThreads:
    """Where the threads begin in which the owner says something, up to a post of the owner's."""

    begin: set[str] = field(default_factory=set)
    read_to: int = 0

    async def among(self, tx: Tx, posts: Mapping[Iri, Iri | None]) -> set[Iri]:
        """Which of these posts (id, and what it answers) are in such a thread, wherever in it."""
        if not posts:
            return set()
        await self._read_on(tx)
        found = await _beginnings(tx, posts)
        return {iri for iri, (top, met) in found.items() if met or top in self.begin}

    async def _read_on(self, tx: Tx) -> None:
        """Take in what the owner said since the last look."""
        while rows := list(await tx.execute(_OWN, {"after": self.read_to})):
            found = await _beginnings(tx, {row.iri: row.in_reply_to for row in rows})
            self.begin.update(top for top, _ in found.values())
            self.read_to = rows[-1].id


async def _beginnings(tx: Tx, posts: Mapping[Iri, Iri | None]) -> dict[Iri, tuple[str, bool]]:
    """Of posts: where their threads begin, as far as is known here, and whether the owner spoke on the way up.

    A beginning need not be here itself: answers to the same absent post belong together.
    """
    at = {iri: parent or iri for iri, parent in posts.items()}
    met = dict.fromkeys(posts, False)
    climbing = set(posts)
    for _ in range(ANCESTORS):
        if not climbing:
            break
        rows = await tx.execute(_PARENTS, {"iris": list({at[iri] for iri in climbing})})
        known = {row.iri: row for row in rows}
        for iri in list(climbing):
            row = known.get(at[iri])
            met[iri] = met[iri] or (row is not None and bool(row.own))
            if row is None or row.in_reply_to is None:
                climbing.discard(iri)
            else:
                at[iri] = row.in_reply_to
    return {iri: (at[iri], met[iri]) for iri in posts}
