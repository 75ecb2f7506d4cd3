"""Real nodes for tests: founded in a temporary directory, listening on loopback, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select

from node import app, founding, keyring
from node.app import Node
from node.door import Door
from node.keyring import OwnKeys
from node.model import Post, Profile
from node.settings import Settings
from node.storage import chores, cursors
from node.storage.migrate import migrate
from node.storage.schema import metadata, queue
from node.storage.store import Store, sqlite_url
from tests.support.clock import FakeClock

LOOPBACK = "127.0.0.0/8,::1/128"
T = TypeVar("T")

_COUNTS = select(
    *(select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in metadata.sorted_tables)
)


_PORTS = range(10_000, 32_000)
"""Below those that systems give to outgoing connections: what is free is not taken before it is listened on."""

_turn = cycle([*_PORTS[os.getpid() * 997 % len(_PORTS) :], *_PORTS[: os.getpid() * 997 % len(_PORTS)]])
"""Each process begins elsewhere."""


def free_port() -> int:
    """A port of loopback that nobody listens on, and that is not given again soon."""
    return next(port for port in _turn if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as a server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@lru_cache(maxsize=32)
def keys_of(name: str) -> OwnKeys:
    """The keys of a node of that name: made once in a test session, since two RSA keys take a while."""
    return keyring.generate()


_emptied: list[tempfile.TemporaryDirectory[str]] = []


async def empty_database() -> Path:
    """A SQLite database that all migrations have run on, with nothing in it: made once in a test session, to be copied.

    Running them takes longer than most tests. That they build what they should is tested in tests/storage.
    """
    if not _emptied:
        made = tempfile.TemporaryDirectory(prefix="cuicui-empty-")
        await bring_up(sqlite_url(Path(made.name) / "empty.db"))
        _emptied.append(made)
    return Path(_emptied[0].name) / "empty.db"


async def bring_up(url: str) -> None:
    """Run all migrations on an empty database."""
    store = Store(url)
    try:
        await migrate(store, snapshots=None, now=FakeClock()())
    finally:
        await store.close()  # with SQLite, this carries the log over into the file


async def eventually(check: Callable[[], Awaitable[T]], *, within: float = 8.0) -> T:
    """Ask again until the answer is true; what it was then. Fails after `within` seconds.

    The pauses grow, to a thirtieth of a second: asking takes the time of what is waited for.
    """
    deadline = asyncio.get_running_loop().time() + within
    pause = 0.004
    while not (found := await check()):
        assert asyncio.get_running_loop().time() < deadline, "what was waited for did not happen"
        await asyncio.sleep(pause)
        pause = min(1.5 * pause, 0.03)
    return found


class Home:
    """One node of a test: its settings, its clock, and the node itself while it runs."""

    def __init__(self, settings: Settings, clock: FakeClock, handle: str) -> None:
        self.settings = settings
        self.clock = clock
        self.handle = handle
        self.door: Door | None = None
        """Another than the usual one; set before the node starts."""
        self._stack: AsyncExitStack | None = None
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        assert self._node is not None, f"{self.handle} does not run"
        return self._node

    @property
    def base(self) -> str:
        return self.settings.base_url

    @property
    def address(self) -> str:
        """The handle, as others write it."""
        return f"@{self.handle}@{self.settings.listen}"

    async def start(self) -> Home:
        async with AsyncExitStack() as stack:
            self._node = await stack.enter_async_context(app.opened(self.settings, clock=self.clock, worker=app.MAIN))
            await stack.enter_async_context(app.serving(self._node, self.door))
            self._stack = stack.pop_all()
        return self

    async def stop(self) -> None:
        stack, self._stack, self._node = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def rows(self) -> dict[str, int]:
        """How many rows there are in each table."""
        async with self.node.store.read() as tx:
            found = {name: int(count) for name, count in (await tx.execute(_COUNTS)).one()._mapping.items()}
            beat = await cursors.get(tx, self.node.ids.actor)
        # The node notes now and then that it is there: that is nobody's doing.
        return {**found, "cursors": found["cursors"] - (beat is not None)}

    async def texts(self) -> list[str]:
        """The home timeline, newest first, as HTML."""
        return [post.note.content for post in await self.node.owner.timeline(limit=80)]

    async def said_to_me(self) -> list[Post]:
        """Newest first: by those the owner knows, and by strangers who wait to be let in."""
        known = await self.node.owner.timeline(mentions=True, limit=80)
        strangers = await self.node.moderation.requests(limit=80)
        return sorted([*known, *strangers], key=lambda post: post.id, reverse=True)

    async def shows(self, words: str) -> Post | None:
        """The post with these words in the home timeline or among the mentions."""
        posts = [*await self.node.owner.timeline(limit=80), *await self.said_to_me()]
        return next((post for post in posts if words in post.note.content), None)

    async def quiet(self) -> None:
        """Wait until nothing is owed any more."""

        async def nothing_owed() -> bool:
            async with self.node.store.read() as tx:
                return (await tx.execute(select(queue.c.id).limit(1))).first() is None

        await eventually(nothing_owed)

    async def idle(self) -> None:
        """Wait until nothing is to be fetched any more: what those who are followed wrote before, or meanwhile."""

        async def nothing_due() -> bool:
            async with self.node.store.read() as tx:
                due = await chores.due(tx, self.clock())
            return not due and not self.node.backfill._busy  # what is done is told of after it was written down

        await eventually(nothing_due)


async def settle_in(
    data: Path, handle: str, *, clock: FakeClock | None = None, database_url: str | None = None, **more: object
) -> Home:
    """A node that was founded; it does not run yet."""
    clock = clock or FakeClock()
    if database_url is not None:
        home = _home(data, handle, clock, free_port(), database_url=database_url, **more)
        await _found(home)
        return home
    made = await _founded(handle, clock())
    home = _home(data, handle, clock, made.port, **more)
    shutil.copytree(made.home.settings.data, home.settings.data)
    return home


def _home(data: Path, handle: str, clock: FakeClock, port: int, **more: object) -> Home:
    settings = Settings.of(
        {
            "data": data / handle,
            "base_url": f"http://127.0.0.1:{port}",
            "listen": f"127.0.0.1:{port}",
            "allow_networks": LOOPBACK,
            **more,
        }
    )
    return Home(settings, clock, handle)


async def _found(home: Home) -> None:
    settings = home.settings
    settings.data.mkdir(mode=0o700, parents=True)
    if settings.database_url is None:
        shutil.copyfile(await empty_database(), settings.data / "cuicui.db")
    await founding.furnish(settings, Profile(home.handle, home.handle, created_at=home.clock()), keys_of(home.handle))


@dataclass
class _Made:
    """A node on SQLite that was founded once in this process, to be copied; never run itself."""

    home: Home
    port: int
    at: datetime
    test: str
    """The last test that was given a copy."""

    def serves(self, test: str, now: datetime) -> bool:
        """Within one test, two of a name are two nodes; nor may a node be younger than its clock, or its port taken."""
        young = self.at <= now < self.at + timedelta(hours=1)
        return young and self.test != test and _is_free(self.port)


_made: dict[str, _Made] = {}
_places: list[tempfile.TemporaryDirectory[str]] = []


async def _founded(handle: str, now: datetime) -> _Made:
    """Founding takes as long as starting. That it does what it should is tested in tests/test_founding.py."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    made = _made.get(handle)
    if made is None or not made.serves(test, now):
        place = tempfile.TemporaryDirectory(prefix="cuicui-founded-")
        _places.append(place)
        port = free_port()
        home = _home(Path(place.name), handle, FakeClock(), port)
        await _found(home)
        made = _made[handle] = _Made(home, port, now, test)
    made.test = test
    return made
