"""Commands that keep a node well: queue, refused, doctor, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, data_option, go, json_option, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node import keeping
else:
    keeping = when_used("node.keeping")


@cli.command(short_help="What is still to be delivered, and what waits.")
@json_option
@node_options
def queue(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Deliveries still owed, with the last error, and arrivals that could not be applied."""
    go(keeping.queue(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Who was turned away, and why.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, metavar="N")
@json_option
@node_options
def refused(data: Path, passphrase_file: Path | None, limit: int, as_json: bool) -> None:
    """Requests that were refused, newest first, summed up by server and reason."""
    go(keeping.refused(data, passphrase_file, limit, as_json=as_json))


@cli.command(short_help="Look whether all is well.")
@json_option
@node_options
def doctor(data: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Directory, keys, database, disk, address, clock, limits: ok, warn or fail. Exit status 1 if any fails."""
    go(keeping.doctor(data, passphrase_file, as_json=as_json))


@cli.command(short_help="Save everything in one file.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--verify", "check", is_flag=True, help="Check a backup instead of making one.")
@node_options
def backup(data: Path, passphrase_file: Path | None, file: Path, check: bool) -> None:
    """Save database, keys and settings of a node in one file, also while it runs.

    The file holds your keys: keep it as private as them.

    \b
    Example:
      cuicui backup ~/cuicui.backup && cuicui backup --verify ~/cuicui.backup
    """
    if check:
        raise click.exceptions.Exit(keeping.check_backup(file, passphrase_file))
    raise click.exceptions.Exit(keeping.make_backup(data, file))


@cli.command(short_help="Put a backup in place.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@data_option
def restore(data: Path, file: Path) -> None:
    """Unpack a backup into an empty or new data directory."""
    raise click.exceptions.Exit(keeping.restore(data, file))
