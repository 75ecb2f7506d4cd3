"""Who follows whom: the owner's follows, and the owner's followers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Select, Table, bindparam, delete, func, select, update

from node.model import Iri, Window, host_of, origin_of
from node.notify import Kind
from node.storage.dialect import Tx, ms, upsert, when
from node.storage.schema import actors, followers, follows, list_members, notifications


class State(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Relation:
    """`actor` is the other one; `activity` is the Follow that began it."""

    actor: Iri
    activity: Iri
    state: State
    since: datetime


# ── whom the owner follows ───────────────────────────────────────────────────────────────────


async def start_follow(tx: Tx, actor: Iri, activity: Iri, at: datetime) -> None:
    row = {"actor": actor, "activity": activity, "state": State.PENDING.value, "since": ms(at)}
    await upsert(tx, follows, row)


async def follow_of(tx: Tx, actor: Iri) -> Relation | None:
    row = (await tx.execute(_FOLLOW_OF, {"wanted": actor})).one_or_none()
    return None if row is None else Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since))


_FOLLOW_OF = select(follows).where(follows.c.actor == bindparam("wanted"))


async def settle_follow(tx: Tx, actor: Iri, state: State) -> None:
    await tx.execute(update(follows).where(follows.c.actor == actor).values(state=state.value))


async def end_follow(tx: Tx, actor: Iri) -> None:
    """Nothing of theirs comes home any more, so they are in no list either."""
    await tx.execute(delete(follows).where(follows.c.actor == actor))
    await tx.execute(delete(list_members).where(list_members.c.actor == actor))


async def list_follows(tx: Tx, state: State | None = State.ACCEPTED) -> list[Relation]:
    query = select(follows).order_by(follows.c.since, follows.c.actor)
    if state is not None:
        query = query.where(follows.c.state == state)
    rows = await tx.execute(query)
    return [Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since)) for row in rows]


# ── who follows the owner ────────────────────────────────────────────────────────────────────


async def put_follower(tx: Tx, actor: Iri, activity: Iri, state: State, at: datetime) -> None:
    """Remember a follower, or the newer Follow of a known one."""
    row = {"actor": actor, "activity": activity, "state": state.value, "since": ms(at)}
    await upsert(tx, followers, row, keep=("since",))


async def follower(tx: Tx, actor: Iri) -> Relation | None:
    row = (await tx.execute(_FOLLOWER, {"wanted": actor})).one_or_none()
    return None if row is None else Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since))


_FOLLOWER = select(followers).where(followers.c.actor == bindparam("wanted"))


async def drop_follower(tx: Tx, actor: Iri) -> bool:
    await untell(tx, actor, Kind.FOLLOW, Kind.FOLLOW_REQUEST)
    return bool((await tx.execute(delete(followers).where(followers.c.actor == actor))).rowcount)


async def untell(tx: Tx, actor: Iri, *kinds: Kind) -> None:
    """What is over, or decided, is nothing to be told of any more."""
    theirs = notifications.c.actor == actor
    await tx.execute(delete(notifications).where(theirs, notifications.c.kind.in_([kind.value for kind in kinds])))


async def is_follower(tx: Tx, actor: Iri) -> bool:
    found = await follower(tx, actor)
    return found is not None and found.state is State.ACCEPTED


async def list_followers(
    tx: Tx, state: State = State.ACCEPTED, *, after: str = "", limit: int | None = None
) -> list[Relation]:
    """By IRI; `after` continues a page."""
    query = (
        select(followers)
        .where(followers.c.state == state, followers.c.actor > after)
        .order_by(followers.c.actor)
        .limit(limit)
    )
    rows = await tx.execute(query)
    return [Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since)) for row in rows]


# ── as the public collections show them ──────────────────────────────────────────────────────

Mark = tuple[datetime, Iri]
"""Where a page ended: the last relation's beginning, and its actor."""


async def newest_followers(tx: Tx, *, before: Mark | None = None, limit: int = 40) -> list[Relation]:
    return await _newest(tx, followers, before, limit)


async def newest_follows(tx: Tx, *, before: Mark | None = None, limit: int = 40) -> list[Relation]:
    return await _newest(tx, follows, before, limit)


async def _newest(tx: Tx, table: Table, before: Mark | None, limit: int) -> list[Relation]:
    """Accepted relations, newest first: the order ActivityPub §5 asks of a collection."""
    query = select(table).where(table.c.state == State.ACCEPTED)
    if before is not None:
        since, actor = ms(before[0]), before[1]
        query = query.where((table.c.since < since) | ((table.c.since == since) & (table.c.actor < actor)))
    rows = await tx.execute(query.order_by(table.c.since.desc(), table.c.actor.desc()).limit(limit))
    return [Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since)) for row in rows]


async def page(tx: Tx, window: Window, *, of_followers: bool) -> list[tuple[int, Relation]]:
    """Accepted relations as apps page through them, newest first, each with the number that pages go on from.

    That is when it began, in milliseconds, and its place among those that began in the same one, as a batch
    does: nobody is left out, and nobody shown twice, where a page ends among them.
    """
    table = followers if of_followers else follows
    place = func.row_number().over(partition_by=table.c.since, order_by=table.c.actor)
    number = (table.c.since * 1000 + place - 1).label("number")
    all_ = select(table, number).where(table.c.state == State.ACCEPTED).subquery()
    query = select(all_)
    if window.before is not None:
        query = query.where(all_.c.number < window.before)
    if window.after is not None:
        query = query.where(all_.c.number > window.after)
    order = all_.c.number if window.nearest else all_.c.number.desc()
    rows = (await tx.execute(query.order_by(order).limit(window.limit))).all()
    found = [
        (int(row.number), Relation(Iri(row.actor), Iri(row.activity), State(row.state), when(row.since)))
        for row in rows
    ]
    return found[::-1] if window.nearest else found


async def count(tx: Tx) -> tuple[int, int]:
    """(accepted followers, accepted follows)."""
    theirs, ours = [int((await tx.execute(_accepted(table))).scalar_one()) for table in (followers, follows)]
    return theirs, ours


@cache
def _accepted(table: Table) -> Select[Any]:
    return select(func.count()).select_from(table).where(table.c.state == State.ACCEPTED)


# ── where to deliver ─────────────────────────────────────────────────────────────────────────


async def follower_inboxes(tx: Tx, *, shared: bool = True) -> list[Iri]:
    """The inboxes that reach all accepted followers, shared ones folded (federation.md §9)."""
    return [Iri(iri) for iri in (await tx.execute(_follower_inboxes(shared))).scalars()]


@cache
def _follower_inboxes(shared: bool) -> Select[Any]:
    inbox = func.coalesce(actors.c.shared_inbox, actors.c.inbox) if shared else actors.c.inbox
    reached = select(inbox).distinct().join(followers, followers.c.actor == actors.c.iri)
    return reached.where(followers.c.state == State.ACCEPTED, actors.c.gone_at.is_(None))


async def followers_at(tx: Tx, origins: Iterable[str]) -> dict[str, list[Iri]]:
    """The accepted followers who live at these origins (scheme, host and port)."""
    found: dict[str, list[Iri]] = {origin: [] for origin in origins}
    rows = await tx.execute(
        select(followers.c.actor)
        .join(actors, actors.c.iri == followers.c.actor)
        .where(followers.c.state == State.ACCEPTED, actors.c.host.in_({host_of(origin) for origin in found}))
    )
    for iri in rows.scalars():
        found.setdefault(origin_of(iri), []).append(Iri(iri))
    return found


async def followed_inboxes(tx: Tx) -> list[Iri]:
    """The shared inboxes of everyone the owner follows: for profile updates."""
    rows = await tx.execute(
        select(func.coalesce(actors.c.shared_inbox, actors.c.inbox))
        .distinct()
        .join(follows, follows.c.actor == actors.c.iri)
        .where(actors.c.gone_at.is_(None))
    )
    return [Iri(iri) for iri in rows.scalars()]


async def forget(tx: Tx, actor: Iri) -> None:
    """Drop both directions: the account is gone, or must be."""
    await untell(tx, actor, Kind.FOLLOW, Kind.FOLLOW_REQUEST)
    await tx.execute(delete(followers).where(followers.c.actor == actor))
    await end_follow(tx, actor)
