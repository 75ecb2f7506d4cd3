"""Accounts and what the owner does about them, by the client API (client-api.md §2, §5, §6)."""

from __future__ import annotations

from typing import Any

import pytest

from node.model import Draft, Visibility
from tests.support.client import Client
from tests.support.following import arrives, befriend, follows
from tests.support.homes import Home, eventually
from tests.support.stranger import Stranger

RELATIONSHIP = {
    "id": str,
    "note": str,
    **dict.fromkeys(
        [
            *("following", "showing_reblogs", "notifying", "followed_by", "blocking", "blocked_by", "muting"),
            *("muting_notifications", "requested", "requested_by", "domain_blocking", "endorsed"),
        ],
        bool,
    ),
}


async def number_of(app: Client, handle: str) -> str:
    found = await app.get("/api/v1/accounts/lookup", params={"acct": handle})
    assert found.status == 200, handle
    number: str = found.json["id"]
    return number


async def test_a_handle_pasted_into_search_is_found_and_followed(alice: Home, bob: Home, app: Client) -> None:
    """client-api.md §5: "pasting `@user@host` … here *is* the follow … gesture of every app"."""
    for written in (bob.address, bob.address.removeprefix("@"), bob.node.ids.profile_page, bob.node.ids.actor):
        found = await app.get("/api/v2/search", params={"q": written, "resolve": "true", "limit": "5"})
        assert [account["acct"] for account in found.json["accounts"]] == [bob.address.removeprefix("@")], written
        assert set(found.json) == {"accounts", "statuses", "hashtags"}
    number = found.json["accounts"][0]["id"]
    asked = await app.post(f"/api/v1/accounts/{number}/follow")
    assert asked.json["requested"] or asked.json["following"]

    async def accepted() -> bool:
        relation = (await app.get(f"/api/v1/accounts/relationships?id[]={number}")).json[0]
        return bool(relation["following"] and relation["showing_reblogs"])

    await eventually(accepted)
    left = await app.post(f"/api/v1/accounts/{number}/unfollow")
    assert (left.json["following"], left.json["requested"]) == (False, False)
    assert (await app.post(f"/api/v1/accounts/{number}/unfollow")).status == 200


async def test_the_address_of_a_post_pasted_into_search_brings_it(alice: Home, bob: Home, app: Client) -> None:
    """client-api.md §5: "or a post URL"."""
    said = (await bob.node.owner.post(Draft("to be found"))).post
    for address in (bob.node.ids.note_page(said.id), said.note.iri):
        found = await app.get("/api/v2/search", params={"q": address, "resolve": "true"})
        assert [status["content"] for status in found.json["statuses"]] == ["<p>to be found</p>"], address
    nothing = await app.get("/api/v2/search", params={"q": f"{bob.base}/@bob/1", "resolve": "true"})
    assert nothing.json == {"accounts": [], "statuses": [], "hashtags": []}


async def test_relationships_come_in_the_order_asked_for(alice: Home, bob: Home, app: Client, carol: Stranger) -> None:
    """client-api.md §5 and §6: every field, none null."""
    await befriend(alice, bob)
    await follows(alice, carol)
    one, other = await number_of(app, bob.address), await number_of(app, carol.handle)
    for order in ([one, other], [other, one], [one, "12345", other]):
        found = (await app.get("/api/v1/accounts/relationships", params=[("id[]", item) for item in order])).json
        assert [relation["id"] for relation in found] == [item for item in order if item != "12345"]
        for relation in found:
            assert {name: type(relation[name]) for name in RELATIONSHIP} == RELATIONSHIP
    assert found[0]["following"]


async def test_the_owner_mutes_blocks_and_notes(alice: Home, app: Client, carol: Stranger) -> None:
    await follows(alice, carol)
    number = await number_of(app, carol.handle)
    at = f"/api/v1/accounts/{number}"
    muted = (await app.post(f"{at}/mute", {"notifications": False, "duration": 600})).json
    assert (muted["muting"], muted["muting_notifications"]) == (True, False)
    assert not (await app.post(f"{at}/unmute")).json["muting"]
    assert (await app.post(f"{at}/note", {"comment": "met in Lyon"})).json["note"] == "met in Lyon"
    assert (await app.post(f"{at}/note", {"comment": ""})).json["note"] == ""
    quiet = (await app.post(f"{at}/follow", {"reblogs": False, "notify": "true", "languages": ["fr"]})).json
    assert (quiet["following"], quiet["showing_reblogs"], quiet["notifying"]) == (True, False, True)
    assert quiet["languages"] == ["fr"]
    blocked = (await app.post(f"{at}/block")).json
    assert (blocked["blocking"], blocked["following"]) == (True, False)
    assert not (await app.post(f"{at}/unblock")).json["blocking"]
    assert (await app.post(f"{at}/unblock")).status == 200


@pytest.mark.parametrize(("do", "undo"), [("endorse", "unendorse"), ("pin", "unpin")])
async def test_the_owner_features_whom_they_follow(
    alice: Home, app: Client, anybody: Client, carol: Stranger, dave: Stranger, do: str, undo: str
) -> None:
    """`endorsed`, and the list of them; for the owner's eyes, as all that the owner reads (security.md §9)."""
    for who in (carol, dave):
        await follows(alice, who)
    own, number = await number_of(app, "alice"), await number_of(app, carol.handle)
    at, lists = f"/api/v1/accounts/{number}", ("/api/v1/endorsements", f"/api/v1/accounts/{own}/endorsements")
    assert (await app.post(f"{at}/{do}")).json["endorsed"] is True
    for list_ in lists:
        assert [account["acct"] for account in (await app.get(list_)).json] == [carol.handle.removeprefix("@")]
    assert (await app.get(f"{at}/endorsements")).json == []
    assert (await anybody.get(lists[1])).json == []
    assert (await anybody.get(f"{at}/endorsements")).status == 404
    assert (await app.post(f"{at}/{undo}")).json["endorsed"] is False
    assert (await app.get(lists[0])).json == []
    await app.post(f"{at}/{do}")
    assert (await app.post(f"{at}/unfollow")).json["endorsed"] is False
    answer = await app.post(f"{at}/{do}")
    assert (answer.status, (await app.get(lists[0])).json) == (422, [])


@pytest.mark.parametrize("act", ["follow", "block", "mute", "note", "endorse", "pin"])
async def test_nobody_does_such_a_thing_to_themselves_or_to_nobody(app: Client, act: str) -> None:
    own = (await app.get("/api/v1/accounts/verify_credentials")).json["id"]
    assert (await app.post(f"/api/v1/accounts/{own}/{act}")).status == 403
    for nobody in ("1", "abc", "99999999999999999999", "-1"):
        answer = await app.post(f"/api/v1/accounts/{nobody}/{act}")
        assert (answer.status, answer.json["error"]) == (404, "Record not found")


async def test_requests_to_follow_are_answered(alice: Home, app: Client, carol: Stranger) -> None:
    """client-api.md §5: follow_requests, authorize, reject."""
    await alice.node.owner.change_profile(approves_followers=True)
    assert (await carol.deliver(carol.activity("Follow", alice.node.ids.actor), alice.base)).status == 202
    (waiting,) = (await app.get("/api/v1/follow_requests")).json
    assert waiting["username"] == "carol"
    answer = await app.post(f"/api/v1/follow_requests/{waiting['id']}/authorize")
    assert answer.json["followed_by"]
    assert (await app.get("/api/v1/follow_requests")).json == []
    followers = await app.get(f"/api/v1/accounts/{await number_of(app, 'alice')}/followers")
    assert [account["username"] for account in followers.json] == ["carol"]
    removed = await app.post(f"/api/v1/accounts/{waiting['id']}/remove_from_followers")
    assert not removed.json["followed_by"]


async def test_a_profile_lists_what_its_owner_wrote(alice: Home, app: Client, anybody: Client) -> None:
    """client-api.md §5: exclude_replies, only_media, pinned, tagged; and nobody else sees what is not open."""
    own = await number_of(app, "alice")
    post = alice.node.owner.post
    first = (await post(Draft("first #Lyon"))).post
    await post(Draft("to myself", in_reply_to=first.note.iri))
    await post(Draft("quietly", visibility=Visibility.FOLLOWERS))
    await post(Draft("to nobody else", visibility=Visibility.DIRECT))
    await alice.node.interactions.pin(first.note.iri)

    async def listed(who: Client, query: str) -> list[str]:
        found = await who.get(f"/api/v1/accounts/{own}/statuses?{query}")
        assert found.status == 200
        return [_words(status) for status in found.json]

    assert await listed(app, "") == ["quietly", "to myself", "first #Lyon"]
    assert await listed(anybody, "") == ["to myself", "first #Lyon"]
    assert await listed(app, "tagged=lyon") == ["first #Lyon"]
    assert await listed(app, "pinned=true") == ["first #Lyon"]
    assert await listed(app, "only_media=1") == []
    assert await listed(app, "limit=1") == ["quietly"]
    page = await app.get(f"/api/v1/accounts/{own}/statuses?limit=1")
    older = page.headers["Link"].partition(">")[0].removeprefix("<").removeprefix(alice.base)
    assert [_words(status) for status in (await app.get(older)).json] == ["to myself"]


async def test_answers_to_others_are_left_out_of_a_profile_and_threads_stay(
    alice: Home, app: Client, carol: Stranger
) -> None:
    """client-api.md §5: exclude_replies, as Mastodon means it."""
    await follows(alice, carol)
    await carol.deliver(carol.create(carol.note("<p>tea?</p>")), alice.base)
    hers = await arrives(alice, "tea?")
    own, made = await number_of(app, "alice"), []
    for words, parent in (("first", None), ("and on", 0), ("yes", hers.id)):
        answered = made[0] if parent == 0 else parent and str(parent)
        made.append((await app.post("/api/v1/statuses", {"status": words, "in_reply_to_id": answered})).json["id"])
    at = f"/api/v1/accounts/{own}/statuses"
    assert [one["id"] for one in (await app.get(at)).json] == [made[2], made[1], made[0]]
    assert [one["id"] for one in (await app.get(f"{at}?exclude_replies=true")).json] == [made[1], made[0]]


async def test_boosts_are_on_a_profile_unless_they_are_not_wanted(app: Client, anybody: Client) -> None:
    """client-api.md §5: exclude_reblogs, for the owner and for anybody."""
    own = await number_of(app, "alice")
    made = (await app.post("/api/v1/statuses", {"status": "twice"})).json
    boost = (await app.post(f"/api/v1/statuses/{made['id']}/reblog")).json
    at = f"/api/v1/accounts/{own}/statuses"
    for who in (app, anybody):
        assert [one["id"] for one in (await who.get(at)).json] == [boost["id"], made["id"]]
        for no in ("true", "1"):
            assert [one["id"] for one in (await who.get(f"{at}?exclude_reblogs={no}")).json] == [made["id"]]


async def test_nobody_is_said_to_be_known_to_both(alice: Home, app: Client, carol: Stranger) -> None:
    """client-api.md §5: familiar_followers, an answer for each that is asked for; its list is empty."""
    await follows(alice, carol)
    number = await number_of(app, carol.handle)
    answer = await app.get(f"/api/v1/accounts/familiar_followers?id[]={number}")
    assert answer.json == [{"id": number, "accounts": []}]


def _words(status: dict[str, Any]) -> str:
    text: str = status["text"] if "text" in status else status["content"]
    for mark in ("<p>", "</p>"):
        text = text.replace(mark, "")
    while "<" in text:
        start, _, rest = text.partition("<")
        text = start + rest.partition(">")[2]
    return text


async def test_others_are_shown_to_the_owner_alone(alice: Home, app: Client, anybody: Client, carol: Stranger) -> None:
    """security.md §9: default no. Who the owner reads is nobody's business."""
    await follows(alice, carol)
    number = await number_of(app, carol.handle)
    assert (await app.get(f"/api/v1/accounts/{number}")).json["acct"] == carol.handle.removeprefix("@")
    for path in (
        f"/api/v1/accounts/{number}",
        f"/api/v1/accounts/{number}/statuses",
        f"/api/v1/accounts/lookup?acct={carol.handle}",
    ):
        assert (await anybody.get(path)).status == 404, path
    assert (await anybody.get("/api/v1/accounts/lookup?acct=alice")).json["username"] == "alice"
    for path in ("/api/v2/search?q=carol", "/api/v1/accounts/search?q=carol", "/api/v1/follow_requests"):
        assert (await anybody.get(path)).status == 401, path


async def test_people_are_found_by_words(alice: Home, app: Client, carol: Stranger) -> None:
    await follows(alice, carol)
    for words in ("caro", "CAROL", carol.handle, carol.handle.removeprefix("@")):
        found = (await app.get("/api/v1/accounts/search", params={"q": words})).json
        assert [account["username"] for account in found] == ["carol"], words
    for words in ("", "%", "_", "nobody-at-all", "' OR 1=1 --"):
        assert (await app.get("/api/v1/accounts/search", params={"q": words})).json == [], words


@pytest.mark.parametrize(
    "path",
    [
        *("preferences", "custom_emojis", "announcements", "trends/tags", "trends/statuses", "trends/links"),
        *("directory", "endorsements", "instance/peers", "instance/rules", "instance/domain_blocks"),
    ],
)
async def test_apps_get_an_answer_at_their_start(app: Client, path: str) -> None:
    """client-api.md §2: "must answer"."""
    answer = await app.get(f"/api/v1/{path}")
    assert answer.status == 200
    assert answer.json == [] or path == "preferences"
