"""The node under test with a pipe to it: `python -m bench.runner DATA PORT` takes commands as JSON lines.

The node itself is what `cuicui run` runs: the same opening, serving, loop and garbage collection.
The pipe exists because a latency of milliseconds cannot be measured through a second process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from bench import strangers
from node import app, observe, running
from node.model import Draft, Tell


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


async def main(data: Path, port: int) -> None:
    settings = strangers.settings(data, port)
    observe.set_up("info", "text")
    async with app.opened(settings, worker=app.MAIN) as node, app.serving(node):
        reporting = False

        def hear(tell: Tell) -> None:
            if reporting and tell.kind == "note":
                say(seen=tell.subject, at=time.monotonic())

        node.events.subscribe(hear)
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        running.settle_memory()
        say(ready=True)
        while line := await reader.readline():
            match json.loads(line):
                case {"post": str() as text}:
                    began = time.monotonic()
                    posted = await node.owner.post(Draft(text))
                    say(began=began, committed=time.monotonic(), inboxes=posted.inboxes)
                case {"follow": str() as whom}:
                    say(state=(await node.owner.follow(whom)).state.value)
                case {"following": True}:
                    say(states=[relation.state.value for relation in await node.owner.following()])
                case {"report": bool() as wanted}:
                    reporting = wanted
                    say(report=wanted)
                case other:
                    raise ValueError(f"no such command: {other!r}")


if __name__ == "__main__":
    running.raise_limits()
    running.run_loop(main(Path(sys.argv[1]), int(sys.argv[2])))
