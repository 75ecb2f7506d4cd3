"""End to end: from the owner's command on one node to the row in the other's home timeline, on disk."""

from __future__ import annotations

import asyncio
import statistics
from pathlib import Path

from bench import strangers
from bench.processes import child
from bench.table import Table

PORTS = (9394, 9395)


async def measure(scratch: Path, table: Table, *, quick: bool) -> None:
    count = 50 if quick else 200
    table.section("latency", f"{count} posts one after another, from one node to another that follows it")
    writer, reader = scratch / "writer", scratch / "reader"
    for data, port in zip((writer, reader), PORTS, strict=True):
        await strangers.found(data, port)
    log = scratch / "latency.log"
    async with (
        child(["bench.runner", str(writer), str(PORTS[0])], log) as alice,
        child(["bench.runner", str(reader), str(PORTS[1])], log) as bob,
    ):
        await alice.hear()
        await bob.hear()
        await bob.ask(follow=f"@bench@127.0.0.1:{PORTS[0]}")
        for _ in range(200):
            if (await bob.ask(following=True))["states"] == ["accepted"]:
                break
            await asyncio.sleep(0.05)
        else:
            raise RuntimeError("the follow was not accepted within ten seconds")
        await bob.ask(report=True)
        taken = []
        for number in range(count + 5):
            posted = await alice.ask(post=f"Number {number}, on its way")
            seen = await bob.hear()
            taken.append((seen["at"] - posted["began"]) * 1000)
            await asyncio.sleep(0.01)
        taken = sorted(taken[5:])  # the first ones met cold caches
        table.row(
            "latency.p50", "post to the other's timeline, half of them within", statistics.median(taken), "ms", 12
        )
        table.row("latency.p99", "and ninety-nine of a hundred within", taken[int(len(taken) * 0.99) - 1], "ms")
