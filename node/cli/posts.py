"""Commands for posts that are there: boost, like, pin, each with its way back; reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import posts as commands
else:
    commands = when_used("node.commands.posts")


@cli.command(short_help="Pass a post on to your followers.")
@click.argument("which", metavar="ID|URL")
@node_options
def boost(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Boost a public or unlisted post that is here."""
    go(commands.boost(data, passphrase_file, which, undo=False))


@cli.command(short_help="Take a boost back.")
@click.argument("which", metavar="ID|URL")
@node_options
def unboost(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Take a boost of yours back."""
    go(commands.boost(data, passphrase_file, which, undo=True))


@cli.command(short_help="Like a post.")
@click.argument("which", metavar="ID|URL")
@click.option("--with", "emoji", default="", metavar="EMOJI", help="React with an emoji instead.")
@node_options
def like(data: Path, passphrase_file: Path | None, which: str, emoji: str) -> None:
    """Tell the author of a post, and nobody else, that you like it."""
    go(commands.like(data, passphrase_file, which, emoji))


@cli.command(short_help="Take a like back.")
@click.argument("which", metavar="ID|URL")
@node_options
def unlike(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Take back your like of a post, and the emojis you gave it."""
    go(commands.unlike(data, passphrase_file, which))


@cli.command(short_help="Vote in a poll.")
@click.argument("which", metavar="ID|URL")
@click.argument("choices", nargs=-1, required=True, metavar="CHOICE...")
@node_options
def vote(data: Path, passphrase_file: Path | None, which: str, choices: tuple[str, ...]) -> None:
    """Vote in somebody's poll, by the numbers of the choices or by their names. There is no way back.

    \b
    Example:
      cuicui vote 115601234 2
    """
    go(commands.vote(data, passphrase_file, which, choices))


@cli.command(short_help="List who quotes you by your leave.")
@json_option
@node_options
def quotes(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List the posts that quote you by your leave, newest first."""
    go(commands.quotes(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Take back that a post may quote you.")
@click.argument("which", metavar="ID|URL")
@node_options
def unquote(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Take back your leave: what quotes you shows a link instead, on servers that honour it."""
    go(commands.unquote(data, passphrase_file, which))


@cli.command(short_help="Keep a post on top of your profile.")
@click.argument("which", metavar="ID|URL")
@node_options
def pin(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Pin a public or unlisted post of yours; up to five."""
    go(commands.pin(data, passphrase_file, which, undo=False))


@cli.command(short_help="Take a post from the top of your profile.")
@click.argument("which", metavar="ID|URL")
@node_options
def unpin(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Unpin a post of yours."""
    go(commands.pin(data, passphrase_file, which, undo=True))


@cli.command(short_help="Read what was reported to you.")
@json_option
@node_options
def reports(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """List reports by other servers about you or your posts, newest first. Nobody else sees them."""
    go(commands.reports(data, passphrase_file, as_json=as_json))
