"""Where apps come in: the client API and the pages that let them in, loaded with the first request for them.

Most nodes are read by servers and browsers long before an app calls; what the API needs (its forms,
its tables of routes) is some 15 MiB that are spent only then. Loading happens in a thread, since it takes a while.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from node.web.mastodon.dispatch import Api
    from node.web.mastodon.rooms import Rooms

API = ("/api/{tail:.*}", "/oauth/{tail:.*}", "/.well-known/oauth-authorization-server")

PAGES = (
    ("GET", "/login", "login"),
    ("POST", "/login", "log_in"),
    ("POST", "/logout", "log_out"),
    ("GET", "/oauth/authorize", "authorize"),
    ("GET", "/oauth/authorize/", "authorize"),  # as toot spells it
    ("POST", "/oauth/authorize", "decide"),
    ("GET", "/access", "access"),
    ("POST", "/access", "show_out"),
)
"""Method, path, and the function of `signin.SignIn` that answers."""


class Apps:
    """The door. `rooms` is called once, with the first request; `render` makes pages."""

    def __init__(self, rooms: Callable[[], Rooms], render: Callable[..., str]) -> None:
        self._rooms = rooms
        self._render = render
        self._api: Api | None = None
        self._signin: Any = None
        self._loading = asyncio.Lock()

    async def _open(self) -> None:
        if self._api is None:
            async with self._loading:
                if self._api is None:
                    package, signin = await asyncio.to_thread(_load)
                    api = package.build(self._rooms())
                    self._signin = signin.SignIn(api, self._render)
                    self._api = api

    async def api(self) -> Api:
        await self._open()
        assert self._api is not None
        return self._api

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return await (await self.api()).handle(request)

    def _page(self, name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            await self._open()
            answer: web.StreamResponse = await getattr(self._signin, name)(request)
            return answer

        return handler

    async def close(self, app: web.Application) -> None:
        """The node stops: streams end, which nobody would wait for."""
        if self._api is not None:
            await self._api.streams.close()
            self._api.finder.close()

    def mount(self, app: web.Application) -> None:
        app.on_shutdown.append(self.close)
        for method, path, name in PAGES:  # first: the API would take /oauth/authorize too
            app.router.add_route(method, path, self._page(name))
        for path in API:
            app.router.add_route("*", path, self.handle)


def _load() -> tuple[Any, Any]:
    return importlib.import_module("node.web.mastodon"), importlib.import_module("node.web.signin")
