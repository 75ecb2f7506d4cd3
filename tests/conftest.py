"""Nodes on loopback, strangers beside them, and nothing of ours replaced."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web_app

from node.storage.store import Store
from tests.support.clock import FakeClock
from tests.support.emptying import connections, empty
from tests.support.homes import Home, bring_up, empty_database, eventually, settle_in
from tests.support.postgres import Postgres, programs, server
from tests.support.stranger import Place, Stranger


@pytest.fixture
def clock() -> FakeClock:
    """Runs like the real one until it is put forward; shared by the nodes of a test."""
    return FakeClock()


@pytest.fixture
async def alice(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """Alice's node, running."""
    home = await settle_in(tmp_path, "alice", clock=clock)
    try:
        yield await home.start()
    finally:
        await home.stop()


@pytest.fixture
async def bob(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Home]:
    """Bob's node, running."""
    home = await settle_in(tmp_path, "bob", clock=clock)
    try:
        yield await home.start()
    finally:
        await home.stop()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """A server of strangers."""
    async with Place() as made:
        yield made


@pytest.fixture
async def elsewhere() -> AsyncIterator[Place]:
    """Another server of strangers."""
    async with Place() as made:
        yield made


@pytest.fixture
def carol(place: Place) -> Stranger:
    """An ordinary account: RSA alone, no proofs."""
    return place.stranger("carol")


@pytest.fixture
def dave(place: Place) -> Stranger:
    """An account that signs what it writes."""
    return place.stranger("dave", proofs=True)


@pytest.fixture
def mallory(elsewhere: Place) -> Stranger:
    """An account of bad intent, on a server of its own."""
    return elsewhere.stranger("mallory", proofs=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes long by itself; begins first")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first: the other worker does the rest meanwhile, and neither waits at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What is there now stays for the session: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


_over = count(1)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """aiohttp remembers handlers and their applications for a process, up to 1,024: nodes of hundreds of tests,
    with their databases, 1.7 GB of them. A collection took seconds. And what stays (modules that were loaded
    meanwhile, reports) the collector need not look at again either: that took one second in thirty."""
    if remembered := getattr(web_app, "_cached_build_middleware", None):  # private; the tests run without it too
        remembered.cache_clear()
    if next(_over) % 50 == 0:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL for this run of the tests; where the package is not installed, its tests are skipped."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server(found) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    running: Postgres = request.getfixturevalue("postgres")
    return running.new()


@pytest.fixture(scope="session")
def postgres_migrated(postgres: Postgres) -> str:
    """The one database at the newest schema: who uses it empties it."""
    url = postgres.new()
    asyncio.run(bring_up(url))
    return url


@pytest.fixture
async def postgres_url(postgres_migrated: str) -> AsyncIterator[str]:
    """A PostgreSQL database at the newest schema with nothing in it; who connected to it is gone at the end."""
    store = Store(postgres_migrated)
    try:
        before = await connections(store)
        yield postgres_migrated

        async def all_gone() -> bool:
            return await connections(store) <= before

        await eventually(all_gone)
        await empty(store)
    finally:
        await store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the newest schema with nothing in it, once of each kind."""
    if request.param == "sqlite":
        shutil.copyfile(asyncio.run(empty_database()), tmp_path / "test.db")
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
