"""What is asked often: actor, WebFinger, the public page, and the home timeline of an app."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from itertools import count
from pathlib import Path

from bench import strangers, wire
from bench.processes import ROOT, Child, child
from bench.table import Table
from bench.volume import fill

PORT = 9400
CONNECTIONS = 16
STORED = 10_000
OWN = 60


async def measure(scratch: Path, table: Table, *, quick: bool) -> None:
    table.section("reads", f"over {CONNECTIONS} kept connections, from a store of {STORED:,} posts")
    data = scratch / "reads"
    everyone = strangers.authors(50, 9401)
    await strangers.found(data, PORT, followed=everyone)
    await fill(data, PORT, everyone, STORED, count())
    token = await owners_token(data)
    home = f"/api/v1/timelines/home?limit=40 HTTP/1.1\r\nAuthorization: Bearer {token}"
    cases = (
        ("actor", "/actor HTTP/1.1\r\nAccept: application/activity+json", 6_000, 0.15),
        ("webfinger", f"/.well-known/webfinger?resource=acct:bench@127.0.0.1:{PORT} HTTP/1.1", 6_000, 0.15),
        ("profile", "/@bench HTTP/1.1\r\nAccept: text/html", 4_000, 0.5),
        ("home", home, 2_000, 0.7),
    )
    async with child(["bench.runner", str(data), str(PORT)], scratch / "reads.log") as node:
        await node.hear()
        for n in range(OWN):
            await node.ask(post=f"Post {n} of the owner: rain over the harbour again #weather")
        table.row("reads.rss_before", "resident memory, nobody has asked", node.rss(), "MiB")
        for name, target, total, most in cases:
            if name == "home":
                shown = json.loads(await _answer(home))
                if not isinstance(shown, list) or len(shown) != 40:
                    raise RuntimeError(f"the home timeline is not 40 posts: {str(shown)[:200]}")
            await _row(table, node, name, target, total // 4 if quick else total, most)


async def _row(table: Table, node: Child, name: str, target: str, total: int, most: float) -> None:
    asked = f"GET {target}\r\nHost: 127.0.0.1:{PORT}\r\n\r\n".encode()
    await wire.send_all([asked] * 64, "127.0.0.1", PORT, connections=CONNECTIONS)
    before = node.cpu()
    work = await wire.send_all([asked] * total, "127.0.0.1", PORT, connections=CONNECTIONS)
    spent = (node.cpu() - before) * 1000 / total
    if set(work.statuses) != {200}:
        raise RuntimeError(f"{name} was answered {work.statuses}: {work.sample!r}")
    slowest = statistics.quantiles(work.seconds, n=100)[98] * 1000
    table.row(f"reads.{name}.rss", f"{name}: resident memory afterwards", node.rss(), "MiB")
    table.row(f"reads.{name}.cpu", f"{name}: CPU a request", spent, "ms", most)
    table.row(f"reads.{name}.p99", f"{name}: p99", slowest, "ms", 50 if name == "home" else None)


async def _answer(target: str) -> bytes:
    """The body of one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(f"GET {target}\r\nHost: 127.0.0.1:{PORT}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(wire.content_length(head))
    writer.close()
    return body


async def owners_token(data: Path) -> str:
    """A token of the owner's, as scripts get it."""
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "node", "token", "--data", str(data), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await made.communicate()
    if made.returncode:
        raise RuntimeError("cuicui token failed; standard error says why")
    return said.decode().strip()
