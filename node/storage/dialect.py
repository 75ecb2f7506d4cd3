"""The few places where SQLite and PostgreSQL are spoken to differently, and the spelling of times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite

from node.storage.core import AsyncConnection

Tx = AsyncConnection
"""A transaction: what every function of this package takes first."""

Row = Mapping[str, Any]


def ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


def ms_or_none(when: datetime | None) -> int | None:
    return None if when is None else ms(when)


def when(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


def when_or_none(value: int | None) -> datetime | None:
    return None if value is None else when(value)


def is_sqlite(tx: Tx) -> bool:
    return tx.dialect.name == "sqlite"


def insert(tx: Tx, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT in the dialect at hand (the two spell it alike, in different classes)."""
    if is_sqlite(tx):
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # 2 MiB that a node on SQLite does without

    return postgresql.insert(table)


async def insert_new(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; those whose key is there already are left as they are."""
    if rows:
        await tx.execute(insert(tx, table).on_conflict_do_nothing(), rows)


async def upsert(tx: Tx, table: Table, row: Row, *, keep: Sequence[str] = ()) -> None:
    """Insert a row, or replace every column but its primary key and those in `keep`."""
    statement = insert(tx, table).values(row)
    primary = [column.name for column in table.primary_key.columns]
    changed = {name: statement.excluded[name] for name in row if name not in primary and name not in keep}
    await tx.execute(statement.on_conflict_do_update(index_elements=primary, set_=changed))
