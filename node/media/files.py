"""Where files lie: under one directory, by names of 128 random bits, written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.errors import StoreError

_NAME = re.compile(r"[0-9a-f]{32}\.[a-z0-9]{3,4}")
_INCOMING = "incoming"
SPARE = 32 << 20
"""Bytes that are left free on the disk: the database needs them more."""


def is_name(name: str) -> bool:
    """Whether a file of ours may be called so."""
    return _NAME.fullmatch(name) is not None


class Directory:
    """A directory of files: `ab/cd/<32 hex digits>.<ending>`, 0600, never by a name that somebody else chose."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path | None:
        """Where a file of this name lies; None for what is no name of ours, or leads elsewhere."""
        if not is_name(name):
            return None
        root = self.root.resolve()
        path = (root / name[:2] / name[2:4] / name).resolve()
        return path if path.is_relative_to(root) else None

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """A directory of its own for one file that comes in; gone afterwards, whatever happened."""
        with translated(self.root):
            place = self.root / _INCOMING / secrets.token_hex(16)
            place.mkdir(parents=True, mode=0o700)
            if shutil.disk_usage(place).free < SPARE:
                place.rmdir()
                raise _full(self.root)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def keep(self, source: Path, extension: str, *, durable: bool = True) -> str:
        """Take a finished file in under a new name; if `durable`, it is then on disk. Raises StoreError."""
        name = f"{secrets.token_hex(16)}.{extension}"
        target = self.path(name)
        assert target is not None
        with translated(self.root):
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            source.chmod(0o600)
            if durable:
                _sync(source)
            source.replace(target)
            if durable:
                _sync(target.parent)
        return name

    def all(self) -> Iterator[Path]:
        """Every finished file."""
        return (path for path in sorted(self.root.glob("??/??/*")) if is_name(path.name))

    def drop(self, *names: str | None) -> None:
        """Remove files; what is gone already is no matter."""
        for name in names:
            path = self.path(name) if name is not None else None
            if path is not None:
                path.unlink(missing_ok=True)

    def left_over(self, older_than: float) -> Iterator[str]:
        """Names of files that were written more than so many seconds ago; what came in and was never finished, goes."""
        before = time.time() - older_than
        for place in (self.root / _INCOMING).glob("*"):
            if place.stat().st_mtime < before:
                shutil.rmtree(place, ignore_errors=True)
        for path in self.root.glob("??/??/*"):
            if path.stat().st_mtime < before:
                yield path.name


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Errors of the disk, in our words. Raises StoreError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(root) from error
        raise StoreError(
            f"cannot write in {root}: {error.strerror or error}", hint="check its owner and permissions"
        ) from error


def _full(root: Path) -> StoreError:
    return StoreError(f"the disk is full: {root}", hint="free some space, and upload it again")
