"""How often a host is asked for keys in vain, and who waits meanwhile (security.md §1, unknown-key flood)."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

from node.model import Iri

PAUSE = timedelta(minutes=1)
"""After one look-up in vain no other unknown key of that host is asked for until this is over."""

LINE = 100
"""Unknown keys of one host that are remembered meanwhile; of more, any one is left out."""

WAITS = timedelta(minutes=15)
"""How long one stays in the line; who still wants to be heard has tried again by then."""

MOST_HOSTS = 5_000


class Patience:
    """One look-up in vain a minute and host; and a line, so that one bogus key shuts nobody out.

    Whoever comes while a host is left alone is told to come back, and its key stands in line. When the
    pause is over, the next to come finds the line served first, from its head, until a key is not there
    again. A key that was found costs no pause. So a few bogus keys keep those who are new on that
    server waiting for minutes, and nobody whose key is known.
    """

    def __init__(self) -> None:
        self._vain: OrderedDict[str, datetime] = OrderedDict()
        self._lines: OrderedDict[str, OrderedDict[Iri, datetime]] = OrderedDict()
        self._gates: OrderedDict[str, asyncio.Semaphore] = OrderedDict()

    def is_spent(self, host: str, now: datetime) -> bool:
        since = self._vain.get(host)
        return since is not None and now - since < PAUSE

    def miss(self, host: str, now: datetime) -> None:
        """A key was not to be had, or what it was fetched for was not signed with it."""
        self._vain[host] = now
        _bound(self._vain, host)

    def wait(self, host: str, key_id: Iri, now: datetime) -> None:
        """Stand in line, where one stood before if one did."""
        line = self._lines.setdefault(host, OrderedDict())
        _bound(self._lines, host)
        line.setdefault(key_id, now)
        if len(line) > LINE:
            del line[random.choice(list(line))]  # noqa: S311 (to be fair, not to keep a secret)

    def turn(self, host: str, key_id: Iri, now: datetime) -> Iri:
        """Whose turn it is, out of the line: who waited longest, else `key_id`, who has just come."""
        line = self._lines.get(host)
        while line:
            first, since = line.popitem(last=False)
            if now - since < WAITS:
                return first
        self._lines.pop(host, None)
        return key_id

    def gate(self, host: str) -> asyncio.Semaphore:
        """One look-up at a time: whether it was in vain decides about the next."""
        gate = self._gates.setdefault(host, asyncio.Semaphore(1))
        _bound(self._gates, host)
        return gate


def _bound(by_host: OrderedDict[str, Any], host: str) -> None:
    by_host.move_to_end(host)
    if len(by_host) > MOST_HOSTS:
        by_host.popitem(last=False)
