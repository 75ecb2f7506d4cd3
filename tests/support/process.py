"""Start, feed and kill a node that runs as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.homes import LOOPBACK

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Running:
    """A node in a process. `told` are the statuses the owner was told are safe."""

    data: Path
    told: list[str] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def start(self) -> None:
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.running",
            str(self.data),
            cwd=ROOT,
            env={**os.environ, "CUICUI_ALLOW_NETWORKS": LOOPBACK},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reader = asyncio.create_task(self._read(self._process))

    async def ready(self, within: float = 60) -> None:
        waiting = asyncio.create_task(self._ready.wait())
        ended = asyncio.create_task(self.process.wait())
        await asyncio.wait({waiting, ended}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the node did not start"
        ended.cancel()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if not line.endswith(b"\n"):
                return  # killed in the middle of a word: the owner was told nothing
            if line == b"ready\n":
                self._ready.set()
            else:
                self.told.append(line.decode().strip())

    async def say(self, text: str) -> None:
        """Hand a status to the node; whether it was taken is seen in `told`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(text.encode() + b"\n")
            await self.process.stdin.drain()
        except ConnectionError:
            pass  # it was killed as we spoke

    async def end(self, sign: int = signal.SIGKILL) -> int:
        if self.process.returncode is None:
            self.process.send_signal(sign)
        async with asyncio.timeout(60):
            code = await self.process.wait()
        assert self._reader is not None
        await self._reader
        return code
