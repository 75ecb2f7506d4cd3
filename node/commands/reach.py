"""Commands that reach people elsewhere for good or ill: report, leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from node import leaving, running
from node.errors import NotAllowed
from node.opening import opened, with_data
from node.printing import hint, say


async def report(
    data: Path, passphrase_file: Path | None, whom: str, posts: Sequence[str], comment: str, *, forward: bool
) -> None:
    async with opened(data, passphrase_file) as node:
        done = await node.moderation.report(whom, posts=posts, comment=comment, forward=forward)
    say(f"reported {whom} to {', '.join(done.hosts)}")


async def leave(data: Path, passphrase_file: Path | None, ask: Callable[[str], bool]) -> None:
    async with opened(data, passphrase_file) as node:
        if not ask(f"Delete @{node.ids.acct} and everything it wrote, everywhere, for good?"):
            raise NotAllowed("nothing was changed")
        told = await leaving.leave(node)
    say(f"you have left; {told} servers are to be told")
    if not running.is_running(data):
        hint(f"start the node, so that they are, and keep it running for some days: cuicui run{with_data(data)}")
