"""The owner's profile and preferences, and whom the owner shuts out, by the client API (client-api.md §2, §5)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from node.model import Preferences, Verdict, Visibility
from tests.support.client import Answer, Client
from tests.support.clock import FakeClock
from tests.support.following import follows, said
from tests.support.homes import Home, eventually, settle_in
from tests.support.stranger import Stranger
from tests.web.mastodon.shapes import ACCOUNT, CREDENTIAL_ACCOUNT, ID, TIME, Many, Maybe, check
from tests.web.mastodon.test_people import number_of

UPDATE = "/api/v1/accounts/update_credentials"


def picture(size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "navy").save(out, "PNG")
    return out.getvalue()


async def changed(app: Client, **how: Any) -> Answer:
    answer = await app.request("PATCH", UPDATE, **how)
    assert answer.status == 200, answer.body
    check(CREDENTIAL_ACCOUNT, answer.json)
    assert answer.json == (await app.get("/api/v1/accounts/verify_credentials")).json
    return answer


# ── the profile ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("way", ["json", "form", "multipart"])
async def test_the_profile_is_changed_in_any_form(app: Client, anybody: Client, way: str) -> None:
    """client-api.md §5: "multipart; `fields_attributes[i][name]`, array or index map"."""
    if way == "json":
        fields = [{"name": "Site", "value": "https://a.example"}, {"name": "", "value": ""}]
        body = {"display_name": "Alice A.", "note": "bird #watcher", "fields_attributes": fields, "locked": True}
        how: dict[str, Any] = {"json": {**body, "source": {"privacy": "unlisted", "language": "fr", "sensitive": True}}}
    else:
        flat = {
            "display_name": "Alice A.",
            "note": "bird #watcher",
            "locked": "true",
            "fields_attributes[0][name]": "Site",
            "fields_attributes[0][value]": "https://a.example",
            "source[privacy]": "unlisted",
            "source[language]": "fr",
            "source[sensitive]": "True",
        }
        how = {"data": flat}
        if way == "multipart":
            form = aiohttp.FormData(default_to_multipart=True)
            for name, value in flat.items():
                form.add_field(name, value)
            how = {"data": form}
    shown = (await changed(app, **how)).json
    assert (shown["display_name"], shown["locked"]) == ("Alice A.", True)
    assert "watcher" in shown["note"]
    assert shown["source"]["note"] == "bird #watcher"
    assert [(row["name"], row["value"]) for row in shown["source"]["fields"]] == [("Site", "https://a.example")]
    assert (shown["source"]["privacy"], shown["source"]["language"], shown["source"]["sensitive"]) == (
        *("unlisted", "fr"),
        True,
    )
    seen = (await anybody.get("/api/v1/accounts/lookup?acct=alice")).json
    assert seen["display_name"] == "Alice A."
    assert "source" not in seen
    preferences = (await app.get("/api/v1/preferences")).json
    assert preferences["posting:default:visibility"] == "unlisted"
    assert preferences["posting:default:language"] == "fr"
    assert preferences["posting:default:sensitive"] is True
    posted = (await app.post("/api/v1/statuses", {"status": "by default"})).json
    assert (posted["visibility"], posted["language"], posted["sensitive"]) == ("unlisted", "fr", True)


async def test_who_may_quote_is_told_as_the_node_has_it(tmp_path: Path, clock: FakeClock) -> None:
    """An app shows it beside a new post; a constant would promise what the post does not keep."""
    home = await settle_in(tmp_path, "alice", clock=clock, quotes="nobody")
    try:
        app = await Client.of(await home.start())
        assert (await app.get("/api/v1/preferences")).json["posting:default:quote_policy"] == "nobody"
        own = (await app.get("/api/v1/accounts/verify_credentials")).json
        assert own["source"]["quote_policy"] == "nobody"
    finally:
        await home.stop()


async def test_what_is_not_named_stays_as_it_is(app: Client) -> None:
    before = (await changed(app, json={"display_name": "A", "note": "n", "bot": True, "discoverable": False})).json
    after = (await changed(app, json={"note": ""})).json
    assert (after["display_name"], after["bot"], after["discoverable"]) == ("A", True, before["discoverable"])
    assert (after["note"], after["source"]["note"]) == ("", "")


async def test_pictures_are_put_up_and_taken_down(app: Client) -> None:
    none = (await app.get("/api/v1/accounts/verify_credentials")).json
    for name in ("avatar", "header"):
        shown = (await changed(app, data={name: io.BytesIO(picture())})).json
        assert shown[name] != none[name]
        async with aiohttp.ClientSession() as session, session.get(shown[name]) as response:
            assert (response.status, response.content_type.partition("/")[0]) == (200, "image")
        gone = await app.request("DELETE", f"/api/v1/profile/{name}")
        assert gone.json[name] == none[name]


@pytest.mark.parametrize(
    "wrong",
    [
        {"display_name": "x" * 101},
        {"note": "x" * 1001},
        {"fields_attributes": [{"name": str(number), "value": "x"} for number in range(5)]},
        {"fields_attributes": "site"},
        {"fields_attributes": ["site"]},
        {"source": {"privacy": "everybody"}},
        {"source": {"language": "x" * 30}},
        {"source": "public"},
        {"locked": "perhaps"},
    ],
)
async def test_a_profile_that_cannot_be_is_refused(app: Client, wrong: dict[str, Any]) -> None:
    before = (await app.get("/api/v1/accounts/verify_credentials")).json
    answer = await app.request("PATCH", UPDATE, json={"bot": True, **wrong})
    assert (answer.status, answer.json["error"].startswith("Validation failed")) == (422, True)
    assert (await app.get("/api/v1/accounts/verify_credentials")).json == before


async def test_a_file_that_is_no_picture_changes_nothing(alice: Home, app: Client) -> None:
    """security.md §8: what lies about its type is refused, and nothing is stored."""
    before = (await app.get("/api/v1/accounts/verify_credentials")).json
    for content in (b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"hello"):
        answer = await app.request("PATCH", UPDATE, data={"avatar": io.BytesIO(content), "note": "changed"})
        assert answer.status == 422, answer.body
    assert (await app.get("/api/v1/accounts/verify_credentials")).json == before
    assert (await alice.rows())["media"] == 0


async def test_the_synthetic_parts_can_be_switched_off(alice: Home, app: Client, dave: Stranger) -> None:
    """decisions.md §16 and client-api.md §7: filters and fields that stand for verdicts are the owner's choice."""
    await follows(alice, dave)
    activity = dave.say("signed", alice.node.ids.actor)
    await dave.deliver(activity, alice.base)

    async def there() -> bool:
        return any(post.authorship.verdict is Verdict.SIGNED for post in await alice.said_to_me())

    await eventually(there)
    number = await number_of(app, dave.handle)

    async def names() -> list[str]:
        return [row["name"] for row in (await app.get(f"/api/v1/accounts/{number}")).json["fields"]]

    assert (await app.get("/api/cuicui/v1/preferences")).json == {"synthetic": True}
    assert await names() == ["Signing key"]
    off = await app.request("PATCH", "/api/cuicui/v1/preferences", json={"synthetic": False})
    assert off.json == {"synthetic": False}
    assert await names() == []


async def test_sensitive_by_default_means_pictures_as_well(app: Client) -> None:
    """The preference is for what an app says nothing about; an app that says no is heard."""
    await changed(app, json={"source": {"sensitive": True}})
    for said_, meant in (({}, True), ({"sensitive": "false"}, False), ({"sensitive": True}, True)):
        media = await app.request("POST", "/api/v2/media", data={"file": io.BytesIO(picture())})
        posted = await app.post("/api/v1/statuses", {"status": "look", "media_ids": [media.json["id"]], **said_})
        assert posted.json["sensitive"] is meant, said_


# ── whom the owner shuts out ─────────────────────────────────────────────────────────────────


async def test_the_muted_and_the_blocked_are_listed(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """client-api.md §3: mutes, blocks; the last one first, in pages."""
    for who in (carol, dave):
        await follows(alice, who)
    numbers = [await number_of(app, who.handle) for who in (carol, dave)]
    for act, path in (("mute", "/api/v1/mutes"), ("block", "/api/v1/blocks")):
        assert (await app.get(path)).json == []
        for number in numbers:
            await app.post(f"/api/v1/accounts/{number}/{act}", {"duration": 3600} if act == "mute" else {})
        listed = (await app.get(path)).json
        check(Many(ACCOUNT), listed)
        assert [one["username"] for one in listed] == ["dave", "carol"]
        first = await app.get(f"{path}?limit=1")
        assert [one["username"] for one in first.json] == ["dave"]
        older = first.headers["Link"].partition(">")[0].removeprefix(f"<{alice.base}")
        assert [one["username"] for one in (await app.get(older)).json] == ["carol"]
        if act == "mute":
            check(Many({"mute_expires_at": Maybe(TIME)}), listed)


async def test_muting_notifications_is_a_choice_of_its_own(alice: Home, app: Client, carol: Stranger) -> None:
    """`notifications: false`: posts are out of the way, and what is said to the owner is still told."""
    await follows(alice, carol)
    mine = await said(alice, "hello")
    at = f"/api/v1/accounts/{await number_of(app, carol.handle)}"
    for loud in (True, False):
        await app.post(f"{at}/mute", {"notifications": not loud})
        await carol.deliver(carol.activity("Like", mine.note.iri), alice.base)

        async def liked() -> bool:
            return (await alice.rows())["reactions"] == 1

        await eventually(liked)
        told = (await app.get("/api/v1/notifications")).json
        assert [one["type"] for one in told] == (["favourite"] if loud else [])
        again = await app.post(f"{at}/mute")  # said without a choice: quiet
        assert again.json["muting_notifications"]


async def test_domains_are_blocked_and_listed(alice: Home, app: Client) -> None:
    """client-api.md §3: domain_blocks; by form, by query and by JSON."""
    at = "/api/v1/domain_blocks"
    assert (await app.request("POST", at, data={"domain": "Bad.Example"})).json == {}
    assert (await app.post(at, {"domain": "worse.example"})).status == 200
    assert sorted((await app.get(at)).json) == ["bad.example", "worse.example"]
    assert (await app.request("DELETE", f"{at}?domain=bad.example")).json == {}
    assert (await app.request("DELETE", f"{at}?domain=bad.example")).json == {}
    assert (await app.get(at)).json == ["worse.example"]
    for wrong in ("", "a b", "https://x.example", "@a@b.example", "x" * 300, "..", "127.0.0.1:80"):
        assert (await app.post(at, {"domain": wrong})).status == 422, wrong
    assert (await app.get(at)).json == ["worse.example"]


async def test_reports_reach_the_server_of_whom_they_are_about(alice: Home, app: Client, carol: Stranger) -> None:
    """Mastodon API, "Reports": a Flag, with the posts that it is about."""
    await follows(alice, carol)
    note = carol.note("spam")
    await carol.deliver(carol.create(note), alice.base)
    (post,) = (await app.get("/api/v1/timelines/home")).json
    number = await number_of(app, carol.handle)
    sent = {"account_id": number, "status_ids": [post["id"]], "comment": "spam", "category": "spam", "forward": True}
    answer = await app.post("/api/v1/reports", sent)
    assert answer.status == 200, answer.body
    check({"id": ID, "created_at": TIME, "target_account": ACCOUNT}, answer.json)
    assert (answer.json["comment"], answer.json["status_ids"]) == ("spam", [post["id"]])

    async def flagged() -> bool:
        return bool(carol.place.of_type("Flag"))

    await eventually(flagged)
    flag = carol.place.of_type("Flag")[0].json
    assert flag["content"] == "spam"
    assert set(flag["object"]) == {carol.iri, note["id"]}
    for wrong in ({}, {"account_id": "x"}, {"account_id": ""}):
        assert (await app.post("/api/v1/reports", wrong)).status == 422, wrong
    assert (await app.post("/api/v1/reports", {"account_id": "12345"})).status == 404


# ── hashtags ─────────────────────────────────────────────────────────────────────────────────


async def test_hashtags_are_looked_at_and_followed(app: Client, anybody: Client) -> None:
    """client-api.md §5: tags/:name, follow, unfollow, followed_tags."""
    assert (await app.get("/api/v1/followed_tags")).json == []
    assert (await app.post("/api/v1/tags/Birds/follow")).json["following"]
    assert (await app.post("/api/v1/tags/birds/follow")).status == 200
    (tag,) = (await app.get("/api/v1/followed_tags")).json
    assert (tag["name"], tag["following"], tag["history"]) == ("birds", True, [])
    assert (await app.get("/api/v1/tags/BIRDS")).json == tag
    assert not (await anybody.get("/api/v1/tags/birds")).json["following"]
    assert not (await app.post("/api/v1/tags/birds/unfollow")).json["following"]
    assert (await app.get("/api/v1/followed_tags")).json == []
    for wrong in ("a-b", "%20", "a b", "🐦"):
        assert (await app.get(f"/api/v1/tags/{wrong}")).status == 404, wrong
    assert (await app.get("/api/v1/featured_tags")).json == []


async def test_who_writes_directly_by_default_is_not_made_public(alice: Home, app: Client) -> None:
    """Apps send what they are told here: nothing wider than what the owner chose on the command line."""
    await alice.node.owner.change_profile(preferences=Preferences(Visibility.DIRECT))
    assert (await app.get("/api/v1/preferences")).json["posting:default:visibility"] == "direct"
    own = (await app.get("/api/v1/accounts/verify_credentials")).json
    assert own["source"]["privacy"] == "direct"
    again = {"display_name": "Alice", "source[privacy]": "direct"}
    assert (await app.request("PATCH", "/api/v1/accounts/update_credentials", data=again)).status == 200
    for wrong in ("secret", ["direct"], {"x": 1}, 5):
        never = {"source": {"privacy": wrong}}
        assert (await app.request("PATCH", "/api/v1/accounts/update_credentials", json=never)).status == 422
