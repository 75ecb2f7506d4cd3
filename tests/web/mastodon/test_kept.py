"""Answers that are given again: the same bytes while nothing is written, and never a moment longer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web

from node import app as wiring
from node.model import Draft
from node.storage.store import Store
from node.web.mastodon.kept import SECONDS, Kept
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.following import said
from tests.support.homes import Home, eventually


async def test_what_another_process_writes_is_seen(app: Client, alice: Home) -> None:
    """`cuicui post` beside the running node shows in apps: what is kept is dropped for it."""
    assert (await app.get("/api/v1/timelines/home")).json == []
    async with wiring.opened(alice.settings, clock=alice.clock) as beside:
        await beside.owner.post(Draft("from the shell"))

    async def shown() -> bool:
        return [status["content"] for status in (await app.get("/api/v1/timelines/home")).json] == [
            "<p>from the shell</p>"
        ]

    await eventually(shown)


async def test_an_answer_to_the_owner_is_not_given_to_others(app: Client, anybody: Client, alice: Home) -> None:
    post = await said(alice, "hello")
    path = f"/api/v1/statuses/{post.id}"
    assert "favourited" in (await app.get(path)).json
    assert "favourited" not in (await anybody.get(path)).json
    assert "favourited" in (await app.get(path)).json
    assert (await anybody.get("/api/v1/timelines/home")).status == 401


async def test_a_taken_back_token_opens_nothing_that_is_kept(app: Client, alice: Home) -> None:
    assert (await app.get("/api/v1/timelines/home")).status == 200
    wrong = Client(alice, f"{app.token}x")
    assert (await wrong.get("/api/v1/timelines/home")).status == 401


async def test_who_asks_at_the_same_time_waits_for_one_answer(alice: Home, clock: FakeClock) -> None:
    """After a write many ask for the same page: it is made once."""
    store: Store = alice.node.store
    kept, made = Kept(store, clock), 0
    go = asyncio.Event()

    async def make() -> web.Response:
        nonlocal made
        made += 1
        await go.wait()
        return web.Response(body=b"[%d]" % made)

    asking = [asyncio.ensure_future(kept.get_or_make((True, "/x"), make)) for _ in range(5)]
    await asyncio.sleep(0)
    async with store.write():
        pass
    late = asyncio.ensure_future(kept.get_or_make((True, "/x"), make))  # what is under way may not show that write
    go.set()
    answers = [await one for one in (*asking, late)]
    assert made == 2
    assert len({one.body for one in answers[:-1] if isinstance(one, web.Response)}) == 1
    again = await kept.get_or_make((True, "/x"), make)
    assert isinstance(again, web.Response)
    assert made == 2
    clock.forward(timedelta(seconds=SECONDS + 1))
    await kept.get_or_make((True, "/x"), make)
    assert made == 3


async def test_errors_are_not_kept(alice: Home, clock: FakeClock) -> None:
    kept, made = Kept(alice.node.store, clock), 0

    async def make() -> web.Response:
        nonlocal made
        made += 1
        return web.Response(status=404, body=b"{}")

    for _ in range(2):
        assert (await kept.get_or_make((False, "/x"), make)).status == 404
    assert kept.size == 0
    assert made >= 2


async def test_a_reader_who_sends_a_body_decides_about_nobody_elses_answer(anybody: Client, alice: Home) -> None:
    """What is kept follows from the address: a GET with a form in its body (a stranger's, that never comes whole, or
    that asks for less) neither keeps others waiting nor changes what they are shown.
    """
    for words in ("one", "two"):
        await said(alice, words)
    path = "/api/v1/timelines/public"
    head = f"GET {path} HTTP/1.1\r\nHost: {alice.settings.listen}\r\nContent-Length: 20\r\n\r\n"
    _, stalled = await asyncio.open_connection(alice.settings.listen_host, alice.settings.listen_port)
    try:
        stalled.write(head.encode())
        await stalled.drain()
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):
            assert len((await anybody.get(path)).json) == 2
    finally:
        stalled.close()
    await said(alice, "three")
    assert len((await anybody.get(path, json={"limit": 1})).json) == 1
    assert len((await anybody.get(path)).json) == 3
