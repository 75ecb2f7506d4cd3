"""A clock that runs like the real one, and can be put forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FakeClock:
    """Answers the time, plus what was added with `forward`."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def forward(self, by: timedelta) -> None:
        self._ahead += by
