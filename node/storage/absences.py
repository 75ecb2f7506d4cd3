"""When the node was away, and what was recovered afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from node.storage.dialect import Tx, ms, when, when_or_none
from node.storage.schema import absences


@dataclass(frozen=True, slots=True)
class Absence:
    """`unreachable` are the actors whose servers did not answer; `ended_at` None: still catching up."""

    id: int
    since: datetime
    until: datetime
    posts: int
    people: int
    unreachable: tuple[str, ...]
    ended_at: datetime | None


def _absence(row: Any) -> Absence:
    return Absence(
        row.id,
        when(row.since),
        when(row.until),
        row.posts,
        row.people,
        tuple(row.unreachable),
        when_or_none(row.ended_at),
    )


async def begin(tx: Tx, since: datetime, until: datetime) -> Absence:
    """Away again before the last absence was caught up with: it is the same one, and longer."""
    last = await newest(tx)
    if last is not None and last.ended_at is None:
        await tx.execute(update(absences).where(absences.c.id == last.id).values(until=ms(until)))
    else:
        row = {"since": ms(since), "until": ms(until), "posts": 0, "people": 0, "unreachable": [], "ended_at": None}
        await tx.execute(insert(absences).values(row))
    found = await newest(tx)
    assert found is not None
    return found


async def newest(tx: Tx) -> Absence | None:
    row = (await tx.execute(select(absences).order_by(absences.c.id.desc()).limit(1))).one_or_none()
    return None if row is None else _absence(row)


async def get(tx: Tx, identifier: int) -> Absence | None:
    row = (await tx.execute(select(absences).where(absences.c.id == identifier))).one_or_none()
    return None if row is None else _absence(row)


async def recovered(tx: Tx, identifier: int, posts: int, *, first: bool) -> None:
    """So many posts more; `first` ones of their author."""
    await tx.execute(
        update(absences)
        .where(absences.c.id == identifier)
        .values(posts=absences.c.posts + posts, people=absences.c.people + int(first))
    )


async def reached(tx: Tx, identifier: int, actor: str, *, answered: bool) -> None:
    """Whether somebody's server answered in the end."""
    absence = await get(tx, identifier)
    if absence is None or (actor not in absence.unreachable) == answered:
        return
    others = [one for one in absence.unreachable if one != actor]
    await tx.execute(
        update(absences).where(absences.c.id == identifier).values(unreachable=others if answered else [*others, actor])
    )


async def end(tx: Tx, identifier: int, at: datetime) -> bool:
    """Everybody has been asked. True the first time."""
    query = update(absences).where(absences.c.id == identifier, absences.c.ended_at.is_(None))
    return bool((await tx.execute(query.values(ended_at=ms(at)))).rowcount)
