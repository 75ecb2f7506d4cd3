"""Waiting for a word, for so long at most."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

log = logging.getLogger("cuicui.waiting")


async def told(event: asyncio.Event, within: float | None) -> bool:
    """True as soon as `event` is set; False after `within` seconds (None: never gives up).

    Not `asyncio.wait_for`: before Python 3.12 that one forgets a cancellation that comes in the same turn of the loop
    as the word, and a worker that was told to end goes on for ever.
    """
    try:
        async with asyncio.timeout(within):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def ended(tasks: Iterable[asyncio.Task[None]], patience: float = 5.0) -> set[asyncio.Task[None]]:
    """Cancel them until all have ended, in `patience` seconds at most; those that have not.

    Again and again: what a task calls may have taken a first cancellation for its own. What one of them failed with
    is written to the log, since nobody will ask for its result.
    """
    left = set(tasks)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while left and (still := deadline - loop.time()) > 0:
        for task in left:
            task.cancel()
        over, left = await asyncio.wait(left, timeout=min(still, 1.0))
        for task in over:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("failed at its end", extra={"task": task.get_name()}, exc_info=error)
    return left
