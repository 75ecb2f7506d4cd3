"""The owner's browsers, by the hash of their cookie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from node.storage.dialect import Tx, ms, when
from node.storage.schema import sessions


@dataclass(frozen=True, slots=True)
class Session:
    hash: str
    agent: str
    created_at: datetime
    seen_at: datetime


async def add(tx: Tx, session: Session) -> None:
    await tx.execute(
        sessions.insert().values(
            hash=session.hash, agent=session.agent, created_at=ms(session.created_at), seen_at=ms(session.seen_at)
        )
    )


async def get(tx: Tx, hash_: str, *, since: datetime) -> Session | None:
    """None for one that ended, or was not seen since then."""
    query = select(sessions).where(sessions.c.hash == hash_, sessions.c.seen_at >= ms(since))
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Session(row.hash, row.agent, when(row.created_at), when(row.seen_at))


async def everything(tx: Tx, *, since: datetime) -> Sequence[Session]:
    query = select(sessions).where(sessions.c.seen_at >= ms(since)).order_by(sessions.c.seen_at.desc())
    return [Session(row.hash, row.agent, when(row.created_at), when(row.seen_at)) for row in await tx.execute(query)]


async def touch(tx: Tx, hash_: str, at: datetime) -> None:
    await tx.execute(update(sessions).where(sessions.c.hash == hash_).values(seen_at=ms(at)))


async def end(tx: Tx, hash_: str) -> None:
    await tx.execute(delete(sessions).where(sessions.c.hash == hash_))


async def end_all(tx: Tx) -> None:
    await tx.execute(delete(sessions))


async def end_stale(tx: Tx, *, before: datetime) -> None:
    await tx.execute(delete(sessions).where(sessions.c.seen_at < ms(before)))
