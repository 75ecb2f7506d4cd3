"""An app with a token and bad intent, at the streams (security.md §7, §9, §10)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import aiohttp
import pytest

from node.web import streaming
from tests.attacks.test_client_api import ask, holder
from tests.support.client import Client
from tests.support.following import said
from tests.support.homes import Home
from tests.web.mastodon.test_streaming import PATH, received, sse, ws


@pytest.fixture
async def app(alice: Home) -> Client:
    return await Client.of(alice)


async def _is_full(app: Client) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{app.home.base}{PATH}/user", headers=app.headers) as response,
    ):
        return response.status == 429


async def test_streams_are_counted(alice: Home, app: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand streams, here three: the next is told to wait, and a place that is left is free again."""
    monkeypatch.setattr(streaming, "MOST_STREAMS", 3)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(ws(app, "?stream=user"))
        assert (await app.get(f"{PATH}/user")).status == 429
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with ws(app, "?stream=user"):
                pass
        assert refused.value.status == 429
        assert (await app.get("/api/v1/timelines/home")).status == 200
    async with asyncio.timeout(8):
        while await _is_full(app):
            await asyncio.sleep(0.05)
    async with sse(app, "user") as stream:
        await said(alice, "still here")
        assert "still here" in (await stream.next())[1]["content"]


async def test_asking_for_the_head_of_a_stream_holds_no_place(app: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """HEAD has no body that could end, so nobody would notice that it is over."""
    monkeypatch.setattr(streaming, "MOST_STREAMS", 3)
    for _ in range(10):
        answer = await ask(app, "HEAD", f"{PATH}/user")
        assert answer.status in (200, 405)
    async with sse(app, "user"):
        pass


async def test_one_connection_listens_to_so_much_and_no_more(alice: Home, app: Client) -> None:
    """Junk said over a WebSocket is passed over; subscriptions are counted; scopes hold for each of them."""
    reader = await holder(alice, "read:statuses")
    async with ws(reader) as connection:
        for junk in ("", "[]", "{", "null", '"x"', "[" * 3000, '{"type": 1}', '{"type": "subscribe"}', "\x00"):
            await connection.send_str(junk)
        await connection.send_bytes(b"\xff\xfe")
        asked = {"type": "subscribe", "stream": "user:notification"}
        await connection.send_str(json.dumps(asked))
        answers = [json.loads((await connection.receive(timeout=8)).data) for _ in range(2)]
        assert [answer["status"] for answer in answers] == [422, 403]
        for number in range(25):
            await connection.send_str(json.dumps({"type": "subscribe", "stream": "hashtag", "tag": f"tag{number}"}))
        refusals = [json.loads((await connection.receive(timeout=8)).data) for _ in range(5)]
        assert {answer["status"] for answer in refusals} == {422}
        await said(alice, "about #tag7")
        stream, event, status = await received(connection)
        assert (stream, event) == (["hashtag", "tag7"], "update")
        assert "tag7" in status["content"]


async def test_a_frame_that_is_too_large_ends_the_connection(alice: Home, app: Client) -> None:
    """What an app has to say fits into 4 KiB."""
    async with ws(app, "?stream=user") as connection:
        await connection.send_str("x" * 100_000)
        message = await connection.receive(timeout=8)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    async with sse(app, "user") as stream:
        await said(alice, "still here")
        assert "still here" in (await stream.next())[1]["content"]


async def test_no_other_site_listens_with_the_owners_cookie(alice: Home, app: Client) -> None:
    """A WebSocket may be opened from any site: what a browser sends by itself opens none."""
    headers = {"Origin": "https://evil.example", "Cookie": f"cuicui={app.token}; access_token={app.token}"}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with session.ws_connect(f"{alice.base}{PATH}?stream=user", headers=headers):
                pass
    assert refused.value.status == 401
