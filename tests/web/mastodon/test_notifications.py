"""Notifications as apps see them, and the request box in Mastodon's words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import Stranger

V1, V2 = "/api/v1/notifications", "/api/v2/notifications"


async def reacted(home: Home, *who: Stranger) -> str:
    """Likes of one post of the owner's, by these in this order; the post's number."""
    post = await said(home, "likeable")
    for one in who:
        await one.deliver(one.activity("Like", post.note.iri), home.base)
    return str(post.id)


async def test_a_notification_has_every_field(alice: Home, app: Client, carol: Stranger) -> None:
    """client-api.md §6: `id,type,created_at,account` and `status`."""
    number = await reacted(alice, carol)
    (one,) = (await app.get(V1)).json
    assert one["id"].isdigit()
    assert one["type"] == "favourite"
    assert one["created_at"].endswith("Z")
    assert one["account"]["acct"].startswith("carol@")
    assert one["status"]["id"] == number
    assert (await app.get(f"{V1}/{one['id']}")).json == one
    await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)
    follow = (await app.get(V1)).json[0]
    assert follow["type"] == "follow"
    assert "status" not in follow


async def test_types_and_accounts_are_chosen(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """`types[]`, `exclude_types[]`, `account_id`; an emoji is a favourite to an app."""
    number = await reacted(alice, carol)
    iri = f"{alice.base}/notes/{number}"
    await dave.deliver(dave.activity("EmojiReact", iri, content="🎉"), alice.base)
    await dave.deliver(dave.activity("Announce", iri), alice.base)

    async def types(query: str) -> list[str]:
        return [one["type"] for one in (await app.get(f"{V1}?{query}")).json]

    assert await types("") == ["reblog", "favourite", "favourite"]
    assert await types("types[]=favourite") == ["favourite", "favourite"]
    assert await types("exclude_types[]=favourite&exclude_types[]=mention") == ["reblog"]
    assert await types("types[]=admin.report") == []
    carols = (await app.get(V1)).json[2]["account"]["id"]
    assert await types(f"account_id={carols}") == ["favourite"]
    assert await types("account_id=1") == []


async def test_pages_do_not_slip(alice: Home, app: Client, carol: Stranger, dave: Stranger, mallory: Stranger) -> None:
    """max_id, min_id and since_id by the notification's own number; Link on every page."""
    await reacted(alice, carol, dave, mallory)
    everything = [one["id"] for one in (await app.get(V1)).json]
    page = await app.get(f"{V1}?limit=2")
    assert [one["id"] for one in page.json] == everything[:2]
    assert f"max_id={everything[1]}" in page.headers["Link"]
    assert [one["id"] for one in (await app.get(f"{V1}?limit=2&max_id={everything[1]}")).json] == everything[2:]
    assert [one["id"] for one in (await app.get(f"{V1}?limit=1&min_id={everything[2]}")).json] == [everything[1]]
    assert [one["id"] for one in (await app.get(f"{V1}?limit=1&since_id={everything[2]}")).json] == [everything[0]]
    assert (await app.get(f"{V1}?max_id=soon")).status == 422


async def test_one_is_dismissed_and_the_rest_cleared(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """What waits with strangers is not cleared: nobody has seen it."""
    await reacted(alice, carol, dave)
    await carol.deliver(carol.say("hello", alice.node.ids.actor), alice.base)
    first = (await app.get(V1)).json[0]["id"]
    assert (await app.post(f"{V1}/{first}/dismiss")).json == {}
    assert (await app.post(f"{V1}/{first}/dismiss")).status == 404
    assert (await app.get(f"{V1}/{first}")).status == 404
    assert (await app.get(f"{V1}/unread_count")).json == {"count": 1}
    assert (await app.post(f"{V1}/clear")).json == {}
    assert (await app.get(V1)).json == []
    assert len((await app.get(f"{V1}/requests")).json) == 1


async def test_a_stranger_waits_and_is_let_in(alice: Home, app: Client, carol: Stranger) -> None:
    """The request box: listed with the last thing said, accepted, and from then on told."""
    for words in ("knock", "knock knock"):
        await carol.deliver(carol.say(words, alice.node.ids.actor), alice.base)
    summary = {"pending_requests_count": 1, "pending_notifications_count": 2}
    assert (await app.get(f"{V2}/policy")).json["summary"] == summary
    (waiting,) = (await app.get(f"{V1}/requests")).json
    assert waiting["notifications_count"] == "2"
    assert waiting["account"]["acct"].startswith("carol@")
    assert "knock knock" in waiting["last_status"]["content"]
    assert (await app.get(f"{V1}/requests/{waiting['id']}")).json == waiting
    assert (await app.get(V1)).json == []
    held = (await app.get(f"{V1}?account_id={waiting['account']['id']}&include_filtered=true")).json
    assert [one["type"] for one in held] == ["mention", "mention"]
    assert (await app.post(f"{V1}/requests/{waiting['id']}/accept")).json == {}
    assert [one["type"] for one in (await app.get(V1)).json] == ["mention", "mention"]
    assert (await app.get(f"{V1}/requests/{waiting['id']}")).status == 404
    assert (await app.get(f"{V1}/requests/merged")).json == {"merged": True}


async def test_a_stranger_is_turned_away(alice: Home, app: Client, carol: Stranger) -> None:
    """Dismissed: neither among the requests nor among the notifications."""
    await carol.deliver(carol.say("buy", alice.node.ids.actor), alice.base)
    (waiting,) = (await app.get(f"{V1}/requests")).json
    assert (await app.post(f"{V1}/requests/dismiss", {"id": [waiting["id"]]})).json == {}
    assert (await app.get(f"{V1}/requests")).json == []
    assert (await app.get(V1)).json == []


async def test_the_policy_says_what_the_node_does(app: Client) -> None:
    """client-api.md §2: five `for_*` and a summary; what cannot be changed is refused, not swallowed."""
    policy = (await app.get(f"{V2}/policy")).json
    assert len([name for name in policy if name.startswith("for_")]) == 5
    same = await app.request("PATCH", f"{V2}/policy", json={"for_not_following": "filter"})
    assert (same.status, same.json) == (200, policy)
    other = await app.request("PATCH", f"{V2}/policy", json={"for_not_following": "drop"})
    assert other.status == 422
    assert (await app.get(f"{V1}/policy")).json["filter_not_following"] is True


@pytest.mark.parametrize("path", [V1, V2, f"{V1}/requests", f"{V2}/policy", f"{V1}/unread_count", f"{V1}/1"])
async def test_nobody_else_reads_them(anybody: Client, path: str) -> None:
    """security.md §9: the owner's alone."""
    assert (await anybody.get(path)).status == 401


async def test_a_private_mention_by_a_friend_is_told(alice: Home, app: Client, carol: Stranger) -> None:
    """The post comes with it, as the owner may read it."""
    await follows(alice, carol)
    await carol.deliver(carol.say("between us", alice.node.ids.actor), alice.base)
    found: list[dict[str, Any]] = (await app.get(V1)).json
    assert [(one["type"], one["status"]["visibility"]) for one in found] == [("mention", "direct")]
