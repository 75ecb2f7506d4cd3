"""Commands that make a node and run it: init, run, worker, demo."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keys import passphrase as passphrases
from node import founding, keyboard, running, settings
from node.app import Node, cannot_listen
from node.errors import NotAllowed
from node.lazily import when_used
from node.opening import introduce, passphrase_from, with_data
from node.printing import hint, out, say
from node.settings import Settings

if TYPE_CHECKING:
    from node import demo as story
else:  # a node that runs does not need it
    story = when_used("node.demo")

DONE = 0
INTERRUPTED = 128 + signal.SIGINT


async def init(
    data: Path,
    flags: Mapping[str, object],
    handle: str | None,
    name: str,
    password_file: Path | None,
    passphrase_file: Path | None,
    *,
    ask_passphrase: bool,
) -> None:
    os.umask(0o077)
    chosen = settings.load(data, flags=flags)
    if not founding.exists(chosen):
        _agree(data, flags, chosen)
    if "listen" not in chosen.given and (listen := founding.default_listen(chosen.base_url)):
        chosen = settings.load(data, flags={**flags, "listen": listen})
    made = await founding.found(
        chosen,
        handle=founding.default_handle() if handle is None else handle,
        name=name,
        password=_first_line(password_file) if password_file else os.environ.get("CUICUI_PASSWORD") or None,
        passphrase=_new_passphrase(passphrase_file, ask=ask_passphrase),
    )
    introduce(made.ids, made.keys.identity.public)
    out(f"data       {data}")
    say("the keys in it are your identity: keep them private, and keep a copy")
    hint(f"start it: cuicui run{with_data(data)}")


def _agree(data: Path, flags: Mapping[str, object], chosen: Settings) -> None:
    """A flag of `init` is meant to last; what a settings file says already would win from the next command on."""
    written = settings.load(data, environ={})
    for name in flags:
        if flags[name] is not None and name in written.given and getattr(written, name) != getattr(chosen, name):
            flag, file = f"--{name.replace('_', '-')}", data / settings.FILE
            raise NotAllowed(
                f"{flag} says {getattr(chosen, name)}, and {file} says {getattr(written, name)}",
                hint=f"leave {flag} out, or change the file",
            )


def _new_passphrase(file: Path | None, *, ask: bool) -> str | None:
    def prompt() -> str:
        if not sys.stdin.isatty():
            raise click.UsageError("--passphrase asks for it, and there is nobody to ask; use --passphrase-file")
        return keyboard.secret("Passphrase to seal the keys", twice=True)

    return passphrases.finder(file, prompt=prompt if ask else None)()


def _first_line(file: Path) -> str:
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise NotAllowed(f"{file} is not UTF-8 text") from None
    except OSError as error:
        raise NotAllowed(f"cannot read {file}: {error.strerror}") from None
    if not line:
        raise NotAllowed(f"{file} is empty", hint="its first line is the password")
    return line


def run(data: Path, passphrase_file: Path | None, listen: str | None) -> int:
    os.umask(0o077)
    running.raise_limits()
    chosen = settings.load(data, flags={"listen": listen})
    if not founding.exists(chosen):
        chosen = _first_settings(data, chosen, listen)
        _see_that_it_is_free(chosen)
        _in_a_child(functools.partial(_found_here, chosen, passphrase_file))
    with running.only_one(data):
        running.run_loop(running.serve(chosen, passphrase_from(passphrase_file), functools.partial(_welcome, data)))
    return DONE


def _first_settings(data: Path, chosen: Settings, listen: str | None) -> Settings:
    """For a node that is made by `run`: its address is where it listens, if nothing else was said."""
    on_this_machine = chosen.listen_host in ("127.0.0.1", "::1")
    if listen is None or "base_url" in chosen.given or not on_this_machine:
        return chosen
    return settings.load(data, flags={"listen": listen, "base_url": f"http://{listen}"})


def _see_that_it_is_free(chosen: Settings) -> None:
    """Where it listens becomes the address of a node that is made by `run`, for good: it must not be another's."""
    family = socket.AF_INET6 if ":" in chosen.listen_host else socket.AF_INET
    try:
        with socket.socket(family) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((chosen.listen_host, chosen.listen_port))
    except OSError as error:
        raise cannot_listen(chosen, error) from None


def _found_here(chosen: Settings, passphrase_file: Path | None) -> None:
    work = founding.found(
        chosen,
        handle=founding.default_handle(),
        password=os.environ.get("CUICUI_PASSWORD") or None,
        passphrase=_new_passphrase(passphrase_file, ask=False),
    )
    made = asyncio.run(work)
    say(f"made a node for @{made.ids.acct} in {chosen.data}")


def _in_a_child(work: Callable[[], None]) -> None:
    """Do it in a process of its own, and leave as that one did if it failed.

    What it loads ends with it: to make a node takes 5 MiB, which a node that then runs for months would hold
    without ever using them again.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except KeyboardInterrupt:  # said by one of the two is enough
            raise click.exceptions.Exit(INTERRUPTED) from None
        raise click.exceptions.Exit(DONE)
    try:
        _, ended = os.waitpid(child, 0)
    except KeyboardInterrupt:  # the child heard of it too, and takes away what it made
        os.waitpid(child, 0)
        raise
    status = os.waitstatus_to_exitcode(ended)
    if status != DONE:
        raise click.exceptions.Exit(status if status > 0 else 128 - status)


def _welcome(data: Path, node: Node) -> None:
    introduce(node.ids, node.keys.identity.public)
    out(f"listening  http://{node.settings.listen}")
    out("")
    out("in another window:")
    out(f'  cuicui post{with_data(data)} "Hello"')
    out(f"  cuicui follow{with_data(data)} @somebody@example.org")
    out(f"  cuicui timeline{with_data(data)}")
    out("stop with Ctrl-C")
    if node.settings.allow_networks:
        networks = ", ".join(map(str, node.settings.allow_networks))
        say(f"this node may dial non-public networks: {networks}")
    sys.stdout.flush()


def worker(data: Path, passphrase_file: Path | None) -> int:
    os.umask(0o077)
    running.raise_limits()
    chosen = settings.load(data)

    def ready(name: str) -> None:
        say(f"worker {name} delivers; stop with Ctrl-C")

    running.run_loop(running.work(chosen, passphrase_from(passphrase_file), ready))
    return DONE


def demo(*, once: bool) -> int:
    running.raise_limits()
    return asyncio.run(story.tell(once=once))
