"""Secret keys on disk: one small file each, private to its owner, never overwritten by accident."""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from keys.canonical import canonical, load_object
from keys.errors import BadDocument, BadKey, KeyFileError, Locked
from keys.identity import Identity
from keys.passphrase import Passphrase, resolve
from keys.proof import created_at
from keys.sealing import Seal, decode
from keys.transport import TransportKey

TYPE = "CuicuiKey"
VERSION = 1
_MAX_FILE = 65_536
_HEADER = ("type", "version", "kind", "public", "created", "sealed")


def _utcnow() -> datetime:
    return datetime.now(UTC)


class Keystore:
    """The directory of secret keys: `identity.json`, `transport.json`, `server.json`.

    A file is JSON: a header (type, version, kind, public half, created, how it is sealed) and the
    secret, in the clear or sealed together with that header. Every method raises KeyFileError,
    naming the file, or Locked; after an error every file is as it was.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], datetime] = _utcnow) -> None:
        self.directory = directory
        self._clock = clock

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def exists(self, name: str = "identity") -> bool:
        """Whether something lies there, readable or not."""
        return os.path.lexists(self.path(name))

    def save_identity(self, identity: Identity, passphrase: str | None = None, *, replace: bool = False) -> None:
        """Keep the identity. An existing one is refused, unless `replace` says it may go."""
        self._save("identity", "identity", identity.public.multikey, identity.secret_multikey, passphrase, replace)

    def load_identity(self, passphrase: Passphrase = None) -> Identity:
        """The identity; `passphrase` is resolved only if the file is sealed."""
        path, public, secret = self._load("identity", "identity", passphrase)
        try:
            identity = Identity.from_secret_multikey(secret)
        except BadKey as error:
            raise _damaged(path, error.message) from None
        if identity.public.multikey != public:
            raise _damaged(path, "its secret is not the one of the public key it names")
        return identity

    def save_transport(
        self, name: str, key: TransportKey, passphrase: str | None = None, *, replace: bool = False
    ) -> None:
        """Keep a transport key as `transport`, `server`, or another name of yours."""
        self._save(name, "transport", key.public.fingerprint, key.private_pem().decode(), passphrase, replace)

    def load_transport(self, name: str, passphrase: Passphrase = None) -> TransportKey:
        path, public, secret = self._load(name, "transport", passphrase)
        try:
            key = TransportKey.from_pem(secret.encode())
        except BadKey as error:
            raise _damaged(path, error.message) from None
        if key.public.fingerprint != public:
            raise _damaged(path, "its secret is not the one of the public key it names")
        return key

    def _save(self, name: str, kind: str, public: str, secret: str, passphrase: str | None, replace: bool) -> None:
        if passphrase == "":
            raise KeyFileError("an empty passphrase seals nothing", hint="Give one, or none at all (None).")
        spoken = resolve(passphrase)
        seal = Seal.fresh() if spoken is not None else None
        header: dict[str, object] = {
            "type": TYPE,
            "version": VERSION,
            "kind": kind,
            "public": public,
            "created": created_at(self._clock()),
            "sealed": seal.to_json() if seal is not None else None,
        }
        if seal is not None and spoken is not None:
            secret = base64.b64encode(seal.close(secret.encode(), spoken, canonical(header))).decode()
        text = json.dumps({**header, "secret": secret}, indent=1) + "\n"
        _make_directory(self.directory)
        _write(self.path(name), text.encode(), replace)

    def _load(self, name: str, kind: str, passphrase: Passphrase) -> tuple[Path, str, str]:
        """Path, public half and secret text of a file, after every check that needs no key."""
        path = self.path(name)
        try:
            found = load_object(_read(path))
        except BadDocument as error:
            raise _damaged(path, error.message) from None
        header = {field: found.get(field) for field in _HEADER}
        secret, public = found.get("secret"), header["public"]
        if (header["type"], header["version"]) != (TYPE, VERSION):
            raise _damaged(path, f"it is not a {TYPE} file of version {VERSION}")
        if header["kind"] != kind:
            raise _damaged(path, f"it does not hold a key of the kind {kind}")
        if not isinstance(secret, str) or not isinstance(public, str):
            raise _damaged(path, "the public or the secret half is missing")
        if header["sealed"] is None:
            return path, public, secret
        try:
            seal, sealed = Seal.from_json(header["sealed"]), decode(secret)
        except BadKey as error:
            raise _damaged(path, error.message) from None
        spoken = resolve(passphrase)
        if spoken is None:
            raise Locked(
                f"{path} is sealed and no passphrase was given",
                hint="Set CUICUI_PASSPHRASE, name a passphrase file, or start where it can be asked for.",
            )
        try:
            return path, public, seal.open(sealed, spoken, canonical(header)).decode()
        except Locked as error:
            raise Locked(f"{path}: {error.message}", hint="Try the passphrase again.") from None


def _damaged(path: Path, why: str) -> KeyFileError:
    return KeyFileError(f"{path} is damaged: {why}", hint="Restore this file from your backup; it was left as it is.")


def _read(path: Path) -> bytes:
    """The bytes of a file that is ours alone, and a plain file: no link, no pipe, nothing huge."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFileError(f"there is no key at {path}", hint="Create one with: cuicui init, or restore it.") from None
    except OSError as error:
        raise KeyFileError(f"cannot open {path}: {error.strerror}", hint="It must be a plain file of yours.") from None
    try:
        _check_private(path, os.fstat(handle))
        with open(handle, "rb", closefd=False) as stream:
            data = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}", hint="Restore it from your backup.") from None
    finally:
        os.close(handle)
    if len(data) > _MAX_FILE:
        raise KeyFileError(f"{path} is too large for a key file", hint="Restore it from your backup.")
    return data


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"{path} is not a plain file", hint="Move it away and restore the key from your backup.")
    if status.st_uid != os.geteuid():
        raise KeyFileError(
            f"{path} belongs to another user (uid {status.st_uid})", hint=f"Run as that user, or: chown $(id -u) {path}"
        )
    if status.st_mode & 0o077:
        raise KeyFileError(
            f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"Run: chmod 600 {path} (and think about who may have read it).",
        )


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise KeyFileError(f"cannot make the directory {directory}: {error.strerror}") from None
    if status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise KeyFileError(
            f"others can put files into {directory} (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"It must be yours alone; run: chmod 700 {directory}",
        )


def _write(path: Path, data: bytes, replace: bool) -> None:
    """All of `data` at `path` or nothing, also when the power fails in between.

    link() refuses an existing name in the same step that takes it, so two writers cannot both win;
    rename() is for replacing only.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as stream:
                os.fchmod(stream.fileno(), 0o600)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if replace:
                os.rename(temporary, path)
            else:
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError:
        raise KeyFileError(
            f"there is a key at {path} already", hint="It was not touched. Move it away first."
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"cannot write {path}: {error.strerror}", hint="Look at the disk; no other key was touched."
        ) from None


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
