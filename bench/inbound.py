"""Inbound: signed Creates of two hundred followed authors, until all are in the home timeline."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

from bench import strangers, wire
from bench.floor import Floor
from bench.processes import child
from bench.table import Table

PORT = 9392
CONNECTIONS = 24


async def measure(scratch: Path, table: Table, floor: Floor | None, *, quick: bool) -> None:
    count = 1500 if quick else 6000
    table.section("inbound", f"{count} signed Creates a row, over {CONNECTIONS} kept connections")
    stub = await wire.serve(lambda line, head, body: answer(line, head, body))
    everyone = strangers.authors(20 if quick else 200, wire.port_of(stub))
    answer = strangers.documents(everyone)
    try:
        await _rows(scratch, table, floor, everyone, count)
    finally:
        stub.close()


async def _rows(scratch: Path, table: Table, floor: Floor | None, everyone: list[strangers.Author], count: int) -> None:
    data = scratch / "inbound"
    await strangers.found(data, PORT, followed=everyone)
    inbox = f"http://127.0.0.1:{PORT}/inbox"
    number = iter(range(10_000_000))

    def requests(total: int, *, proven: bool) -> list[bytes]:
        chosen = [everyone[n % len(everyone)] for n in range(total)]
        return [strangers.signed(one, inbox, strangers.create(one, next(number), proven=proven)) for one in chosen]

    async with child(["bench.runner", str(data), str(PORT)], scratch / "inbound.log") as node:
        await node.hear()
        await wire.send_all(requests(len(everyone), proven=False), "127.0.0.1", PORT, connections=CONNECTIONS)
        await wire.send_all(requests(len(everyone), proven=True), "127.0.0.1", PORT, connections=CONNECTIONS)
        table.row("inbound.rss_before", "resident memory, keys known", node.rss(), "MiB")
        variants = (
            ("plain", "HTTP signature only, as Mastodon", False, True, count),
            ("proven", "with FEP-8b32 proofs on note and activity, as cuicui", True, True, count // 2),
            ("connections", "plain, a new connection for each", False, False, count // 2),
        )
        for name, words, proven, keep_alive, total in variants:
            prepared = requests(total, proven=proven)
            there = at_home(data)
            await asyncio.sleep(0.5)
            cpu, began = node.cpu(), time.monotonic()
            work = await wire.send_all(
                prepared, "127.0.0.1", PORT, connections=CONNECTIONS, keep_alive=keep_alive, timeout=240
            )
            arrived = await all_home(data, there + total)
            seconds, spent = time.monotonic() - began, (node.cpu() - cpu) * 1000 / total
            plain = name == "plain"
            table.row(f"inbound.{name}.cpu", f"{words}: CPU a note", spent, "ms", 0.8 if plain else None)
            table.row(f"inbound.{name}.rate", f"{words}: notes a second", total / seconds, "/s")
            table.row(f"inbound.{name}.lost", f"{words}: lost", total - (arrived - there), "", 0)
            if set(work.statuses) != {202}:
                print(f"  answers: {work.statuses}; one of them: {work.sample!r}")
            if plain and floor is not None:
                ratio = spent / floor.inbound
                table.row("inbound.ratio", "plain, as a multiple of the floor (4 is the aim)", ratio, "×", 6)
        table.row("inbound.rss_after", "resident memory afterwards", node.rss(), "MiB")


def at_home(data: Path) -> int:
    """Notes in the home timeline, read from the node's own database."""
    db = sqlite3.connect(f"file:{data / 'cuicui.db'}?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM home").fetchone()[0])
    finally:
        db.close()


async def all_home(data: Path, wanted: int, patience: float = 20.0) -> int:
    """How many there are, at the latest after `patience` seconds."""
    deadline = time.monotonic() + patience
    while (found := at_home(data)) < wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return found
