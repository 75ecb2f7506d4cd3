"""Conversations: direct posts by thread (client-api.md §2)."""

from __future__ import annotations

from typing import Any

from tests.support.client import Client
from tests.support.following import follows
from tests.support.homes import Home, eventually
from tests.support.stranger import Stranger
from tests.web.mastodon.shapes import ACCOUNT, FLAG, ID, STATUS, Many, check
from tests.web.mastodon.test_streaming import sse

CONVERSATION = {"id": ID, "unread": FLAG, "accounts": Many(ACCOUNT), "last_status": STATUS}


async def listed(app: Client, query: str = "") -> list[dict[str, Any]]:
    answer = await app.get(f"/api/v1/conversations{query}")
    assert answer.status == 200, answer.body
    check(Many(CONVERSATION), answer.json)
    found: list[dict[str, Any]] = answer.json
    return found


async def whispers(alice: Home, who: Stranger, words: str, **more: Any) -> str:
    """They said it to Alice alone, and it is here."""
    activity = who.say(words, alice.node.ids.actor, **more)
    assert (await who.deliver(activity, alice.base)).status == 202

    async def there() -> bool:
        return any(words in post.note.content for post in await alice.said_to_me())

    await eventually(there)
    note = activity["object"]
    assert isinstance(note, dict)
    iri: str = note["id"]
    return iri


async def test_direct_posts_are_listed_by_thread(
    alice: Home, app: Client, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """The one with the newest post first, with who takes part; strangers who wait are in none."""
    for who in (carol, dave):
        await follows(alice, who)
    assert await listed(app) == []
    await whispers(alice, mallory, "psst")
    await whispers(alice, dave, "lunch?")
    first = await whispers(alice, carol, "tea?")
    hers = next(post.id for post in await alice.said_to_me() if post.note.iri == first)
    both = await listed(app)
    assert [[face["username"] for face in one["accounts"]] for one in both] == [["carol"], ["dave"]]
    assert [one["unread"] for one in both] == [True, True]
    said = {"status": f"yes {carol.handle}", "visibility": "direct", "in_reply_to_id": str(hers)}
    answer = (await app.post("/api/v1/statuses", said)).json
    again = await listed(app)
    assert [one["id"] for one in again] == [one["id"] for one in both]
    assert (again[0]["last_status"]["id"], again[0]["unread"]) == (answer["id"], False)
    await whispers(alice, carol, "at four", inReplyTo=answer["uri"])
    assert (await listed(app))[0]["unread"]
    assert len(await listed(app)) == 2
    assert [one["id"] for one in await listed(app, f"?max_id={(await listed(app))[0]['last_status']['id']}")] == [
        both[1]["id"]
    ]
    assert len(await listed(app, "?limit=1")) == 1


async def test_the_muted_and_the_blocked_are_in_no_conversation(
    alice: Home, app: Client, carol: Stranger, dave: Stranger
) -> None:
    """security.md §2: blocks and mutes hold "everywhere"; undone, what was said is there again."""
    await follows(alice, carol)
    for who in (carol, dave):
        await alice.node.actors.get(who.iri)
        await alice.node.moderation.allow(who.iri)  # which a block leaves, unlike a follow
        await whispers(alice, who, f"psst, {who.name} here")
    assert len(await listed(app)) == 2
    await alice.node.moderation.mute(carol.iri, None)
    await alice.node.moderation.block(dave.iri)
    assert await listed(app) == []
    await alice.node.moderation.unmute(carol.iri)
    await alice.node.moderation.unblock(dave.iri)
    assert {one["accounts"][0]["username"] for one in await listed(app)} == {"carol", "dave"}


async def test_conversations_are_read_and_taken_off_the_list(alice: Home, app: Client, carol: Stranger) -> None:
    """What is said afterwards brings one back; the posts stay."""
    await follows(alice, carol)
    first = await whispers(alice, carol, "tea?")
    (one,) = await listed(app)
    at = f"/api/v1/conversations/{one['id']}"
    assert not (await app.post(f"{at}/read")).json["unread"]
    assert not (await listed(app))[0]["unread"]
    assert (await app.post(f"{at}/unread")).json["unread"]
    assert (await listed(app))[0]["unread"]
    assert (await app.request("DELETE", at)).json == {}
    assert await listed(app) == []
    assert len((await app.get("/api/v1/timelines/direct")).json) == 1
    await whispers(alice, carol, "tea!", inReplyTo=first)
    (back,) = await listed(app)
    assert (back["id"], back["unread"]) == (one["id"], True)
    for nothing in ("/api/v1/conversations/12345", "/api/v1/conversations/x"):
        assert (await app.request("DELETE", nothing)).status == 404
        for act in ("read", "unread"):
            assert (await app.post(f"{nothing}/{act}")).status == 404


async def test_conversations_are_streamed(alice: Home, app: Client, carol: Stranger) -> None:
    """The stream `direct`: each time the whole conversation."""
    await follows(alice, carol)
    async with sse(app, "direct") as stream:
        await carol.deliver(carol.create(carol.note("for everybody")), alice.base)
        await whispers(alice, carol, "psst")
        name, one = await stream.next()
        assert name == "conversation"
        check(CONVERSATION, one)
        assert "psst" in one["last_status"]["content"]
    assert await listed(app) == [one]


async def test_a_note_to_oneself_is_a_conversation_with_oneself(app: Client) -> None:
    """As in Mastodon: there is always somebody in `accounts`, which Ice Cubes counts on."""
    await app.post("/api/v1/statuses", {"status": "buy tea", "visibility": "direct"})
    (one,) = await listed(app)
    assert [account["acct"] for account in one["accounts"]] == ["alice"]
