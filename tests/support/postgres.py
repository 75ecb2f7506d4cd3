"""A PostgreSQL of the tests' own: in a temporary directory, on a free port of loopback, gone afterwards."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.support.homes import free_port

_databases = count(1)

_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "bgwriter_lru_maxpages": "0",
    "wal_writer_delay": "10s",
}
"""Nothing of it outlives the tests, and little is in it: no care for power cuts, and no housekeeping."""


def programs() -> Path | None:
    """Where the distribution keeps initdb and postgres; None when they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    there = shutil.which("initdb")
    return Path(there).parent if there else None


def _other_user() -> int | None:
    """PostgreSQL refuses to run as root: then somebody else must."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return None


class Postgres:
    """A running server. `new()` makes a database, empty or `like` the one of that name, and gives its URL."""

    def __init__(self, bin_: Path, port: int, user: int | None) -> None:
        self._bin = bin_
        self._port = port
        self._user = user

    def new(self, like: str = "template0") -> str:
        name = f"cuicui{next(_databases)}"
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "cuicui"]
        _run([self._bin / "createdb", *where, "-T", like, name], self._user)
        return f"postgresql://cuicui@127.0.0.1:{self._port}/{name}"


def _run(command: list[Path | str], user: int | None) -> None:
    subprocess.run(command, check=True, user=user, cwd="/", capture_output=True, timeout=60, env={"PATH": os.defpath})


@contextmanager
def server(bin_: Path) -> Iterator[Postgres]:
    user, port = _other_user(), free_port()
    home = Path(tempfile.mkdtemp(prefix="cuicui-pg-", dir="/tmp"))
    try:
        if user is not None:
            os.chown(home, user, -1)
        data = home / "data"
        _run([bin_ / "initdb", "-D", data, "-U", "cuicui", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"], user)
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [bin_ / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", home, *settings],
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_us if sys.platform == "linux" else None,
        )
        try:
            _wait(data / "postmaster.pid")
            yield Postgres(bin_, port, user)
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: connections are ended, and nothing is written any more
            process.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _end_with_us() -> None:
    """In the server's process, before it begins: tests that are killed cannot stop it any more."""
    on_death_of_parent = 1  # PR_SET_PDEATHSIG, prctl(2)
    ctypes.CDLL(None).prctl(on_death_of_parent, signal.SIGQUIT)


def _wait(written: Path) -> None:
    """Until the server says in its file that it is ready: in the eighth line, where pg_ctl looks as well."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if written.exists() and written.read_text().splitlines()[7:8] == ["ready   "]:
            return
        time.sleep(0.02)
    raise TimeoutError("PostgreSQL did not start")
