"""Commands that read: timeline, show, away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import read as commands
else:
    commands = when_used("node.commands.read")


@cli.command(short_help="What those you follow wrote, with verdicts.")
@click.option("--limit", type=click.IntRange(1, 80), default=20, show_default=True, metavar="N")
@click.option("--before", type=click.IntRange(0, 2**63 - 1), metavar="ID", help="Older than this post.")
@click.option("--mentions", is_flag=True, help="What was said to you, by those you know; strangers: cuicui requests.")
@json_option
@node_options
def timeline(
    data: Path, passphrase_file: Path | None, limit: int, before: int | None, mentions: bool, as_json: bool
) -> None:
    """The home timeline, newest first; each post with its number and the verdict on who wrote it.

    \b
    --json prints a list of objects: id, uri, url, author {handle, name, url}, published, content,
    text, warning, visibility, in_reply_to, and verdict {verdict, reason, key, key_since,
    key_trust, signed_at}. verdict is signed, vouched or changed.
    """
    go(commands.timeline(data, passphrase_file, limit, before, mentions=mentions, as_json=as_json))


@cli.command(short_help="One post and who wrote it, its thread, or somebody's posts.")
@click.argument("which", metavar="ID|URL|HANDLE")
@click.option("--thread", is_flag=True, help="With what it answers and what answers it, fetched if need be.")
@json_option
@node_options
def show(data: Path, passphrase_file: Path | None, which: str, thread: bool, as_json: bool) -> None:
    """One post that is here, with its verdict in full; or, by handle, somebody's recent posts.

    \b
    --thread --json prints an object: post, above, below (posts as in timeline), and more, the
    number of further answers that its origin knows.
    """
    if thread:
        go(commands.thread(data, passphrase_file, which, as_json=as_json))
    go(commands.show(data, passphrase_file, which, as_json=as_json))


@cli.command(short_help="What was recovered after the node was away.")
@json_option
@node_options
def away(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """How long the node was away the last time, and what was caught up with."""
    go(commands.away(data, passphrase_file, as_json=as_json))
