"""Make a node: data directory, keys, database, owner. All of it, or nothing."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from node import keyring
from node.errors import CuicuiError, NotAllowed, StartError
from node.federation import compose, parse
from node.ids import Ids, Snowflake
from node.keyring import OwnKeys
from node.model import Clock, Profile, utcnow
from node.passwords import hashed
from node.settings import FILE, Settings, file_url, load
from node.storage import actors, profile
from node.storage.migrate import migrate
from node.storage.store import Store

HANDLE = re.compile(r"[a-z0-9_]{1,30}")


@dataclass(frozen=True, slots=True)
class Founded:
    """A node that was just made."""

    ids: Ids
    keys: OwnKeys


async def found(
    settings: Settings,
    *,
    handle: str,
    name: str = "",
    password: str | None = None,
    passphrase: str | None = None,
    clock: Clock = utcnow,
    keys: OwnKeys | None = None,
) -> Founded:
    """Make a node in `settings.data`. Raises StartError if there is one already, and changes nothing then.

    If anything fails half-way, what was made is taken away again. `keys` are new ones, unless given.
    """
    check_handle(handle)
    await _refuse_a_second(settings)
    made_directory = _make_directory(settings.data)
    with _nobody_else(settings.data):
        await _refuse_a_second(settings)
        try:
            owner = Profile(handle, name or handle, created_at=clock())
            return await furnish(settings, owner, keys or keyring.generate(), password=password, passphrase=passphrase)
        except BaseException:
            _take_away(settings, made_directory)
            raise


async def _refuse_a_second(settings: Settings) -> None:
    """A database without an owner is no node: whoever began to make it was interrupted."""
    data = settings.data
    if exists(settings) and (settings.keys.exists() or await _has_owner(data / "cuicui.db")):
        raise StartError(
            f"there is a node in {data} already", hint=f"run it: cuicui run --data {data}; or name another directory"
        )


async def _has_owner(file: Path) -> bool:
    store = Store(file_url(file))
    try:
        if await store.version() is None:
            return False
        async with store.read() as tx:
            return await profile.whose(tx) is not None
    finally:
        await store.close()


@contextmanager
def _nobody_else(data: Path) -> Iterator[None]:
    """Hold the directory itself while a node is made in it: of two at one time the one that fails would take away
    what the other one made. The kernel lets go of it when the process ends, and nothing is left to clean up."""
    try:
        handle = os.open(data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_make(data, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartError(f"a node is being made in {data} at this moment", hint="wait, and try again") from None
        yield
    finally:
        os.close(handle)


async def furnish(
    settings: Settings, owner: Profile, keys: OwnKeys, *, password: str | None = None, passphrase: str | None = None
) -> Founded:
    """Put into `settings.data` what makes a node. The database may be there already, if no node is in it."""
    ids = Ids(settings.base_url, owner.handle)
    await _fill(settings, ids, keys, owner, password)
    keyring.save(settings.keys, keys, passphrase)
    _write_settings(settings)
    return Founded(ids, keys)


def exists(settings: Settings) -> bool:
    """Whether something of a node is in the data directory: keys, or a database."""
    return settings.keys.exists() or (settings.data / "cuicui.db").exists()


def check_handle(handle: str) -> None:
    if not HANDLE.fullmatch(handle):
        raise NotAllowed(
            f"{handle!r} cannot be a handle: 1 to 30 of the letters a–z, digits and _", hint="for example: ada"
        )


def default_handle() -> str:
    """The name of who is at the keyboard, as far as it can be a handle."""
    try:
        name = re.sub(r"[^a-z0-9_]+", "_", getpass.getuser().lower()).strip("_")[:30]
    except (KeyError, OSError):
        name = ""
    return name if name and name != "root" else "me"


def default_listen(base_url: str) -> str | None:
    """Where to listen so that a base URL on this machine works without a proxy; None for any other."""
    parts = urlsplit(base_url)
    if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"):
        host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
        return f"[{host}]:{parts.port or 80}" if ":" in host else f"{host}:{parts.port or 80}"
    return None


async def _fill(settings: Settings, ids: Ids, keys: OwnKeys, owner: Profile, password: str | None) -> None:
    store = Store(settings.database)
    try:
        await migrate(store, snapshots=None, now=owner.created_at)
        document = compose.actor(
            owner, ids, transport_pem=keys.transport.public.pem, multikeys=[keys.identity.public.multikey]
        )
        async with store.write() as tx:
            if await profile.get(tx) is not None:
                raise StartError("this database belongs to a node already", hint="name another one, or run that node")
            await profile.create(tx, owner, ids.base, hashed(password) if password else None)
            await actors.put(
                tx,
                parse.actor(document),  # type: ignore[arg-type]
                id=Snowflake(secrets.randbits(16)).mint(owner.created_at),
                at=owner.created_at,
                document=None,
            )
    finally:
        await store.close()
    if store.path is not None:
        store.path.chmod(0o600)


def _make_directory(data: Path) -> bool:
    try:
        existed = data.is_dir()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(data, error) from None
    return not existed


def _cannot_make(data: Path, error: OSError) -> StartError:
    return StartError(f"cannot make {data}: {error.strerror}", hint="choose another directory with --data")


def _write_settings(settings: Settings) -> None:
    """Only what was chosen: defaults may get better. A file that is there gets the lines it lacks."""
    file = settings.data / FILE
    chosen = {"base_url": settings.base_url, "listen": settings.listen, "database_url": settings.database_url}
    before = file.read_text(encoding="utf-8") if file.exists() else None
    if before is not None:
        said = load(settings.data, environ={})
        chosen = {name: value for name, value in chosen.items() if getattr(said, name) != value}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in chosen.items() if value]
    if not lines:
        return
    file.touch(mode=0o600)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(("\n" if before and not before.endswith("\n") else "") + "".join(lines))


def _take_away(settings: Settings, made_directory: bool) -> None:
    try:
        if made_directory:
            shutil.rmtree(settings.data, ignore_errors=True)
            return
        shutil.rmtree(settings.keys, ignore_errors=True)
        for name in ("cuicui.db", "cuicui.db-wal", "cuicui.db-shm"):
            (settings.data / name).unlink(missing_ok=True)
    except (OSError, CuicuiError):
        pass  # the failure that brought us here is the one to tell
