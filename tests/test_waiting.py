"""Workers end when they are told to, also when a word for them comes in the same moment (node/waiting.py)."""

from __future__ import annotations

import asyncio

import pytest

from node.waiting import ended, told


async def test_a_word_or_the_end_of_patience() -> None:
    event = asyncio.Event()
    assert not await told(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await told(event, 5.0)
    assert await told(event, None)


@pytest.mark.parametrize("within", [30.0, None])
async def test_an_end_that_comes_with_a_word_is_an_end(within: float | None) -> None:
    """asyncio.wait_for of Python 3.11 forgets it: the loop goes on, and who waits for its end waits for ever."""
    event = asyncio.Event()

    async def work() -> None:
        while True:
            await told(event, within)
            event.clear()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    event.set()
    task.cancel()
    await asyncio.wait({task}, timeout=2.0)
    assert task.cancelled()


async def test_who_takes_the_first_end_for_their_own_is_told_again() -> None:
    async def deaf() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(30)

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    assert await ended([task]) == set()
    assert task.done()


async def test_who_never_ends_is_named_and_not_waited_for() -> None:
    let_go = False

    async def stubborn() -> None:
        while not let_go:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                pass

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    assert await ended([task], patience=0.05) == {task}
    let_go = True
    task.cancel()
    await asyncio.wait({task}, timeout=2.0)
    assert task.done()


async def test_what_one_fails_with_at_its_end_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def clumsy() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            raise ValueError("the last word")

    task = asyncio.create_task(clumsy(), name="clumsy")
    await asyncio.sleep(0)
    assert await ended([task]) == set()
    [record] = caplog.records
    assert record.message == "failed at its end"
    assert record.exc_info is not None
    assert "the last word" in str(record.exc_info[1])
