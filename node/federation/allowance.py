"""So often within so long, for each of many: hosts or accounts. In memory, bounded."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

MOST = 5_000
"""Names that are counted at one time; the one counted longest ago is forgotten."""


class Allowance:
    """`often` times within `span`, which begins with the first."""

    def __init__(self, often: int, span: timedelta) -> None:
        self._often = often
        self._span = span
        self._used: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def take(self, name: str, now: datetime, many: int = 1) -> bool:
        """Count so many more; False, and nothing is counted, when that is too many."""
        began, used = self._used.get(name, (now, 0))
        if now - began >= self._span:
            began, used = now, 0
        if used + many > self._often:
            return False
        self._put(name, began, used + many)
        return True

    def count(self, name: str, now: datetime, many: int) -> None:
        """So many were used before, as is found out now: they count, also when that is too many."""
        began, used = self._used.get(name, (now, 0))
        self._put(name, began, used + many)

    def _put(self, name: str, began: datetime, used: int) -> None:
        self._used[name] = began, used
        self._used.move_to_end(name)
        if len(self._used) > MOST:
            self._used.popitem(last=False)
