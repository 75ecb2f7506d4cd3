"""Reports that came in, for the owner alone to read; and those the owner sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from node.model import Iri
from node.storage.dialect import Tx, ms, when
from node.storage.schema import reports

MOST = 500
"""Reports that are kept; the oldest go."""


@dataclass(frozen=True, slots=True)
class Report:
    actor: Iri
    about: tuple[Iri, ...]
    comment: str
    at: datetime


async def add_many(tx: Tx, new: Sequence[Report]) -> None:
    rows = [
        {"actor": item.actor, "about": list(item.about), "comment": item.comment, "at": ms(item.at)} for item in new
    ]
    if not rows:
        return
    await tx.execute(reports.insert(), rows)
    oldest = select(reports.c.id).order_by(reports.c.id.desc()).offset(MOST).limit(1).scalar_subquery()
    await tx.execute(delete(reports).where(reports.c.id <= oldest))


async def newest(tx: Tx, limit: int = 50, *, but: Iri | None = None) -> list[Report]:
    """Newest first; those by `but` (the owner's own) are left out."""
    query = select(reports).where(reports.c.actor != (but or "")).order_by(reports.c.id.desc())
    rows = await tx.execute(query.limit(limit))
    return [Report(Iri(row.actor), tuple(map(Iri, row.about)), row.comment, when(row.at)) for row in rows]
