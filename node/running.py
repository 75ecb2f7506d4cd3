"""Run a node as a program: one at a time per data directory, until it is told to stop."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keys.passphrase import Passphrase
from node import app, observe
from node.app import Node
from node.errors import StartError
from node.settings import Settings
from node.workers import Workers

LOCK = "run.lock"
MOST_FILES = 1 << 20


@contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data directory: a second node over the same files is refused.

    The kernel lets go of the lock when the process ends, however it ends; the file stays.
    """
    handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            raise StartError(
                f"this node is already running (pid {pid})", hint="stop that one first, or name another --data"
            ) from None
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def is_running(data: Path) -> bool:
    """Whether a node serves from this directory now."""
    try:
        handle = os.open(data / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def raise_limits() -> None:
    """As many open files as the system lets us have: one for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        pass  # macOS names a hard limit that it does not grant; doctor reports what is in force


def run_loop(main: Awaitable[None]) -> None:
    """asyncio.run() on uvloop where it is installed (it is optional, and does not exist for Windows)."""

    async def wrapped() -> None:
        await main

    try:
        import uvloop
    except ImportError:
        asyncio.run(wrapped())
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(wrapped())


def settle_memory() -> None:
    """What is loaded stays: the collector need not look at it again, nor come so often.

    Measured on three interleaved fan-outs to 3,000 hosts: 0.74 ms of CPU a delivery before, 0.65 after.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


async def serve(settings: Settings, passphrase: Passphrase, ready: Callable[[Node], None]) -> None:
    """Run a node until SIGINT or SIGTERM, then finish what is under way; a second signal ends it at once."""
    observe.set_up(settings.log_level, settings.log_format)
    stop = stop_signal()
    async with app.opened(settings, passphrase=passphrase, worker=app.MAIN) as node, app.serving(node):
        settle_memory()
        ready(node)
        await stop.wait()


async def work(settings: Settings, passphrase: Passphrase, ready: Callable[[str], None]) -> None:
    """Run delivery and second tries under a name of their own, beside a node, without HTTP."""
    observe.set_up(settings.log_level, settings.log_format)
    stop = stop_signal()
    name = f"{socket.gethostname()}-{os.getpid()}"
    async with app.opened(settings, passphrase=passphrase, worker=name) as node:
        workers = Workers(node.store, node.delivery, node.inbox, None, node.events, forget=node.forget_cached)
        workers.start()
        settle_memory()
        try:
            ready(name)
            await stop.wait()
        finally:
            await workers.stop()


def stop_signal() -> asyncio.Event:
    """Set when the process is asked to end by SIGINT or SIGTERM; the second time they act as usual."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)
    return stop
