"""What every command is made with: the group, shared options, how a command is run."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from node import __version__, keyboard

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 128 + signal.SIGINT

F = TypeVar("F", bound=Callable[..., Any])


def _default_data() -> str:
    from platformdirs import user_data_path  # 5 ms that are spared wherever --data is given

    return str(user_data_path("cuicui"))


def _directory(_context: click.Context, _option: click.Parameter, value: Path) -> Path:
    return value.expanduser().absolute()


def data_option(command: F) -> F:
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=_default_data,
        envvar="CUICUI_DATA",
        callback=_directory,
        metavar="DIR",
        help="Data directory of the node. [env: CUICUI_DATA]",
    )(command)


def node_options(command: F) -> F:
    """For commands that open a node: where it is, and what opens its keys."""
    file = click.Path(path_type=Path, dir_okay=False)
    passphrase = click.option(
        "--passphrase-file",
        type=file,
        envvar="CUICUI_PASSPHRASE_FILE",
        metavar="FILE",
        help="Its first line opens sealed keys. [env: CUICUI_PASSPHRASE_FILE; or CUICUI_PASSPHRASE]",
    )
    return passphrase(data_option(command))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; its names are stable.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


class _Group(click.Group):
    """Commands in the order in which one meets them, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def go(work: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a command to its end; what it returns is the exit status."""
    raise click.exceptions.Exit(asyncio.run(work) or DONE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="cuicui %(version)s")
def cli() -> None:
    """A microblog node for one person.

    \b
    cuicui demo          see two of them talk, on this machine
    cuicui run           start yours; the first time it makes one
    cuicui post "Hello"  write a status of up to 140 characters, signed

    Exit status: 0 done, 1 refused or failed, 2 misused.
    """


def sure(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("this asks before it acts, and there is nobody to ask; use --yes")
    if not keyboard.confirmed(question):
        raise click.Abort
