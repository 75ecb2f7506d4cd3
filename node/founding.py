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
from node.settings import FILE, Settings, load
from node.storage import actors, profile
from node.storage.migrate import migrate
from node.storage.store import Store

HANDLE = re.compile(r"[a-z0-9_]{1,30}")
_HAD_SETTINGS, _NO_SETTINGS = b"beside the owner's settings\n", b"alone\n"


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

    If anything fails half-way, what was made is taken away again; if this process is killed, by the next that
    makes one. `keys` are new ones, unless given.
    """
    check_handle(handle)
    data = settings.data
    if exists(settings):
        raise _there_already(data)
    made_directory = _make_directory(data)
    with _marked(settings) as before:
        if before:  # somebody began here, and was killed
            _take_away(settings, had_settings=before == _HAD_SETTINGS)
        elif _is_there(settings):
            raise _there_already(data)
        had_settings = (data / FILE).exists()
        try:
            _mark(settings, _HAD_SETTINGS if had_settings else _NO_SETTINGS)
            owner = Profile(handle, name or handle, created_at=clock())
            return await furnish(settings, owner, keys or keyring.generate(), password=password, passphrase=passphrase)
        except BaseException:
            _take_away(settings, made_directory=made_directory, had_settings=had_settings)
            raise


async def furnish(
    settings: Settings, owner: Profile, keys: OwnKeys, *, password: str | None = None, passphrase: str | None = None
) -> Founded:
    """Put into `settings.data` what makes a node. The database may be there already, if no node is in it."""
    ids = Ids(settings.base_url, owner.handle)
    keyring.save(settings.keys, keys, passphrase)
    await _fill(settings, ids, keys, owner, password)  # on a server it outlasts what fails after it
    _write_settings(settings)
    return Founded(ids, keys)


def exists(settings: Settings) -> bool:
    """Whether something of a node is in the data directory: keys, or a database; not one that was never finished."""
    return not settings.unfinished.exists() and _is_there(settings)


def _is_there(settings: Settings) -> bool:
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
        raise StartError(f"cannot make {data}: {error.strerror}", hint="choose another directory with --data") from None
    return not existed


@contextmanager
def _marked(settings: Settings) -> Iterator[bytes]:
    """Hold the data directory while a node is made in it; what the mark says that somebody left who was killed.

    The mark goes last, so what stands beside one that nobody holds is of no use to anybody. Raises StartError
    while another process makes a node there, or has just made it.
    """
    path = settings.unfinished
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"cannot write {path}: {error.strerror}", hint="check its owner and the space") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"a node is being made in {settings.data}", hint="wait a moment") from None
        if os.fstat(handle).st_nlink == 0:
            raise _there_already(settings.data)
        try:
            yield os.read(handle, 100)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        path.unlink()
        _sync(settings.data)
    finally:
        os.close(handle)


def _mark(settings: Settings, word: bytes) -> None:
    """On disk before anything is made."""
    try:
        _write(settings.unfinished, word)
        _sync(settings.data)
    except OSError as error:
        raise StartError(f"cannot write in {settings.data}: {error.strerror}", hint="check the free space") from None


def _write(file: Path, data: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(directory: Path) -> None:
    """What was made or taken away in it stays so when the power fails."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _there_already(data: Path) -> StartError:
    return StartError(
        f"there is a node in {data} already", hint=f"run it: cuicui run --data {data}; or name another directory"
    )


def _write_settings(settings: Settings) -> None:
    """Only what was chosen: defaults may get better. A file that is there gets the lines it lacks."""
    file = settings.data / FILE
    chosen = {"base_url": settings.base_url, "listen": settings.listen, "database_url": settings.database_url}
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before:
        said = load(settings.data, environ={})
        chosen = {name: value for name, value in chosen.items() if getattr(said, name) != value}
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in chosen.items() if value]
    if not lines:
        return
    file.touch(mode=0o600)
    between = "\n" if before and not before.endswith("\n") else ""
    _write(file, "".join((before, between, *lines)).encode())


def _take_away(settings: Settings, *, had_settings: bool, made_directory: bool = False) -> None:
    try:
        if made_directory:
            shutil.rmtree(settings.data, ignore_errors=True)
            return
        shutil.rmtree(settings.keys, ignore_errors=True)
        for name in ("cuicui.db", "cuicui.db-wal", "cuicui.db-shm", "cuicui.db-journal"):
            (settings.data / name).unlink(missing_ok=True)
        if not had_settings:
            (settings.data / FILE).unlink(missing_ok=True)
    except (OSError, CuicuiError):
        pass  # the failure that brought us here is the one to tell
