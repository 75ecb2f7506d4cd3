"""Group commit: whoever waits is written together, and answered when it is on disk (house.md, Batches)."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from node.errors import Reason, Refused

T = TypeVar("T")

GATHER = 0.003
"""Seconds that a batch waits for company, and only when the one before had some."""

MOST = 128
"""Items written in one transaction."""

FULL = 4_096
"""Items waiting; beyond it a sender is asked to come back."""

SHARE = FULL // 4
"""Items waiting of one source: a server that floods fills its own share, and leaves the others theirs."""


class Batcher(Generic[T]):
    """Collects items while one batch is being written; a lone item waits for nobody."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: deque[tuple[T, asyncio.Future[None], str]] = deque()
        self._of: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, item: T, source: str = "") -> None:
        """Returns when the item's transaction is committed; raises what kept it from being so.

        `source` is whose share of the places it takes, such as a host; the empty one has no bound of its own.
        """
        if len(self._waiting) >= FULL or (source and self._of[source] >= SHARE):
            raise Refused(Reason.BUSY, "too many activities are waiting here", hint="try again in a minute")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done, source))
        self._of[source] += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        try:
            crowded = False
            while self._waiting:
                if crowded and len(self._waiting) < MOST:
                    await asyncio.sleep(GATHER)
                batch = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                self._of -= Counter(source for _, _, source in batch)  # those with nothing left are dropped
                crowded = len(batch) > 1
                failure: BaseException | None = None
                try:
                    await self._write([item for item, _, _ in batch])
                except Exception as error:
                    failure = error
                for _, done, _ in batch:
                    if done.done():
                        continue  # its sender went away; the item is written all the same
                    if failure is None:
                        done.set_result(None)
                    else:
                        done.set_exception(failure)
        finally:
            self._task = None

    async def drain(self) -> None:
        """Wait until nothing waits."""
        while self._task is not None:
            await asyncio.wait([self._task])
