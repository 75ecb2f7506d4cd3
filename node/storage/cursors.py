"""How far each followed outbox is known, how often its owner writes, and when the node was last awake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select

from node.model import Iri
from node.storage.dialect import Tx, ms, ms_or_none, upsert, when, when_or_none
from node.storage.schema import actors, cursors, follows, notes


@dataclass(frozen=True, slots=True)
class Cursor:
    """`etag` is the address of the page it belongs to, a blank, and the entity tag as it came."""

    actor: Iri
    newest: Iri | None = None
    newest_at: datetime | None = None
    checked_at: datetime | None = None
    etag: str | None = None


async def get(tx: Tx, actor: Iri) -> Cursor | None:
    row = (await tx.execute(_OF_ACTOR, {"wanted": actor})).one_or_none()
    if row is None:
        return None
    newest = Iri(row.newest) if row.newest else None
    return Cursor(Iri(row.actor), newest, when_or_none(row.newest_at), when_or_none(row.checked_at), row.etag)


_OF_ACTOR = select(cursors).where(cursors.c.actor == bindparam("wanted"))


async def put(tx: Tx, cursor: Cursor) -> None:
    row: dict[str, Any] = {
        "actor": cursor.actor,
        "newest": cursor.newest,
        "newest_at": ms_or_none(cursor.newest_at),
        "checked_at": ms_or_none(cursor.checked_at),
        "etag": cursor.etag,
    }
    await upsert(tx, cursors, row)


async def beat(tx: Tx, own: Iri, now: datetime) -> None:
    """The node is awake. The row of the owner's own actor keeps the time."""
    await upsert(tx, cursors, {"actor": own, "checked_at": ms(now)})


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What somebody followed wrote lately: how many posts, from when to when; and when their outbox was read."""

    actor: Iri
    since: datetime
    posts: int
    oldest: datetime | None
    newest: datetime | None
    checked_at: datetime | None


async def rhythms(tx: Tx, since_id: int) -> list[Rhythm]:
    """Of everyone followed, counting notes from the number `since_id` on (numbers grow with time)."""
    return [
        Rhythm(
            Iri(row.actor),
            when(row.since),
            int(row.posts),
            when_or_none(row.oldest),
            when_or_none(row.newest),
            when_or_none(row.checked_at),
        )
        for row in await tx.execute(_rhythms(), {"since_id": since_id})
    ]


@cache
def _rhythms() -> Select[Any]:
    return (
        select(
            follows.c.actor,
            follows.c.since,
            func.count(notes.c.id).label("posts"),
            func.min(notes.c.published).label("oldest"),
            func.max(notes.c.published).label("newest"),
            func.max(cursors.c.checked_at).label("checked_at"),
        )
        .join(actors, actors.c.iri == follows.c.actor)
        .outerjoin(notes, and_(notes.c.author_id == actors.c.id, notes.c.id >= bindparam("since_id")))
        .outerjoin(cursors, cursors.c.actor == follows.c.actor)
        .where(follows.c.state == "accepted", actors.c.gone_at.is_(None))
        .group_by(follows.c.actor, follows.c.since)
    )
