"""Politeness in one place: two at a time, pauses, a budget, and the pauses that hosts ask for."""

from __future__ import annotations

import asyncio
import time

import pytest

from node.errors import Unreachable
from node.federation.dial import networks
from node.federation.polite import AT_ONCE, PATIENCE, Manners

HOST = "https://social.example/users/1"


async def test_two_at_a_time_for_each_host() -> None:
    """Issue 3, polite: "at most 2 requests at a time per host"; another host does not wait for it."""
    manners = Manners(networks(["127.0.0.0/8"]))
    inside = most = 0
    done = asyncio.Event()

    async def ask() -> None:
        nonlocal inside, most
        async with manners.turn("http://127.0.0.1:8000/a"):
            inside += 1
            most = max(most, inside)
            await done.wait()
            inside -= 1

    asking = [asyncio.create_task(ask()) for _ in range(6)]
    await asyncio.sleep(0.1)
    async with manners.turn("http://127.0.0.1:8001/a"):
        assert inside == AT_ONCE
    done.set()
    await asyncio.gather(*asking)
    assert most == AT_ONCE


@pytest.mark.parametrize(
    ("url", "least", "most"),
    [
        (HOST, 0.4, 9.0),
        ("http://127.0.0.1:8000/", 0.0, 0.4),  # an allowed network: one's own machines
        ("http://10.0.0.1/", 0.4, 9.0),
    ],
)
async def test_there_is_a_pause_between_requests(url: str, least: float, most: float) -> None:
    """Issue 3, polite: "jitter"; a stranger's host is asked no more than five times a second."""
    took: list[float] = []
    while len(took) < 4 and min(took, default=99.0) > most:
        manners = Manners(networks(["127.0.0.0/8"]), chance=lambda: 0.5)
        began = time.monotonic()
        for _ in range(3):
            async with manners.turn(url):
                pass
        took.append(time.monotonic() - began)
    assert least <= min(took) <= most


async def test_there_is_a_budget_for_each_host_and_hour() -> None:
    """Issue 3, polite: "a budget per hour"; who exceeds it is told when to come back."""
    manners = Manners(networks(["127.0.0.0/8"]), budget=3)
    for _ in range(3):
        async with manners.turn("http://127.0.0.1:8000/"):
            pass
    with pytest.raises(Unreachable) as no:
        async with manners.turn("http://127.0.0.1:8000/other"):
            pass
    assert no.value.code == "budget"
    assert no.value.retry_after is not None
    assert 3_500 < no.value.retry_after <= 3_600
    async with manners.turn("http://127.0.0.1:8001/"):
        pass


async def test_a_host_that_asks_for_a_pause_is_left_alone() -> None:
    """RFC 9110 §10.2.3: Retry-After is "how long the user agent ought to wait before making a follow-up request"."""
    manners = Manners()
    with pytest.raises(Unreachable, match="busy"):
        async with manners.turn(HOST):
            raise Unreachable("busy", code="http_error", status=429, retry_after=600.0)
    with pytest.raises(Unreachable) as no:
        async with manners.turn(HOST):
            pass
    assert no.value.code == "held"
    assert no.value.retry_after is not None
    assert PATIENCE < no.value.retry_after <= 600


async def test_nobody_asks_to_be_left_alone_for_ever() -> None:
    """federation.md §9: "honour Retry-After up to 24 h"; a mistake in a header is no reason never to come again."""
    manners = Manners()
    with pytest.raises(Unreachable):
        async with manners.turn("https://example.org/"):
            raise Unreachable("busy", code="http_error", status=503, retry_after=99_999_999.0)
    with pytest.raises(Unreachable) as no:
        async with manners.turn("https://example.org/"):
            pass
    assert no.value.code == "held"
    assert no.value.retry_after is not None
    assert no.value.retry_after <= 86_400
