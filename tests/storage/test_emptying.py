"""The database that the tests of the store share: after one of them it is as after the migrations."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Integer, LargeBinary, Text, func, select

from node.storage.schema import metadata
from node.storage.store import Store
from tests.support.emptying import empty


def _something(column: Column[Any]) -> object:
    """The same in every table, so that what refers to a row finds it."""
    kind = column.type
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Integer):
        return 1
    if isinstance(kind, LargeBinary):
        return b"x"
    return "x" if isinstance(kind, Text) else ["x"]


async def test_no_row_is_left_and_numbers_begin_again(empty_store: Store) -> None:
    """Twice: what the first one left would be in the way of the second."""
    for _ in range(2):
        async with empty_store.write() as tx:
            numbered = [table for table in metadata.sorted_tables if table.dialect_kwargs.get("sqlite_autoincrement")]
            assert numbered
            for table in metadata.sorted_tables:
                counted = {"id"} if table in numbered else set()
                row = {column.name: _something(column) for column in table.columns if column.name not in counted}
                await tx.execute(table.insert().values(row))
            assert [(await tx.execute(select(table.c.id))).scalar_one() for table in numbered] == [1] * len(numbered)
        await empty(empty_store)
        async with empty_store.read() as tx:
            for table in metadata.sorted_tables:
                assert (await tx.execute(select(func.count()).select_from(table))).scalar_one() == 0, table.name
