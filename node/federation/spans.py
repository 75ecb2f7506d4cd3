"""The items of a collection as they stand in the bytes that came: evidence is not to be written anew. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice

from node.federation.parse.values import MAX_ITEMS

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")


def items(body: bytes) -> list[bytes]:
    """The first elements of `orderedItems` (or `items`), of the embedded `first` page where that holds them.

    `body` was read by the strict reader: it is well formed, and no name stands twice.
    """
    text = body.decode()
    start = _skip(text, 0)
    parts = {name: at for name, at, _ in _members(text, start)}
    first = parts.get("first")
    if first is not None and text[first] == "{":
        inner = {name: at for name, at, _ in _members(text, first)}
        if found := _list(text, inner):
            return found
    return _list(text, parts)


def _list(text: str, parts: dict[str, int]) -> list[bytes]:
    at = parts.get("orderedItems", parts.get("items"))
    if at is None:
        return []
    if text[at] != "[":
        return [] if text.startswith("null", at) else [text[at : _end(text, at)].encode()]
    return [text[start:end].encode() for start, end in islice(_elements(text, at), MAX_ITEMS)]


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each value of the object that begins at `at`."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        end = _end(text, start)
        yield name, start, end
        at = _next(text, end)


def _elements(text: str, at: int) -> Iterator[tuple[int, int]]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield at, end
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    """Behind the comma, or at the bracket that closes."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _end(text: str, at: int) -> int:
    return int(_DECODER.raw_decode(text, at)[1])


def _skip(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at
