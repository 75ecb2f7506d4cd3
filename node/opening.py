"""A node for one command: settings, passphrase, and how it is introduced."""

from __future__ import annotations

import functools
import os
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from platformdirs import user_data_path

from keys import PublicIdentity
from keys import passphrase as passphrases
from node import app, founding, keyboard, observe, settings
from node.app import Node
from node.ids import Ids
from node.printing import out
from node.settings import Settings


@asynccontextmanager
async def opened(data: Path, passphrase_file: Path | None) -> AsyncIterator[Node]:
    """The node of a data directory, to do one thing with it; deliveries are left to the one that runs."""
    os.umask(0o077)
    chosen = settings.load(data)
    observe.set_up("debug" if chosen.log_level == "debug" else "error", chosen.log_format)
    async with app.opened(chosen, passphrase=passphrase_from(passphrase_file)) as node:
        yield node


@asynccontextmanager
async def visiting(data: Path) -> AsyncIterator[Node]:
    """A node that nobody has, for one question: it knows nobody, and is forgotten afterwards.

    Only what says whom may be dialled is taken over from the settings.
    """
    chosen = settings.load(data)
    with tempfile.TemporaryDirectory(prefix="cuicui-") as room:
        # The address is one that nobody can have, so that nothing is taken for its own.
        nobody = Settings(data=Path(room), base_url="https://nobody.invalid", allow_networks=chosen.allow_networks)
        await founding.found(nobody, handle="nobody")
        observe.set_up("error", chosen.log_format)
        async with app.opened(nobody, passphrase=lambda: None) as node:
            yield node


def passphrase_from(file: Path | None) -> Callable[[], str | None]:
    """Found once, for three key files: the question is not to be asked three times."""
    prompt = _ask_passphrase if sys.stdin.isatty() else None
    return functools.cache(passphrases.finder(file, prompt=prompt))


def _ask_passphrase() -> str | None:
    return keyboard.secret("Passphrase of the keys")


def with_data(data: Path) -> str:
    """` --data DIR`, where one has to type it."""
    said = os.environ.get("CUICUI_DATA")
    assumed = Path(said).expanduser().absolute() if said else Path(user_data_path("cuicui"))
    return "" if data == assumed else f" --data {quoted(data)}"


def quoted(path: Path) -> str:
    return shlex.quote(str(path))


def introduce(ids: Ids, key: PublicIdentity) -> None:
    out(f"handle     @{ids.acct}")
    out(f"address    {ids.profile_page}")
    out(f"key        {key.multikey}")
    out(f"           fingerprint {key.fingerprint}")
