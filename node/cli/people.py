"""Commands about people: follow, accept, and who follows whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import people as commands
else:
    commands = when_used("node.commands.people")


@cli.command(short_help="Follow somebody.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def follow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Ask to follow an account.

    \b
    Example:
      cuicui follow @bob@example.org
    """
    go(commands.follow(data, passphrase_file, whom))


@cli.command(short_help="Stop following somebody.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def unfollow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Stop following an account; what it wrote leaves your timeline."""
    go(commands.unfollow(data, passphrase_file, whom))


@cli.group(short_help="Follow hashtags.")
def tag() -> None:
    """Hashtags whose public posts come to your timeline as they arrive, whoever wrote them."""


@tag.command("follow")
@click.argument("name", metavar="NAME")
@node_options
def tag_follow(data: Path, passphrase_file: Path | None, name: str) -> None:
    """Follow a hashtag. Nobody is told.

    \b
    Example:
      cuicui tag follow birding
    """
    go(commands.tag(data, passphrase_file, name, follow=True))


@tag.command("unfollow")
@click.argument("name", metavar="NAME")
@node_options
def tag_unfollow(data: Path, passphrase_file: Path | None, name: str) -> None:
    """Stop following a hashtag; what only it brought leaves your timeline."""
    go(commands.tag(data, passphrase_file, name, follow=False))


@cli.command(short_help="Which hashtags you follow.")
@json_option
@node_options
def tags(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Hashtags you follow (JSON: name, since)."""
    go(commands.tags(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Whom you follow.")
@json_option
@node_options
def following(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Whom you follow, and whose yes is still awaited (JSON: actor, handle, name, url, state, since)."""
    go(commands.following(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Who follows you, or asks to.")
@click.option("--requests", is_flag=True, help="Those who asked and wait for your answer.")
@json_option
@node_options
def followers(data: Path, passphrase_file: Path | None, requests: bool, as_json: bool) -> None:
    """Who follows you (JSON: actor, handle, name, url, state, since)."""
    go(commands.followers(data, passphrase_file, requests=requests, as_json=as_json))


@cli.command(short_help="Let somebody follow you who asked.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def accept(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Say yes to a request; see them with: cuicui followers --requests."""
    go(commands.answer(data, passphrase_file, whom, yes=True))


@cli.command(short_help="Say no to a request, or remove a follower.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def reject(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Say no to somebody who asked to follow you, or remove somebody who does."""
    go(commands.answer(data, passphrase_file, whom, yes=False))
