"""Deliveries still owed: one row per activity and inbox, leased by whoever is sending them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from node.model import Iri, origin_of
from node.storage.dialect import Tx, insert, is_sqlite, ms, reason, rounded, when
from node.storage.schema import activities, hosts, queue

LEASE = timedelta(minutes=2)
"""How long a claimed row stays with a worker that does not answer any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery to make: `activity` to `inbox`, signed for `actor`."""

    id: int
    activity: Iri
    actor: Iri
    inbox: Iri
    origin: str
    attempts: int
    created_at: datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Retry:
    id: int
    next_at: datetime
    error: str
    tried: bool = True


async def put(
    tx: Tx,
    activity: Iri,
    actor: Iri,
    body: bytes,
    inboxes: Iterable[Iri],
    at: datetime,
    *,
    worker: str | None = None,
) -> list[Job]:
    """Owe an activity to inboxes. With `worker` the rows are leased to it at once and come back as jobs,
    so that a post made inside the node need not be looked for."""
    wanted = [(inbox, origin_of(inbox)) for inbox in dict.fromkeys(inboxes)]
    if not wanted:
        return []
    now = ms(at)
    constant = {
        "activity": activity,
        "attempts": 0,
        "created_at": now,
        "next_at": now,
        "last_error": None,
        "worker": worker,
        "leased_until": ms(at + LEASE) if worker else None,
    }
    if is_sqlite(tx):
        asked = {f"its_{name}": value for name, value in constant.items()}
        await tx.execute(_put_all(tuple(constant)), {**asked, "pairs": json.dumps(wanted)})
    else:
        rows = [{**constant, "inbox": inbox, "origin": origin} for inbox, origin in wanted]
        await tx.execute(insert(tx, queue).on_conflict_do_nothing(), rows)
    if worker is None:
        return []
    owed = await tx.execute(_PUT, {"its_activity": activity, "its_worker": worker})
    return [Job(row.id, activity, actor, Iri(row.inbox), row.origin, 0, at, body) for row in owed.all()]


_PUT = select(queue.c.id, queue.c.inbox, queue.c.origin).where(
    queue.c.activity == bindparam("its_activity"), queue.c.worker == bindparam("its_worker"), queue.c.attempts == 0
)


@cache
def _put_all(constant: tuple[str, ...]) -> Insert:
    """One statement for a thousand rows: handing SQLite as many sets of parameters takes longer than all the rest."""
    pair = func.json_each(bindparam("pairs", type_=Text)).table_valued("value").c.value
    columns: dict[str, ColumnElement[Any]] = {
        name: bindparam(f"its_{name}", type_=queue.c[name].type) for name in constant
    }
    columns |= {"inbox": func.json_extract(pair, "$[0]"), "origin": func.json_extract(pair, "$[1]")}
    # Without a WHERE, SQLite would take ON CONFLICT for the ON of a join (lang_upsert.html, 2.2).
    chosen = select(*columns.values()).where(pair.is_not(None))
    return sqlite.insert(queue).from_select(list(columns), chosen).on_conflict_do_nothing()


async def claim(
    tx: Tx, worker: str, now: datetime, *, limit: int, per_origin: int = 100, without: Iterable[str] = ()
) -> list[Job]:
    """Lease rows that are due and free, oldest first, at most `per_origin` of one host: none fills the batch.
    None at all of the hosts in `without`."""
    asked = {"now": ms(now), "per_origin": per_origin, "most": limit, "looked_at": limit * 4}
    ids = list((await tx.execute(_picked(), {**asked, "without": rounded(without)})).scalars())
    if not ids:
        return []
    if not is_sqlite(tx):  # SQLite has one writer; elsewhere another worker may be choosing the same rows
        free = or_(queue.c.leased_until.is_(None), queue.c.leased_until < ms(now))
        locked = select(queue.c.id).where(queue.c.id.in_(ids), free).with_for_update(skip_locked=True)
        ids = list((await tx.execute(locked)).scalars())
    await tx.execute(
        update(queue).where(queue.c.id.in_(rounded(ids))).values(worker=worker, leased_until=ms(now + LEASE))
    )
    rows = await tx.execute(
        select(queue, activities.c.body, activities.c.actor)
        .join(activities, activities.c.iri == queue.c.activity)
        .where(queue.c.id.in_(rounded(ids)))
        .order_by(queue.c.id)
    )
    return [
        Job(
            row.id,
            Iri(row.activity),
            Iri(row.actor),
            Iri(row.inbox),
            row.origin,
            row.attempts,
            when(row.created_at),
            bytes(row.body),
        )
        for row in rows
    ]


@cache
def _picked() -> Select[Any]:
    free = or_(queue.c.leased_until.is_(None), queue.c.leased_until < bindparam("now"))
    rank = func.row_number().over(partition_by=queue.c.origin, order_by=queue.c.id).label("rank")
    due = select(queue.c.id, rank).where(
        queue.c.next_at <= bindparam("now"), free, queue.c.origin.not_in(bindparam("without", expanding=True))
    )
    window = due.order_by(queue.c.next_at, queue.c.id).limit(bindparam("looked_at")).subquery()
    return select(window.c.id).where(window.c.rank <= bindparam("per_origin")).limit(bindparam("most"))


async def renew(tx: Tx, ids: Sequence[int], now: datetime) -> None:
    """Keep the lease of deliveries that take long."""
    await tx.execute(update(queue).where(queue.c.id.in_(rounded(ids))).values(leased_until=ms(now + LEASE)))


async def settle(tx: Tx, done: Sequence[int], retry: Sequence[Retry]) -> None:
    """Delivered (or given up): the row goes. To be tried again: it waits, free for any worker."""
    if done:
        await tx.execute(_DONE, {"ids": rounded(done)})
    if retry:
        await tx.execute(
            _RETRY,
            [
                {
                    "its_id": item.id,
                    "tried": int(item.tried),
                    "at": ms(item.next_at),
                    "error": reason(item.error),
                }
                for item in retry
            ],
        )


_DONE = delete(queue).where(queue.c.id.in_(bindparam("ids", expanding=True)))
_RETRY = (
    update(queue)
    .where(queue.c.id == bindparam("its_id"))
    .values(
        attempts=queue.c.attempts + bindparam("tried", type_=Integer),
        next_at=bindparam("at"),
        last_error=bindparam("error"),
        worker=None,
        leased_until=None,
    )
)


async def release(tx: Tx, worker: str) -> int:
    """Give back what a worker held when it died. How many rows."""
    return int((await tx.execute(_RELEASE, {"its_worker": worker})).rowcount)


_RELEASE = update(queue).where(queue.c.worker == bindparam("its_worker")).values(worker=None, leased_until=None)


async def release_ids(tx: Tx, ids: Sequence[int]) -> None:
    """Give back rows that were claimed and not tried."""
    if ids:
        await tx.execute(update(queue).where(queue.c.id.in_(rounded(ids))).values(worker=None, leased_until=None))


async def postpone(tx: Tx, origins: Sequence[str]) -> None:
    """Nothing to these hosts before the time that `hosts` names: the failure of one delivery was theirs."""
    if not origins:
        return
    time = select(hosts.c.next_at).where(hosts.c.origin == queue.c.origin).scalar_subquery()
    await tx.execute(
        update(queue)
        .where(queue.c.origin.in_(rounded(origins)), queue.c.leased_until.is_(None), queue.c.next_at < time)
        .values(next_at=time)
    )


async def drop_origin(tx: Tx, origin: str) -> int:
    """Forget what is owed to a host that is gone or dormant. How many rows went."""
    return int((await tx.execute(delete(queue).where(queue.c.origin == origin))).rowcount)


async def drop_inbox(tx: Tx, inbox: Iri) -> int:
    return int((await tx.execute(delete(queue).where(queue.c.inbox == inbox))).rowcount)


async def origins(tx: Tx) -> list[str]:
    """The hosts to which something is owed."""
    return list((await tx.execute(select(queue.c.origin).distinct())).scalars())


async def still_owed(tx: Tx, ids: Sequence[int]) -> set[int]:
    """Which of these rows are still there."""
    return set((await tx.execute(select(queue.c.id).where(queue.c.id.in_(rounded(ids))))).scalars())


async def drop_all(tx: Tx) -> None:
    """Nothing is owed to anybody any more."""
    await tx.execute(delete(queue))


async def next_due(tx: Tx, now: datetime) -> datetime | None:
    """When the next row comes due; None when nothing is owed."""
    value = (await tx.execute(_next_due())).scalar_one_or_none()
    return None if value is None else max(now, when(value))


@cache
def _next_due() -> Select[Any]:
    when_free = func.coalesce(queue.c.leased_until, 0)
    return select(func.min(case((queue.c.next_at > when_free, queue.c.next_at), else_=when_free)))


async def waiting(tx: Tx) -> int:
    return int((await tx.execute(select(func.count()).select_from(queue))).scalar_one())


@dataclass(frozen=True, slots=True)
class Owed:
    """A row as the owner sees it."""

    activity: Iri
    inbox: Iri
    attempts: int
    created_at: datetime
    next_at: datetime
    error: str | None


async def overview(tx: Tx, limit: int = 50) -> list[Owed]:
    rows = await tx.execute(select(queue).order_by(queue.c.next_at).limit(limit))
    return [
        Owed(Iri(row.activity), Iri(row.inbox), row.attempts, when(row.created_at), when(row.next_at), row.last_error)
        for row in rows
    ]
