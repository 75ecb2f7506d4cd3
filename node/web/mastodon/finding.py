"""Keeps full-text search up to date while it is used: what is due is taken in before an answer, a while at most."""

from __future__ import annotations

import asyncio

from node.storage import search
from node.storage.store import Store

PATIENCE = 1.5
"""Seconds that an answer waits. What is left then, the oldest posts, is taken in after it."""

PAUSE = 0.05
"""Seconds between two batches in the background: other writers go first."""


class Finder:
    """One for a node. Nothing happens until somebody searches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rest: asyncio.Task[None] | None = None

    async def catch_up(self) -> None:
        async with self._store.read() as tx:
            if not await search.is_due(tx):
                return
        until = asyncio.get_running_loop().time() + PATIENCE
        while await self._batch():
            if asyncio.get_running_loop().time() > until:
                if self._rest is None or self._rest.done():
                    self._rest = asyncio.create_task(self._go_on(), name="search")
                return

    async def _batch(self) -> bool:
        """Whether there may be more."""
        async with self._store.write() as tx:
            return await search.index(tx) == search.BATCH

    async def _go_on(self) -> None:
        may_be_more = True
        while may_be_more:
            await asyncio.sleep(PAUSE)
            may_be_more = await self._batch()

    def close(self) -> None:
        """The node stops; the rest is taken in another time."""
        if self._rest is not None:
            self._rest.cancel()
