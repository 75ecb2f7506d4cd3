"""The schema, built both ways on both databases, is one schema."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from node.errors import StoreError
from node.storage.migrate import MIGRATIONS, migrate, snapshot, upgrade
from node.storage.schema import HEAD, metadata
from node.storage.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _differences(connection: Connection) -> list[object]:
    opts = {"compare_type": True, "compare_server_default": True, "include_name": _is_a_table_of_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=opts), metadata))


def _is_a_table_of_ours(name: str | None, _type: str, _parents: object) -> bool:
    """Full-text search is made by statements of its own, compared in `_by_hand`."""
    return not (name or "").startswith(("note_words", "ix_notes_words"))


def _by_hand(connection: Connection) -> list[str]:
    """What no Table can say, as the database tells it: triggers, the table of words, indexes on expressions,
    whose numbers are never used again."""
    if connection.dialect.name == "sqlite":
        asked = (
            "SELECT sql FROM sqlite_master WHERE type = 'trigger' OR name = 'note_words' "
            "UNION ALL SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY 1"
        )
    else:
        asked = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_notes_words'"
    return list(connection.execute(text(asked)).scalars())


def _shape(connection: Connection) -> dict[str, object]:
    """Columns, keys and indexes of each table, as the database itself tells them."""
    look = inspect(connection)
    return {
        table: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in look.get_columns(table)],
            look.get_pk_constraint(table)["constrained_columns"],
            sorted((index["name"] or "", tuple(index["column_names"])) for index in look.get_indexes(table)),
            sorted((key["referred_table"], tuple(key["constrained_columns"])) for key in look.get_foreign_keys(table)),
            sorted(tuple(unique["column_names"]) for unique in look.get_unique_constraints(table)),
        )
        for table in look.get_table_names()
        if table != "alembic_version"
    }


async def test_migrations_and_schema_build_the_same(database_url: str, request: pytest.FixtureRequest) -> None:
    """house.md: "A test builds the schema both ways … on both databases, and compares"."""
    migrated, made = Store(database_url), Store(_another(database_url, request))
    try:
        async with migrated.write() as tx:
            await tx.run_sync(upgrade)
        assert await migrate(made, snapshots=None, now=NOW) is None
        async with migrated.read() as tx:
            assert await tx.run_sync(_differences) == []
            one, by_hand = await tx.run_sync(_shape), await tx.run_sync(_by_hand)
        async with made.read() as tx:
            assert one == await tx.run_sync(_shape)
            assert by_hand == await tx.run_sync(_by_hand) != []
        async with made.write() as tx:
            await tx.run_sync(upgrade)  # finds nothing left to do
        for store in (migrated, made):
            assert await store.is_current()
            assert await migrate(store, snapshots=None, now=NOW) is None
    finally:
        await migrated.close()
        await made.close()


def _another(url: str, request: pytest.FixtureRequest) -> str:
    if url.startswith("sqlite"):
        return url.replace("test.db", "other.db")
    new: str = request.getfixturevalue("postgres").new()
    return new


def test_the_newest_migration_is_the_one_the_program_knows() -> None:
    """The node compares `HEAD` before it loads Alembic at all: it must be right."""
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


async def test_a_database_of_a_newer_program_is_left_alone(database_url: str) -> None:
    """Forward only: an older program does not touch what a newer one wrote."""
    store = Store(database_url)
    try:
        await migrate(store, snapshots=None, now=NOW)
        async with store.write() as tx:
            await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StoreError, match="9999") as caught:
            await migrate(store, snapshots=None, now=NOW)
        assert caught.value.hint
    finally:
        await store.close()


async def test_a_snapshot_is_a_whole_database(tmp_path: Path) -> None:
    """A consistent copy, readable by its owner alone."""
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    await migrate(store, snapshots=None, now=NOW)
    copy = snapshot(tmp_path / "a.db", tmp_path / "snapshots" / "b.db")
    await store.close()
    assert copy.stat().st_mode & 0o077 == 0
    again = Store(f"sqlite:///{copy}")
    assert await again.is_current()
    assert await again.check() == []
    await again.close()
