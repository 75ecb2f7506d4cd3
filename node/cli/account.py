"""Commands about the owner's account: profile, alias, move, token, password."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node import keyboard
from node.cli.base import cli, go, node_options, yes_option
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import account as commands
else:
    commands = when_used("node.commands.account")


@cli.command(short_help="See or change what others see of you.")
@click.option("--name", metavar="TEXT", help="Display name.")
@click.option("--bio", metavar="TEXT", help="A few words about you; plain text.")
@click.option("--avatar", metavar="FILE", help="A picture of you, or empty for none.")
@click.option("--header", metavar="FILE", help="The picture above your profile, or empty for none.")
@click.option("--approve-followers/--open", "approves", default=None, help="Whether followers wait for your yes.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="A row of your profile; together they replace those there are, up to four. --field= for none.",
)
@click.option("--bot/--no-bot", default=None, help="Whether this account acts by itself.")
@click.option("--discoverable/--no-discoverable", default=None, help="Whether directories may show you.")
@click.option("--indexable/--no-indexable", default=None, help="Whether searches may find your public posts.")
@click.option("--hide-people/--show-people", "hides", default=None, help="Whether only the number of people is shown.")
@click.option(
    "--visibility",
    type=click.Choice(["public", "unlisted", "followers", "direct"]),
    help="Who may read a post of yours, unless it says otherwise.",
)
@click.option("--language", metavar="CODE", help="Language of your posts, unless they say otherwise; empty for none.")
@click.option("--sensitive/--not-sensitive", default=None, help="Whether your pictures are folded as a rule.")
@click.option("--check", is_flag=True, help="See whether the pages that your fields link to link back (rel=me).")
@node_options
def profile(data: Path, passphrase_file: Path | None, fields: tuple[str, ...], check: bool, **changed: Any) -> None:
    """Without an option: show it. With one: change it, and tell those who follow you.

    \b
    Example:
      cuicui profile --field "Site=https://ada.example" --field "City=Lyon" --check
    """
    rows = [field.partition("=") for field in fields if field not in ("", "=")]
    if any(not equals for _name, equals, _value in rows):
        raise click.UsageError('a field is written NAME=VALUE, for example --field "Site=https://ada.example"')
    pairs = [(name.strip(), value.strip()) for name, _equals, value in rows] if fields else None
    go(commands.profile(data, passphrase_file, commands.Changes(fields=pairs, **changed), check=check))


@cli.group(short_help="Other accounts of yours.")
def alias() -> None:
    """Other accounts of yours, named in your profile: an account that moves here must be one of them."""


@alias.command("add")
@click.argument("account", metavar="HANDLE|URL")
@node_options
def alias_add(data: Path, passphrase_file: Path | None, account: str) -> None:
    """Name another account as yours."""
    go(commands.add_alias(data, passphrase_file, account))


@cli.command(short_help="Go on as another account, with your followers.")
@click.argument("target", metavar="HANDLE|URL")
@yes_option
@node_options
def move(data: Path, passphrase_file: Path | None, target: str, yes: bool) -> None:
    """Send your followers to another account of yours. It must name this one as its own first.

    \b
    cuicui alias add @ada@old.example    (on the new node)
    cuicui move @ada@new.example         (on the old one)
    """
    go(commands.move(data, passphrase_file, target, lambda question: yes or keyboard.confirmed(question)))


@cli.command(short_help="Print a bearer token of the owner for the client API.")
@node_options
def token(data: Path, passphrase_file: Path | None) -> None:
    """Print a new bearer token, and nothing else. It is shown once; only its hash is kept."""
    go(commands.token(data, passphrase_file))


@cli.command(short_help="Set the owner's password, from standard input.")
@node_options
def password(data: Path, passphrase_file: Path | None) -> None:
    """Set the password with which the owner logs in; it is the first line of standard input."""
    if sys.stdin.isatty():
        line = keyboard.secret("New password", twice=True)
    else:
        try:
            line = sys.stdin.buffer.readline(1 << 20).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError("standard input is not UTF-8 text") from None
    go(commands.password(data, passphrase_file, line))
