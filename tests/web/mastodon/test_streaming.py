"""Streaming over real sockets: what comes, to whom, how it ends, and what it costs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from node import app as wiring
from node.model import Draft, Visibility
from node.storage import tokens
from node.storage.schema import list_members, lists
from node.web import streaming
from node.web.streaming import Stream, channel
from tests.support.client import Client
from tests.support.following import follows, said
from tests.support.homes import Home, eventually
from tests.support.stranger import PUBLIC, Stranger

PATH = "/api/v1/streaming"


class Sse:
    """A reader of server-sent events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> tuple[str, Any]:
        """The next event; comments are passed over."""
        name = ""
        async with asyncio.timeout(8):
            while True:
                line = (await self.response.content.readline()).decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    return name, json.loads(line.removeprefix("data: "))
                elif self.response.content.at_eof():
                    raise EOFError

    async def ends(self) -> bool:
        async with asyncio.timeout(8):
            try:
                while await self.response.content.readline():
                    pass
            except aiohttp.ClientError:
                pass
        return True


@asynccontextmanager
async def sse(app: Client, name: str, **headers: str) -> AsyncIterator[Sse]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{app.home.base}{PATH}/{name}", headers={**app.headers, **headers}) as response,
    ):
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        yield Sse(response)


@asynccontextmanager
async def ws(app: Client, query: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{app.home.base}{PATH}{query}", headers=app.headers) as connection,
    ):
        yield connection


async def received(connection: aiohttp.ClientWebSocketResponse) -> tuple[list[str], str, Any]:
    frame = await connection.receive_json(timeout=8)
    assert isinstance(frame["payload"], str)
    return frame["stream"], frame["event"], json.loads(frame["payload"])


async def test_a_post_is_told_edited_and_deleted(alice: Home, app: Client, carol: Stranger) -> None:
    """Events update, status.update, delete; the payload of a delete is digits (client-api.md §8.1)."""
    await follows(alice, carol)
    async with sse(app, "user") as stream:
        created = carol.say("now", PUBLIC)
        await carol.deliver(created, alice.base)
        name, status = await stream.next()
        assert name == "update"
        assert "now" in status["content"]
        assert status["cuicui"]["verdict"] == "vouched"
        assert status == (await app.get(f"/api/v1/statuses/{status['id']}")).json
        edited = {**created["object"], "content": "<p>later</p>", "updated": "2027-01-01T00:00:00Z"}
        await carol.deliver(carol.activity("Update", edited), alice.base)
        name, again = await stream.next()
        assert (name, again["id"]) == ("status.update", status["id"])
        assert "later" in again["content"]
        await carol.deliver(carol.activity("Delete", created["object"]["id"]), alice.base)
        assert await stream.next() == ("delete", int(status["id"]))


async def test_a_notification_is_told(alice: Home, app: Client, carol: Stranger) -> None:
    """As the list of notifications shows it; the notification stream carries nothing else."""
    async with sse(app, "user/notification") as stream:
        post = await said(alice, "heard?")
        await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
        name, told = await stream.next()
        assert name == "notification"
        assert [told] == (await app.get("/api/v1/notifications")).json


async def test_a_strangers_mention_is_not_told(alice: Home, app: Client, carol: Stranger) -> None:
    """It waits in the request box: neither as a post at home nor as a notification."""
    async with sse(app, "user") as stream:
        await carol.deliver(carol.say("psst", alice.node.ids.actor), alice.base)
        await said(alice, "the next thing")
        name, status = await stream.next()
        assert (name, "the next thing" in status["content"]) == ("update", True)


async def test_a_boost_is_told_as_home_shows_it(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """A status around a status, with a number of its own."""
    await follows(alice, carol)
    note = dave.note("worth it")
    dave.place.documents[urlsplit(str(note["id"])).path] = note
    async with sse(app, "user") as stream:
        await carol.deliver(carol.activity("Announce", note["id"]), alice.base)
        name, status = await stream.next()
        assert name == "update"
        assert status["account"]["username"] == "carol"
        assert "worth it" in status["reblog"]["content"]
        assert [status] == (await app.get("/api/v1/timelines/home?limit=1")).json


async def test_the_muted_are_told_in_no_stream(
    alice: Home, app: Client, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """Nor what they boost, nor what others boost of theirs, nor what comes by a hashtag."""
    await follows(alice, carol)
    await follows(alice, mallory)
    for muted in (carol, dave):
        await alice.node.actors.get(muted.iri)
        await alice.node.moderation.mute(muted.iri, None)
    theirs, hers = dave.note("by the muted"), mallory.note("by a friend")
    for note, who in ((theirs, dave), (hers, mallory)):
        who.place.documents[urlsplit(str(note["id"])).path] = note

    async def here() -> bool:
        return all([await alice.node.owner.find_post(str(note["id"])) for note in (theirs, hers)])

    async with sse(app, "user") as home, sse(app, "public") as public:
        tag = {"type": "Hashtag", "name": "#tea", "href": f"{carol.place.base}/tags/tea"}
        await carol.deliver(carol.create(carol.note("by the muted as well", tag=[tag])), alice.base)
        await mallory.deliver(mallory.activity("Announce", theirs["id"]), alice.base)
        await carol.deliver(carol.activity("Announce", hers["id"]), alice.base)
        await eventually(here)
        await alice.node.owner.post(Draft("for friends #tea", visibility=Visibility.FOLLOWERS))
        await said(alice, "the next thing")
        for stream in (home, public):
            told = [await stream.next()]
            while "the next thing" not in told[-1][1]["content"]:
                told.append(await stream.next())
            assert [status["content"] for _, status in told if "by the muted" in json.dumps(status)] == []
            assert [status for _, status in told if status["account"]["username"] == "carol"] == []
            assert any("for friends" in status["content"] for _, status in told) is (stream is home)
    for timeline in ("home", "public", "tag/tea"):
        shown = (await app.get(f"/api/v1/timelines/{timeline}")).json
        assert [one for one in shown if "by the muted" in json.dumps(one)] == [], timeline
        assert [one for one in shown if one["account"]["username"] == "carol"] == [], timeline


async def test_public_local_tag_and_list_streams(alice: Home, app: Client, carol: Stranger) -> None:
    """Each carries what its timeline shows, over one WebSocket; frames name their stream."""
    await follows(alice, carol)
    async with alice.node.store.write() as tx:
        await tx.execute(lists.insert().values(id=7, title="tea", replies_policy="list", exclusive=False))
        await tx.execute(list_members.insert().values(list_id=7, actor=carol.iri))
    async with ws(app, "?stream=public:local") as connection:
        for wanted in (
            {"stream": "hashtag", "tag": "Tea"},
            {"stream": "list", "list": "7"},
            {"stream": "public:remote"},
        ):
            await connection.send_json({"type": "subscribe", **wanted})
        await asyncio.sleep(0.1)
        await said(alice, "mine #tea")
        got = [await received(connection) for _ in range(2)]
        assert [one[0] for one in got] == [["public:local"], ["hashtag", "tea"]]
        tag = {"type": "Hashtag", "name": "#coffee"}
        note = carol.note("theirs", to=[PUBLIC], tag=[tag])
        await carol.deliver(carol.create(note), alice.base)
        got = [await received(connection) for _ in range(2)]
        assert [one[0] for one in got] == [["list", "7"], ["public:remote"]]
        await connection.send_json({"type": "unsubscribe", "stream": "public:local"})
        await connection.send_json({"type": "subscribe", "stream": "nonsense"})
        assert (await connection.receive_json(timeout=8))["status"] == 422
        await said(alice, "unheard")
        await said(alice, "heard #tea")
        assert (await received(connection))[0] == ["hashtag", "tea"]


async def test_what_another_process_writes_is_told(alice: Home, app: Client) -> None:
    """The command line posts into the same store: "Foreign process writes … must also reach streams"; once."""
    async with sse(app, "user") as stream:
        async with wiring.opened(alice.settings) as other:
            await other.owner.post(Draft("from the shell"))
        name, status = await stream.next()
        assert (name, "from the shell" in status["content"]) == ("update", True)
        await said(alice, "from the node")
        assert "from the node" in (await stream.next())[1]["content"]


async def test_a_revoked_token_closes_its_streams(alice: Home, app: Client, anybody: Client) -> None:
    """security.md §7: "close streams on revoke"; those of other tokens go on."""
    made = {"client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read"}
    known = (await anybody.post("/api/v1/apps", made)).json
    async with alice.node.store.write() as tx:
        await tokens.add(tx, "going", label="x", scopes="read", at=alice.clock(), app_id=int(known["id"]))
    going = Client(alice, "going")
    async with sse(going, "user") as one, ws(going, "?stream=user") as two, sse(app, "user") as other:
        asked = {**{name: known[name] for name in ("client_id", "client_secret")}, "token": "going"}
        assert (await anybody.post("/oauth/revoke", asked)).status == 200
        assert await one.ends()
        assert (await two.receive(timeout=8)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        await said(alice, "still here")
        assert "still here" in (await other.next())[1]["content"]
    assert (await going.get(f"{PATH}/user")).status == 401


async def test_a_token_revoked_elsewhere_closes_its_streams(alice: Home, app: Client) -> None:
    """Another process took it back: noticed with its writing, or within the minute."""
    async with sse(app, "user") as stream:
        async with wiring.opened(alice.settings) as other, other.store.write() as tx:
            assert app.token is not None
            await tokens.revoke(tx, hashes=[tokens.hashed(app.token)])
        assert await stream.ends()


@pytest.mark.parametrize("name", ["user", "public", "hashtag?tag=tea", "user/notification"])
async def test_nobody_listens_without_a_token(anybody: Client, name: str) -> None:
    """security.md §9: "token + scope per stream"; an upgrade changes nothing about that."""
    assert (await anybody.get(f"{PATH}/{name}")).status == 401
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with ws(anybody, "?stream=user"):
            pass
    assert refused.value.status == 401


async def test_scopes_hold_for_each_stream(alice: Home, carol: Stranger) -> None:
    """Posts alone: no notification stream, and no notification in the user stream. An app's own token: nothing."""
    async with alice.node.store.write() as tx:
        await tokens.add(tx, "reads", label="x", scopes="read:statuses", at=alice.clock())
        await tokens.add(tx, "app", label="x", scopes="read write", at=alice.clock(), kind="app")
    reads, app = Client(alice, "reads"), Client(alice, "app")
    assert (await reads.get(f"{PATH}/user/notification")).status == 403
    assert (await app.get(f"{PATH}/user")).status == 403
    async with sse(reads, "user") as stream:
        post = await said(alice, "first")
        await stream.next()
        await carol.deliver(carol.activity("Like", post.note.iri), alice.base)
        await said(alice, "second")
        assert "second" in (await stream.next())[1]["content"]


async def test_a_browser_puts_the_token_where_it_can(alice: Home, app: Client) -> None:
    """client-api.md §8.4: "token by query and by echoed subprotocol"."""
    assert app.token is not None
    bare = Client(alice, None)
    async with sse(bare, f"user?access_token={app.token}") as stream:
        await said(alice, "by query")
        assert "by query" in (await stream.next())[1]["content"]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{alice.base}{PATH}?stream=user", protocols=[app.token]) as connection,
    ):
        assert connection.protocol == app.token
        await said(alice, "by protocol")
        assert (await received(connection))[0] == ["user"]
    answer = await bare.get(f"/api/v1/accounts/verify_credentials?access_token={app.token}")
    assert answer.status == 401


@pytest.mark.parametrize("name", ["hashtag", "list", "list?list=x", "hashtag?tag="])
async def test_a_stream_of_nothing_is_refused(app: Client, name: str) -> None:
    assert (await app.get(f"{PATH}/{name}")).status == 422


async def test_health(anybody: Client, app: Client) -> None:
    """Apps ask before they connect; and a plain GET of the socket's address is told what is wrong."""
    assert (await anybody.get(f"{PATH}/health")).body == b"OK"
    assert (await app.get(PATH)).status == 422


async def test_signs_of_life(alice: Home, app: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment in SSE, a ping over WebSocket; one timer for all."""
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.05)
    async with sse(app, "user") as stream:
        lines = [await stream.response.content.readline() for _ in range(3)]
        assert lines == [b":)\n", b":thump\n", b":thump\n"]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{alice.base}{PATH}", headers=app.headers, autoping=False) as connection,
    ):
        assert (await connection.receive(timeout=8)).type is aiohttp.WSMsgType.PING


async def test_who_does_not_read_is_cut_off() -> None:
    """security.md §10: "slow readers": what waits is bounded, then the connection goes."""
    cut: list[bool] = []
    stream = Stream("t", hears=True, is_ws=False, abort=lambda: cut.append(True), now=0.0)
    for _ in range(streaming.MOST_WAITING):
        stream.put(b"x")
    assert not stream.closed
    stream.put(b"one too many")
    assert (stream.closed, cut) == (True, [True])
    assert await stream.next() is None


async def test_who_reads_is_not_cut_off_by_much_news_at_once(alice: Home, app: Client, carol: Stranger) -> None:
    """Somebody takes back all they wrote: each post that goes is told in every stream that an app listens to."""
    await follows(alice, carol)
    notes = [carol.note(f"number {number}") for number in range(12)]
    for note in notes:
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    async with ws(app, "?stream=user") as connection:
        for number in range(15):
            await connection.send_json({"type": "subscribe", "stream": "hashtag", "tag": f"tag{number}"})
        await connection.send_json({"type": "subscribe"})
        assert (await connection.receive_json(timeout=8))["status"] == 422  # so what was sent before is heard
        deletions = (carol.deliver(carol.activity("Delete", note["id"]), alice.base) for note in notes)
        assert {reply.status for reply in await asyncio.gather(*deletions)} == {202}
        told = [await received(connection) for _ in range(16 * len(notes))]
    assert {event for _, event, _ in told} == {"delete"}


@pytest.mark.parametrize(
    ("name", "tag", "list_", "expected"),
    [
        ("user", "", "", ("user",)),
        ("hashtag", "#Tea", "", ("hashtag", "tea")),
        ("hashtag", "  ", "", None),
        ("list", "", "12", ("list", "12")),
        ("list", "", "1' or 1", None),
        ("direct:everything", "", "", None),
        ("", "", "", None),
    ],
)
def test_channels_have_names(name: str, tag: str, list_: str, expected: Any) -> None:
    assert channel(name, tag=tag, list_=list_) == expected


@pytest.mark.long
async def test_200_idle_streams_cost_under_20_mib(alice: Home, app: Client) -> None:
    """Issue 4: "200 idle streams cost under 20 MiB"; client and node are measured together, so it is less still."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await (await session.get(f"{alice.base}{PATH}/user", headers=app.headers)).content.readline()
        before = resident()
        open_ = [
            await session.ws_connect(f"{alice.base}{PATH}?stream=user", headers=app.headers, compress=0)
            for _ in range(200)
        ]
        await said(alice, "for all of them")
        for connection in open_:
            assert (await received(connection))[0] == ["user"]
        assert resident() - before < 20 * 1024 * 1024
        for connection in open_:
            await connection.close()


def resident() -> int:
    """Octets of memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
