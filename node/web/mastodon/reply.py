"""Answers: JSON as bytes, lists with their Link header."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from node.web.mastodon.call import Call

JSON = "application/json; charset=utf-8"

Fragment = orjson.Fragment
"""JSON that is written already: goes into a larger answer as it stands."""


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


def reply(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    body = orjson.dumps(value)
    return web.Response(status=status, body=body, headers={"Content-Type": JSON, **(headers or {})})


def joined(items: Sequence[bytes], *, headers: dict[str, str] | None = None) -> web.Response:
    """A list of what is written already."""
    body = b"[" + b",".join(items) + b"]"
    return web.Response(body=body, headers={"Content-Type": JSON, **(headers or {})})


def links(call: Call, ids: Sequence[int | str], limit: int) -> dict[str, str]:
    """The Link header of one page: `next` goes on to older ones, `prev` to newer (client-api.md §6).

    `ids` are those of the page, newest first; the other query parameters are kept. A page that is
    not full has nothing older after it.
    """
    if not ids:
        return {}
    kept = [(name, value) for name, value in call.request.query.items() if name not in _PAGING]
    here = call.rooms.ids.base + call.request.rel_url.raw_path  # as it was written: a header holds no line ends
    found = []
    if len(ids) >= limit:
        found.append(f'<{here}?{urlencode([*kept, ("max_id", ids[-1])])}>; rel="next"')
    found.append(f'<{here}?{urlencode([*kept, ("min_id", ids[0])])}>; rel="prev"')
    return {"Link": ", ".join(found)}


def paged(
    call: Call, numbers: Sequence[int], shown: Sequence[object], default: int = 40, most: int = 80
) -> web.Response:
    """One page of a list that is here whole, in an order of its own: below the number given, or right above it.

    Where the list is by number, pages go on as well from one that left it meanwhile: a request that was answered.
    """
    limit, order = call.limit(default, most), list(numbers)
    window = call.window(default, most)
    start, stop = 0, len(order)
    if window.before is not None:
        start = _place(order, window.before, missing=0, behind=True)
    if window.after is not None:
        stop = _place(order, window.after, missing=len(order), behind=False)
    if window.nearest:
        start = max(start, stop - limit)
    page = slice(start, min(stop, start + limit))
    has_more = page.stop < len(order)
    return reply(list(shown[page]), headers=links(call, order[page], limit if has_more else limit + 1))


def _place(order: list[int], number: int, *, missing: int, behind: bool) -> int:
    if number in order:
        return order.index(number) + behind
    is_falling = all(one > other for one, other in pairwise(order))
    return sum(one > number for one in order) if is_falling and order else missing


_PAGING = ("max_id", "min_id", "since_id", "access_token")
