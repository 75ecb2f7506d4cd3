"""A node and more workers over one store: each thing is done once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from node.errors import StartError
from node.model import Draft, PollDraft, Tell
from node.settings import Settings
from node.storage import chores
from node.storage.schema import notes, notifications, pushes
from tests.cli.conftest import environment
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.homes import LOOPBACK, Home, eventually, free_port, settle_in
from tests.support.pushed import PushService
from tests.support.stranger import Place
from tests.web.mastodon.test_push import subscribe

WORKERS = 2
POSTS = 10
FOLLOWERS = 5
AHEAD = timedelta(minutes=5)


@asynccontextmanager
async def _worker(settings: Settings) -> AsyncIterator[None]:
    """`cuicui worker` in a process of its own."""
    extra = {"CUICUI_ALLOW_NETWORKS": LOOPBACK}
    if settings.database_url is not None:
        extra["CUICUI_DATABASE_URL"] = settings.database_url
    command = [sys.executable, "-m", "node", "worker", "--data", str(settings.data)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment(**extra), stderr=pipe)
    try:
        assert process.stderr is not None
        while b"delivers" not in (line := await asyncio.wait_for(process.stderr.readline(), 60)):
            assert line, "the worker ended"
        yield
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_each_thing_is_done_once(tmp_path: Path, migrated_url: str) -> None:
    """Deliveries, scheduled posts, ends of polls, pushes: `cuicui run` and two of `cuicui worker`, none doubled."""
    own = migrated_url if migrated_url.startswith("postgresql") else None
    home = await settle_in(tmp_path, "alice", clock=FakeClock(), database_url=own)
    async with Place() as place, PushService() as service, AsyncExitStack() as stack:
        await home.start()
        stack.push_async_callback(home.stop)
        crowd = [place.stranger(f"follower{number}") for number in range(FOLLOWERS)]
        for one in crowd:
            assert (await one.deliver(one.activity("Follow", home.node.ids.actor), home.base)).status == 202
        await home.quiet()
        app = await Client.of(home)
        await subscribe(app, service, alerts={"favourite": True, "poll": True})
        for _ in range(WORKERS):
            await stack.enter_async_context(_worker(home.settings))
        liked = (await home.node.owner.post(Draft("like me"))).post.note.iri
        await home.node.owner.post(Draft("tea?", poll=PollDraft(("yes", "no"), lasts=AHEAD)))
        for number in range(POSTS):
            await home.node.owner.post(Draft(f"posted {number}"))
            await home.node.schedule.plan(Draft(f"planned {number}"), home.clock() + AHEAD + timedelta(seconds=1))
        for one in crowd:
            assert (await one.deliver(one.activity("Like", liked), home.base)).status == 202
        await home.quiet()  # whose clock is put forward takes what others are sending for given up
        home.clock.forward(AHEAD + timedelta(seconds=2))
        home.node.events.publish([Tell("errand", "")])  # it sleeps by its own clock, not by the one put forward
        await home.node.owner.post(Draft("now it is time"))

        async def all_done() -> bool:
            async with home.node.store.read() as tx:
                due = await chores.next_at(tx, errands=True)
                owed = (await tx.execute(select(pushes.c.id).limit(1))).first()
            return owed is None and (due is None or due > home.clock() + timedelta(minutes=20))

        await eventually(all_done, within=60)
        await home.quiet()
        async with home.node.store.read() as tx:
            written = Counter((await tx.execute(select(notes.c.content).where(notes.c.own))).scalars())
            kinds = Counter((await tx.execute(select(notifications.c.kind))).scalars())
        assert set(written.values()) == {1}
        assert len(written) == 2 * POSTS + 3
        assert (kinds["poll"], kinds["favourite"]) == (1, FOLLOWERS)
        pushed = Counter(push.said["notification_id"] for push in service.got)
        assert (len(pushed), set(pushed.values())) == (FOLLOWERS + 1, {1})
        for one in crowd:
            came = Counter(item.json["id"] for item in place.received if item.path == f"/users/{one.name}/inbox")
            assert set(came.values()) == {1}, one.name
            assert len(came) >= 2 * POSTS + 3


async def test_one_node_over_a_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """A second `cuicui run` over the same database, from wherever, is refused; a worker is not; after the end of the
    first, or its death, the next one starts."""
    home = await settle_in(tmp_path, "alice", database_url=postgres_url)
    port = free_port()
    second = Home(replace(home.settings, listen=f"127.0.0.1:{port}"), home.clock, "alice")
    await home.start()
    try:
        with pytest.raises(StartError, match="already runs") as caught:
            await second.start()
        assert caught.value.hint
        async with _worker(home.settings):
            pass
        await home.node.owner.post(Draft("still here"))
    finally:
        await home.stop()
    await second.start()
    try:
        assert "still here" in (await second.texts())[0]
    finally:
        await second.stop()
    await home.start()
    await home.stop()
