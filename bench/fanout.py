"""Fan-out: one post to thousands of followers, each on a host of its own; then with a tenth of the hosts dead."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import strangers, wire
from bench.floor import Floor
from bench.processes import Child, child
from bench.table import Table
from keys import PublicTransport
from node import keyring
from node.federation import httpsig
from node.federation.claim import Incoming
from node.model import Iri, KeyKind, KeyState, KnownKey, Trust

PORT = 9393
ROUNDS = 2
SAMPLE = 50
"""Of so many deliveries one is kept whole, and its signature and digest are checked afterwards."""


@dataclass
class Sink:
    """Every live host at once: counts who was reached, and when the last one was."""

    hosts: set[str] = field(default_factory=set)
    deliveries: int = 0
    last: float = 0.0
    kept: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)

    def handle(self, line: bytes, head: bytes, body: bytes) -> bytes:
        host = strangers.header(head, "host")
        if host not in self.hosts:
            self.hosts.add(host)
            self.last = time.monotonic()
        if self.deliveries % SAMPLE == 0:
            self.kept.append((line, head, body))
        self.deliveries += 1
        return wire.ACCEPTED

    def clear(self) -> None:
        self.hosts.clear()
        self.kept.clear()
        self.deliveries, self.last = 0, 0.0

    def check(self, public: PublicTransport) -> int:
        """How many sampled requests carry a right RSA signature over a right digest. Raises Refused at a wrong one."""
        now = datetime.now(UTC)
        for line, head, body in self.kept:
            method, target, _ = line.decode().split(" ")
            pairs = [row.partition(": ") for row in head.decode().split("\r\n") if row]
            request = Incoming(method, target, tuple((name.lower(), value) for name, _, value in pairs), body)
            claim = httpsig.read(request, base_url=f"http://{strangers.header(head, 'host')}", now=now)
            owner = Iri(claim.key_id.partition("#")[0])
            key = KnownKey(claim.key_id, owner, KeyKind.RSA, public.pem, now, Trust.FIRST_USE, KeyState.PINNED, public)
            httpsig.verify(claim, key, body)
        return len(self.kept)


def hosts(count: int, network: int) -> list[str]:
    """So many addresses in 127.NETWORK.0.0/16."""
    return [f"127.{network}.{number // 250}.{number % 250 + 1}" for number in range(count)]


@asynccontextmanager
async def dead(count: int) -> AsyncIterator[list[str]]:
    """Inboxes of hosts that do not work: half refuse, a quarter accept and never answer, a quarter swallow the SYN."""
    silent = await wire.serve(lambda _line, _head, _body: None)
    closed, hole = socket.socket(), socket.socket()
    fillers: list[socket.socket] = []
    try:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        hole.bind(("0.0.0.0", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        for _ in range(4):  # the queue of connections to accept is full: the kernel drops what comes next
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            fillers.append(one)
        ports = [closed.getsockname()[1]] * 2 + [wire.port_of(silent), port]
        yield [f"http://{host}:{ports[number % 4]}/inbox" for number, host in enumerate(hosts(count, 99))]
    finally:
        silent.close()
        for one in (closed, hole, *fillers):
            one.close()


@dataclass(frozen=True)
class Result:
    """What one post cost."""

    seconds: float
    """From the command until the last live host had it."""
    cpu_ms: float
    """Of the node, for each delivery that arrived, the dead ones' share included."""
    lost: int
    rss: float


async def measure(scratch: Path, table: Table, floor: Floor | None, *, quick: bool) -> None:
    table.section("fanout", "one post, every follower on a host of its own; RSA signatures (draft-cavage)")
    sink = Sink()
    server = await wire.serve(sink.handle)
    port = wire.port_of(server)
    try:
        sizes = (300, 1000) if quick else (1000, 5000)
        for count in sizes:
            live = [f"http://{host}:{port}/inbox" for host in hosts(count, 10)]
            first = await _live(scratch, table, floor, sink, live, biggest=count == sizes[-1])
            await _beside_dead(scratch, table, sink, live, first)
        live = [f"http://{host}:{port}/inbox" for host in hosts(count, 10)]
        async with _node(scratch / "ed25519", live, [], ed25519=True) as node:
            result = await _post(node, sink, count)
            _tell(table, "fanout.ed25519", f"{count} hosts that take RFC 9421 with Ed25519", result, None, target=False)
    finally:
        server.close()


async def _live(
    scratch: Path, table: Table, floor: Floor | None, sink: Sink, live: list[str], *, biggest: bool
) -> Result:
    count, data = len(live), scratch / f"fanout-{len(live)}"
    async with _node(data, live, []) as node:
        result = await _post(node, sink, count)
        _tell(table, f"fanout.{count}", f"{count} hosts", result, floor, target=biggest)
        checked = sink.check(keyring.load(data / "keys", None).transport.public)
        table.row(f"fanout.{count}.checked", f"{count} hosts: signatures checked, all right", checked, "")
        if biggest:
            await _flat(table, node, sink, count, result.rss)
    return result


async def _beside_dead(scratch: Path, table: Table, sink: Sink, live: list[str], first: Result) -> None:
    """Against the same live hosts alone; both by turns, the better of each, for the machine does other things too."""
    count, gone_count = len(live), len(live) // 9
    alone, beside = [first], list[Result]()
    for turn in range(ROUNDS):
        async with dead(gone_count) as gone, _node(scratch / f"dead-{count}-{turn}", live, gone) as node:
            beside.append(await _post(node, sink, count))
        if turn < ROUNDS - 1:
            async with _node(scratch / f"alone-{count}-{turn}", live, []) as node:
                alone.append(await _post(node, sink, count))
    best, worst_lost = min(beside, key=lambda result: result.seconds), max(result.lost for result in beside)
    words = f"{count} live hosts beside {gone_count} dead ones"
    table.row(f"fanout.{count}.dead.seconds", f"{words}: last live host has it", best.seconds, "s")
    table.row(f"fanout.{count}.dead.cpu", f"{words}: CPU a delivery", best.cpu_ms, "ms")
    table.row(f"fanout.{count}.dead.lost", f"{words}: live hosts not reached", worst_lost, "", 0)
    delay = (best.seconds / min(result.seconds for result in alone) - 1) * 100
    table.row(f"fanout.{count}.dead.delay", f"{words}: later than without them", delay, "%", 10)


@asynccontextmanager
async def _node(data: Path, live: list[str], gone: list[str], *, ed25519: bool = False) -> AsyncIterator[Child]:
    mixed = list(live)
    for number, inbox in enumerate(gone):  # every tenth follower, so that they are met all along the way
        mixed.insert(number * 10, inbox)
    await strangers.found(data, PORT, followers=mixed, ed25519=ed25519)
    async with child(["bench.runner", str(data), str(PORT)], data.parent / "fanout.log") as node:
        await node.hear()
        await asyncio.sleep(0.5)
        yield node


async def _post(node: Child, sink: Sink, count: int, timeout: float = 120.0) -> Result:
    sink.clear()
    cpu = node.cpu()
    said = await node.ask(post=f"Good morning, all {count} of you")
    deadline = time.monotonic() + timeout
    while len(sink.hosts) < count and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)  # what is left is the writing down of outcomes, and it belongs to the cost
    spent = node.cpu() - cpu
    reached = len(sink.hosts)
    return Result(sink.last - said["began"], spent * 1000 / max(1, reached), count - reached, node.rss())


def _tell(table: Table, name: str, words: str, result: Result, floor: Floor | None, *, target: bool) -> None:
    table.row(f"{name}.cpu", f"{words}: CPU a delivery", result.cpu_ms, "ms", 0.9 if target else None)
    rate = 1 / result.seconds if result.seconds else 0.0
    total = int(name.rpartition(".")[2]) if name.rpartition(".")[2].isdigit() else None
    table.row(f"{name}.seconds", f"{words}: last host has it after", result.seconds, "s")
    if total is not None:
        table.row(
            f"{name}.rate", f"{words}: deliveries a second", total * rate, "/s", 1000 if target else None, at_least=True
        )
    table.row(f"{name}.lost", f"{words}: not reached", result.lost, "", 0)
    if target and floor is not None:
        table.row(f"{name}.ratio", f"{words}: as a multiple of the floor", result.cpu_ms / floor.delivery, "×", 1.4)
        of_many = result.cpu_ms / floor.delivery_side_by_side
        table.row(f"{name}.ratio_side_by_side", f"{words}: of the floor with POSTs side by side", of_many, "×")


async def _flat(table: Table, node: Child, sink: Sink, count: int, before: float) -> None:
    """After as many deliveries again, and again: memory stays where it was."""
    rest = [await _post(node, sink, count) for _ in range(2)]
    table.row("fanout.rss", f"resident memory after {count} deliveries", before, "MiB")
    table.row("fanout.rss_later", f"resident memory after {count * 3} deliveries", rest[-1].rss, "MiB")
    growth = (rest[-1].rss / before - 1) * 100
    table.row("fanout.growth", "growth in between", growth, "%", 5)
    table.row("fanout.again.cpu", f"{count} hosts met before: CPU a delivery", rest[-1].cpu_ms, "ms")
