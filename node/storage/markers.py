"""How far the owner has read, the same in all apps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from node.storage.dialect import Tx, ms, upsert, when
from node.storage.schema import markers

TIMELINES = ("home", "notifications")


@dataclass(frozen=True, slots=True)
class Marker:
    """`version` grows with each change."""

    last_read_id: int
    version: int
    updated_at: datetime


async def get(tx: Tx, timelines: Iterable[str]) -> dict[str, Marker]:
    rows = await tx.execute(select(markers).where(markers.c.timeline.in_(set(timelines))))
    return {row.timeline: Marker(row.last_read_id, row.version, when(row.updated_at)) for row in rows}


async def put(tx: Tx, read: Mapping[str, int], now: datetime) -> dict[str, Marker]:
    """The last word counts, also when it is further back."""
    before = await get(tx, read)
    for timeline, number in read.items():
        version = before[timeline].version + 1 if timeline in before else 0
        row = {"timeline": timeline, "last_read_id": number, "version": version, "updated_at": ms(now)}
        await upsert(tx, markers, row)
    return await get(tx, read)
