"""Group commit: together when many wait, alone when one does, and each told what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from node.errors import Refused, StoreError
from node.federation.batch import FULL, MOST, SHARE, Batcher


async def test_a_lone_item_waits_for_nobody() -> None:
    """house.md: "a lone delivery waits for nobody"."""
    batches: list[list[int]] = []

    async def write(items: Sequence[int]) -> None:
        batches.append(list(items))

    await asyncio.wait_for(Batcher(write).put(1), 1)
    assert batches == [[1]]


async def test_what_waits_is_written_together_in_order() -> None:
    """One transaction for many, at most so many, each item once."""
    batches: list[list[int]] = []

    async def write(items: Sequence[int]) -> None:
        batches.append(list(items))
        await asyncio.sleep(0.01)

    batcher = Batcher(write)
    await asyncio.gather(*(batcher.put(number) for number in range(300)))
    assert [item for batch in batches for item in batch] == list(range(300))
    assert len(batches) <= 5
    assert max(map(len, batches)) <= MOST


async def test_a_failure_reaches_those_it_concerns_and_the_next_goes_through() -> None:
    """202 always means on disk: who was in a failed batch is told, who came after is not hurt."""
    broken = True

    async def write(items: Sequence[int]) -> None:
        if broken:
            raise StoreError("the disk is full")

    batcher = Batcher(write)
    results = await asyncio.gather(*(batcher.put(number) for number in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreError] * 3
    broken = False
    await batcher.put(4)


async def test_one_that_stops_waiting_is_written_all_the_same() -> None:
    """A sender who hangs up does not take the others' batch with them."""
    written: list[int] = []
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> None:
        await gate.wait()
        written.extend(items)

    batcher = Batcher(write)
    puts = [asyncio.ensure_future(batcher.put(number)) for number in range(3)]
    await asyncio.sleep(0)
    puts[1].cancel()
    gate.set()
    await asyncio.gather(*puts, return_exceptions=True)
    await batcher.drain()
    assert sorted(written) == [0, 1, 2]


async def test_a_full_batch_refuses() -> None:
    """security.md §10: a queue with a cap."""
    gate = asyncio.Event()

    async def write(items: Sequence[int]) -> None:
        await gate.wait()

    batcher = Batcher(write)
    puts = [asyncio.ensure_future(batcher.put(number)) for number in range(FULL + MOST)]
    await asyncio.sleep(0.05)
    while len(batcher) < FULL:
        puts.append(asyncio.ensure_future(batcher.put(0)))
        await asyncio.sleep(0)
    with pytest.raises(Refused) as caught:
        await batcher.put(1)
    assert caught.value.reason.code == "busy"
    gate.set()
    await asyncio.gather(*puts, return_exceptions=True)


async def test_one_source_leaves_room_for_others() -> None:
    """security.md §10: "per-host fairness": who floods is asked to come back, and nobody else is."""
    gate = asyncio.Event()
    written: list[str] = []

    async def write(items: Sequence[str]) -> None:
        await gate.wait()
        written.extend(items)

    batcher = Batcher(write)
    puts = [asyncio.ensure_future(batcher.put("flood", "loud.example")) for _ in range(SHARE + MOST + 50)]
    await asyncio.sleep(0.05)  # the first of them are being written by now
    puts += [asyncio.ensure_future(batcher.put("flood", "loud.example")) for _ in range(MOST)]
    await asyncio.sleep(0.01)
    assert len(batcher) == SHARE < FULL
    with pytest.raises(Refused):
        await batcher.put("flood", "loud.example")
    puts.append(asyncio.ensure_future(batcher.put("a word", "quiet.example")))
    gate.set()
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert results[-1] is None
    assert "a word" in written
    assert any(isinstance(result, Refused) for result in results[:-1])
    await batcher.put("later", "loud.example")
    assert batcher._of.total() == 0
