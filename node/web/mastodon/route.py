"""One row of the API's table: a method, a path, who may ask, and the function that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

    from node.web.mastodon.call import Call

ANYONE = "anyone"
"""Needs no token, and looks at none."""

ANY_TOKEN = "any token"  # noqa: S105 - a kind of access
"""Needs a token, of the owner's or an app's own, whatever its scopes."""

SCOPES = frozenset(
    [
        *("read", "write", "follow", "push", "profile"),
        *(
            f"read:{name}"
            for name in (
                *("accounts", "blocks", "bookmarks", "collections", "favourites", "filters", "follows", "lists"),
                *("mutes", "notifications", "search", "statuses"),
            )
        ),
        *(
            f"write:{name}"
            for name in (
                *("accounts", "blocks", "bookmarks", "collections", "conversations", "favourites", "filters"),
                *("follows", "lists", "media", "mutes", "notifications", "reports", "statuses"),
            )
        ),
    ]
)
"""What an app may ask for (Mastodon's OAuth scopes, without those of administrators)."""

_FOLLOW = frozenset(f"{act}:{what}" for act in ("read", "write") for what in ("blocks", "follows", "mutes"))

Handler = Callable[["Call"], Awaitable["web.StreamResponse"]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` has `:name` for what varies. `scope` is one of SCOPES, ANYONE or ANY_TOKEN; there is no default.

    `anonymous` lets people without a token in as well: the handler then shows what anybody may see.
    `files` lets a multipart body carry files, for the handlers that know what to do with them.
    `in_url` lets the token stand in the query or the WebSocket protocol: browsers can set no header there.
    `kept`: the answer to a GET without a body follows from the address and the store alone, so it may be given
    again while nothing is written (dispatch.py).
    """

    method: str
    path: str
    handler: Handler
    scope: str
    anonymous: bool = False
    files: bool = False
    in_url: bool = False
    kept: bool = False


def allows(granted: Iterable[str], wanted: str) -> bool:
    """Whether granted scopes cover one: `read` covers `read:accounts`, `follow` its six, as in Mastodon."""
    have = set(granted)
    return wanted in have or wanted.partition(":")[0] in have or ("follow" in have and wanted in _FOLLOW)


class Found:
    """A place in the tree of paths."""

    __slots__ = ("below", "methods", "name", "varying")

    def __init__(self) -> None:
        self.below: dict[str, Found] = {}
        self.varying: Found | None = None
        self.name = ""
        self.methods: dict[str, Route] = {}


class Table:
    """All routes, found by path segment. Raises ValueError for a route that does not say who may use it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = Found()
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if route.scope not in SCOPES and route.scope not in (ANYONE, ANY_TOKEN):
            raise ValueError(f"{route.method} {route.path}: {route.scope!r} is no scope")
        if route.anonymous and route.scope in (ANYONE, ANY_TOKEN):
            raise ValueError(f"{route.method} {route.path}: anonymous says nothing beside {route.scope!r}")
        place = self._root
        for segment in route.path.strip("/").split("/"):
            if segment.startswith(":"):
                if place.varying is None:
                    place.varying = Found()
                    place.varying.name = segment[1:]
                place = place.varying
                if place.name != segment[1:]:
                    raise ValueError(f"{route.path}: {segment} is called :{place.name} elsewhere")
            else:
                place = place.below.setdefault(segment, Found())
        if route.method in place.methods:
            raise ValueError(f"{route.method} {route.path} is there twice")
        place.methods[route.method] = route

    def find(self, path: str) -> tuple[dict[str, Route], dict[str, str]] | None:
        """What a path answers to, by method, and its varying parts; None for a path we do not have."""
        return _walk(self._root, path.strip("/").split("/"), {})


def _walk(place: Found, segments: list[str], named: dict[str, str]) -> tuple[dict[str, Route], dict[str, str]] | None:
    """Written segments win over varying ones; when they lead nowhere, the varying ones have their turn."""
    if not segments:
        return (place.methods, named) if place.methods else None
    first, rest = segments[0], segments[1:]
    if first in place.below and (found := _walk(place.below[first], rest, named)) is not None:
        return found
    if place.varying is not None and first:
        return _walk(place.varying, rest, {**named, place.varying.name: first})
    return None
