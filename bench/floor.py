"""The floor: the least that the same work costs on this machine with the same libraries, each part by itself."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import strangers, wire
from bench.processes import child
from bench.table import Table
from keys import BadSignature, Identity, TransportKey


@dataclass(frozen=True)
class Floor:
    """CPU milliseconds of each part."""

    request: float
    rsa_sign: float
    rsa_verify: float
    ed25519_sign: float
    ed25519_verify: float
    sha256: float
    json: float
    insert: float
    post_to_new_host: float
    """One after the other, as every other part is measured."""
    posts_side_by_side: float
    """The same with 64 under way at a time."""

    @property
    def inbound(self) -> float:
        return self.request + self.rsa_verify + self.json + self.insert

    @property
    def delivery(self) -> float:
        return self.rsa_sign + self.post_to_new_host

    @property
    def delivery_side_by_side(self) -> float:
        return self.rsa_sign + self.posts_side_by_side


def each(work: Callable[[], object], times: int) -> float:
    """CPU milliseconds of one call: the best of three rounds."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) * 1000 / times)
    return best


async def measure(scratch: Path, table: Table, *, quick: bool) -> Floor:
    rounds = 200 if quick else 1000
    author = strangers.authors(1, 80)[0]
    body = strangers.create(author, 1, proven=False)
    transport, identity = TransportKey.generate(), Identity.generate()
    rsa, ed25519 = transport.sign(body), identity.sign(body)

    def rejected() -> None:
        try:
            identity.public.verify(ed25519, b"another message")
        except BadSignature:
            return
        raise AssertionError("a wrong signature was taken")

    rejected()
    floor = Floor(
        request=await _request(scratch, body, 6000 if quick else 20_000),
        rsa_sign=each(lambda: transport.sign(body), rounds),
        rsa_verify=each(lambda: transport.public.verify(rsa, body), rounds * 5),
        ed25519_sign=each(lambda: identity.sign(body), rounds * 5),
        ed25519_verify=each(lambda: identity.public.verify(ed25519, body), rounds * 5),
        sha256=each(lambda: hashlib.sha256(body).digest(), rounds * 10),
        json=each(lambda: json.loads(body), rounds * 5),
        insert=_insert(scratch, body, 20 if quick else 60),
        post_to_new_host=await _post(scratch, "client", body, 500 if quick else 1500),
        posts_side_by_side=await _post(scratch, "clients", body, 500 if quick else 1500),
    )
    table.section("floor", f"CPU of each part alone; a note is {len(body)} bytes")
    for name, words in {
        "request": "aiohttp handler that only answers 202",
        "rsa_verify": "RSA-2048 verify",
        "rsa_sign": "RSA-2048 sign",
        "ed25519_verify": "Ed25519 verify",
        "ed25519_sign": "Ed25519 sign",
        "sha256": "SHA-256 of a note",
        "json": "JSON parse of a note",
        "insert": "SQLite insert of a note, 100 to a transaction, synchronous=FULL",
        "post_to_new_host": "aiohttp POST to a new host",
        "posts_side_by_side": "aiohttp POST to a new host, 64 side by side",
    }.items():
        table.row(f"floor.{name}", words, getattr(floor, name), "ms")
    table.row("floor.inbound", "inbound floor: request + RSA verify + JSON + insert", floor.inbound, "ms")
    table.row("floor.delivery", "delivery floor: RSA sign + POST to a new host", floor.delivery, "ms")
    words = "RSA sign + POST to a new host, 64 side by side"
    table.row("floor.delivery_side_by_side", words, floor.delivery_side_by_side, "ms")
    return floor


async def _request(scratch: Path, body: bytes, count: int) -> float:
    headers = {"Host": "127.0.0.1", "Content-Type": "application/activity+json", "Signature": "x" * 470}
    one = wire.request("/inbox", headers, body)
    async with child(["bench.bare", "server", "9391"], scratch / "floor.log") as server:
        await server.hear()
        await wire.send_all([one] * 300, "127.0.0.1", 9391, connections=32)
        before = server.cpu()
        await wire.send_all([one] * count, "127.0.0.1", 9391, connections=32)
        return (server.cpu() - before) * 1000 / count


def _insert(scratch: Path, body: bytes, batches: int) -> float:
    """One row with an index of text ids and the bytes of a note."""
    with sqlite3.connect(scratch / "floor.db", isolation_level=None) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, iri TEXT UNIQUE, author TEXT, at INTEGER, body BLOB)")
        began = time.process_time()
        for batch in range(batches):
            rows = [(f"https://host.example/users/a/statuses/{batch}-{n}", "a", batch, body) for n in range(100)]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO notes (iri, author, at, body) VALUES (?, ?, ?, ?)", rows)
            db.execute("COMMIT")
        spent = time.process_time() - began
    db.close()
    return spent * 1000 / (batches * 100)


async def _post(scratch: Path, which: str, body: bytes, count: int) -> float:
    """The best of three rounds, each to hosts of its own."""
    sink = await wire.serve(lambda _line, _head, _body: wire.ACCEPTED)
    port = wire.port_of(sink)
    best = float("inf")
    async with child(["bench.bare", which], scratch / "floor.log") as client:
        await client.hear()
        await client.ask(body=body.decode(), urls=[f"http://127.2.0.1:{port}/inbox"] * 64)
        for network in (3, 4, 5):
            urls = [f"http://127.{network}.{n // 250}.{n % 250 + 1}:{port}/inbox" for n in range(count)]
            before = client.cpu()
            await client.ask(body=body.decode(), urls=urls)
            best = min(best, (client.cpu() - before) * 1000 / count)
    sink.close()
    return best
