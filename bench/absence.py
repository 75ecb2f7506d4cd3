"""A node that was away: a thousand posts of twenty authors, until all are in the home timeline; and a long thread."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import strangers, wire
from bench.inbound import all_home
from bench.processes import child
from bench.table import Table
from node import app
from node.ids import Ids, Snowflake
from node.model import Audience, Authorship, Iri, Note, Verdict, Visibility
from node.storage import actors, cursors, notes
from node.storage.store import Store

PORT = 9394
PAGE = 20
ANSWERS = 500


async def measure(scratch: Path, table: Table) -> None:
    people, each = 20, 50
    table.section("absence", f"{people * each} posts of {people} authors, {PAGE} to a page, after 19 days")
    stub = await wire.serve(lambda line, head, body: answer(line, head, body))
    everyone = strangers.authors(people, wire.port_of(stub))
    answer = _outboxes(everyone, each)
    try:
        data = scratch / "absence"
        await strangers.found(data, PORT, followed=everyone)
        await _away(data)
        async with child(["bench.runner", str(data), str(PORT)], scratch / "absence.log") as node:
            began = time.monotonic()
            await node.hear()
            arrived = await all_home(data, people * each, 60.0)
            seconds, spent = time.monotonic() - began, node.cpu() * 1000 / (people * each)
            table.row("absence.seconds", "from the start until all are at home", seconds, "s", 20)
            table.row("absence.cpu", "CPU a post, the start of the node included", spent, "ms", 3)
            table.row("absence.lost", "not recovered", people * each - arrived, "", 0)
            table.row("absence.rss", "resident memory afterwards", node.rss(), "MiB", 150)
        await _thread(data, everyone[0], table)
    finally:
        stub.close()


async def _away(data: Path) -> None:
    """As if the node had last been awake 19 days ago."""
    chosen = strangers.settings(data, PORT)
    store = Store(chosen.database)
    try:
        async with store.write() as tx:
            await cursors.beat(tx, Ids(chosen.base_url, "bench").actor, datetime.now(UTC) - timedelta(days=19))
    finally:
        await store.close()


def _outboxes(everyone: Sequence[strangers.Author], each: int) -> wire.Handler:
    """The authors' documents, and their outboxes in pages."""
    plain = strangers.documents(everyone)
    answers: dict[tuple[str, str], bytes] = {}
    for which, author in enumerate(everyone):
        path = author.iri.partition(author.host)[2] + "/outbox"
        items = [json.loads(strangers.create(author, which * each + n, proven=False)) for n in range(each)]
        top = {"@context": strangers.AS2, "id": f"{author.iri}/outbox", "type": "OrderedCollection", "totalItems": each}
        answers[author.host, path] = _served({**top, "first": f"{author.iri}/outbox?page=0"})
        for start in range(0, each, PAGE):
            number = start // PAGE
            page: dict[str, object] = {
                "@context": strangers.AS2,
                "id": f"{author.iri}/outbox?page={number}",
                "type": "OrderedCollectionPage",
                "orderedItems": items[start : start + PAGE],
            }
            if start + PAGE < each:
                page["next"] = f"{author.iri}/outbox?page={number + 1}"
            answers[author.host, f"{path}?page={number}"] = _served(page)

    def handle(line: bytes, head: bytes, body: bytes) -> bytes:
        target = line.decode().split(" ")[1]
        return answers.get((strangers.header(head, "host"), target)) or plain(line, head, body)

    return handle


def _served(document: dict[str, object]) -> bytes:
    return wire.ok(json.dumps(document).encode(), "application/activity+json")


async def _thread(data: Path, author: strangers.Author, table: Table) -> None:
    """A thread of 500 answers that are all here, opened."""
    async with app.opened(strangers.settings(data, PORT)) as node:
        snowflake, now = Snowflake(7), datetime.now(UTC)
        root = Iri(f"{author.iri}/statuses/1")
        async with node.store.write() as tx:
            brief = (await actors.briefs(tx, [author.iri]))[author.iri]
            new = [
                notes.NewNote(
                    id=snowflake.mint(now),
                    note=Note(
                        iri=Iri(f"{root}{number or ''}"),
                        author=author.iri,
                        audience=Audience((Iri(f"{strangers.AS2}#Public"),)),
                        content=f"<p>answer {number}</p>",
                        in_reply_to=root if number else None,
                    ),
                    author_id=brief.id,
                    visibility=Visibility.PUBLIC,
                    published=now,
                    received_at=now,
                    authorship=Authorship(Verdict.VOUCHED, "Made for a measurement."),
                    activity=None,
                )
                for number in range(ANSWERS + 1)
            ]
            await notes.add_many(tx, new)
        began = time.monotonic()
        thread = await node.reading.open_thread(root, fetch=False)
        seconds = time.monotonic() - began
        table.row(
            "absence.thread", f"a stored thread of {len(thread.below)} answers, opened", seconds * 1000, "ms", 300
        )
