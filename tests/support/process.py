"""Start, feed and kill a node that runs as a process of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support import running

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload(["tests.support.running"])
"""Loads the modules once; each node is forked from there, with no thread and no loop of anybody's."""


@dataclass
class Running:
    """A node in a process. `told` are the statuses the owner was told are safe."""

    data: Path
    told: list[str] = field(default_factory=list)
    _process: ForkServerProcess | None = None
    _mouth: asyncio.StreamWriter | None = None
    _reader: asyncio.Task[None] | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def process(self) -> ForkServerProcess:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    async def start(self) -> None:
        self._ready.clear()
        ours, its = socket.socketpair()
        with its:
            self._process = _nursery.Process(target=running.serve, args=(self.data, its))
            await asyncio.to_thread(self._process.start)
        ears, self._mouth = await asyncio.open_connection(sock=ours)
        self._reader = asyncio.create_task(self._read(ears))

    async def ready(self, within: float = 60) -> None:
        waiting = asyncio.create_task(self._ready.wait())
        assert self._reader is not None
        await asyncio.wait({waiting, self._reader}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the node did not start"

    async def _read(self, ears: asyncio.StreamReader) -> None:
        """Until the other end is closed, as it is when that process is no more."""
        try:
            while line := await ears.readline():
                if not line.endswith(b"\n"):
                    return  # killed in the middle of a word: the owner was told nothing
                if line == b"ready\n":
                    self._ready.set()
                else:
                    self.told.append(line.decode().strip())
        except ConnectionError:
            pass  # killed with words of ours unread

    async def say(self, text: str) -> None:
        """Hand a status to the node; whether it was taken is seen in `told`."""
        assert self._mouth is not None
        try:
            self._mouth.write(text.encode() + b"\n")
            await self._mouth.drain()
        except ConnectionError:
            pass  # it was killed as we spoke

    async def end(self, sign: int = signal.SIGKILL) -> int:
        """How it ended: 0 by itself, or the negative number of a signal."""
        if self.process.exitcode is None:
            os.kill(self.pid, sign)
        await asyncio.to_thread(self.process.join, 60)
        code = self.process.exitcode
        assert code is not None, "the process does not end"
        assert self._reader is not None
        assert self._mouth is not None
        await self._reader
        self._mouth.close()
        return code
