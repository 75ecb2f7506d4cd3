"""Everything a node needs to live on, in one file: database, keys, settings, media; made, checked, put back.

A database on a PostgreSQL server is not in it: its own tools save that better. The rest is.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import json
import os
import secrets
import shutil
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from keys.passphrase import Passphrase, resolve
from keys.proof import created_at
from node import keyring
from node.errors import CuicuiError, Locked, NotAllowed, StoreError
from node.media.files import Directory, is_name
from node.settings import FILE, Settings, file_url
from node.storage import profile
from node.storage.migrate import snapshot
from node.storage.store import Store

MANIFEST = "backup.json"
DATABASE = "cuicui.db"
KEYS = ("identity", "transport", "server")
VERSION = 1
LARGEST_TEXT = 1 << 20
"""Bytes of a key file and of the settings: they are a few kilobytes."""
LARGEST_WORD = 2048
LARGEST_MANIFEST = 64 << 20
"""Bytes of the list of files; each picture is a line of a hundred."""


class BadBackup(CuicuiError):
    """A file that is not a backup of ours, or a damaged one."""

    code = "bad_backup"


@dataclass(frozen=True, slots=True)
class Checked:
    """A backup that is whole. `keys_opened`: the keys were opened too, not only compared with their checksums.

    `files`: how many of the owner's pictures and recordings are in it. `database`: whether the database is.
    """

    handle: str
    base_url: str
    made_at: str
    schema: str
    keys_opened: bool
    files: int = 0
    database: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written: its size in bytes, and whether the database is in it."""

    size: int
    database: bool


def make(settings: Settings, file: Path, now: datetime) -> Made:
    """Write a backup with mode 0600, also of a node that runs. Refuses to overwrite. Raises NotAllowed, StoreError,
    and KeyFileError for keys that no node could be started with: such a backup would take the place of a good one.

    The database is copied first: what it names is on disk by then, and what is deleted meanwhile is left out.
    """
    if os.path.lexists(file):
        raise NotAllowed(f"{file} is there already, and was not touched", hint="choose another name")
    for key in (settings.keys / f"{name}.json" for name in KEYS):
        if not key.exists():
            raise NotAllowed(f"nothing was saved: there is no file {key}", hint="put it in place from an older backup")
    _opens(settings.keys, None)
    source = Store(settings.database).path
    about = asyncio.run(_about(settings)) if source is None else {}
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with tempfile.TemporaryDirectory(prefix="cuicui-backup-", dir=file.absolute().parent) as directory:
            contents = {} if source is None else {DATABASE: _copied(source, Path(directory) / DATABASE)}
            contents |= {f"keys/{name}.json": settings.keys / f"{name}.json" for name in KEYS}
            if (settings.data / FILE).exists():
                contents[FILE] = settings.data / FILE
            contents |= {f"media/{path.name}": path for path in Directory(settings.media).all()}
            _write(temporary, contents, about, now)
        _name(temporary, file)
        return Made(file.stat().st_size, source is not None)
    except OSError as error:
        raise NotAllowed(f"cannot write {file}: {error.strerror}", hint="check the directory and the space") from None
    finally:
        temporary.unlink(missing_ok=True)


def _name(temporary: Path, file: Path) -> None:
    """Let it be called that, if nothing is: a link refuses an existing name in the same step that takes it."""
    try:
        os.link(temporary, file)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # link(2): the file system knows no links; that of a USB stick does not.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        temporary.replace(file)


def _copied(source: Path, target: Path) -> Path:
    """A copy that was looked at: a damaged one would take the place of an older one that is whole."""
    try:
        asyncio.run(_whose(snapshot(source, target)))
    except (BadBackup, StoreError) as error:
        why = error.message.replace(str(target), str(source))
        hint = "see: cuicui doctor; what is whole is in an older backup, or in snapshots"
        raise BadBackup(f"nothing was saved: {why}", hint=hint) from None
    return target


async def _about(settings: Settings) -> dict[str, str]:
    """Whose node it is: a backup without a database says so itself."""
    store = Store(settings.database)
    try:
        schema = await store.version()
        found = None
        if schema is not None:
            async with store.read() as tx:
                found = await profile.whose(tx)
    finally:
        await store.close()
    if found is None or schema is None:
        raise NotAllowed("the database has no owner", hint="there is nothing to save yet; make a node: cuicui init")
    return {"handle": found[0], "base_url": found[1], "schema": schema}


def _write(target: Path, contents: dict[str, Path], about: dict[str, str], now: datetime) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        digests = {}
        for name, path in contents.items():
            try:
                source = path.open("rb")
            except FileNotFoundError:
                if _is_media(name):  # deleted with its post since the list was made
                    continue
                raise
            with source:
                digests[name] = hashlib.file_digest(source, "sha256").hexdigest()
                source.seek(0)
                _add(tar, name, source, os.fstat(source.fileno()).st_size, now)
        manifest = {"type": "CuicuiBackup", "version": VERSION, "made": created_at(now), **about, "files": digests}
        text = json.dumps(manifest, indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(text), len(text), now)
        tar.close()
        stream.flush()
        os.fsync(stream.fileno())


def _add(tar: tarfile.TarFile, name: str, source: io.BufferedIOBase | io.BytesIO, size: int, now: datetime) -> None:
    """Nothing of this machine goes in: no user, no directory."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(now.timestamp())
    tar.addfile(entry, source)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(file: Path, passphrase: Passphrase = None) -> Checked:
    """Unpack a backup aside, compare checksums, ask the database about itself, open the keys. Raises CuicuiError."""
    with tempfile.TemporaryDirectory(prefix="cuicui-check-") as directory:
        manifest = _unpack(file, Path(directory))
        return asyncio.run(_look(Path(directory), manifest, passphrase))


def restore(file: Path, data: Path) -> Checked:
    """Put a backup into an empty or new directory; nothing is left there if it is not whole."""
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise NotAllowed(f"{data} is not empty, and was not touched", hint="choose another directory with --data")
    # In a directory that is there, for only that may be ours: below /var/lib, or as the mount point of a volume.
    aside = (data if data.exists() else data.parent) / f".{data.name}.{secrets.token_hex(8)}"
    try:
        aside.mkdir(mode=0o700, parents=True)
        try:
            manifest = _unpack(file, aside)
            checked = asyncio.run(_look(aside, manifest, None))
            for leftover in (f"{DATABASE}-wal", f"{DATABASE}-shm"):
                (aside / leftover).unlink(missing_ok=True)
            if aside.parent == data:
                _move(aside, data)
            else:
                aside.rename(data)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise NotAllowed(f"cannot restore into {data}: {error.strerror}", hint="check owner and space") from None
    return checked


def _move(aside: Path, data: Path) -> None:
    """What was found whole, up into the directory around it: the database last, so that none is there without keys."""
    with suppress(PermissionError):  # somebody else's, who lets us write there
        data.chmod(0o700)
    for path in sorted(aside.iterdir(), key=lambda path: path.name == DATABASE):
        path.rename(data / path.name)


def _unpack(file: Path, target: Path) -> dict[str, Any]:
    """Write the files that a backup has, and only those, below `target`; what it says of itself."""
    try:
        with tarfile.open(file, mode="r:") as tar:
            manifest = _manifest(tar)
            (target / "keys").mkdir(mode=0o700)
            for name, digest in manifest["files"].items():
                entry = tar.getmember(name)
                path = _place(target, name)
                if name != DATABASE and not _is_media(name) and entry.size > LARGEST_TEXT:
                    raise BadBackup(f"{file}: {name} is too large to be one")
                _extract(tar, entry, path)
                if _digest(path) != digest:
                    raise BadBackup(f"{file} is damaged: {name} is not what was saved", hint="use an older backup")
            return manifest
    except FileNotFoundError:
        raise BadBackup(f"there is no file {file}") from None
    except (tarfile.TarError, KeyError, ValueError, TypeError, EOFError):
        raise BadBackup(f"{file} is damaged, or not a backup of cuicui", hint="use an older backup") from None


def _is_media(name: str) -> bool:
    return name.startswith("media/") and is_name(name.removeprefix("media/"))


def _place(target: Path, name: str) -> Path:
    """Where a file of a backup goes; pictures where the node looks for them. Raises ValueError."""
    if not _is_media(name):
        return target / name
    path = Directory(target / "media").path(name.removeprefix("media/"))
    if path is None:
        raise ValueError("not a name of ours")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def _manifest(tar: tarfile.TarFile) -> dict[str, Any]:
    entry = tar.getmember(MANIFEST)
    stream = tar.extractfile(entry) if entry.size <= LARGEST_MANIFEST else None
    if stream is None:
        raise ValueError("no manifest")
    manifest: dict[str, Any] = json.loads(stream.read())
    required = {f"keys/{name}.json" for name in KEYS}
    if "schema" not in manifest:  # as the first versions wrote it: always with the database
        required.add(DATABASE)
    if (manifest["type"], manifest["version"]) != ("CuicuiBackup", VERSION):
        raise ValueError("another kind of file")
    names = {name for name in manifest["files"] if not _is_media(name)}
    if not required <= names <= required | {FILE, DATABASE}:
        raise ValueError("files are missing, or do not belong")
    told = [manifest[name] for name in ("made", *(("handle", "base_url", "schema") if "schema" in manifest else ()))]
    if not all(isinstance(one, str) and len(one) <= LARGEST_WORD for one in told):
        raise ValueError("no words")
    return manifest


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    stream = tar.extractfile(entry) if entry.isreg() else None
    if stream is None:
        raise ValueError("not a plain file")
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as out:
        shutil.copyfileobj(stream, out)
        out.flush()
        os.fsync(out.fileno())


async def _look(directory: Path, manifest: dict[str, Any], passphrase: Passphrase) -> Checked:
    files = sum(map(_is_media, manifest["files"]))
    if DATABASE not in manifest["files"]:
        opened = _opens(directory / "keys", passphrase)
        handle, base_url, schema = (str(manifest[name]) for name in ("handle", "base_url", "schema"))
        return Checked(f"@{handle}", base_url, manifest["made"], schema, opened, files, database=False)
    found, version = await _whose(directory / DATABASE)
    opened = _opens(directory / "keys", passphrase)
    return Checked(f"@{found[0]}", found[1], manifest["made"], version, opened, files)


async def _whose(file: Path) -> tuple[tuple[str, str], str]:
    """The owner's handle and base URL, and the schema, of a database that is whole. Raises BadBackup, StoreError."""
    store = Store(file_url(file))
    try:
        if complaints := await store.check():
            raise BadBackup(f"the database is damaged: {complaints[0]}", hint="use an older backup")
        version = await store.version()
        found = None
        if version is not None:
            async with store.read() as tx:
                found = await profile.whose(tx)
    finally:
        await store.close()
    if found is None or version is None:
        raise BadBackup("the database has no owner", hint="use an older backup")
    return found, version


def _opens(keys: Path, passphrase: Passphrase) -> bool:
    """Whether the keys were opened; not when they are sealed and there is no passphrase. A wrong one raises Locked."""
    try:
        keyring.load(keys)
    except Locked:
        spoken = resolve(passphrase)
        if spoken is None:
            return False
        try:
            keyring.load(keys, spoken)
        except Locked:
            raise Locked("the passphrase does not open the keys in the backup", hint="try it again") from None
    return True
