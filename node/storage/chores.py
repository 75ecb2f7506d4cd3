"""Fetching that is to be done in the background: it survives a restart, and goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, update

from node.storage.dialect import Tx, insert_new, ms, ms_or_none, reason, when_or_none
from node.storage.schema import chores

OUTBOX = "outbox"
"""The recent posts of somebody just followed, or silent for longer than usual."""
CATCH_UP = "catch_up"
"""What somebody wrote while the node was away."""
THREAD = "thread"
"""A thread that was completed: kept to know when, and how much its origin has beyond it."""
POLL = "poll"
"""A poll that has to be counted, told of, or asked for again."""
QUOTE = "quote"
"""A post that quotes another, to be found out about; or one of the owner's, to be sent again with what came of it."""
LINKS = "links"
"""The links of somebody's profile, to be checked whether they point back (links.py)."""
FOLLOWERS = "followers"
"""Somebody's list of their followers who live here, to be compared with what we know (synchronise.py)."""
SCHEDULED = "scheduled"
"""A status of the owner's, to be published (scheduling.py)."""
ERRANDS = (POLL, QUOTE, LINKS, SCHEDULED)
"""What is done beside the outboxes (errands.py)."""
HELD = "held"
"""In the state of an errand under way: until when whoever does it has it."""
TELL = "tell"
"""An absence that the owner has not been told of."""


@dataclass(frozen=True, slots=True)
class Chore:
    """`state` says how far it got; `next_at` None: not to be tried (again)."""

    id: int
    kind: str
    subject: str
    state: dict[str, Any]
    attempts: int
    next_at: datetime | None


def _chore(row: Any) -> Chore:
    return Chore(row.id, row.kind, row.subject, dict(row.state), row.attempts, when_or_none(row.next_at))


async def put(tx: Tx, kind: str, subject: str, now: datetime, state: dict[str, Any] | None = None) -> None:
    """To be done at once; one that is there already starts anew with this state."""
    await forget(tx, kind, subject)
    await insert_new(tx, chores, [_row(kind, subject, now, state, now)])


async def add_many(tx: Tx, kind: str, subjects: Sequence[str], now: datetime, state: dict[str, Any]) -> None:
    """To be done at once; those that are there already stay as they are."""
    await insert_new(tx, chores, [_row(kind, subject, now, state, now) for subject in subjects])


async def note_down(tx: Tx, kind: str, subject: str, now: datetime, state: dict[str, Any]) -> None:
    """Remember something; there is nothing to do."""
    await forget(tx, kind, subject)
    await insert_new(tx, chores, [_row(kind, subject, now, state, None)])


def _row(
    kind: str, subject: str, now: datetime, state: dict[str, Any] | None, next_at: datetime | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "subject": subject,
        "state": state or {},
        "created_at": ms(now),
        "next_at": None if next_at is None else ms(next_at),
        "attempts": 0,
        "last_error": None,
    }


async def get(tx: Tx, kind: str, subject: str) -> Chore | None:
    row = (await tx.execute(select(chores).where(chores.c.kind == kind, chores.c.subject == subject))).one_or_none()
    return None if row is None else _chore(row)


async def of_kind(tx: Tx, kind: str) -> list[Chore]:
    return [_chore(row) for row in await tx.execute(_OF_KIND, {"wanted": kind})]


_OF_KIND = select(chores).where(chores.c.kind == bindparam("wanted")).order_by(chores.c.id)


async def due(
    tx: Tx, now: datetime, limit: int = 200, *, errands: bool = False, kind: str | None = None
) -> list[Chore]:
    """What is to be done by now: the errands (of one kind, if it is named), or everything else."""
    rows = await tx.execute(_due(errands, kind), {"now": ms(now), "most": limit})
    return [_chore(row) for row in rows]


@cache
def _due(errands: bool, kind: str | None) -> Select[Any]:
    query = select(chores).where(chores.c.next_at <= bindparam("now"), _among(errands, kind))
    # What strangers have us ask comes last: they may have as many accounts as they like.
    return query.order_by(chores.c.kind == FOLLOWERS, chores.c.next_at, chores.c.id).limit(bindparam("most"))


async def next_at(tx: Tx, *, errands: bool = False, kind: str | None = None) -> datetime | None:
    """When the next one is due."""
    return when_or_none((await tx.execute(_next_at(errands, kind))).scalar_one())


@cache
def _next_at(errands: bool, kind: str | None) -> Select[Any]:
    return select(func.min(chores.c.next_at)).where(_among(errands, kind))


def _among(errands: bool, kind: str | None) -> ColumnElement[bool]:
    return chores.c.kind.in_(ERRANDS) == errands if kind is None else chores.c.kind == kind


async def plan(tx: Tx, kind: str, subject: str, at: datetime, *, earlier: bool = True) -> None:
    """To be done at `at`; what is planned for earlier stays so. Not `earlier`: at `at` and not before."""
    await insert_new(tx, chores, [_row(kind, subject, at, None, at)])
    moved = update(chores).where(chores.c.kind == kind, chores.c.subject == subject)
    if earlier:
        moved = moved.where((chores.c.next_at > ms(at)) | chores.c.next_at.is_(None))
    await tx.execute(moved.values(next_at=ms(at), attempts=0))


async def untried(tx: Tx, kind: str) -> int:
    """How many of a kind have not been tried even once."""
    query = select(func.count()).select_from(chores).where(chores.c.kind == kind, chores.c.attempts == 0)
    return int((await tx.execute(query)).scalar_one())


async def keep_state(tx: Tx, identifier: int, state: dict[str, Any]) -> None:
    await tx.execute(update(chores).where(chores.c.id == identifier).values(state=state))


async def postpone(
    tx: Tx, identifier: int, next_at: datetime | None, error: str, *, counts: bool = True, state: dict[str, Any]
) -> None:
    """Try again at `next_at`; None gives it up. `counts`: whether it was a failed attempt, or only not its turn."""
    await tx.execute(
        update(chores)
        .where(chores.c.id == identifier)
        .values(
            attempts=chores.c.attempts + int(counts),
            next_at=None if next_at is None else ms(next_at),
            last_error=reason(error),
            state=state,
        )
    )


async def lease(tx: Tx, chore: Chore, until: datetime) -> bool:
    """Take it up, if nobody else has; should that come to nothing, it is due again at `until`."""
    due = chores.c.next_at == ms_or_none(chore.next_at)
    held = {"next_at": ms(until), "state": {**chore.state, HELD: ms(until)}}
    taken = await tx.execute(update(chores).where(chores.c.id == chore.id, due).values(**held))
    return bool(taken.rowcount)


async def release(tx: Tx, now: datetime, kind: str | None = None) -> int:
    """Whoever held errands (of one kind, if it is named) is not there any more: they are due now. Those planned anew
    since keep their time.
    """
    rows = await tx.execute(select(chores).where(chores.c.next_at > ms(now), _among(True, kind)))
    left = [row for row in rows if row.state.get(HELD) == row.next_at]
    for row in left:
        state = {name: value for name, value in row.state.items() if name != HELD}
        await tx.execute(update(chores).where(chores.c.id == row.id).values(next_at=ms(now), state=state))
    return len(left)


async def finish(tx: Tx, identifier: int, until: datetime) -> None:
    """It is done, unless something planned it anew since its lease."""
    await tx.execute(delete(chores).where(chores.c.id == identifier, chores.c.next_at == ms(until)))


async def done(tx: Tx, identifier: int) -> None:
    await tx.execute(delete(chores).where(chores.c.id == identifier))


async def forget(tx: Tx, kind: str, subject: str) -> None:
    await tx.execute(delete(chores).where(chores.c.kind == kind, chores.c.subject == subject))


async def sweep(tx: Tx, before: datetime) -> None:
    """What is only remembered, or was given up, is forgotten after a while; what the owner is to hear is not."""
    await tx.execute(_OLD, {"before": ms(before)})


_OLD = delete(chores).where(
    chores.c.next_at.is_(None), chores.c.created_at < bindparam("before"), chores.c.kind != TELL
)
