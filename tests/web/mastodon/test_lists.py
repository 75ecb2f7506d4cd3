"""Lists, markers and filters, by the client API (client-api.md §2, §5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.client import Answer, Client
from tests.support.following import arrives, follows, said
from tests.support.homes import Home
from tests.support.stranger import PUBLIC, Stranger
from tests.web.mastodon.shapes import COUNT, FILTER_RESULT, TIME, check
from tests.web.mastodon.test_people import number_of
from tests.web.mastodon.test_streaming import sse


async def hears(alice: Home, who: Stranger, words: str, **more: Any) -> int:
    """They wrote it, and it came home."""
    note = who.note(words, to=[PUBLIC], **more)
    assert (await who.deliver(who.create(note), alice.base)).status == 202
    return (await arrives(alice, words)).id


async def words_in(app: Client, path: str) -> list[str]:
    answer = await app.get(path)
    assert answer.status == 200, answer.body
    return [status["content"].removeprefix("<p>").removesuffix("</p>") for status in answer.json]


async def made(app: Client, **fields: Any) -> str:
    answer = await app.post("/api/v1/lists", {"title": "friends", **fields})
    assert answer.status == 200, answer.body
    number: str = answer.json["id"]
    return number


# ── lists ────────────────────────────────────────────────────────────────────────────────────


async def test_lists_are_made_changed_filled_and_deleted(
    alice: Home, app: Client, carol: Stranger, dave: Stranger
) -> None:
    """Mastodon API, "Lists"."""
    await follows(alice, carol)
    number = await made(app)
    assert (await app.get("/api/v1/lists")).json == [
        {"id": number, "title": "friends", "replies_policy": "list", "exclusive": False}
    ]
    changed = await app.request("PUT", f"/api/v1/lists/{number}", data={"title": "close", "replies_policy": "none"})
    assert (changed.json["title"], changed.json["replies_policy"]) == ("close", "none")
    assert (await app.get(f"/api/v1/lists/{number}")).json == changed.json
    her = await number_of(app, carol.handle)
    members = f"/api/v1/lists/{number}/accounts"
    assert (await app.post(members, {"account_ids": [her]})).json == {}
    assert (await app.post(members, {"account_ids": [her]})).status == 200
    assert [one["username"] for one in (await app.get(members)).json] == ["carol"]
    assert [one["id"] for one in (await app.get(f"/api/v1/accounts/{her}/lists")).json] == [number]
    await follows(alice, dave)
    assert [one["username"] for one in (await app.get(f"{members}?limit=0")).json] == ["carol"]
    assert (await app.request("DELETE", f"{members}?account_ids[]={her}")).json == {}
    assert (await app.get(members)).json == []
    assert (await app.request("DELETE", f"/api/v1/lists/{number}")).json == {}
    for path in (f"/api/v1/lists/{number}", members, f"/api/v1/timelines/list/{number}", "/api/v1/lists/nonsense"):
        assert (await app.get(path)).status == 404, path


@pytest.mark.parametrize(
    "fields", [{"title": ""}, {"title": "x" * 257}, {"replies_policy": "all"}, {"exclusive": "perhaps"}]
)
async def test_a_list_that_cannot_be_is_refused(alice: Home, app: Client, fields: dict[str, Any]) -> None:
    answer = await app.post("/api/v1/lists", {"title": "friends", **fields})
    assert answer.status == 422
    assert answer.json["error"].startswith("Validation failed")
    assert (await alice.rows())["lists"] == 0


async def test_only_those_who_are_followed_are_in_lists(alice: Home, app: Client, carol: Stranger) -> None:
    """Nothing of others comes home, so a list of them would stay empty."""
    await follows(alice, carol)
    number, her = await made(app), await number_of(app, carol.handle)
    await app.post(f"/api/v1/lists/{number}/accounts", {"account_ids": [her]})
    await app.post(f"/api/v1/accounts/{her}/unfollow")
    assert (await app.get(f"/api/v1/lists/{number}/accounts")).json == []
    again = await app.post(f"/api/v1/lists/{number}/accounts", {"account_ids": [her]})
    assert (again.status, (await alice.rows())["list_members"]) == (404, 0)


async def test_who_is_blocked_is_in_no_list_any_more(alice: Home, app: Client, carol: Stranger) -> None:
    """A block ends the follow, and with it a place in lists: one taken back later brings back neither."""
    await follows(alice, carol)
    made = (await app.post("/api/v1/lists", {"title": "Friends", "exclusive": True})).json
    accounts = f"/api/v1/lists/{made['id']}/accounts"
    number = (await alice.node.actors.get(carol.iri)).id
    assert (await app.post(accounts, {"account_ids": [str(number)]})).status == 200
    assert len((await app.get(accounts)).json) == 1
    await alice.node.moderation.block(carol.iri)
    await alice.node.moderation.unblock(carol.iri)
    assert (await app.get(accounts)).json == []
    assert (await alice.rows())["list_members"] == 0


async def test_a_list_shows_its_members_answers_as_it_was_told(
    alice: Home, app: Client, carol: Stranger, dave: Stranger
) -> None:
    """`replies_policy`: to anybody who is followed, to members, or to nobody; the owner is always answered."""
    for who in (carol, dave):
        await follows(alice, who)
    number = await made(app, replies_policy="followed")
    her, him = await number_of(app, carol.handle), await number_of(app, dave.handle)
    await app.post(f"/api/v1/lists/{number}/accounts", {"account_ids": [her]})
    mine = await said(alice, "mine")
    await hears(alice, dave, "his")
    his = next(post for post in await alice.node.owner.timeline() if "his" in post.note.content)
    await hears(alice, carol, "hers")
    hers = next(post for post in await alice.node.owner.timeline() if "hers" in post.note.content)
    await hears(alice, carol, "to him", inReplyTo=his.note.iri)
    await hears(alice, carol, "to herself", inReplyTo=hers.note.iri)
    await hears(alice, carol, "to me", inReplyTo=mine.note.iri)
    timeline = f"/api/v1/timelines/list/{number}"
    assert await words_in(app, timeline) == ["to me", "to herself", "to him", "hers"]
    for policy in ("list", "none"):
        await app.request("PUT", f"/api/v1/lists/{number}", data={"replies_policy": policy})
        assert await words_in(app, timeline) == ["to me", "to herself", "hers"], policy
    await app.post(f"/api/v1/lists/{number}/accounts", {"account_ids": [him]})
    assert await words_in(app, timeline) == ["to me", "to herself", "hers", "his"]
    await app.request("PUT", f"/api/v1/lists/{number}", data={"replies_policy": "list"})
    assert await words_in(app, timeline) == ["to me", "to herself", "to him", "hers", "his"]
    assert await words_in(app, f"{timeline}?limit=1&max_id={hers.id}") == ["his"]


async def test_an_exclusive_list_keeps_its_members_out_of_home(alice: Home, app: Client, carol: Stranger) -> None:
    await follows(alice, carol)
    number = await made(app, exclusive=True)
    her = await number_of(app, carol.handle)
    await hears(alice, carol, "before")
    await app.post(f"/api/v1/lists/{number}/accounts", {"account_ids": [her]})
    await said(alice, "mine")
    assert await words_in(app, "/api/v1/timelines/home") == ["mine"]
    async with sse(app, f"list?list={number}") as listed, sse(app, "user") as home:
        await hears(alice, carol, "after")
        assert "after" in (await listed.next())[1]["content"]
        await said(alice, "mine again")
        assert "mine again" in (await home.next())[1]["content"]
    assert await words_in(app, f"/api/v1/timelines/list/{number}") == ["after", "before"]


# ── markers ──────────────────────────────────────────────────────────────────────────────────


async def test_markers_are_the_same_in_all_apps(alice: Home, app: Client) -> None:
    """client-api.md §2: `{}`; "when set: `last_read_id,version,updated_at`".

    Elk reads that of notifications without looking whether there is one: before any was read it says so.
    """
    asked = "/api/v1/markers?timeline[]=home&timeline[]=notifications"
    assert (await app.get("/api/v1/markers?timeline[]=home")).json == (await app.get("/api/v1/markers")).json == {}
    fresh = (await app.get(asked)).json
    assert (list(fresh), fresh["notifications"]["last_read_id"]) == (["notifications"], "0")
    check({"notifications": {"updated_at": TIME, "version": COUNT}}, fresh)
    set_ = await app.request("POST", "/api/v1/markers", data={"home[last_read_id]": "103194548672408537"})
    assert (set_.json["home"]["last_read_id"], set_.json["home"]["version"]) == ("103194548672408537", 0)
    check({"home": {"updated_at": TIME}}, set_.json)
    again = await app.post("/api/v1/markers", {"home": {"last_read_id": "5"}, "notifications": {"last_read_id": 7}})
    assert again.json["home"]["version"] == 1
    other = await Client.of(alice)
    assert (await other.get(asked)).json == again.json
    assert set((await app.get("/api/v1/markers?timeline[]=home")).json) == {"home"}
    for wrong in ({"home": "5"}, {"home": {"last_read_id": "x"}}, {"home": {}}, {"home": {"last_read_id": True}}):
        assert (await app.post("/api/v1/markers", wrong)).status == 422, wrong


# ── filters ──────────────────────────────────────────────────────────────────────────────────


async def filtered(app: Client, number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await app.get(f"/api/v1/statuses/{number}")).json["filtered"]
    return found


async def new_filter(app: Client, **more: Any) -> Answer:
    wanted = {"title": "spoilers", "context": ["home", "thread"], "filter_action": "hide", **more}
    answer = await app.post("/api/v2/filters", wanted)
    assert answer.status == 200, answer.body
    return answer


async def test_a_filter_marks_what_it_meets(alice: Home, app: Client, carol: Stranger) -> None:
    """Mastodon API, "Filters": `filtered` says which filter, and by what; hiding is the app's part."""
    await follows(alice, carol)
    one = await hears(alice, carol, "The Butler did <b>it</b>")
    other = await hears(alice, carol, "butlers unite")
    words = [{"keyword": "butler", "whole_word": True}, {"keyword": "c++", "whole_word": "true"}]
    made = (await new_filter(app, keywords_attributes=words)).json
    (result,) = await filtered(app, one)
    check(FILTER_RESULT, result)
    assert (result["filter"]["title"], result["filter"]["filter_action"]) == ("spoilers", "hide")
    assert (result["keyword_matches"], result["status_matches"]) == (["butler"], None)
    assert await filtered(app, other) == []
    home = {int(one["id"]): one["filtered"] for one in (await app.get("/api/v1/timelines/home")).json}
    assert (home[one], home[other]) == ([result], [])
    keyword = made["keywords"][0]["id"]
    at = f"/api/v2/filters/keywords/{keyword}"
    assert (await app.request("PUT", at, data={"keyword": "butler", "whole_word": "false"})).status == 200
    assert [len(await filtered(app, number)) for number in (one, other)] == [1, 1]
    assert (await app.request("DELETE", at)).json == {}
    assert [len(await filtered(app, number)) for number in (one, other)] == [0, 0]
    named = await app.post(f"/api/v2/filters/{made['id']}/statuses", {"status_id": str(other)})
    assert (await filtered(app, other))[0]["status_matches"] == [str(other)]
    assert (await app.post(f"/api/v2/filters/{made['id']}/statuses", {"status_id": str(other)})).status == 422
    assert (await app.get(f"/api/v2/filters/{made['id']}/statuses")).json == [named.json]
    assert (await app.request("DELETE", f"/api/v2/filters/statuses/{named.json['id']}")).json == {}
    assert await filtered(app, other) == []


@pytest.mark.parametrize(
    ("keyword", "whole", "text", "met"),
    [
        ("tea", True, "TEA time", True),
        ("tea", True, "steam", False),
        ("tea", False, "steam", True),
        ("#tea", True, "for #tea.", True),
        ("c++", True, "in c++, mostly", True),
        (".*", False, "anything", False),
        ("été", True, "ÉTÉ", True),
        ("a b", False, "a b c", True),
    ],
)
async def test_keywords_are_taken_letter_for_letter(
    alice: Home, app: Client, carol: Stranger, keyword: str, whole: bool, text: str, met: bool
) -> None:
    await follows(alice, carol)
    number = await hears(alice, carol, text)
    await new_filter(app, keywords_attributes={"0": {"keyword": keyword, "whole_word": whole}})
    assert bool(await filtered(app, number)) == met


async def test_filters_are_changed_and_expire(alice: Home, app: Client, carol: Stranger) -> None:
    await follows(alice, carol)
    number = await hears(alice, carol, "tea and toast")
    made = (await new_filter(app, keywords_attributes=[{"keyword": "tea"}], expires_in=3600)).json
    assert made["expires_at"]
    first = made["keywords"][0]["id"]
    changed = await app.request(
        "PUT",
        f"/api/v2/filters/{made['id']}",
        json={
            "title": "breakfast",
            "context": ["home"],
            "filter_action": "warn",
            "keywords_attributes": [{"id": first, "_destroy": True}, {"keyword": "toast"}],
        },
    )
    assert [one["keyword"] for one in changed.json["keywords"]] == ["toast"]
    assert (changed.json["title"], changed.json["expires_at"]) == ("breakfast", made["expires_at"])
    assert (await app.get(f"/api/v2/filters/{made['id']}")).json == changed.json
    assert (await app.get("/api/v2/filters")).json == [changed.json]
    assert len(await filtered(app, number)) == 1
    alice.clock.forward(timedelta(hours=2))
    assert await filtered(app, number) == []
    assert (await app.request("DELETE", f"/api/v2/filters/{made['id']}")).json == {}
    assert (await app.get(f"/api/v2/filters/{made['id']}")).status == 404
    rows = await alice.rows()
    assert (rows["filters"], rows["filter_keywords"]) == (0, 0)


async def test_filters_of_the_first_kind_are_the_same_filters(alice: Home, app: Client) -> None:
    """client-api.md §2: "and `/api/v1/filters`"."""
    made = await app.post("/api/v1/filters", {"phrase": "tea", "context": ["home", "public"], "irreversible": True})
    assert made.json["phrase"] == "tea"
    assert (made.json["irreversible"], made.json["whole_word"], made.json["expires_at"]) == (True, False, None)
    (whole,) = (await app.get("/api/v2/filters")).json
    assert (whole["title"], whole["filter_action"]) == ("tea", "hide")
    assert [one["id"] for one in whole["keywords"]] == [made.json["id"]]
    at = f"/api/v1/filters/{made.json['id']}"
    changed = await app.request("PUT", at, data={"phrase": "coffee", "context[]": "home", "whole_word": "1"})
    assert (changed.json["phrase"], changed.json["context"], changed.json["whole_word"]) == ("coffee", ["home"], True)
    assert (await app.get(at)).json == changed.json
    assert (await app.get("/api/v1/filters")).json == [changed.json]
    assert (await app.request("DELETE", at)).json == {}
    assert (await app.get("/api/v2/filters")).json == []


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "x" * 600},
        {"context": []},
        {"context": ["nowhere"]},
        {"filter_action": "explode"},
        {"keywords_attributes": "tea"},
        {"keywords_attributes": [{"keyword": ""}]},
        {"keywords_attributes": [{"keyword": "x"}] * 201},
    ],
)
async def test_a_filter_that_cannot_be_is_refused(alice: Home, app: Client, fields: dict[str, Any]) -> None:
    answer = await app.post("/api/v2/filters", {"title": "x", "context": ["home"], **fields})
    assert answer.status == 422
    rows = await alice.rows()
    assert (rows["filters"], rows["filter_keywords"]) == (0, 0)


async def test_apps_are_told_that_filters_changed(app: Client) -> None:
    """issue 4: the event `filters_changed`."""
    async with sse(app, "user") as stream:
        await new_filter(app)
        line = b""
        while not line.startswith(b"event"):
            line = await stream.response.content.readline()
        assert line == b"event: filters_changed\n"
