"""Notifications in groups, as Mastodon's own apps ask for them (`api_versions.mastodon` 2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.model import Notify
from node.notify import Kind
from node.storage import notifications
from tests.support.client import Client
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import Place, Stranger
from tests.web.mastodon.shapes import ACCOUNT, COUNT, ID, STATUS, TEXT, TIME, Absent, Many, check
from tests.web.mastodon.test_notifications import V1, V2, reacted
from tests.web.mastodon.test_people import number_of
from tests.web.mastodon.test_timelines import rel

GROUP = {
    "group_key": TEXT,
    "notifications_count": COUNT,
    "type": TEXT,
    "most_recent_notification_id": ID,
    "page_min_id": ID,
    "page_max_id": ID,
    "latest_page_notification_at": TIME,
    "sample_account_ids": Many(ID),
    "status_id": Absent(ID),
}
GROUPED = {"accounts": Many(ACCOUNT), "statuses": Many(STATUS), "notification_groups": Many(GROUP)}


async def test_what_happens_to_one_post_is_told_once(
    alice: Home, app: Client, carol: Stranger, dave: Stranger, mallory: Stranger
) -> None:
    """Favourites, boosts and followers of half a day; accounts and posts stand beside them, each once."""
    assert (await app.get("/api/v2/instance")).json["api_versions"] == {"mastodon": 2}
    number = await reacted(alice, carol, dave)
    boost = carol.activity("Announce", f"{alice.base}/notes/{number}")
    for who, activity in (
        (carol, boost),
        (mallory, mallory.activity("Follow", alice.node.ids.actor)),
        (dave, dave.activity("Follow", alice.node.ids.actor)),
    ):
        assert (await who.deliver(activity, alice.base)).status == 202
    found = (await app.get(V2)).json
    check(GROUPED, found)
    follow, reblog, favourite = found["notification_groups"]
    assert [group["type"] for group in (follow, reblog, favourite)] == ["follow", "reblog", "favourite"]
    assert [group["notifications_count"] for group in (follow, reblog, favourite)] == [2, 1, 2]
    names = {account["id"]: account["username"] for account in found["accounts"]}
    assert [names[face] for face in favourite["sample_account_ids"]] == ["dave", "carol"]
    assert [names[face] for face in follow["sample_account_ids"]] == ["dave", "mallory"]
    assert sorted(names.values()) == ["carol", "dave", "mallory"]
    assert [status["id"] for status in found["statuses"]] == [number] == [favourite["status_id"]]
    assert "status_id" not in follow

    each = (await app.get(V1)).json
    assert {one["group_key"] for one in each} == {group["group_key"] for group in found["notification_groups"]}
    assert (favourite["page_max_id"], favourite["page_min_id"]) == (each[3]["id"], each[4]["id"])
    assert (await app.get(f"{V2}/unread_count")).json == {"count": 3}
    await app.post("/api/v1/markers", {"notifications": {"last_read_id": each[1]["id"]}})
    assert (await app.get(f"{V2}/unread_count")).json == {"count": 1}

    at = f"{V2}/{favourite['group_key']}"
    assert (await app.get(at)).json["notification_groups"] == [favourite]
    assert [account["username"] for account in (await app.get(f"{at}/accounts")).json] == ["dave", "carol"]
    assert (await app.post(f"{at}/dismiss")).json == {}
    assert [one["type"] for one in (await app.get(V1)).json] == ["follow", "follow", "reblog"]
    assert (await app.get(at)).status == 404
    assert (await app.post(f"{at}/dismiss")).json == {}


async def test_what_an_app_does_not_group_stands_alone(
    alice: Home, app: Client, carol: Stranger, dave: Stranger
) -> None:
    await reacted(alice, carol, dave)
    found = (await app.get(f"{V2}?grouped_types[]=reblog&grouped_types[]=nonsense")).json
    assert [group["notifications_count"] for group in found["notification_groups"]] == [1, 1]
    assert (await app.get(f"{V2}/unread_count?grouped_types[]=reblog")).json == {"count": 2}
    key = found["notification_groups"][0]["group_key"]
    assert (await app.get(f"{V2}/{key}")).json["notification_groups"] == [found["notification_groups"][0]]
    assert (await app.post(f"{V2}/{key}/dismiss")).json == {}
    assert len((await app.get(V1)).json) == 1


async def test_the_next_day_is_told_anew(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """What was read once does not grow for ever."""
    number = await reacted(alice, carol, dave)
    (together,) = (await app.get(V2)).json["notification_groups"]
    async with alice.node.store.write() as tx:
        later = alice.clock() + timedelta(hours=12)
        again = Notify(Kind.UPDATE, dave.iri, None), Notify(Kind.REACTION, dave.iri, int(number))
        await notifications.add_many(tx, again, alice.node.snowflake, later)
    groups = (await app.get(V2)).json["notification_groups"]
    assert [(group["type"], group["notifications_count"]) for group in groups] == [
        ("favourite", 1),
        ("update", 1),
        ("favourite", 2),
    ]
    assert groups[0]["group_key"] != groups[2]["group_key"] == together["group_key"]


async def test_pages_of_groups_hold_all_there_is(alice: Home, app: Client, place: Place) -> None:
    """As many groups as asked for, whatever is in them; the count is of the whole group, not of the page."""
    older, newer = await said(alice, "older"), await said(alice, "newer")
    crowd = [place.stranger(name) for name in ("ann", "ben", "cat", "dan", "eve")]
    for who, post in ((crowd[0], older), *((one, newer) for one in crowd), (crowd[1], older)):
        await who.deliver(who.activity("Like", post.note.iri), alice.base)
    page = await app.get(f"{V2}?limit=1")
    seen = []
    while True:
        (group,) = page.json["notification_groups"]
        seen.append((group["status_id"], group["notifications_count"], len(group["sample_account_ids"])))
        following = rel(page, "next")
        if following is None:
            break
        page = await app.get(following)
    # The older post was liked before and after the newer one: its group is on both pages, with the same key.
    assert seen == [(str(older.id), 2, 1), (str(newer.id), 5, 5), (str(older.id), 2, 1)]
    whole = await app.get(f"{V2}?limit=2")
    assert [group["notifications_count"] for group in whole.json["notification_groups"]] == [2, 5]
    assert [len(group["sample_account_ids"]) for group in whole.json["notification_groups"]] == [2, 5]
    above = rel(page, "prev")
    assert above is not None
    assert len((await app.get(above)).json["notification_groups"]) == 1


async def test_a_request_is_shown_whole(alice: Home, app: Client, carol: Stranger) -> None:
    """`account_id` with `include_filtered`: what one stranger said, which waits elsewhere."""
    assert (await carol.deliver(carol.say("hello", alice.node.ids.actor), alice.base)).status == 202
    (waiting,) = (await app.get(f"{V1}/requests")).json
    assert (await app.get(V2)).json["notification_groups"] == []
    found = (await app.get(f"{V2}?account_id={waiting['id']}&include_filtered=true")).json
    assert [group["type"] for group in found["notification_groups"]] == ["mention"]


@pytest.mark.parametrize(
    "key",
    [
        *("nonsense", "favourite", "favourite-1", "favourite-x-1", "favourite-1-x", "favourite-1-2-3", "follow-"),
        *("follow-99999999999999", "ungrouped-", "ungrouped-abc", "ungrouped-1", "mention-1-1", "follow-41234"),
        f"favourite-{2**63 - 1}-41234",
    ],
)
async def test_what_is_no_group_is_not_found(app: Client, key: str) -> None:
    for path in (f"{V2}/{key}", f"{V2}/{key}/accounts"):
        answer = await app.get(path)
        assert (answer.status, answer.json["error"]) == (404, "Record not found"), path
    assert (await app.post(f"{V2}/{key}/dismiss")).status in (200, 404)


async def test_the_muted_are_in_no_group(alice: Home, app: Client, carol: Stranger, dave: Stranger) -> None:
    """Nor counted in one."""
    await follows(alice, carol)
    await reacted(alice, carol, dave)
    await app.post(f"/api/v1/accounts/{await number_of(app, carol.handle)}/mute")
    (group,) = (await app.get(V2)).json["notification_groups"]
    assert (group["notifications_count"], len(group["sample_account_ids"])) == (1, 1)
