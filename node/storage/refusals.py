"""What was refused, kept for the owner to read; the oldest go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from node.model import Iri
from node.storage.dialect import Tx, ms, when
from node.storage.schema import refusals

MOST = 1_000


@dataclass(frozen=True, slots=True)
class Refusal:
    at: datetime
    host: str
    actor: Iri | None
    code: str
    message: str
    times: int = 1


async def add_many(tx: Tx, entries: Sequence[Refusal]) -> None:
    if not entries:
        return
    await tx.execute(
        refusals.insert(),
        [
            {
                "at": ms(entry.at),
                "host": entry.host,
                "actor": entry.actor,
                "code": entry.code,
                "message": entry.message[:500],
                "times": entry.times,
            }
            for entry in entries
        ],
    )
    newest = (await tx.execute(select(func.max(refusals.c.id)))).scalar_one()
    await tx.execute(delete(refusals).where(refusals.c.id <= newest - MOST))


async def newest(tx: Tx, limit: int = 50) -> list[Refusal]:
    rows = await tx.execute(select(refusals).order_by(refusals.c.id.desc()).limit(limit))
    return [
        Refusal(when(row.at), row.host, Iri(row.actor) if row.actor else None, row.code, row.message, row.times)
        for row in rows
    ]
