"""A node as a process of its own, to be killed: `python -m tests.support.running DATA`.

Says `ready` when it listens. Each line on standard input becomes a status; its address is written
to standard output only when `owner.post` has returned, that is, when the owner was told it is safe.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from node import app, settings
from node.model import Draft


async def main(data: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with app.opened(settings.load(data), worker=app.MAIN) as node, app.serving(node):
        print("ready", flush=True)

        async def write() -> None:
            while line := await lines.readline():
                posted = await node.owner.post(Draft(line.decode().strip()))
                print(posted.post.note.iri, flush=True)

        writing = asyncio.create_task(write())
        await stop.wait()
        writing.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
