"""Commands about keys: your own, theirs, and whether you trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options, sure, yes_option
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import keys as commands
else:
    commands = when_used("node.commands.keys")


@cli.group(invoke_without_command=True, short_help="Your key, theirs, and whether you trust them.")
@node_options
@click.pass_context
def keys(context: click.Context, data: Path, passphrase_file: Path | None) -> None:
    """Without a command: your own key, to tell to others."""
    if context.invoked_subcommand is None:
        go(commands.own_keys(data, passphrase_file))
    if context.get_parameter_source("data") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"put --data behind the command: cuicui keys {context.invoked_subcommand} --data …")


@keys.command("show")
@click.argument("whom", metavar="HANDLE|URL")
@json_option
@node_options
def keys_show(data: Path, passphrase_file: Path | None, whom: str, as_json: bool) -> None:
    """Every key known of an account: since when, how it came to be known, where it stands."""
    go(commands.keys_of(data, passphrase_file, whom, as_json=as_json))


@keys.command("accept")
@click.argument("whom", metavar="HANDLE|URL")
@yes_option
@node_options
def keys_accept(data: Path, passphrase_file: Path | None, whom: str, yes: bool) -> None:
    """Trust the keys an account shows now. Compare the fingerprint with its owner first, by another way."""
    go(commands.accept_keys(data, passphrase_file, whom, sure=lambda question: sure(question, yes)))
