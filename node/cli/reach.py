"""Commands that reach people elsewhere for good or ill: report, leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node import keyboard
from node.cli.base import cli, go, node_options, yes_option
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import reach as commands
else:
    commands = when_used("node.commands.reach")


@cli.command(short_help="Report an account to those who run its server.")
@click.argument("whom", metavar="HANDLE|URL")
@click.option("--post", "posts", multiple=True, metavar="ID|URL", help="A post of theirs; may be given several times.")
@click.option("--comment", default="", metavar="TEXT", help="What is wrong.")
@click.option("--forward", is_flag=True, help="Tell also the servers of those whom these posts answer.")
@node_options
def report(
    data: Path, passphrase_file: Path | None, whom: str, posts: tuple[str, ...], comment: str, forward: bool
) -> None:
    """Tell those who run somebody's server what is wrong. It is sent in the name of your node.

    \b
    Example:
      cuicui report @spam@example.org --post 7351012334 --comment "advertising"
    """
    go(commands.report(data, passphrase_file, whom, posts, comment, forward=forward))


@cli.command(short_help="Delete your account everywhere, for good.")
@yes_option
@node_options
def leave(data: Path, passphrase_file: Path | None, yes: bool) -> None:
    """Ask every server that the node remembers to delete your account and all you wrote. It cannot be taken back.

    Keep the node running for some days, so that all are told. From then on it answers that you are gone;
    your posts stay in the data directory, for you alone. To go on elsewhere with your followers: cuicui move.
    """
    go(commands.leave(data, passphrase_file, lambda question: yes or keyboard.confirmed(question)))
