"""A database emptied for the next test: to make another one takes longer than most of them."""

from __future__ import annotations

from sqlalchemy import text

from node.storage.schema import metadata
from node.storage.store import Store

_NAMES = [table.name for table in reversed(metadata.sorted_tables)]
"""Whoever refers to others first."""

_FILLED = text(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in _NAMES))
_COUNTED = {
    "sqlite": text("SELECT name FROM sqlite_sequence"),
    "postgresql": text("SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"),
}
_CONNECTED = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")


async def empty(store: Store) -> None:
    """Take out every row, and number the next ones from 1 again: as after the migrations, whose mark stays.

    Fails when somebody else holds rows of it for 5 seconds.
    """
    kind = store.url.get_backend_name()
    async with store.write() as tx:
        if kind == "postgresql":
            await tx.execute(text("SET LOCAL lock_timeout = '5s'"))
        filled = set((await tx.execute(_FILLED)).scalars())
        for name in _NAMES:
            if name in filled:
                await tx.execute(text(f"DELETE FROM {name}"))
        for name in (await tx.execute(_COUNTED[kind])).scalars().all():
            again = f"ALTER SEQUENCE {name} RESTART" if kind == "postgresql" else "DELETE FROM sqlite_sequence"
            await tx.execute(text(again))


async def connections(store: Store) -> set[int]:
    """Who is connected to this PostgreSQL database, this store as well."""
    async with store.read() as tx:
        return set((await tx.execute(_CONNECTED)).scalars())
