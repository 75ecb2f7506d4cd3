"""What the floor is measured on: an aiohttp handler that only answers, an aiohttp client that only posts.

`python -m bench.bare server PORT` answers; `… client` posts on command, one after the other; `… clients` 64 side by
side, on the loop that the node uses.
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


async def client(at_once: int) -> None:
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

            await asyncio.gather(*(post(body, urls, headers) for _ in range(at_once)))
            say(posted=len(command["urls"]))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server", port]:
            uvloop.run(server(int(port)))
        case ["client"]:
            asyncio.run(client(1))  # one at a time uvloop is the dearer: every turn of the loop has one thing to do
        case ["clients"]:
            uvloop.run(client(64))
        case _:
            sys.exit(__doc__)
