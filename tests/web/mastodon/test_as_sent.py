"""Requests as real apps write them: nulls for what is not meant, a warning without a text, a boost for a few."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.following import arrives, befriend, follows
from tests.support.homes import Home, eventually
from tests.support.stranger import Stranger
from tests.web.mastodon import shapes
from tests.web.mastodon.test_profile import picture
from tests.web.mastodon.test_statuses import posted

NOTHING = dict.fromkeys(
    [
        *("in_reply_to_id", "media_ids", "poll", "sensitive", "spoiler_text", "visibility", "language"),
        *("scheduled_at", "quoted_status_id", "quote_approval_policy"),
    ]
)


async def test_null_stands_for_what_is_not_there(app: Client) -> None:
    """Apps with a JSON writer of their own send every field they know, null where the user chose nothing."""
    made = await posted(app, "hello", **NOTHING)
    shapes.check(shapes.STATUS, made)
    changed = dict.fromkeys(("spoiler_text", "sensitive", "language", "media_ids", "media_attributes", "poll"))
    path = f"/api/v1/statuses/{made['id']}"
    answer = await app.request("PUT", path, json={"status": "well", **changed})
    assert (answer.status, answer.json["content"]) == (200, "<p>well</p>")
    poll = {"options": ["a", "b"], "expires_in": 3600, "multiple": None, "hide_totals": None}
    assert (await posted(app, "?", poll=poll))["poll"]["multiple"] is False  # type: ignore[index]
    named = {"display_name": None, "note": None, "locked": None, "source": None, "fields_attributes": None}
    assert (await app.request("PATCH", "/api/v1/accounts/update_credentials", json=named)).status == 200
    assert (await app.post("/api/v1/lists", {"title": "x", "replies_policy": None, "exclusive": None})).status == 200
    assert (await app.post("/api/v1/statuses", {"status": None})).json["error"].endswith("Text can't be blank")


async def test_an_edit_that_would_change_a_poll_is_refused(app: Client) -> None:
    """Votes are for choices as they were asked. Tusky and Elk send the poll with every edit of the words."""
    asked = {"options": ["tea", "coffee"], "expires_in": 3600, "multiple": False}
    made = await posted(app, "?", poll=asked)
    path = f"/api/v1/statuses/{made['id']}"
    same = {"status": "which one?", "poll": {**asked, "options": ["tea", "coffee", ""], "expires_in": 3012}}
    answer = await app.request("PUT", path, json=same)
    assert (answer.status, answer.json["content"]) == (200, "<p>which one?</p>")
    for other in ({**asked, "options": ["tea", "milk"]}, {**asked, "multiple": True}):
        answer = await app.request("PUT", path, json={"status": "no", "poll": other})
        assert answer.status == 422, answer.body
    plain = await posted(app, "plain")
    assert (await app.request("PUT", f"/api/v1/statuses/{plain['id']}", json=same)).status == 422
    assert [option["title"] for option in (await app.get(path)).json["poll"]["options"]] == ["tea", "coffee"]


@pytest.mark.parametrize("query", ["", "?delete_media=false"])
async def test_a_deleted_post_is_written_anew_with_its_picture(
    alice: Home, app: Client, anybody: Client, query: str
) -> None:
    """Apps that delete a post to draft it anew attach the same files. Till then nobody sees them; in a day they go."""
    file = (await app.request("POST", "/api/v2/media", data={"file": io.BytesIO(picture()), "description": "x"})).json
    address = file["url"].removeprefix(alice.base)
    made = await posted(app, "tyop", media_ids=[file["id"]])
    assert (await anybody.get(address)).status == 200
    gone = (await app.request("DELETE", f"/api/v1/statuses/{made['id']}{query}")).json
    assert (gone["text"], [one["id"] for one in gone["media_attachments"]]) == ("tyop", [file["id"]])
    assert (await anybody.get(address)).status == (await app.get(address)).status == 404
    again = await posted(app, "typo", media_ids=[file["id"]])
    assert again["media_attachments"] == made["media_attachments"]
    assert (await anybody.get(address)).status == 200
    await app.request("DELETE", f"/api/v1/statuses/{again['id']}{query}")
    alice.clock.forward(timedelta(hours=23))
    assert await alice.node.media.keep_order() == 0
    alice.clock.forward(timedelta(hours=2))
    assert await alice.node.media.keep_order() == 1
    assert [path for path in alice.settings.media.rglob("*") if path.is_file()] == []


async def test_what_is_not_written_anew_is_gone_at_once(alice: Home, app: Client) -> None:
    """`delete_media`: the app knows that its user will not need the files again."""
    file = (await app.request("POST", "/api/v2/media", data={"file": io.BytesIO(picture())})).json
    made = await posted(app, "gone", media_ids=[file["id"]])
    await app.request("DELETE", f"/api/v1/statuses/{made['id']}?delete_media=true")
    assert [path for path in alice.settings.media.rglob("*") if path.is_file()] == []
    assert (await alice.rows())["media"] == 0


async def test_a_warning_alone_is_the_text(app: Client) -> None:
    """As Mastodon has it: there is nothing behind it to warn of."""
    made = await posted(app, "", spoiler_text="only this")
    assert (made["content"], made["spoiler_text"], made["sensitive"]) == ("<p>only this</p>", "", False)


@pytest.mark.parametrize(
    ("visibility", "status"), [(None, 200), ("public", 200), ("unlisted", 200), ("private", 422), ("direct", 422)]
)
async def test_a_boost_for_few_is_not_made_one_for_all(app: Client, visibility: Any, status: int) -> None:
    """security.md §9: boosts go to everybody here; whoever wants another audience is told so."""
    made = await posted(app)
    assert (await app.post(f"/api/v1/statuses/{made['id']}/reblog", {"visibility": visibility})).status == status
    assert (await app.get(f"/api/v1/statuses/{made['id']}")).json["reblogged"] is (status == 200)


async def test_a_mention_is_the_account_that_its_link_leads_to(
    alice: Home, app: Client, carol: Stranger, dave: Stranger
) -> None:
    """Tusky and Ice Cubes open a mention by the address in the text, which is the account's page. Mastodon writes its
    own users without a host, and a post may call somebody whatever it likes: neither goes into `acct`.
    """
    page = f"{dave.iri}/page"
    dave.extra = {"url": page}
    dave.publish()
    for who in (carol, dave):
        await follows(alice, who)
    note = carol.note(f'<p>hi <a href="{page}" class="u-url mention">@dave</a></p>', cc=[alice.node.ids.actor])
    note["tag"] = [
        {"type": "Mention", "href": dave.iri, "name": "@friend@bank.example"},
        {"type": "Mention", "href": alice.node.ids.actor, "name": "@alice"},
    ]
    await carol.deliver(carol.create(note), alice.base)
    post = await arrives(alice, "hi")
    shown = (await app.get(f"/api/v1/statuses/{post.id}")).json
    known = {one["username"]: one for one in shown["mentions"]}
    account = (await app.get(f"/api/v1/accounts/{known['dave']['id']}")).json
    for name in ("id", "username", "acct", "url"):
        assert known["dave"][name] == account[name]
    assert (known["dave"]["url"], known["dave"]["acct"]) == (page, dave.handle.removeprefix("@"))
    own = (await app.get("/api/v1/accounts/verify_credentials")).json
    assert known["alice"] == {name: own[name] for name in ("id", "username", "acct", "url")}


async def test_a_quoted_post_comes_whole(alice: Home, bob: Home, app: Client, anybody: Client) -> None:
    """client-api.md §6, of the post inside too: Mastodon's Android app throws a page away for a poll without
    `own_votes`, and what the owner filters stays filtered when somebody quotes it.
    """
    await befriend(alice, bob)
    other = await Client.of(bob)
    asked = await posted(other, "tea or coffee?", poll={"options": ["tea", "coffee"], "expires_in": 3600})
    await posted(other, "look", quoted_status_id=asked["id"])
    shown = await arrives(alice, "look")
    await app.post("/api/v2/filters", {"title": "t", "context": ["home"], "keywords_attributes": [{"keyword": "tea"}]})

    async def allowed() -> Any:  # whether it may be quoted is looked up once it is here
        found = (await app.get(f"/api/v1/statuses/{shown.id}")).json
        return found if "quote" in found else None

    outer = await eventually(allowed)
    inner = outer["quote"]["quoted_status"]
    shapes.check(shapes.STATUS, inner)
    assert (inner["poll"]["voted"], inner["poll"]["own_votes"]) == (False, [])
    assert [found["keyword_matches"] for found in inner["filtered"]] == [["tea"]]
    assert outer["filtered"] == []
    voted = await app.post(f"/api/v1/polls/{inner['poll']['id']}/votes", {"choices": [1]})
    assert voted.json["own_votes"] == [1]
    assert (await app.post(f"/api/v1/statuses/{inner['id']}/favourite")).json["favourited"]
    home = {one["id"]: one for one in (await app.get("/api/v1/timelines/home")).json}
    again = home[outer["id"]]["quote"]["quoted_status"]
    assert (again["poll"]["own_votes"], again["favourited"]) == ([1], True)
    open_ = (await Client(bob, None).get(f"/api/v1/accounts/{await _own(other)}/statuses")).json[0]
    assert "favourited" not in open_["quote"]["quoted_status"]


AS_PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
RULES: tuple[tuple[dict[str, Any], list[str], str], ...] = (
    ({"interactionPolicy": {"canQuote": {"automaticApproval": [AS_PUBLIC]}}}, ["public"], "automatic"),
    ({"interactionPolicy": {"canQuote": {"automaticApproval": ["{followers}"]}}}, ["followers"], "manual"),
    ({"interactionPolicy": {"canQuote": {"automaticApproval": ["{author}"]}}}, [], "denied"),
    ({}, [], "manual"),
)


@pytest.mark.parametrize(("rule", "automatic", "mine"), RULES)
async def test_apps_are_told_whether_a_post_may_be_quoted(
    alice: Home, app: Client, carol: Stranger, rule: dict[str, Any], automatic: list[str], mine: str
) -> None:
    """Elk, Phanpy and Mastodon's own apps offer a quote only where `quote_approval` lets them."""
    await follows(alice, carol)
    written = json.dumps(rule).replace("{followers}", f"{carol.iri}/followers").replace("{author}", carol.iri)
    await carol.deliver(carol.create({**carol.note("<p>quote me</p>"), **json.loads(written)}), alice.base)
    post = await arrives(alice, "quote me")
    said = (await app.get(f"/api/v1/statuses/{post.id}")).json["quote_approval"]
    assert (said["automatic"], said["current_user"]) == (automatic, mine)
    quote = await app.post("/api/v1/statuses", {"status": "look", "quoted_status_id": str(post.id)})
    assert (quote.status == 200) is (mine != "denied")


@pytest.mark.parametrize(
    ("policy", "automatic"), [("public", ["public"]), ("followers", ["followers"]), ("nobody", [])]
)
async def test_an_own_post_says_who_may_quote_it(
    app: Client, anybody: Client, policy: str, automatic: list[str]
) -> None:
    made = await posted(app, quote_approval_policy=policy)
    assert made["quote_approval"] == {"automatic": automatic, "manual": [], "current_user": "automatic"}
    for_all = (await anybody.get(f"/api/v1/statuses/{made['id']}")).json["quote_approval"]
    assert (for_all["automatic"], for_all["current_user"]) == (automatic, "denied")
    private = await posted(app, visibility="private")
    assert private["quote_approval"]["current_user"] == "denied"  # type: ignore[index]


async def _own(app: Client) -> str:
    found: str = (await app.get("/api/v1/accounts/verify_credentials")).json["id"]
    return found
