"""How often a password may be guessed: longer pauses for an address that guesses wrong, and for all together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from node.peers import is_crowd, network

FREE = 5
"""Wrong guesses of one address before it has to wait."""

FREE_TOGETHER = 50
LONGEST = timedelta(minutes=15)
LONGEST_TOGETHER = timedelta(seconds=30)
"""Nobody can shut the owner out for longer than this by guessing from many addresses, or by way of our own proxy,
behind which all have one."""

ADDRESSES = 1000


@dataclass(slots=True)
class _Count:
    wrong: int
    until: datetime


class Attempts:
    """Counts wrong passwords. Kept in memory: who can restart the node does not need to guess.

    A guess counts from when it begins: those that are made side by side are not free.
    """

    def __init__(self) -> None:
        self._by_address: dict[str, _Count] = {}
        self._together: _Count | None = None

    def begin(self, address: str, now: datetime) -> timedelta | None:
        """A guess of this address; None when it may be made now, else how long until it may try again."""
        name = network(address)
        ends = [count.until for count in (self._by_address.get(name), self._together) if count is not None]
        last = max(ends, default=now)
        if last > now:
            return last - now
        wrong = (self._by_address.pop(name).wrong if name in self._by_address else 0) + 1
        longest = LONGEST_TOGETHER if is_crowd(address) else LONGEST
        self._by_address[name] = _Count(wrong, now + _pause(wrong - FREE, longest))
        together = (self._together.wrong if self._together else 0) + 1
        self._together = _Count(together, now + _pause(together - FREE_TOGETHER, LONGEST_TOGETHER))
        if len(self._by_address) > ADDRESSES:  # the one that has waited longest is forgotten
            del self._by_address[min(self._by_address, key=lambda one: self._by_address[one].until)]
        return None

    def succeeded(self, address: str) -> None:
        self._by_address.pop(network(address), None)
        self._together = None


def _pause(over: int, longest: timedelta) -> timedelta:
    """1, 2, 4 … seconds, once more were wrong than are free."""
    return timedelta() if over <= 0 else min(timedelta(seconds=2 ** min(over - 1, 20)), longest)
