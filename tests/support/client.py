"""An app: HTTP requests to the client API, with the owner's token or without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.homes import Home

_kept: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[aiohttp.ClientSession]]] = {}


async def lines() -> aiohttp.ClientSession:
    """Connections that are used again, as apps and browsers do, for as long as the event loop lasts; no cookies.

    To make one anew takes more than most of what is asked over it.
    """
    loop = asyncio.get_running_loop()
    if loop not in _kept:
        opened = _opened(loop)
        _kept[loop] = (await anext(opened), opened)
    return _kept[loop][0]


async def _opened(loop: asyncio.AbstractEventLoop) -> AsyncGenerator[aiohttp.ClientSession]:
    """A generator, since a loop that is closed ends those that were begun in it, and waits for them."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        try:
            yield session
        finally:
            del _kept[loop]


@dataclass
class Answer:
    status: int
    headers: Any
    json: Any
    body: bytes


class Client:
    """Speaks to one node. `token` None: an anonymous reader."""

    def __init__(self, home: Home, token: str | None) -> None:
        self.home = home
        self.token = token

    @classmethod
    async def of(cls, home: Home) -> Client:
        """With a token of the owner's, as `cuicui token` prints it."""
        return cls(home, await home.node.owner.new_token("test"))

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    async def request(self, method: str, path: str, **how: Any) -> Answer:
        headers = {**self.headers, **how.pop("headers", {})}
        url = self.home.base + path
        async with (await lines()).request(method, url, headers=headers, allow_redirects=False, **how) as response:
            body = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, await response.json() if is_json else None, body)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.request("GET", path, **how)

    async def post(self, path: str, data: Any = None, **how: Any) -> Answer:
        return await self.request("POST", path, json=data, **how)
