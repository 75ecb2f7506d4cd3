"""Activities that were accepted and could not be applied at once: tried again, and parked at last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update

from node.model import Iri, KnownKey
from node.storage.dialect import Tx, insert_new, ms, reason, rounded, when
from node.storage.schema import activities, arrivals


@dataclass(frozen=True, slots=True)
class Arrival:
    """A verified activity waiting. The key is known by its id; nothing is verified a second time."""

    id: int
    activity: Iri
    actor: Iri
    body: bytes
    headers: tuple[tuple[str, str], ...]
    key_id: Iri
    received_at: datetime
    attempts: int


async def put(
    tx: Tx,
    *,
    activity: Iri,
    actor: Iri,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    key_id: Iri,
    received_at: datetime,
    next_at: datetime,
    error: str | None = None,
) -> None:
    row = {
        "activity": activity,
        "actor": actor,
        "body": body,
        "headers": [list(pair) for pair in headers],
        "key_id": key_id,
        "received_at": ms(received_at),
        "attempts": 0,
        "next_at": ms(next_at),
        "last_error": None if error is None else reason(error),
    }
    await insert_new(tx, arrivals, [row])


AT_ONCE = 50
"""Arrivals that are taken up together."""


async def due(tx: Tx, now: datetime, limit: int = AT_ONCE) -> list[Arrival]:
    return [
        Arrival(
            row.id,
            Iri(row.activity),
            Iri(row.actor),
            bytes(row.body),
            tuple((name, value) for name, value in row.headers),
            Iri(row.key_id),
            when(row.received_at),
            row.attempts,
        )
        for row in await tx.execute(_DUE, {"now": ms(now), "most": limit})
    ]


_DUE = (
    select(arrivals).where(arrivals.c.next_at <= bindparam("now")).order_by(arrivals.c.next_at).limit(bindparam("most"))
)


async def announced_by(tx: Tx, actor: Iri) -> set[tuple[Iri, str]]:
    """The keys (id, material) under which this actor announced a change of account that waits to be fetched."""
    rows = await tx.execute(
        select(activities.c.key_id, activities.c.key)
        .join(arrivals, arrivals.c.activity == activities.c.iri)
        .where(arrivals.c.actor == actor, arrivals.c.next_at.is_not(None))
        .where(activities.c.actor == actor, activities.c.type == "UpdateActor")
    )
    return {(Iri(row.key_id), row.key) for row in rows}


async def announcements(tx: Tx, actor: Iri, key: KnownKey) -> int:
    """How many changes of account wait to be fetched that this actor announced under this key."""
    query = (
        select(func.count())
        .select_from(arrivals.join(activities, activities.c.iri == arrivals.c.activity))
        .where(arrivals.c.actor == actor, arrivals.c.next_at.is_not(None))
        .where(activities.c.type == "UpdateActor", activities.c.key_id == key.id, activities.c.key == key.material)
    )
    return int((await tx.execute(query)).scalar_one())


async def done(tx: Tx, identifier: int) -> None:
    await tx.execute(delete(arrivals).where(arrivals.c.id == identifier))


async def postpone(tx: Tx, identifier: int, next_at: datetime | None, error: str) -> None:
    """Try again at `next_at`; None parks it for the owner to see."""
    await tx.execute(
        update(arrivals)
        .where(arrivals.c.id == identifier)
        .values(attempts=arrivals.c.attempts + 1, next_at=ms(next_at) if next_at else None, last_error=reason(error))
    )


async def put_off(tx: Tx, identifiers: Sequence[int], until: datetime) -> None:
    """Not before then; that is no try."""
    await tx.execute(update(arrivals).where(arrivals.c.id.in_(rounded(identifiers))).values(next_at=ms(until)))


async def waiting(tx: Tx) -> tuple[int, int]:
    """(still to be tried, parked)."""
    total = int((await tx.execute(select(func.count()).select_from(arrivals))).scalar_one())
    parked = int(
        (await tx.execute(select(func.count()).select_from(arrivals).where(arrivals.c.next_at.is_(None)))).scalar_one()
    )
    return total - parked, parked
