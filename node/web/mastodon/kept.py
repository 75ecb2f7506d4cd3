"""Answers that are asked again and again, kept as bytes while nothing in the store changes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from node.model import Clock
from node.storage.store import Store

MOST = 16 * 1024 * 1024
"""Octets of answers that are kept."""

EACH = 512 * 1024
LONGEST_ADDRESS = 512

SECONDS = 10.0
"""After this the same store may look different: mutes end, polls are over."""


@dataclass(frozen=True, slots=True)
class _Answer:
    generation: tuple[int, int]
    at: float
    body: bytes
    headers: tuple[tuple[str, str], ...]


Key = tuple[bool, str]
"""Whether the owner asks, and the address with its query."""


class Kept:
    """Any write of this process makes all of it stale at once: nobody has to know which answer shows what."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()
        self._cleared = 0
        self._making: dict[tuple[Key, tuple[int, int]], asyncio.Future[_Answer | None]] = {}
        self.size = 0

    def clear(self) -> None:
        """Another process wrote."""
        self._answers.clear()
        self._cleared += 1  # what is being made at this moment was read before
        self.size = 0

    async def get_or_make(self, key: Key, make: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        """Whoever asks for what is being made at this moment waits for it, and does not make it again."""
        now, generation = self._clock().timestamp(), (self._store.generation, self._cleared)
        known = self._answers.get(key)
        if known is not None:
            if known.generation == generation and 0 <= now - known.at < SECONDS:
                self._answers.move_to_end(key)
                return _again(known)
            self._drop(key)
        if len(key[1]) > LONGEST_ADDRESS:
            return await make()
        flight = (key, generation)
        task = self._making.get(flight)
        if task is None:
            task = self._making[flight] = asyncio.ensure_future(self._made(key, generation, now, make))
            task.add_done_callback(lambda _: self._making.pop(flight, None))
        made = await asyncio.shield(task)
        return await make() if made is None else _again(made)

    async def _made(
        self, key: Key, generation: tuple[int, int], now: float, make: Callable[[], Awaitable[web.StreamResponse]]
    ) -> _Answer | None:
        """None for what is not to be given twice."""
        made = await make()
        body = made.body if isinstance(made, web.Response) else None
        if made.status != 200 or not isinstance(body, bytes):
            return None
        answer = _Answer(generation, now, body, tuple(made.headers.items()))
        if len(body) <= EACH:
            self._keep(key, answer)
        return answer

    def _keep(self, key: Key, answer: _Answer) -> None:
        self._drop(key)
        self._answers[key] = answer
        self.size += len(answer.body)
        while self.size > MOST:
            self._drop(next(iter(self._answers)))

    def _drop(self, key: Key) -> None:
        gone = self._answers.pop(key, None)
        if gone is not None:
            self.size -= len(gone.body)


def _again(answer: _Answer) -> web.Response:
    return web.Response(body=answer.body, headers=dict(answer.headers))
