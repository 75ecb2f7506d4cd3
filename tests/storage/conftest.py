"""The tests of the store share one open database of each kind, emptied after each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from node.storage.store import Store
from tests.support.emptying import empty
from tests.support.homes import empty_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An open database belongs to the loop that it was opened in."""
    for item in items:
        if pytest_asyncio.is_async_test(item) and "empty_store" in item.fixturenames:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    path = tmp_path_factory.mktemp("store") / "test.db"
    shutil.copyfile(await empty_database(), path)
    made = Store(f"sqlite:///{path}")
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgresql_store(postgres_migrated: str) -> AsyncIterator[Store]:
    made = Store(postgres_migrated)
    yield made
    await made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def empty_store(shared_store: Store) -> AsyncIterator[Store]:
    """At the newest schema with nothing in it, once of each kind."""
    yield shared_store
    await empty(shared_store)
