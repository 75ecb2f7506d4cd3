"""How long a host is asked for keys that turn out not to be there (security.md §1, unknown-key flood)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from datetime import datetime, timedelta

MISSES = 5
"""Keys of one host asked for in vain within PAUSE, before no other unknown key of it is asked for.

Several, so that one bogus key id cannot keep everybody new on a large server waiting; few, so that
a flood of them is no way to make this node call somebody.
"""

PAUSE = timedelta(minutes=1)
AT_ONCE = 2
MOST_HOSTS = 5_000


class Patience:
    """Counts misses by host, and lets two look-ups a host be under way."""

    def __init__(self) -> None:
        self._misses: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._gates: OrderedDict[str, asyncio.Semaphore] = OrderedDict()

    def is_spent(self, host: str, now: datetime) -> bool:
        missed = self._misses.get(host)
        if missed is None:
            return False
        while missed and now - missed[0] >= PAUSE:
            missed.popleft()
        return len(missed) >= MISSES

    def miss(self, host: str, now: datetime, *, silent: bool = False) -> None:
        """A key was not to be had. A host that does not even answer (`silent`) is left alone at once."""
        missed = self._misses.setdefault(host, deque(maxlen=MISSES))
        self._misses.move_to_end(host)
        missed.extend([now] * (MISSES if silent else 1))
        if len(self._misses) > MOST_HOSTS:
            self._misses.popitem(last=False)

    def gate(self, host: str) -> asyncio.Semaphore:
        gate = self._gates.setdefault(host, asyncio.Semaphore(AT_ONCE))
        self._gates.move_to_end(host)
        if len(self._gates) > MOST_HOSTS:
            self._gates.popitem(last=False)
        return gate
