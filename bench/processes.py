"""Processes under test: started, measured from /proc, stopped by their own handle."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0
"""Seconds that any one answer of a process under test may take."""


@dataclass
class Child:
    """One process, with its children: CPU and memory are those of the whole tree."""

    process: asyncio.subprocess.Process
    started: float

    def _tree(self) -> list[psutil.Process]:
        head = psutil.Process(self.process.pid)
        return [head, *head.children(recursive=True)]

    def cpu(self) -> float:
        """User and system seconds since its start."""
        total = 0.0
        for one in self._tree():
            times = one.cpu_times()
            total += times.user + times.system
        head = psutil.Process(self.process.pid).cpu_times()
        return float(total + head.children_user + head.children_system)

    def rss(self) -> float:
        """Resident memory in MiB."""
        return float(sum(one.memory_info().rss for one in self._tree()) / 2**20)

    async def hear(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """The next line it says on standard output, as JSON."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
        if not line:
            raise RuntimeError(f"process {self.process.pid} ended; its log says why")
        said: dict[str, Any] = json.loads(line)
        return said

    async def ask(self, timeout: float = PATIENCE, **command: object) -> dict[str, Any]:
        """Send one command, wait for one answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self.hear(timeout)


@asynccontextmanager
async def child(arguments: Sequence[str], log: Path) -> AsyncIterator[Child]:
    """`python -m …` in the project's directory, standard error to a file; terminated at the end."""
    started = time.monotonic()
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
        )
    try:
        yield Child(process, started)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                process.kill()
                await process.wait()
