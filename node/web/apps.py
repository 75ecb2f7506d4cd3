"""Where apps come in: the client API, loaded with the first request for it.

Most nodes are read by servers and browsers long before an app calls; what the API needs (its forms,
its tables of routes) is some 15 MiB that are spent only then. Loading happens in a thread, since it takes a while.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.web.mastodon.dispatch import Api
    from node.web.mastodon.rooms import Rooms

PATHS = ("/api/{tail:.*}", "/oauth/{tail:.*}", "/.well-known/oauth-authorization-server")


class Apps:
    """The door. `rooms` is called once, with the first request."""

    def __init__(self, rooms: Callable[[], Rooms]) -> None:
        self._rooms = rooms
        self._api: Api | None = None
        self._loading = asyncio.Lock()

    async def api(self) -> Api:
        if self._api is None:
            async with self._loading:
                if self._api is None:
                    package: Any = await asyncio.to_thread(importlib.import_module, "node.web.mastodon")
                    self._api = package.build(self._rooms())
        assert self._api is not None
        return self._api

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await (await self.api()).handle(request)

    def mount(self, app: web.Application) -> None:
        for path in PATHS:
            app.router.add_route("*", path, self.handle)
