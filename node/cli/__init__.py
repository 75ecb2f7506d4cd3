"""The command line: what may be typed, and how it ends (decisions.md §15).

The commands are in the files of this package; what they do is in starting.py, commands/ and keeping.py.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from keys.errors import CuicuiError
from node.cli.base import DONE, FAILED, INTERRUPTED, MISUSED, cli

# isort: off
# Each brings its commands along, in the order in which `cuicui --help` shows them.
from node.cli import start, write, posts, people, away, read, check, keys, account, reach, keep
# isort: on

__all__ = [
    "account",
    "away",
    "check",
    "cli",
    "keep",
    "keys",
    "main",
    "people",
    "posts",
    "reach",
    "read",
    "start",
    "status_of",
    "write",
]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `cuicui` and leave with its exit status."""
    sys.exit(status_of(arguments))


def status_of(arguments: Sequence[str] | None) -> int:
    """Run `cuicui`; its exit status. Every error is one sentence, and a hint."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal without UTF-8
    try:
        status = cli.main(arguments, prog_name="cuicui", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else DONE
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message(), err=True)
        return MISUSED
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "cuicui"
        return _complain(error.format_message(), f"see: {command} --help", MISUSED)
    except click.ClickException as error:
        return _complain(error.format_message(), None, FAILED)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except CuicuiError as error:
        _trace()
        return _complain(error.message, error.hint, FAILED)
    except OSError as error:
        if error.errno == errno.EPIPE:  # `| head`: nobody reads the rest, and the flush at the end must not complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        _trace()
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", "check the disk, and who owns the data directory", FAILED)
    except Exception as error:
        _trace()
        typed = sys.argv[1:] if arguments is None else arguments
        if isinstance(error, UnicodeEncodeError) and not all(map(_is_text, typed)):
            return _complain("something that was typed is not UTF-8 text", "see: cuicui --help", MISUSED)
        hint = "this is a mistake in cuicui; run it again with CUICUI_LOG_LEVEL=debug, and report what it shows"
        return _complain(f"something went wrong inside: {type(error).__name__}: {error}", hint, FAILED)


def _open_what_is_closed() -> None:
    """Whoever starts a program with `<&-` or `>&-` does not want to talk with it; that is no mistake."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the process


def _is_text(typed: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in typed)


def _trace() -> None:
    if os.environ.get("CUICUI_LOG_LEVEL") == "debug":
        traceback.print_exc()


def _complain(message: str, hint: str | None, status: int) -> int:
    """What a stranger wrote may be in a message; it must not steer the terminal."""
    for line in (message, f"hint: {hint}" if hint else ""):
        if line:
            shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
            click.echo(f"cuicui: {shown}", err=True)
    return status
