"""How long an app waits for its post: a status with a thousand followers, each on a host of their own."""

from __future__ import annotations

import asyncio
import json
import statistics
from pathlib import Path

from bench import strangers, wire
from bench.processes import child
from bench.reads import owners_token
from bench.table import Table

PORT = 9420
FOLLOWERS = 1_000
POSTS = 12


async def measure(scratch: Path, table: Table, *, quick: bool) -> None:
    table.section("posting", f"POST /api/v1/statuses with {FOLLOWERS:,} followers on as many hosts, all of them there")
    data = scratch / "posting"
    server = await wire.serve(lambda _line, _head, _body: wire.ACCEPTED)
    port = wire.port_of(server)
    hosts = [f"http://127.1.{number // 250}.{number % 250 + 1}:{port}/inbox" for number in range(FOLLOWERS)]
    await strangers.found(data, PORT, followers=hosts)
    token = await owners_token(data)
    waited: list[float] = []
    try:
        async with child(["bench.runner", str(data), str(PORT)], scratch / "posting.log") as node:
            await node.hear()
            for number in range(POSTS // 2 if quick else POSTS):
                body = json.dumps({"status": f"post {number} from an app"}).encode()
                head = (
                    f"POST /api/v1/statuses HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nAuthorization: Bearer {token}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                work = await wire.send_all([head.encode() + body], "127.0.0.1", PORT, connections=1)
                if set(work.statuses) != {200}:
                    raise RuntimeError(f"the post was answered {work.statuses}: {work.sample!r}")
                waited.append(work.seconds[0] * 1000)
                await asyncio.sleep(2)  # its thousand deliveries are over
    finally:
        server.close()
    # The first one loads the client API, which a node does without until an app comes.
    table.row("posting.first", "the first, which loads the API", waited[0], "ms")
    table.row("posting.median", "an answer, as a rule", statistics.median(waited[1:]), "ms", 30)
    table.row("posting.slowest", "the slowest", max(waited[1:]), "ms")
