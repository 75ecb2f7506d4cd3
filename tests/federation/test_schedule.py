"""What an answer means, and when to try again (federation.md §9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.federation.schedule import (
    BACKOFF,
    GIVE_UP_AFTER,
    JITTER,
    LONGEST_RETRY_AFTER,
    Failures,
    Fate,
    fate_of,
    next_attempt,
    retry_after,
    wished,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "fate"),
    [
        ((200, 201, 202, 204), Fate.DONE),
        ((301, 302, 307, 308, 400, 403, 404, 405, 406, 413, 415, 422), Fate.DROPPED),
        ((410,), Fate.GONE),
        ((401, 408, 425, 429, 500, 502, 503, 504, 521), Fate.RETRY),
    ],
)
def test_what_an_answer_means(statuses: tuple[int, ...], fate: Fate) -> None:
    """federation.md §9, the table of responses."""
    assert {fate_of(status) for status in statuses} == {fate}


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_pause_is_the_one_of_the_table_give_or_take_a_tenth(failures: int, chance: float) -> None:
    """federation.md §9: "1 min, 5 min, 20 min, 1 h, 3 h, 8 h, 24 h, then daily"."""
    due = next_attempt(Failures(failures, NOW), NOW, chance=chance)
    assert due is not None
    pause = BACKOFF[min(failures, len(BACKOFF)) - 1]
    assert pause * (1 - JITTER) <= due - NOW <= pause * (1 + JITTER)


def test_the_retries_of_many_nodes_are_spread() -> None:
    """A server that comes back is not asked by all in the same moment: a tenth of the pause either way."""
    dues = [next_attempt(Failures(4, NOW), NOW, chance=chance) for chance in (0.0, 0.5, 1.0)]
    assert dues == [NOW + timedelta(minutes=minutes) for minutes in (54, 60, 66)]


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=30)), st.integers(1, 50))
def test_a_week_of_silence_is_the_end_and_not_a_day_less(silent: timedelta, failures: int) -> None:
    """federation.md §9: "after 7 days silent the host is dormant": if it was asked, not once before we went away."""
    given_up = silent >= GIVE_UP_AFTER and failures > len(BACKOFF)
    assert (next_attempt(Failures(failures, NOW - silent), NOW) is None) == given_up


@given(st.one_of(st.none(), st.floats(allow_nan=False)))
def test_a_hosts_own_wish_is_heard_up_to_a_day(seconds: float | None) -> None:
    """federation.md §9: "honour Retry-After up to 24 h"."""
    wish = retry_after(seconds)
    assert (wish is None) == (seconds is None or seconds <= 0)
    assert wish is None or timedelta() <= wish <= LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    "value", ["0", "Thu, 01 Jan 2026 00:00:00 GMT", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "soon", "²", " "]
)
def test_what_is_over_or_no_time_is_no_wish(value: str) -> None:
    """Heard as one, it would have every try that there is made at once, and then give up."""
    assert wished(value, datetime(2026, 6, 1, tzinfo=UTC)) is None


def test_a_wish_is_a_number_or_a_date() -> None:
    """RFC 9110 §10.2.3: "either an HTTP-date … or a non-negative decimal integer"."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert wished(" 120 ", now) == 120
    assert wished("Mon, 01 Jun 2026 01:00:00 GMT", now) == 3600
