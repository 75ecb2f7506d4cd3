"""What the floor is measured on: an aiohttp handler that only answers, an aiohttp client that only posts.

`python -m bench.bare server PORT` · `python -m bench.bare client PORT` (posts on command).
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import aiohttp
import uvloop
from aiohttp import web


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


async def server(port: int) -> None:
    async def inbox(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/inbox", inbox)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    say(ready=True)
    await asyncio.Event().wait()


async def client(port: int) -> None:
    reader = asyncio.StreamReader(limit=1 << 22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    connector = aiohttp.TCPConnector(limit=0, family=socket.AF_INET)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        say(ready=True)
        while line := await reader.readline():
            command = json.loads(line)
            body, urls = command["body"].encode(), iter(command["urls"])
            headers = {"Content-Type": "application/activity+json", "Signature": "x" * 470, "Digest": "y" * 52}

            async def post(body: bytes, urls: object, headers: dict[str, str]) -> None:
                for url in urls:  # type: ignore[attr-defined]
                    async with session.post(url, data=body, headers=headers) as answer:
                        await answer.read()

            await asyncio.gather(*(post(body, urls, headers) for _ in range(64)))
            say(posted=len(command["urls"]))


if __name__ == "__main__":
    uvloop.run({"server": server, "client": client}[sys.argv[1]](int(sys.argv[2])))
