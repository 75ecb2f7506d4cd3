"""Answers that are asked again and again, kept as bytes while nothing in the store changes."""

from __future__ import annotations

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
        self.size = 0

    def clear(self) -> None:
        """Another process wrote."""
        self._answers.clear()
        self._cleared += 1  # what is being made at this moment was read before
        self.size = 0

    async def get_or_make(self, key: Key, make: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        now, generation = self._clock().timestamp(), (self._store.generation, self._cleared)
        known = self._answers.get(key)
        if known is not None:
            if known.generation == generation and 0 <= now - known.at < SECONDS:
                self._answers.move_to_end(key)
                return web.Response(body=known.body, headers=dict(known.headers))
            self._drop(key)
        made = await make()
        body = made.body if isinstance(made, web.Response) else None
        if made.status == 200 and isinstance(body, bytes) and len(body) <= EACH and len(key[1]) <= LONGEST_ADDRESS:
            self._keep(key, _Answer(generation, now, body, tuple(made.headers.items())))
        return made

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
