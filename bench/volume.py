"""Does a note cost more when many are stored? A node with a thousand notes beside one with a hundred thousand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from bench import strangers, wire
from bench.inbound import CONNECTIONS, all_home, at_home
from bench.processes import Child, child
from bench.table import Table
from keys import canonical
from node.federation import parse
from node.ids import Snowflake
from node.model import Authorship, Create, Verdict
from node.storage import activities, actors, notes
from node.storage.activities import Logged
from node.storage.store import Store

PORTS = (9398, 9399)
FEW, MANY = 1_000, 100_000
ROUNDS = 3


async def measure(scratch: Path, table: Table, *, quick: bool) -> None:
    total = 500 if quick else 1_500
    many = MANY // 10 if quick else MANY
    table.section(
        "volume", f"{ROUNDS} × {total} signed Creates by turns, to nodes that hold {FEW:,} and {many:,} notes"
    )
    stub = await wire.serve(lambda line, head, body: answer(line, head, body))
    everyone = strangers.authors(20 if quick else 100, wire.port_of(stub))
    answer = strangers.documents(everyone)
    number = count()
    try:
        async with AsyncExitStack() as stack:
            nodes: list[tuple[Path, int, Child]] = []
            for port, stored in zip(PORTS, (FEW, many), strict=True):
                data = scratch / f"volume-{stored}"
                await strangers.found(data, port, followed=everyone)
                began = time.monotonic()
                await fill(data, port, everyone, stored, number)
                print(f"  {stored:,} notes written in {time.monotonic() - began:.1f} s")
                running = child(["bench.runner", str(data), str(port)], scratch / f"volume-{stored}.log")
                nodes.append((data, port, await stack.enter_async_context(running)))
                await nodes[-1][2].hear()
                await _send(data, port, everyone, 2 * len(everyone), number)  # keys are fetched, caches filled
            spent: list[list[float]] = [[], []]
            lost = 0
            for _ in range(ROUNDS):
                for which, (data, port, node) in enumerate(nodes):
                    before = node.cpu()
                    lost += await _send(data, port, everyone, total, number)
                    spent[which].append((node.cpu() - before) * 1000 / total)
            few, most = (min(one) for one in spent)
            table.row("volume.few", f"with {FEW:,} stored: CPU a note (least)", few, "ms")
            table.row("volume.many", f"with {many:,} stored: CPU a note (least)", most, "ms")
            table.row("volume.ratio", "the second as a multiple of the first", most / few, "×", 1.2)
            table.row("volume.lost", "lost", lost, "", 0)
            table.row("volume.rss", f"resident memory with {many:,} stored", nodes[1][2].rss(), "MiB", 150)
    finally:
        stub.close()


async def _send(data: Path, port: int, everyone: Sequence[strangers.Author], total: int, number: Iterator[int]) -> int:
    """Deliver new notes, and wait until they are at home. How many did not arrive."""
    inbox = f"http://127.0.0.1:{port}/inbox"
    chosen = [everyone[n % len(everyone)] for n in range(total)]
    prepared = [strangers.signed(one, inbox, strangers.create(one, next(number), proven=False)) for one in chosen]
    there = at_home(data)
    await wire.send_all(prepared, "127.0.0.1", port, connections=CONNECTIONS, timeout=120)
    return total - (await all_home(data, there + total) - there)


async def fill(
    data: Path, port: int, everyone: Sequence[strangers.Author], total: int, number: Iterator[int], *, minutes: int = 1
) -> None:
    """Notes of these authors, as they lie in a store after they came in, one every so many minutes until now."""
    store = Store(strangers.settings(data, port).database)
    snowflake = Snowflake(2)
    now = datetime.now(UTC)
    verdict = Authorship(Verdict.VOUCHED, "delivered by the author's server")
    try:
        async with store.read() as tx:
            ids = await actors.ids_of(tx, [author.iri for author in everyone])
        for start in range(0, total, 1_000):
            new: list[notes.NewNote] = []
            logged: list[Logged] = []
            for n in range(start, min(start + 1_000, total)):
                author = everyone[n % len(everyone)]
                body = strangers.create(author, next(number), proven=False)
                activity = parse.activity(canonical.load_object(body))
                assert isinstance(activity, Create)
                at = now - timedelta(minutes=minutes * (total - n))
                note, author_id = activity.note, ids[author.iri]
                visibility = note.audience.visibility(None)
                new.append(notes.NewNote(snowflake.mint(at), note, author_id, visibility, at, at, verdict, activity.id))
                logged.append(Logged(activity.id, "in", author.iri, "Create", note.iri, at, body))
            async with store.write() as tx:
                await activities.record_many(tx, logged)
                await notes.add_many(tx, new)
                await notes.show_at_home(tx, [(one.id, one.author_id) for one in new])
    finally:
        await store.close()
