"""Answers kept as bytes until what they say has changed (decisions.md §11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

from aiohttp import web

from node.negotiation import etag, is_unchanged

Kept = TypeVar("Kept")

PUBLIC = "public, max-age=180"
"""How long anybody may keep a public answer (federation.md §3)."""

PRIVATE = "private, no-store"
"""For whatever depended on who asked."""


class Answer:
    """A body with its headers and its validator, given as often as it is asked for."""

    __slots__ = ("_headers", "_tag", "body")

    def __init__(self, body: bytes, headers: Mapping[str, str]) -> None:
        self.body = body
        self._tag = etag(body)
        self._headers = {**headers, "ETag": self._tag}

    def to(self, request: web.BaseRequest) -> web.Response:
        """The whole answer, or 304 for an asker who has it."""
        if (held := request.headers.get("If-None-Match")) is not None and is_unchanged(held, self._tag):
            return web.Response(status=304, headers=self._headers)
        return web.Response(body=self.body, headers=self._headers)


class Shelf(Generic[Kept]):
    """At most `size` values, the oldest taken out first. Everything goes at once when something changed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[Hashable, Kept] = {}
        self._generation = 0

    async def get_or_make(self, key: Hashable, make: Callable[[], Awaitable[Kept | None]]) -> Kept | None:
        """What is kept under `key`, or what `make` gives; None is not kept.

        What was read before a clear() is not put back after it: it may be the old state.
        """
        if (kept := self._values.get(key)) is not None:
            return kept
        generation = self._generation
        made = await make()
        if made is not None and generation == self._generation:
            if key not in self._values and len(self._values) >= self._size:
                del self._values[next(iter(self._values))]
            self._values[key] = made
        return made

    def clear(self) -> None:
        self._generation += 1
        self._values.clear()

    def __len__(self) -> int:
        return len(self._values)
