"""What runs beside the requests: delivery, second tries, housekeeping; each restarted if it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from node.errands import Errands
from node.errors import CuicuiError
from node.events import Events
from node.federation.backfill import Backfill
from node.federation.delivery import Delivery
from node.federation.inbox import Inbox
from node.federation.reception import Reception
from node.media.keeper import MediaKeeper
from node.model import Tell
from node.push import Pusher
from node.storage import arrivals
from node.storage.store import Store
from node.sweeping import Sweeper
from node.waiting import ended, told

log = logging.getLogger("cuicui.workers")

WATCH_EVERY = 0.25
"""Seconds between two looks at what other processes (the command line) wrote: what they post must go out within one."""

KEEP_EVERY = 30.0
LONGEST_PAUSE = 60.0


class Workers:
    """Starts, watches and stops the loops."""

    def __init__(
        self,
        store: Store,
        delivery: Delivery,
        inbox: Inbox,
        reception: Reception | None,
        events: Events,
        *,
        forget: Callable[[], None],
        backfill: Backfill | None = None,
        errands: Errands | None = None,
        pusher: Pusher | None = None,
        keeper: MediaKeeper | None = None,
        sweeper: Sweeper | None = None,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._inbox = inbox
        self._reception = reception
        self._events = events
        self._forget = forget
        self._backfill = backfill
        self._errands = errands
        self._pusher = pusher
        self._keeper = keeper
        self._sweeper = sweeper
        self._later = asyncio.Event()
        self._seen: int | None = None
        """What the last look at the store said, also where the next one failed."""
        self._tasks: list[asyncio.Task[None]] = []
        events.subscribe(self._hear)

    def _hear(self, tell: Tell) -> None:
        if tell.kind == "later":
            self._later.set()

    def start(self) -> None:
        loops = {"delivery": self._delivery.run, "later": self._retry, "watch": self._watch, "keep": self._keep}
        if self._backfill is not None:
            loops["backfill"] = self._backfill.run
        if self._errands is not None:
            loops |= {f"errands: {kind}": partial(self._errands.run, kind) for kind in self._errands.kinds}
        if self._pusher is not None:
            loops["push"] = self._pusher.run
        if self._keeper is not None:
            loops["media"] = self._keeper.run
        if self._sweeper is not None:
            loops["sweep"] = self._sweeper.run
        self._tasks = [asyncio.create_task(supervised(name, loop), name=name) for name, loop in loops.items()]

    async def stop(self) -> None:
        """Deliveries under way are finished; the rest is given back to the queue."""
        await self._delivery.stop()
        for task in await ended(self._tasks):
            log.error("worker does not end", extra={"worker": task.get_name()})
        if self._backfill is not None:
            await self._backfill.heartbeat()
        if self._reception is not None:
            await self._reception.write_down()

    async def _retry(self) -> None:
        while True:
            self._later.clear()
            while await self._inbox.retry() == arrivals.AT_ONCE:
                pass
            await told(self._later, KEEP_EVERY)

    async def _watch(self) -> None:
        """Notice what other processes wrote: new rows to deliver, a changed profile, a trusted key."""
        if self._seen is None:
            self._seen = await self._store.foreign_changes()
        while True:
            await asyncio.sleep(WATCH_EVERY if self._store.is_sqlite else 4 * WATCH_EVERY)
            now = await self._store.foreign_changes()
            if now == self._seen and self._store.is_sqlite:
                continue
            self._seen = now
            self._forget()
            self._events.publish([Tell("foreign", "")])
            self._delivery.wake()
            self._later.set()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY)
            await self._delivery.renew()
            if self._backfill is not None:
                await self._backfill.heartbeat()
            if self._reception is not None:
                await self._reception.write_down()


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run a loop until it ends by itself; after a failure, again, a little later each time."""
    pause = 0.5
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await work()
        except CuicuiError as error:
            log.error("worker failed", extra={"worker": name, "code": error.code, "why": error.message})
        except Exception:
            log.exception("worker failed", extra={"worker": name})
        else:
            return
        if asyncio.get_running_loop().time() - started > LONGEST_PAUSE:
            pause = 0.5
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
