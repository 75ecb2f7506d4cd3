"""The newest schema: made at once in an empty database; in any other by Alembic, forward only, after a snapshot."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, insert

from node.errors import StoreError
from node.storage.schema import HEAD, metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from node.storage.store import Store

MIGRATIONS = Path(__file__).parent / "migrations"

_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Where Alembic keeps what it has done."""


async def migrate(store: Store, *, snapshots: Path | None, now: datetime) -> str | None:
    """Upgrade if needed. Returns one sentence for the owner, or None when there was nothing to do.

    Alembic is imported only when it has work: an up-to-date node starts without it.
    Raises StoreError when the database is newer than this program, or the migration fails; the
    snapshot is then the way back.
    """
    before = await store.version()
    if before == HEAD:
        return None
    if before is not None and before > HEAD:
        raise StoreError(
            f"the database is at schema {before}, this cuicui knows {HEAD} at most",
            hint="run the newer cuicui again, or restore the snapshot it made before the upgrade",
        )
    saved = None
    if before is not None and store.path is not None and snapshots is not None:
        saved = snapshot(store.path, snapshots / f"before-{HEAD}-{now:%Y%m%dT%H%M%SZ}.db")
    try:
        async with store.write() as tx:
            await tx.run_sync(make if before is None else upgrade)
    except StoreError as error:
        if saved is not None:
            error.hint = f"the database as it was is in {saved}"
        raise
    if before is None:
        return None
    kept = f"; the database as it was is in {saved}" if saved else ""
    return f"the database was upgraded from schema {before} to {HEAD}{kept}"


def snapshot(source: Path, target: Path) -> Path:
    """A consistent copy of a SQLite database, also while it is in use."""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make {target.parent}: {error.strerror}", hint="check its owner and the free space"
        ) from error
    copy = sqlite3.connect(target)
    try:
        target.chmod(0o600)
        origin = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        try:
            origin.backup(copy)
        finally:
            origin.close()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StoreError(f"could not copy {source} to {target}: {error}", hint="check the free space") from error
    finally:
        copy.close()
    return target


def make(connection: Connection) -> None:
    """All tables, as the newest schema has them, in an empty database: the same as all migrations, without Alembic."""
    metadata.create_all(connection)
    _version.create(connection)
    connection.execute(insert(_version).values(version_num=HEAD))


def upgrade(connection: Connection) -> None:
    """Each migration that has not been done, in its order."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))

    def steps(current: tuple[str, ...], _context: MigrationContext) -> list[object]:
        return list(script._upgrade_revs("head", current))  # type: ignore[arg-type]

    context = MigrationContext.configure(
        connection,
        opts={"fn": steps, "target_metadata": metadata, "render_as_batch": True, "script": script},
    )
    with Operations.context(context):
        context.run_migrations()
