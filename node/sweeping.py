"""Takes away what others sent and nobody here refers to any more, a little at a time (security.md §10).

What that is, and what stays, is in storage/sweep.py. Nothing that arrives waits for it: it looks in a
transaction that only reads, removes a few rows in each that writes, and rests in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from node.events import Events
from node.federation.actors import Actors
from node.ids import Ids
from node.lazily import when_used
from node.media.cache import RemoteMedia
from node.model import Clock, Tell
from node.observe import count
from node.storage.store import Store

if TYPE_CHECKING:
    from node.storage import sweep
    from node.storage.sweep import Broom, Key, Terms
else:  # its statements are many, and asked once in a day
    sweep = when_used("node.storage.sweep")

log = logging.getLogger("cuicui.sweep")

FIRST = 600.0
EVERY = 86_400.0
"""Seconds from the start to the first sweep, and from each to the next."""

AT_ONCE = 25
"""Rows that are removed in one transaction."""

REST = 0.2
"""Seconds between two transactions, in which whatever else there is to do is done."""


class Sweeper:
    """Of one process: the node itself. `days`: how long what nobody refers to is kept; 0 keeps everything."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        media: RemoteMedia,
        events: Events,
        *,
        ids: Ids,
        clock: Clock,
        days: int,
    ) -> None:
        self._store = store
        self._actors = actors
        self._media = media
        self._events = events
        self._ids = ids
        self._clock = clock
        self._days = days
        self._counted = False

    async def run(self) -> None:
        """Until cancelled."""
        if not self._counted:
            self._counted = True
            await self._actors.quota.recount()
        pause = FIRST
        while True:
            await asyncio.sleep(pause)
            pause = EVERY
            await self.sweep()

    async def sweep(self) -> Mapping[str, int]:
        """Go through everything once; how many rows of each kind went. Raises StoreError."""
        gone: Counter[str] = Counter()
        if not self._days:
            return gone
        now = self._clock()
        async with self._store.read() as tx:
            terms = await sweep.terms(tx, self._ids.actor, now, now - timedelta(days=self._days))
        for broom in sweep.BROOMS:
            gone[broom.name] = await self._go_through(broom, terms)
        gone["rest"] = await self._tidy(terms)
        if gone.total():
            count("swept", gone.total())
            log.info("swept", extra={name: times for name, times in gone.items() if times})
            self._events.publish([Tell("swept", "")])
        return gone

    async def _go_through(self, broom: Broom, terms: Terms) -> int:
        total, after = 0, broom.start
        while True:
            async with self._store.read() as tx:
                seen = await sweep.stretch(tx, broom, after)
                found = await broom.find(tx, seen, terms) if seen else []
            for start in range(0, len(found), AT_ONCE):
                total += await self._remove(broom, found[start : start + AT_ONCE], terms)
                await asyncio.sleep(REST)
            if len(seen) < sweep.STRETCH:
                return total
            after = seen[-1]
            await asyncio.sleep(REST)

    async def _tidy(self, terms: Terms) -> int:
        total = 0
        while True:
            async with self._store.write() as tx:
                some = await sweep.tidy(tx, terms)
            if not some:
                return total
            total += some
            await asyncio.sleep(REST)

    async def _remove(self, broom: Broom, keys: list[Key], terms: Terms) -> int:
        """Those of them that nobody has come to refer to since."""
        async with self._store.write() as tx:
            still = await broom.find(tx, keys, terms)
            pictures = await broom.remove(tx, still, terms) if still else []
        if broom.name == "people" and still:
            self._actors.forget_cached()
        await self._media.forget(pictures)
        return len(still)
