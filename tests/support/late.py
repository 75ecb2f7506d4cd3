"""A store that is slow to read: what comes between a question and what is made of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from node.storage.dialect import Tx
from node.storage.store import Store


class Late:
    """The node's own store: what it has read (`asked`) it hands on when `held` is set."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.held = asyncio.Event()
        self.asked = asyncio.Event()
        self.write = store.write

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        async with self.store.read() as tx:
            yield tx
        self.asked.set()
        await self.held.wait()
