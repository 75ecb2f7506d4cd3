"""Statuses that wait for their time, and the words by which one that was posted is known again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from node.model import Window
from node.storage.dialect import Tx, insert_new, ms, reason, when
from node.storage.listings import windowed
from node.storage.schema import idempotency, scheduled

KEPT = timedelta(days=7)
"""How long a word is remembered."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """`params` is what was asked for, as JSON. `problem`: why it could not be published when its time came."""

    id: int
    at: datetime
    params: dict[str, Any]
    problem: str | None = None


def _scheduled(row: Any) -> Scheduled:
    return Scheduled(row.id, when(row.at), row.params, row.problem)


async def add(tx: Tx, new: Scheduled) -> None:
    await tx.execute(scheduled.insert().values(id=new.id, at=ms(new.at), params=new.params, problem=None))


async def get(tx: Tx, identifier: int) -> Scheduled | None:
    row = (await tx.execute(select(scheduled).where(scheduled.c.id == identifier))).one_or_none()
    return None if row is None else _scheduled(row)


async def listed(tx: Tx, window: Window) -> list[Scheduled]:
    """Newest first, by when they were scheduled."""
    return [_scheduled(row) for row in await windowed(tx, select(scheduled), scheduled.c.id, window)]


async def count(tx: Tx) -> int:
    return len((await tx.execute(select(scheduled.c.id).limit(1000))).all())


async def move(tx: Tx, identifier: int, at: datetime) -> None:
    """To another time; what went wrong before is forgotten."""
    await tx.execute(update(scheduled).where(scheduled.c.id == identifier).values(at=ms(at), problem=None))


async def remove(tx: Tx, identifier: int) -> bool:
    return bool((await tx.execute(delete(scheduled).where(scheduled.c.id == identifier))).rowcount)


async def due(tx: Tx, now: datetime, limit: int = 20) -> list[Scheduled]:
    """Whose time has come, and that nothing stands in the way of."""
    waiting = (scheduled.c.at <= ms(now), scheduled.c.problem.is_(None))
    rows = await tx.execute(select(scheduled).where(*waiting).order_by(scheduled.c.at).limit(limit))
    return [_scheduled(row) for row in rows]


async def next_at(tx: Tx) -> datetime | None:
    """When the next one is due."""
    query = select(scheduled.c.at).where(scheduled.c.problem.is_(None)).order_by(scheduled.c.at).limit(1)
    value = (await tx.execute(query)).scalar_one_or_none()
    return None if value is None else when(value)


async def put_aside(tx: Tx, identifier: int, problem: str) -> None:
    """It cannot be published; the owner sees it in the list, and why."""
    await tx.execute(update(scheduled).where(scheduled.c.id == identifier).values(problem=reason(problem)))


# ── the same status sent twice ───────────────────────────────────────────────────────────────


async def posted_before(tx: Tx, word: str) -> int | None:
    """The number of the post that was published under this word."""
    query = select(idempotency.c.note_id).where(idempotency.c.key == word)
    value = (await tx.execute(query)).scalar_one_or_none()
    return None if value is None else int(value)


async def remember(tx: Tx, word: str, note_id: int, at: datetime) -> None:
    """In the transaction that publishes the post: there is no moment at which one is there without the other."""
    await tx.execute(delete(idempotency).where(idempotency.c.at < ms(at - KEPT)))
    await insert_new(tx, idempotency, [{"key": word, "note_id": note_id, "at": ms(at)}])
