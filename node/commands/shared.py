"""What several commands need: find a post, read a file, say that the node does not run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from keys.verify import MAX_BYTES
from node.app import Node
from node.errors import NotFound
from node.model import Post
from node.opening import with_data
from node.printing import hint, say

DONE, FAILED, UNSURE = 0, 1, 3


def not_running(data: Path, sentence: str) -> None:
    say(sentence)
    hint(f"start it: cuicui run{with_data(data)}")


async def find(node: Node, which: str) -> Post:
    found = await node.owner.find_post(which)
    if found is None:
        raise NotFound(f"there is no post {which} here", hint="see the numbers and addresses in: cuicui timeline")
    return found


def contents(name: str) -> bytes:
    try:
        if name == "-":
            found = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                found = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise click.UsageError(f"cannot read {name}: {why}; give a file, an address or a handle") from None
    if len(found) > MAX_BYTES:
        raise click.UsageError(f"{name} is larger than {MAX_BYTES >> 20} MiB; a signed post is a few kilobytes")
    return found
