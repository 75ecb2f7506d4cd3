"""A node as a process of its own, to be killed.

Says `ready` when it listens. Each line that it is told becomes a status; its address is said back only when
`owner.post` has returned, that is, when the owner was told it is safe.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

from node import app, settings
from node.model import Draft
from tests.support.homes import LOOPBACK


def serve(data: Path, ears: socket.socket) -> None:
    """The whole life of the process."""
    os.environ["CUICUI_ALLOW_NETWORKS"] = LOOPBACK
    asyncio.run(_serve(data, ears))


async def _serve(data: Path, ears: socket.socket) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lines, mouth = await asyncio.open_connection(sock=ears)
    async with app.opened(settings.load(data), worker=app.MAIN) as node, app.serving(node):
        mouth.write(b"ready\n")

        async def write() -> None:
            while line := await lines.readline():
                posted = await node.owner.post(Draft(line.decode().strip()))
                mouth.write(posted.post.note.iri.encode() + b"\n")

        writing = asyncio.create_task(write())
        await stop.wait()
        writing.cancel()
