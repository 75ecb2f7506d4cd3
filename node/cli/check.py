"""Commands about who wrote something: export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node.commands import check as commands
else:
    commands = when_used("node.commands.check")


@cli.command(short_help="The evidence for a post, to keep and to check anywhere.")
@click.argument("which", metavar="ID|URL")
@node_options
def export(data: Path, passphrase_file: Path | None, which: str) -> None:
    """Print an evidence bundle: the signed post, the bytes and headers as received, the key.

    \b
    Example:
      cuicui export 7498237498237 > post.json
      cuicui verify post.json --offline
    """
    go(commands.export(data, passphrase_file, which))


@cli.command(short_help="Check who wrote something: a file, an address, a handle.")
@click.argument("target", metavar="FILE|URL|HANDLE")
@click.option("--key", metavar="KEY", help="The author's key, z6Mk… or did:key:z6Mk…, if you know it.")
@click.option("--offline", is_flag=True, help="Ask nobody; use the keys that are known here.")
@json_option
@node_options
def verify(
    data: Path, passphrase_file: Path | None, target: str, key: str | None, offline: bool, as_json: bool
) -> None:
    """Check a saved post (FILE, or - for standard input), the post at an address, or an account.

    \b
    Exit status: 0 signed by the key that is known as the author's; 1 refused, the signature does
    not hold; 3 vouched or changed: not signed, or not by a key that is known; 2 misused.

    \b
    Example:
      cuicui verify post.json --key z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk
    """
    go(commands.verify(data, passphrase_file, target, key, offline=offline, as_json=as_json))
