"""Open the database, read from it, write to it: SQLite in one file, or PostgreSQL by changing one URL."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from node.errors import StartError, StoreError
from node.storage.compiled import statements
from node.storage.core import AsyncConnection, AsyncEngine, create_async_engine
from node.storage.dialect import Tx
from node.storage.onehop import OneHopConnection
from node.storage.schema import HEAD

BUSY_MS = 5_000
"""How long a writer waits for another process's transaction before it gives up."""

READERS = 4

WAIT_TO_READ = 30.0
"""Seconds until it is said that there is no connection to read over: who holds one and wants another waits in vain."""

_ALONE = 0x637569637569
"""The advisory lock of a node that runs, in its own database."""

PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "wal_autocheckpoint=4000",
)
"""What every SQLite connection is told. FULL: what was answered survives a power cut (decisions.md §9).

A checkpoint every 4,000 pages (16 MiB), not 1,000: in a large store each batch changes pages of many
indexes, and the same ones again soon.
"""

WRITER_CACHE, READER_CACHE = 16_384, 8_192
"""KiB of pages that a connection keeps, once it has read them. With 100,000 notes stored another one cost
1.23 times as much as with 1,000; 1.13 with fewer checkpoints, 1.05 with the larger cache as well."""


class Store:
    """One database. `read()` gives a consistent view, `write()` the one transaction that may write.

    Writes of this process queue up behind one lock and take SQLite's own lock at their start
    (BEGIN IMMEDIATE), so a transaction that began can finish: with a plain BEGIN, concurrent
    read-then-write transactions lose to "database is locked" in spite of any time-out.
    """

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._lock = asyncio.Lock()
        self._at_hand: AsyncConnection | None = None
        self._readers_at_hand: list[AsyncConnection] = []
        self._room_to_read = asyncio.Semaphore(READERS)
        self.generation = 0
        """Grows with each transaction that this process wrote: what was read before may be different now."""
        if self.is_sqlite:
            self._writer = _sqlite_engine(self.url, pool_size=1, writes=True)
            self._reader = _sqlite_engine(self.url, pool_size=READERS, writes=False)
        else:
            self._writer = self._reader = create_async_engine(
                self.url,
                pool_size=READERS + 1,
                pool_pre_ping=True,
                json_serializer=_json,
                execution_options={"compiled_cache": statements},
            )

    @property
    def path(self) -> Path | None:
        """The file, when there is one."""
        return Path(self.url.database) if self.is_sqlite and self.url.database else None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        with _translated(self.url):
            async with self._reading() as tx:
                yield tx

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Tx]:
        """As in `_beginning`, on as many connections as were ever needed at once, and nobody waits for the COMMIT:
        reading one row took 0.28 ms of CPU before, 0.17 after. They only read: what is written here is an error."""
        if not self.is_sqlite:
            async with self._reader.connect() as tx, tx.begin():
                yield tx
            return
        try:
            async with asyncio.timeout(WAIT_TO_READ if self._room_to_read.locked() else None):
                await self._room_to_read.acquire()
        except TimeoutError:
            raise StoreError("the database is busy", hint="try again in a minute") from None
        try:
            tx = self._readers_at_hand.pop() if self._readers_at_hand else await self._reader.connect()
            try:
                async with tx.begin():
                    yield tx
            except BaseException:
                await asyncio.shield(asyncio.create_task(tx.close()))
                raise
            self._readers_at_hand.append(tx)
        finally:
            self._room_to_read.release()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        with _translated(self.url):
            async with self._lock:
                try:
                    async with self._beginning() as tx:
                        yield tx
                finally:
                    self.generation += 1

    @asynccontextmanager
    async def _beginning(self) -> AsyncIterator[Tx]:
        """On SQLite on one connection that is kept at hand, since to fetch it and bring it back took half of the
        time of a short transaction. Where anything went wrong it goes back, to be rolled back and looked after."""
        if not self.is_sqlite:
            async with self._writer.begin() as tx:
                yield tx
            return
        if self._at_hand is None:
            self._at_hand = await self._writer.connect()
        tx = self._at_hand
        try:
            async with tx.begin():
                yield tx
        except BaseException:
            self._at_hand = None
            await asyncio.shield(asyncio.create_task(tx.close()))  # also where we are cancelled, and again
            raise

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the one node over this database, wherever else it could be started. Raises StartError if there is one.

        On PostgreSQL by a lock that a connection of its own holds: gone with it, half a minute after a machine died.
        A SQLite file is on one machine, and the data directory is locked there (running.py).
        """
        if self.is_sqlite:
            yield
            return
        with _translated(self.url):
            connection = await self._writer.connect()
        try:
            with _translated(self.url):
                connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
                for setting, value in (("idle", 15), ("interval", 5), ("count", 3)):
                    await connection.execute(text(f"SET tcp_keepalives_{setting} = {value}"))
                got = (await connection.execute(text(f"SELECT pg_try_advisory_lock({_ALONE})"))).scalar_one()
            if not got:
                raise StartError(
                    "a node already runs over this database", hint="stop that one first; beside it run: cuicui worker"
                )
            yield
        finally:
            await connection.invalidate()  # the lock goes with the connection
            await connection.close()

    async def version(self) -> str | None:
        """The migration the database stands at; None when it is empty."""
        async with self.read() as tx:
            there = await tx.run_sync(lambda sync: sync.dialect.has_table(sync, "alembic_version"))
            if not there:
                return None
            return (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()

    async def is_current(self) -> bool:
        return await self.version() == HEAD

    async def foreign_changes(self) -> int:
        """A number that changes when another process wrote (SQLite); cheap enough to ask four times a second.

        PRAGMA data_version, seen from the one connection that writes here, ignores that connection's own commits.
        """
        if not self.is_sqlite:
            return -1
        with _translated(self.url):
            async with self._lock:
                if self._at_hand is None:
                    self._at_hand = await self._writer.connect()
                # No transaction: this must not take the write lock.
                bare = (await self._at_hand.get_raw_connection()).driver_connection
                assert isinstance(bare, OneHopConnection)
                rows = await bare.execute_fetchall("PRAGMA data_version")
                return int(next(iter(rows))[0])

    async def check(self) -> list[str]:
        """What SQLite's own integrity check complains of; empty when all is well."""
        if not self.is_sqlite:
            return []
        async with self.read() as tx:
            lines = (await tx.exec_driver_sql("PRAGMA quick_check(10)")).scalars().all()
            broken = (await tx.exec_driver_sql("PRAGMA foreign_key_check")).all()
        return [str(line) for line in lines if line != "ok"] + [f"dangling reference in {row[0]}" for row in broken]

    async def close(self) -> None:
        if self._at_hand is not None:
            at_hand, self._at_hand = self._at_hand, None
            await at_hand.close()
        while self._readers_at_hand:
            await self._readers_at_hand.pop().close()
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


def sqlite_url(path: Path) -> str:
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string(hide_password=False)


def _url(text_: str) -> URL:
    try:
        url = make_url(text_)
    except (ArgumentError, ValueError):  # ValueError: a port that is none
        raise StoreError(
            "the database URL is not one", hint="an example of a right one: postgresql://user@localhost/cuicui"
        ) from None
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    name = driver.get(url.drivername.partition("+")[0])
    if name is None:
        raise StoreError(
            f"no support for a database of kind {url.drivername!r}", hint="use sqlite:///FILE or postgresql://…"
        )
    return url.set(drivername=name)


def _sqlite_engine(url: URL, *, pool_size: int, writes: bool) -> AsyncEngine:
    begin, cache = ("BEGIN IMMEDIATE", WRITER_CACHE) if writes else ("BEGIN", READER_CACHE)
    only = "OFF" if writes else "ON"

    def connect() -> sqlite3.Connection:
        """In the connection's own thread; we say BEGIN ourselves."""
        connection = sqlite3.connect(
            url.database or "", timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False
        )
        for pragma in (*PRAGMAS, f"cache_size=-{cache}", f"query_only={only}"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        async_creator=lambda: OneHopConnection(connect, writes=writes),
        json_serializer=_json,
        execution_options={"compiled_cache": statements},
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begin_(connection: Any) -> None:
        connection.connection.driver_connection.begin(begin)

    return engine


def _json(value: object) -> str:
    """For JSON columns; most are empty lists, five of them in each note."""
    if value == []:
        return "[]"
    try:
        return _quick_json()(value).decode()
    except TypeError:  # half a surrogate pair, an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def _quick_json() -> Callable[[object], bytes]:
    """orjson: 0.5 µs for the three lists of a note that hold something, where json takes 11.

    Loaded when something is first written: 1.8 MiB that a node which only waits does without.
    """
    from orjson import dumps

    return dumps


_SAYINGS = (
    ("disk is full", "the disk is full", "free some space; nothing that was answered is lost"),
    ("no space left", "the disk is full", "free some space; nothing that was answered is lost"),
    ("readonly", "the database cannot be written", "check the owner and the permissions of its directory"),
    ("locked", "the database is locked by another program", "stop the other program and try again"),
    ("malformed", "the database is damaged", "restore the newest snapshot or backup; see: cuicui doctor"),
    ("not a database", "the file is not a database", "restore the newest snapshot or backup; see: cuicui doctor"),
    ("disk i/o error", "the disk gave an error", "check the disk and the free space"),
    ("unable to open", "the database file cannot be opened", "check that its directory exists and is yours"),
    ("no such table", "the database has no tables of ours", "run: cuicui init"),
    ("connect", "the database server does not answer", "check CUICUI_DATABASE_URL and that the server runs"),
)


@contextmanager
def _translated(url: URL) -> Iterator[None]:
    """Foreign exceptions do not leave this package (style.md §8)."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).lower()
        name = url.database or str(url.host)
        for sign, message, hint in _SAYINGS:
            if sign in said:
                raise StoreError(f"{message}: {name}", hint=hint) from error
        raise StoreError(f"the database refused: {error.orig}") from error
    except (SQLAlchemyError, ConnectionError) as error:
        raise StoreError(f"the database refused: {error}") from error


def is_trouble(error: BaseException) -> bool:
    """Whether the database itself failed (full, locked, gone), rather than one statement that it did not like.

    What was raised inside write() comes out of it as a StoreError, whichever of the two it was.
    """
    if isinstance(error, StoreError) and isinstance(error.__cause__, DBAPIError):
        error = error.__cause__
    if isinstance(error, StoreError | OperationalError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated
