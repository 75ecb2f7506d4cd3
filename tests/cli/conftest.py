"""Nodes started as an owner starts them, in processes of their own, on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from node.cli import main
from node.storage import chores

ROOT = Path(__file__).parents[2]
LOOPBACK = {"CUICUI_ALLOW_NETWORKS": "127.0.0.0/8"}


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """What begins in the background of a shell ignores Ctrl-C, and so do the programs it starts; these must not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said on standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**extra: str) -> dict[str, str]:
    """This one, without any setting of ours."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("CUICUI_")}
    return bare | {"PYTHONPATH": str(ROOT)} | extra


def cuicui(*arguments: str | Path, typed: str | bytes = "", **extra: str) -> Said:
    """Run a command to its end, with `typed` on standard input and `extra` in the environment.

    It is the program itself, from main() to the exit status, in this process: starting another one
    costs most of a second. program() does that.
    """
    data = typed.encode() if isinstance(typed, str) else typed
    stdin, stdout, stderr = (io.TextIOWrapper(io.BytesIO(start), "utf-8") for start in (data, b"", b""))
    umask = os.umask(0o022)
    log = logging.getLogger("cuicui")
    before = log.handlers[:], log.level, log.propagate
    try:
        with (
            mock.patch.dict(os.environ, environment(**extra), clear=True),
            mock.patch.multiple(sys, stdin=stdin, stdout=stdout, stderr=stderr),
        ):
            status: object = None
            try:
                main([str(argument) for argument in arguments])
            except SystemExit as end:
                status = end.code
    finally:
        os.umask(umask)
        log.handlers[:], log.level, log.propagate = before
    said = [stream.buffer.getvalue().decode() for stream in (stdout, stderr) if not stream.flush()]  # type: ignore[func-returns-value]
    assert isinstance(status, int)
    assert "Traceback" not in said[1], said[1]
    return Said(status, said[0], said[1])


def program(*arguments: str | Path, typed: str | bytes = "", **extra: str) -> Said:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "node", *map(str, arguments)],
        input=typed.encode() if isinstance(typed, str) else typed,
        capture_output=True,
        env=environment(**extra),
        timeout=90,
        check=False,
    )
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in said.err, said.err
    return said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def digests(directory: Path) -> dict[str, str]:
    """Every file below a directory, with its content and its mode."""
    return {
        str(path.relative_to(directory)): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "application/activity+json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return bytes(answer.read())


@dataclass(frozen=True)
class Place:
    """A node's data directory, address and handle; commands are run on it by calling it."""

    data: Path
    base: str
    handle: str

    def __call__(self, command: str, *arguments: str | Path, typed: str | bytes = "", **extra: str) -> Said:
        name, *sub = command.split()
        return cuicui(name, *sub, "--data", self.data, *arguments, typed=typed, **LOOPBACK, **extra)


def made(directory: Path, name: str, **extra: str) -> Place:
    port = free_port()
    place = Place(directory / name, f"http://127.0.0.1:{port}", f"@{name}@127.0.0.1:{port}")
    said = cuicui("init", "--data", place.data, "--base-url", place.base, "--handle", name, **extra)
    assert said.status == 0, said.err
    return place


@contextmanager
def running(place: Place, *arguments: str, command: str = "run", **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    """`cuicui run` on a directory, from when it listens until it is told to stop."""
    with open(place.data.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", command, "--data", str(place.data), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(**LOOPBACK, **extra),
        )
    try:
        until(lambda: b"with Ctrl-C" in place.data.with_suffix(".log").read_bytes(), process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


def until(met: Any, process: subprocess.Popen[bytes] | None = None, patience: float = 60.0) -> None:
    """Wait for it: as long as a machine may need that has other things to do. How fast it is, is not said here."""
    deadline = time.monotonic() + patience
    while not met():
        assert process is None or process.poll() is None, f"the node ended with {process.returncode}"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A node that was made and does not run. Tests leave it as it is."""
    return made(tmp_path_factory.mktemp("founded"), "ada")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Place]]:
    """Alice and bob, both running; bob follows alice."""
    directory = tmp_path_factory.mktemp("pair")
    alice, bob = made(directory, "alice"), made(directory, "bob")
    with running(alice), running(bob):
        said = bob("follow", alice.handle)
        assert (said.status, said.err) == (0, f"cuicui: you follow {alice.handle} now\n")
        until(lambda: _has_read_outboxes(bob))  # or a post may come from there, before it is delivered
        yield alice, bob


def _has_read_outboxes(place: Place) -> bool:
    with closing(sqlite3.connect(place.data / "cuicui.db")) as db:
        return db.execute("SELECT count(*) FROM chores WHERE kind = ?", (chores.OUTBOX,)).fetchone() == (0,)
