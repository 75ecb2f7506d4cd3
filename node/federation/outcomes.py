"""What became of deliveries, held until it is written down: many in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from node.errors import StoreError
from node.storage import hosts, queue
from node.storage.dialect import Tx
from node.storage.hosts import Host
from node.storage.queue import Retry
from node.storage.store import Store

log = logging.getLogger("cuicui.delivery")

PAUSE = 0.02
"""Seconds between two transactions while much is under way: what ends meanwhile goes with the second."""


@dataclass(slots=True)
class _Batch:
    done: list[int] = field(default_factory=list)
    retry: list[Retry] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.done) + len(self.retry) + len(self.hosts)

    def followed_by(self, later: _Batch) -> _Batch:
        return _Batch(self.done + later.done, self.retry + later.retry, self.hosts | later.hosts)

    async def write(self, tx: Tx) -> None:
        await queue.settle(tx, self.done, self.retry)
        await hosts.put_many(tx, list(self.hosts.values()))
        await queue.postpone(tx, [host.origin for host in self.hosts.values() if host.next_at is not None])


class Outcomes:
    """Rows that are done or are to be tried again, and what was learned of hosts.

    `written` hears the ids of rows once their outcome is on disk: until then a row looks as if nobody
    had it, so whoever holds it must go on holding it. `busy` says whether more is to come soon.
    """

    def __init__(self, store: Store, *, written: Callable[[Iterable[int]], None], busy: Callable[[], bool]) -> None:
        self._store = store
        self._written = written
        self._busy = busy
        self._waiting = _Batch()
        self._in_hand: dict[str, Host] = {}
        self._writer: asyncio.Task[None] | None = None
        self._last = False

    def done(self, ids: Iterable[int]) -> None:
        """Nothing more is owed: delivered, or given up."""
        self._waiting.done.extend(ids)
        self._write_soon()

    def retry(self, retry: Retry) -> None:
        self._waiting.retry.append(retry)
        self._write_soon()

    def learned(self, host: Host) -> None:
        self._waiting.hosts[host.origin] = host
        self._write_soon()

    def unwritten(self, origin: str) -> Host | None:
        """What is known of a host and cannot be read from the store yet."""
        return self._waiting.hosts.get(origin) or self._in_hand.get(origin)

    async def finish(self) -> None:
        """Wait for what is being written. What is left then, or cannot be written, is for write()."""
        self._last = True
        if self._writer is not None:
            await self._writer

    async def write(self, tx: Tx) -> None:
        """All that waits, in a transaction of the caller's."""
        await self._waiting.write(tx)

    def _write_soon(self) -> None:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while len(self._waiting):
                batch, self._waiting = self._waiting, _Batch()
                self._in_hand = batch.hosts
                try:
                    async with self._store.write() as tx:
                        await batch.write(tx)
                except Exception as error:
                    # Kept and tried again, whatever it was: the rows are leased, so nobody sends them a second time
                    # meanwhile, and who holds them lets go of them only once this is written.
                    self._waiting = batch.followed_by(self._waiting)
                    known = isinstance(error, StoreError)
                    log.error("could not settle", extra={"count": len(batch), "why": str(error)}, exc_info=not known)
                    if self._last:
                        break
                    await asyncio.sleep(1)
                else:
                    self._written([*batch.done, *(item.id for item in batch.retry)])
                self._in_hand = {}
                await asyncio.sleep(PAUSE if self._busy() else 0)
        finally:
            self._writer = None
