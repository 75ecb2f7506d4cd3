"""Servers that were given up, and speak again: what is written from now on goes to them at once (federation.md §9)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from node.errors import StoreError
from node.model import Clock, Signed, origin_of
from node.storage import hosts
from node.storage.store import Store

log = logging.getLogger("cuicui.delivery")

LOOK_EVERY = timedelta(minutes=1)
"""Which servers are silent is read this often at most, and from memory in between: every delivery asks."""


class Returned:
    """Hears every delivery that was believed."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._silent: set[str] = set()
        self._looked_at: datetime | None = None

    async def hear(self, signed: Signed) -> None:
        """A server that speaks is there: it is not left out until the next probe, which may be a week away."""
        try:
            await self._look()
            origin = origin_of(signed.actor)
            if origin not in self._silent:
                return
            self._silent.discard(origin)
            async with self._store.write() as tx:
                await hosts.wake(tx, origin)
            log.info("host is back", extra={"host": origin})
        except StoreError as error:  # what it said is stored; that it is back will be noticed the next time
            self._looked_at = None
            log.warning("hosts not looked at", extra={"why": error.message})

    async def _look(self) -> None:
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        async with self._store.read() as tx:
            self._silent = set(await hosts.dormant(tx))
