"""Commands that start a node: init, run, worker, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.base import cli, data_option, go, node_options
from node.lazily import when_used

if TYPE_CHECKING:
    from node import starting
else:
    starting = when_used("node.starting")


@cli.command(short_help="Make a node with an address and a handle of your choice.")
@data_option
@click.option("--base-url", metavar="URL", help="Public address, as others reach the node; it cannot change later.")
@click.option("--handle", metavar="NAME", help="Letters a-z, digits and _; the default is who you are here.")
@click.option("--name", default="", metavar="TEXT", help="Display name.")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, if a proxy or tunnel is in front.")
@click.option("--database-url", metavar="URL", help="A database other than DIR/cuicui.db.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Its first line is the owner's password. [env: CUICUI_PASSWORD]",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="CUICUI_PASSPHRASE_FILE",
    metavar="FILE",
    help="Its first line seals the keys. [env: CUICUI_PASSPHRASE]",
)
@click.option("--passphrase", "ask", is_flag=True, help="Ask for a passphrase that seals the keys.")
def init(
    data: Path,
    base_url: str | None,
    handle: str | None,
    name: str,
    listen: str | None,
    database_url: str | None,
    password_file: Path | None,
    passphrase_file: Path | None,
    ask: bool,
) -> None:
    """Make a node: data directory, keys, database, owner. A second init refuses and changes nothing.

    \b
    Example:
      cuicui init --data ~/cuicui --base-url https://ada.example --handle ada --name "Ada"
    """
    flags = {"base_url": base_url, "listen": listen, "database_url": database_url}
    go(starting.init(data, flags, handle, name, password_file, passphrase_file, ask_passphrase=ask))


@cli.command(short_help="Run the node; the first time, make one.")
@node_options
@click.option("--listen", metavar="HOST:PORT", help="Where to listen, for this run.")
def run(data: Path, passphrase_file: Path | None, listen: str | None) -> None:
    """Serve, deliver, receive, until Ctrl-C or SIGTERM. Without a node in DIR, one is made first.

    \b
    Example:
      cuicui run --data ~/cuicui
    """
    raise click.exceptions.Exit(starting.run(data, passphrase_file, listen))


@cli.command(short_help="Run more delivery and inbox workers over the same store.")
@node_options
def worker(data: Path, passphrase_file: Path | None) -> None:
    """Deliver and retry beside a running node, without HTTP; with PostgreSQL also from another machine.

    \b
    Example:
      cuicui worker --data ~/cuicui
    """
    raise click.exceptions.Exit(starting.worker(data, passphrase_file))


@cli.command(short_help="Two real nodes on this machine, and their story.")
@click.option("--once", is_flag=True, help="End after the story instead of leaving both sites up.")
def demo(once: bool) -> None:
    """Alice and bob find each other, follow, post, reply, delete; a forger is refused.

    Everything happens on this machine, in a temporary directory that is removed at the end.
    """
    raise click.exceptions.Exit(starting.demo(once=once))
