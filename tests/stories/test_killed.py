"""Killed in the middle of an upload, a scheduled post, a poll's end, a push: nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import io
import random
import signal
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import cycle
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from node.model import Draft, PollDraft
from node.notify import Kind
from node.storage import chores
from node.storage.schema import media, notes, notifications, pushes
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually, settle_in
from tests.support.pictures import as_bytes, painted
from tests.support.process import Running
from tests.support.pushed import PushService
from tests.support.stranger import Place, Stranger
from tests.web.mastodon.test_push import subscribe

KILLS = 6
SCHEDULED = 12
POLLS = 6
AHEAD = timedelta(minutes=5)
"""The soonest that a post can be scheduled for, and the shortest poll."""


async def _prepare(home: Home, carol: Stranger, service: PushService) -> tuple[Client, str]:
    """Five minutes ago: polls and posts that are due from now on, a follower, an app that wants to be told."""
    await home.start()
    assert (await carol.deliver(carol.activity("Follow", f"{home.base}/actor"), home.base)).status == 202
    app = await Client.of(home)
    await subscribe(app, service, alerts={"favourite": True, "poll": True})
    liked = (await home.node.owner.post(Draft("like me"))).post.note.iri
    for number in range(POLLS):
        asked = PollDraft(("tea", "coffee"), lasts=AHEAD + number * timedelta(seconds=0.8))
        await home.node.owner.post(Draft(f"question {number}", poll=asked))
    for number in range(SCHEDULED):
        at = home.clock() + AHEAD + timedelta(seconds=0.5 + 0.5 * number)
        await home.node.schedule.plan(Draft(f"planned {number}"), at)
    await home.quiet()
    await home.stop()
    return app, liked


async def _upload_for_ever(app: Client, kept: list[str]) -> None:
    turn = random.randrange(1000)
    while True:
        turn += 1
        file = io.BytesIO(as_bytes(painted(600, 400, turn=turn), "PNG"))
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            answer = await app.request("POST", "/api/v2/media", data={"file": file})
            if answer.status == 200:
                kept.append(answer.json["id"])


async def _like_for_ever(place: Place, liked: str, base: str, accepted: list[str]) -> None:
    for fan in cycle([place.stranger(f"fan{number}") for number in range(3)]):
        like = fan.activity("Like", liked)
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            if (await fan.deliver(like, base)).status == 202:
                accepted.append(str(like["id"]))
                await fan.deliver(fan.activity("Undo", like), base)
        await asyncio.sleep(0.05)


@pytest.mark.long
async def test_a_node_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """SIGKILL at random moments: uploads that were answered are there with their files, posts that were planned are
    published once, polls end once, and every notification still wanted reaches the app."""
    clock = FakeClock()
    clock.forward(-AHEAD)
    home = await settle_in(tmp_path, "alice", clock=clock)
    node, kept, accepted = Running(home.settings.data), list[str](), list[str]()
    async with Place() as place, PushService() as service:
        app, liked = await _prepare(home, place.stranger("carol"), service)
        load = [
            asyncio.create_task(_upload_for_ever(app, kept)),
            asyncio.create_task(_like_for_ever(place, liked, home.base, accepted)),
        ]
        try:
            for number in range(KILLS):
                before = len(kept), len(accepted)
                await node.start()
                await node.ready()
                if number % 2:  # however slow this machine is: not before it did something
                    await eventually(lambda before=before: _grew(before, kept, accepted), within=20)
                await asyncio.sleep(random.uniform(0.0, 0.6))
                await node.end(signal.SIGKILL)
                assert not [task.exception() for task in load if task.done()]
        finally:
            for task in load:
                task.cancel()
            await asyncio.gather(*load, return_exceptions=True)
        clock.forward(AHEAD)
        await home.start()
        try:
            await eventually(lambda: _done(home), within=30)
            await home.quiet()
            await _check_posts(home, place)
            await _check_uploads(home, app, kept)
            await _check_pushes(home, service)
        finally:
            await home.stop()
    assert kept
    assert accepted


async def _grew(before: tuple[int, int], kept: list[str], accepted: list[str]) -> bool:
    return len(kept) > before[0] and len(accepted) > before[1]


async def _done(home: Home) -> bool:
    async with home.node.store.read() as tx:
        due = await chores.next_at(tx, errands=True)
        owed = (await tx.execute(select(pushes.c.id).limit(1))).first()
    return owed is None and (due is None or due > home.clock() + timedelta(minutes=20))


async def _check_posts(home: Home, place: Place) -> None:
    async with home.node.store.read() as tx:
        written = (await tx.execute(select(notes.c.iri, notes.c.content, notes.c.poll).where(notes.c.own))).all()
        ended = (
            await tx.execute(select(notifications.c.note_id).where(notifications.c.kind == Kind.POLL.value))
        ).scalars()
        assert sorted(Counter(ended).values()) == [1] * POLLS
    planned = {row.content: row.iri for row in written if "planned" in row.content}
    assert len([row for row in written if "planned" in row.content]) == SCHEDULED == len(planned)
    assert all(row.poll["closed"] for row in written if row.poll)
    assert await home.node.store.check() == []
    arrived = {str(item.json["id"]) for item in place.received if item.path == "/users/carol/inbox"}
    assert {f"{iri}/activity" for iri in planned.values()} <= arrived
    closed = {
        str(item.json["object"]["id"])  # type: ignore[index]
        for item in place.of_type("Update")
        if "closed" in item.json["object"]  # type: ignore[operator]
    }
    assert closed == {row.iri for row in written if row.poll}


async def _check_uploads(home: Home, app: Client, kept: list[str]) -> None:
    """What was answered is whole; what was not leaves nothing behind for ever."""
    async with home.node.store.read() as tx:
        rows = (await tx.execute(select(media.c.id, media.c.file, media.c.preview))).all()
    assert set(kept) <= {str(row.id) for row in rows}
    for row in rows:
        assert await home.node.media.open_file(row.file) is not None
        assert await home.node.media.open_file(row.preview) is not None
    posted = await app.post("/api/v1/statuses", {"status": "here they are", "media_ids": kept[-4:]})
    assert posted.status == 200, posted.body
    known = {name for row in rows for name in (row.file, row.preview)}
    strays = [path for path in home.settings.media.glob("??/??/*") if path.name not in known]
    assert len(strays) <= 2 * KILLS


async def _check_pushes(home: Home, service: PushService) -> None:
    """At least once: a push that was sent and not yet written down is sent again, with the same number."""
    async with home.node.store.read() as tx:
        wanted = set((await tx.execute(select(notifications.c.id).where(notifications.c.kind == "poll"))).scalars())
    told = Counter(int(push.said["notification_id"]) for push in service.got)
    assert wanted <= set(told)
    assert sum(count - 1 for count in told.values()) <= 8 * KILLS
