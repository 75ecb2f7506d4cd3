"""Cold start and idle memory of the node as its owner starts it."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from bench import strangers
from bench.processes import child
from bench.table import Table

PORT = 9396


async def measure(scratch: Path, table: Table, *, quick: bool) -> None:
    table.section("start", "python -m node run, on a node that exists")
    data = scratch / "start"
    await strangers.found(data, PORT)
    seconds, memory, imports = [], [], []
    for _ in range(2 if quick else 5):
        async with child(["node", "run", "--data", str(data)], scratch / "start.log") as node:
            seconds.append(await _answers(node.started))
            await asyncio.sleep(2)
            memory.append(node.rss())
            before = node.cpu()
            await asyncio.sleep(3)
            imports.append((node.cpu() - before) * 1000 / 3)
    table.row("start.seconds", "cold start, until it answers (median)", statistics.median(seconds), "s", 1)
    table.row("start.rss", "resident memory, idle (median)", statistics.median(memory), "MiB", 80)
    table.row("start.idle_cpu", "CPU a second, idle (median)", statistics.median(imports), "ms")


async def _answers(started: float, patience: float = 20.0) -> float:
    """Seconds from the start of the process until a request is answered."""
    while time.monotonic() - started < patience:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        writer.write(b"GET /actor HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/activity+json\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), patience)
        writer.close()
        if b" 200 " in line:
            return time.monotonic() - started
    raise RuntimeError("the node does not answer; its log says why")
