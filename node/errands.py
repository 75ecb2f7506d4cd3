"""Small things that are due at a time of their own: counts that go out, polls that end, quotes to be looked into.

Each is a row in `chores`, so that a node that is killed half-way goes on. While one is under way its
row is put off; what happens meanwhile puts it back, and it is done again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from node.errors import CuicuiError, Unreachable
from node.events import Events
from node.model import Clock, Iri, Tell
from node.observe import count
from node.storage import chores
from node.storage.chores import Chore
from node.storage.store import Store
from node.waiting import told

log = logging.getLogger("cuicui.errands")

Errand = Callable[[Iri, bool], Awaitable[None]]
"""Takes what it is about, and whether this is the last try. Raises Unreachable for another one."""

LEASE = timedelta(minutes=10)
RETRIES = (timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=2))
AT_ONCE = 8
NAP = 30.0


class Errands:
    """Does what is due, one process at a time: the node itself."""

    def __init__(self, store: Store, events: Events, errands: Mapping[str, Errand], *, clock: Clock) -> None:
        self._store = store
        self._errands = errands
        self._clock = clock
        self._wake = {kind: asyncio.Event() for kind in errands}
        self._began: set[str] = set()
        events.subscribe(self._hear)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._errands)

    def _hear(self, tell: Tell) -> None:
        if tell.kind in ("errand", "foreign"):
            for wake in self._wake.values():
                wake.set()

    async def run(self, kind: str) -> None:
        """Until cancelled. What a predecessor had under way when it ended is due at once.

        Each kind goes its own way: strangers can have quotes looked for as often as they like, where nobody answers,
        and what the owner scheduled is not to wait for that.
        """
        while True:
            self._wake[kind].clear()
            due = await self._next_at(kind)
            if due is not None and kind not in self._began:
                async with self._store.write() as tx:
                    await chores.release(tx, self._clock(), kind)
                due = await self._next_at(kind)
            self._began.add(kind)
            if due is not None and due <= self._clock():
                while await self.do_what_is_due(kind) == AT_ONCE:
                    pass
                due = await self._next_at(kind)
            pause = NAP if due is None else min(max((due - self._clock()).total_seconds(), 0.05), NAP)
            await told(self._wake[kind], pause)

    async def _next_at(self, kind: str) -> datetime | None:
        async with self._store.read() as tx:
            return await chores.next_at(tx, errands=True, kind=kind)

    async def do_what_is_due(self, kind: str | None = None) -> int:
        """How many were done, or tried; of one kind, if it is named."""
        async with self._store.read() as tx:
            due = await chores.due(tx, self._clock(), AT_ONCE, errands=True, kind=kind)
        await asyncio.gather(*(self._do(chore) for chore in due))
        return len(due)

    async def _do(self, chore: Chore) -> None:
        until = self._clock() + LEASE
        async with self._store.write() as tx:
            if not await chores.lease(tx, chore, until):
                return
        try:
            await self._errands[chore.kind](Iri(chore.subject), chore.attempts >= len(RETRIES))
        except Exception as error:  # a defect of ours with one of them must not keep the others waiting
            if not isinstance(error, CuicuiError):
                log.exception("errand failed", extra={"kind": chore.kind, "subject": chore.subject})
            await self._failed(chore, error)
        else:
            async with self._store.write() as tx:
                await chores.finish(tx, chore.id, until)

    async def _failed(self, chore: Chore, error: Exception) -> None:
        next_at = None
        if chore.attempts < len(RETRIES):
            wish = error.retry_after if isinstance(error, Unreachable) else None
            pause = RETRIES[chore.attempts].total_seconds() if wish is None else wish
            next_at = self._clock() + timedelta(seconds=min(pause, 86_400.0))
        count("errand.failed")
        async with self._store.write() as tx:
            said = f"{type(error).__name__}: {error}"
            await chores.postpone(tx, chore.id, next_at, said, state=chore.state)
