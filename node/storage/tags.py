"""Hashtags: which posts carry them, and which the owner follows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, Text, and_, bindparam, delete, exists, select
from sqlalchemy import insert as plain_insert

from node.storage.dialect import Tx, insert_each, insert_new, ms, when
from node.storage.schema import actors as people
from node.storage.schema import followed_tags, follows, home, note_tags, notes
from node.text import fold_tag


@dataclass(frozen=True, slots=True)
class FollowedTag:
    """A hashtag, folded, and since when the owner follows it."""

    name: str
    since: datetime


# ── which posts carry them ───────────────────────────────────────────────────────────────────

_INDEX = plain_insert(note_tags).from_select(
    ["tag", "note_id"],
    select(bindparam("carried", type_=Text), notes.c.id).where(notes.c.id == bindparam("number")),
)


async def index(tx: Tx, carried: Iterable[tuple[int, Sequence[str]]]) -> None:
    """Remember the hashtags of new posts (number, hashtags as written); of one that was not stored, nothing."""
    rows = [
        {"carried": tag, "number": number}
        for number, written in carried
        for tag in dict.fromkeys(map(fold_tag, written))
    ]
    if rows:
        await insert_each(tx, _INDEX, rows)


async def reindex(tx: Tx, number: int, written: Sequence[str]) -> None:
    """A post was edited: these are its hashtags now."""
    await tx.execute(delete(note_tags).where(note_tags.c.note_id == number))
    await index(tx, [(number, written)])


# ── which the owner follows ──────────────────────────────────────────────────────────────────


async def follow(tx: Tx, name: str, at: datetime) -> None:
    """`name` is folded. Twice is once."""
    await insert_new(tx, followed_tags, [{"name": name, "since": ms(at)}])


async def unfollow(tx: Tx, name: str) -> bool:
    """Whether it was followed. What only it brought leaves the home timeline, and stays stored."""
    gone = await tx.execute(delete(followed_tags).where(followed_tags.c.name == name))
    if not gone.rowcount:
        return False
    carrying = select(note_tags.c.note_id).where(note_tags.c.tag == name)
    await tx.execute(delete(home).where(home.c.id.in_(_strays().where(home.c.note_id.in_(carrying)))))
    return True


async def leave_home(tx: Tx, number: int) -> None:
    """An edited post that carries no followed hashtag any more leaves, if nothing else brought it."""
    await tx.execute(delete(home).where(home.c.id.in_(_strays().where(home.c.note_id == number))))


def _strays() -> Select[tuple[int]]:
    """Entries of the home timeline that nobody brought whom the owner follows, and no followed hashtag (any more)."""
    still = exists().where(note_tags.c.note_id == home.c.note_id, note_tags.c.tag == followed_tags.c.name)
    friend = exists().where(and_(follows.c.actor == people.c.iri, follows.c.state == "accepted"))
    return (
        select(home.c.id)
        .join(notes, notes.c.id == home.c.note_id)
        .join(people, people.c.id == home.c.actor_id)
        .where(home.c.actor_id == notes.c.author_id, ~notes.c.own, ~friend, ~still)
    )


async def followed(tx: Tx) -> list[FollowedTag]:
    """By name."""
    rows = await tx.execute(select(followed_tags).order_by(followed_tags.c.name))
    return [FollowedTag(row.name, when(row.since)) for row in rows]
