"""Commands that keep somebody away: block, mute, requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import away as commands
else:
    commands = when_used("node.commands.away")


@cli.command(short_help="Shut out an account or a domain.")
@click.argument("whom", metavar="HANDLE|URL|DOMAIN", required=False)
@click.option("--comment", default="", metavar="TEXT", help="A note for yourself.")
@click.option(
    "--import",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Block what a list names, as Mastodon exports it; - reads standard input.",
)
@node_options
def block(data: Path, passphrase_file: Path | None, whom: str | None, comment: str, file: Path | None) -> None:
    """Take nothing from an account, or from a domain and all below it, and give it nothing. They are not told.

    \b
    Example:
      cuicui block @spam@example.org
      cuicui block example.net
      cuicui block --import blocked_accounts.csv
    """
    if (whom is None) == (file is None):
        raise click.UsageError("name an account or a domain, or give a list: cuicui block --import FILE")
    if file is not None:
        go(commands.import_blocks(data, passphrase_file, file))
    go(commands.block(data, passphrase_file, whom or "", comment))


@cli.command(short_help="Take a block back.")
@click.argument("whom", metavar="HANDLE|URL|DOMAIN")
@node_options
def unblock(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Take a block back. Follows that ended with it have to be asked for again."""
    go(commands.unblock(data, passphrase_file, whom))


@cli.command(short_help="Whom you block.")
@json_option
@node_options
def blocks(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Accounts and domains you block, newest first (JSON: kind, value, handle, comment, since)."""
    go(commands.blocks(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Do not see what somebody posts.")
@click.argument("whom", metavar="HANDLE|URL")
@click.option("--for", "for_", metavar="TIME", help="Until then: 30m, 12h, 7d, 4w. [default: for good]")
@node_options
def mute(data: Path, passphrase_file: Path | None, whom: str, for_: str | None) -> None:
    """Keep somebody's posts and boosts out of your timelines. You still follow each other, and they are not told.

    \b
    Example:
      cuicui mute @bob@example.org --for 7d
    """
    go(commands.mute(data, passphrase_file, whom, for_))


@cli.command(short_help="See somebody's posts again.")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def unmute(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Show somebody's posts and boosts again, also those from meanwhile."""
    go(commands.unmute(data, passphrase_file, whom))


@cli.command(short_help="Whom you mute.")
@json_option
@node_options
def mutes(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Accounts you mute, newest first (JSON: actor, handle, name, url, looks_like, since, until)."""
    go(commands.mutes(data, passphrase_file, as_json=as_json))


@cli.group(invoke_without_command=True, short_help="What strangers said to you.")
@json_option
@node_options
@click.pass_context
def requests(context: click.Context, data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """What was said to you by those you neither follow nor have spoken to. Let them in, block or ignore them.

    \b
    Example:
      cuicui requests
      cuicui requests allow @bob@example.org
    """
    if context.invoked_subcommand is None:
        go(commands.requests(data, passphrase_file, as_json=as_json))
    if context.get_parameter_source("data") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"put --data behind the command: cuicui requests {context.invoked_subcommand} --data …")


@requests.command("allow")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_allow(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Let a stranger in: what they say to you is among your mentions from now on, and so is what they said."""
    go(commands.decide(data, passphrase_file, whom, allow=True))


@requests.command("block")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_block(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Shut a stranger out, as `cuicui block` does."""
    go(commands.block(data, passphrase_file, whom, ""))


@requests.command("ignore")
@click.argument("whom", metavar="HANDLE|URL")
@node_options
def requests_ignore(data: Path, passphrase_file: Path | None, whom: str) -> None:
    """Leave a stranger unanswered: what they say to you is shown nowhere. They are not told."""
    go(commands.decide(data, passphrase_file, whom, allow=False))
