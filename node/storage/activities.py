"""The log of activities: what was sent, what came in, and the evidence for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import Select, bindparam, delete, func, select, update

from node.model import Iri
from node.storage.dialect import Tx, insert_new, ms, rows_among, when
from node.storage.schema import activities, notes


@dataclass(frozen=True, slots=True)
class Logged:
    """One activity. `headers` are those of the HTTP signature, as received; `key` the key that made it."""

    iri: Iri
    direction: Literal["in", "out"]
    actor: Iri
    type: str
    object: Iri | None
    at: datetime
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    key_id: Iri | None = None
    key: str | None = None


async def record_many(tx: Tx, entries: Sequence[Logged]) -> None:
    await insert_new(
        tx,
        activities,
        [
            {
                "iri": entry.iri,
                "direction": entry.direction,
                "actor": entry.actor,
                "type": entry.type,
                "object": entry.object,
                "at": ms(entry.at),
                "body": entry.body,
                "headers": [list(pair) for pair in entry.headers] or None,
                "key_id": entry.key_id,
                "key": entry.key,
            }
            for entry in entries
        ],
    )


_SENDERS = select(activities.c.iri, activities.c.actor).where(activities.c.iri.in_(bindparam("iris", expanding=True)))


async def senders(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Iri]:
    """Which of these ids were seen before, and from whom: the guard against replays.

    It goes by id and actor: a neighbour on the same server who uses somebody's coming id first must
    not shut them out (security.md §1).
    """
    return {Iri(iri): Iri(actor) for iri, actor in await rows_among(tx, _SENDERS, iris)}


def apart(iri: Iri, actor: Iri) -> Iri:
    """An id as this actor's alone: how it is kept where a neighbour on the same server might use the same one."""
    mark = hashlib.sha256(actor.encode()).hexdigest()[:16]
    return Iri(f"{iri}#{mark}")


async def is_spent(tx: Tx, iri: Iri, actor: Iri) -> bool:
    """Whether this actor sent that activity before, or undid it before it came."""
    both = (iri, apart(iri, actor))
    query = select(activities.c.iri).where(activities.c.iri.in_(both), activities.c.actor == actor)
    return (await tx.execute(query)).first() is not None


_UNDONE = select(activities.c.object, activities.c.actor, activities.c.headers).where(
    activities.c.object.in_(bindparam("iris", expanding=True)),
    activities.c.direction == "in",
    activities.c.type.startswith("Undo"),
)


async def undone(tx: Tx, iris: Iterable[Iri]) -> dict[tuple[Iri, Iri], list[tuple[tuple[str, str], ...]]]:
    """By activity and actor: the signature headers of each Undo that took it back."""
    found: dict[tuple[Iri, Iri], list[tuple[tuple[str, str], ...]]] = {}
    for row in await tx.execute(_UNDONE, {"iris": list(iris)}):
        headers = tuple((name, value) for name, value in row.headers or ())
        found.setdefault((Iri(row.object), Iri(row.actor)), []).append(headers)
    return found


async def turned_away(tx: Tx, follow: Iri, actor: Iri) -> list[datetime]:
    """When the owner said no to this Follow, or shut its actor out."""
    query = select(activities.c.at).where(
        activities.c.object.in_([follow, actor]),
        activities.c.direction == "out",
        activities.c.type.in_(["Reject", "Block"]),
    )
    return [when(at) for at in (await tx.execute(query)).scalars()]


async def renew(tx: Tx, iri: Iri, body: bytes) -> None:
    """What is served and delivered under this id of ours from now on: the Create of a post that was edited."""
    await tx.execute(
        update(activities).where(activities.c.iri == iri, activities.c.direction == "out").values(body=body)
    )


async def withdraw(tx: Tx, iri: Iri) -> bytes | None:
    """Take an activity of ours out of the log, and out of the queue; the bytes it had."""
    ours = (activities.c.iri == iri) & (activities.c.direction == "out")
    body = (await tx.execute(select(activities.c.body).where(ours))).scalar_one_or_none()
    await tx.execute(delete(activities).where(ours))
    return None if body is None else bytes(body)


async def supersede(tx: Tx, object_: Iri, beginning: str) -> None:
    """What we said about an object under ids that begin so is out of date: out of the log, and out of the queue."""
    ours = (activities.c.object == object_) & (activities.c.direction == "out")
    await tx.execute(delete(activities).where(ours, activities.c.iri.startswith(beginning, autoescape=True)))


async def use_up(tx: Tx, iri: Iri, actor: Iri, at: datetime) -> None:
    """Mark an id of this actor's as seen although the activity never came: it was undone first.

    It is kept apart: a neighbour whose activity has that id is not shut out by it.
    """
    await record_many(tx, [Logged(apart(iri, actor), "in", actor, "Undone", None, at, b"")])


async def last_of(tx: Tx, actor: Iri, type: str) -> datetime | None:
    """When an actor last sent an activity of this type that was recorded."""
    query = select(func.max(activities.c.at)).where(
        activities.c.actor == actor, activities.c.type == type, activities.c.direction == "in"
    )
    at = (await tx.execute(query)).scalar_one_or_none()
    return None if at is None else when(at)


async def octets_since(tx: Tx, number: int) -> list[tuple[Iri, int]]:
    """How much was delivered of each author's posts from the number `number` on (numbers grow with time).

    By the posts, of which there is a key that goes by time; what we went to fetch is not counted.
    """
    rows = await tx.execute(_octets_since(), {"number": number})
    return [(Iri(row.actor), int(row.octets)) for row in rows]


@cache
def _octets_since() -> Select[Any]:
    return (
        select(activities.c.actor, func.sum(func.length(activities.c.body)).label("octets"))
        .join(notes, notes.c.activity == activities.c.iri)
        .where(notes.c.id >= bindparam("number"), ~notes.c.own, activities.c.type != "Fetched")
        .group_by(activities.c.actor)
    )


async def get(tx: Tx, iri: Iri) -> Logged | None:
    row = (await tx.execute(select(activities).where(activities.c.iri == iri))).one_or_none()
    return None if row is None else _logged(row)


async def about(tx: Tx, iri: Iri) -> list[Logged]:
    """Everything logged about an object, oldest first: how a post came to be what it is."""
    rows = await tx.execute(select(activities).where(activities.c.object == iri).order_by(activities.c.at))
    return [_logged(row) for row in rows]


async def forget_content(tx: Tx, object_: Iri, *, by: Iri, but: Iri) -> None:
    """Drop what its author said about a deleted post from the log; the Delete itself (`but`) stays."""
    await tx.execute(
        delete(activities).where(activities.c.object == object_, activities.c.actor == by, activities.c.iri != but)
    )


def _logged(row: Any) -> Logged:
    return Logged(
        iri=Iri(row.iri),
        direction=row.direction,
        actor=Iri(row.actor),
        type=row.type,
        object=Iri(row.object) if row.object else None,
        at=when(row.at),
        body=bytes(row.body),
        headers=tuple((name, value) for name, value in row.headers or ()),
        key_id=Iri(row.key_id) if row.key_id else None,
        key=row.key,
    )
