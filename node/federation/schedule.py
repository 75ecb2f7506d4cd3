"""What an answer to a delivery means, and when to try again (federation.md §9). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

BACKOFF = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=24),
)
"""Pauses after the first failures of a host; then once a day."""

GIVE_UP_AFTER = timedelta(days=7)
"""A host that failed this long without one success is dormant, if it was asked meanwhile: more often than there are
pauses of different length. One that failed once before this node went away for a week has not been silent."""

PROBE_EVERY = timedelta(days=7)
LONGEST_RETRY_AFTER = timedelta(hours=24)
JITTER = 0.1


class Fate(Enum):
    """What becomes of a delivery after an attempt."""

    DONE = "delivered"
    DROPPED = "refused"
    """The receiver says no to this activity; the host is well."""
    GONE = "gone"
    """410: nobody is there any more."""
    RETRY = "retried"


@dataclass(frozen=True, slots=True)
class Failures:
    """A host's record: consecutive failures, and since when."""

    count: int = 0
    since: datetime | None = None


def fate_of(status: int) -> Fate:
    """An HTTP status as federation.md §9 reads it. 401 is transient: key caches and clocks mend themselves."""
    if 200 <= status < 300:
        return Fate.DONE
    if status == 410:
        return Fate.GONE
    if status in (401, 408, 425, 429) or status >= 500:
        return Fate.RETRY
    return Fate.DROPPED  # also 3xx: a delivery is not redirected


def next_attempt(failures: Failures, now: datetime, *, chance: float = 0.5) -> datetime | None:
    """When to try a host again after one more failure; None once it has been asked for a week and was silent.

    `failures` counts the one that just happened. `chance` in [0, 1) spreads the retries of many
    nodes by ten per cent either way.
    """
    asked = failures.count > len(BACKOFF)
    if asked and failures.since is not None and now - failures.since >= GIVE_UP_AFTER:
        return None
    pause = BACKOFF[min(max(failures.count, 1), len(BACKOFF)) - 1]
    return now + pause * (1 + JITTER * (2 * chance - 1))


def retry_after(seconds: float | None) -> timedelta | None:
    """A host's own wish, within reason."""
    if seconds is None or seconds <= 0:
        return None
    return min(timedelta(seconds=min(seconds, 10**8)), LONGEST_RETRY_AFTER)


def wished(value: str | None, now: datetime) -> float | None:
    """Retry-After in seconds: a number or a date (RFC 9110 §10.2.3). None for what is over or is no time at all."""
    if not value:
        return None
    value = value.strip()
    try:
        digits = value.isascii() and value.isdigit()
        seconds = float(value[:9]) if digits else (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if seconds > 0 else None
