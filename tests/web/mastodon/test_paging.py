"""Lists that are not of posts come in pages as well: each entry once, downwards and upwards (client-api.md §6)."""

from __future__ import annotations

import pytest

from tests.support.client import Client
from tests.support.following import follows
from tests.support.homes import Home
from tests.support.stranger import Place
from tests.web.mastodon.test_people import number_of
from tests.web.mastodon.test_timelines import rel

NAMES = ("ann", "ben", "cat", "dan", "eve")


@pytest.mark.parametrize(
    "path",
    ["domain_blocks", "followed_tags", "follow_requests", "mutes", "blocks", "following", "followers"],
)
async def test_each_list_is_paged(alice: Home, app: Client, place: Place, path: str) -> None:
    """Two at a time, by the links alone."""
    await alice.node.owner.change_profile(approves_followers=path == "follow_requests")
    for name in NAMES:
        if path == "domain_blocks":
            await alice.node.moderation.block(f"{name}.example")
        elif path == "followed_tags":
            await alice.node.owner.follow_tag(name)
        else:
            who = place.stranger(name)
            if path in ("follow_requests", "followers"):
                assert (await who.deliver(who.activity("Follow", alice.node.ids.actor), alice.base)).status == 202
            else:
                await follows(alice, who)
            if path in ("mutes", "blocks"):
                await app.post(f"/api/v1/accounts/{await number_of(app, who.handle)}/{path[:-1]}")
    at = f"/api/v1/{path}"
    if path in ("following", "followers"):
        at = f"/api/v1/accounts/{await number_of(app, 'alice')}/{path}"
    seen: list[str] = []
    following: str | None = f"{at}?limit=2"
    page = None
    while following is not None:
        page = await app.get(following)
        assert (page.status, len(page.json) <= 2) == (200, True)
        seen += [one if isinstance(one, str) else one.get("username") or one["name"] for one in page.json]
        following = rel(page, "next")
    assert sorted(one.partition(".")[0] for one in seen) == sorted(NAMES)
    assert page is not None
    above = rel(page, "prev")
    assert above is not None
    assert len((await app.get(above)).json) == 2
    assert len((await app.get(f"{at}?limit=2&min_id=99")).json) == 2


async def test_requests_that_are_answered_meanwhile_leave_the_rest_in_place(
    alice: Home, app: Client, place: Place
) -> None:
    """The next page begins below an account that is on the list no more, and brings nobody twice."""
    await alice.node.owner.change_profile(approves_followers=True)
    for name in NAMES:
        who = place.stranger(name)
        assert (await who.deliver(who.activity("Follow", alice.node.ids.actor), alice.base)).status == 202
    first = await app.get("/api/v1/follow_requests?limit=2")
    assert [one["username"] for one in first.json] == ["eve", "dan"]
    for one in first.json:
        assert (await app.post(f"/api/v1/follow_requests/{one['id']}/authorize")).status == 200
    following = rel(first, "next")
    assert following is not None
    second = await app.get(following)
    assert [one["username"] for one in second.json] == ["cat", "ben"]
    above = rel(second, "prev")
    assert above is not None
    await app.post(f"/api/v1/follow_requests/{second.json[0]['id']}/reject")
    assert (await app.get(above)).json == []
    assert [one["username"] for one in (await app.get("/api/v1/follow_requests")).json] == ["ben", "ann"]
