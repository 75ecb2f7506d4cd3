"""Timelines: who sees what in them, and pages that neither repeat nor leave out."""

from __future__ import annotations

import io
import random
import re
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image

from tests.support.client import Answer, Client
from tests.support.following import arrives, follows, said
from tests.support.homes import Home
from tests.support.stranger import PUBLIC, Stranger
from tests.web.mastodon import shapes


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [int(status["id"]) for status in answer.json]


def rel(answer: Answer, name: str) -> str | None:
    """Path and query of a link of the Link header."""
    found = re.search(rf'<([^>]+)>; rel="{name}"', answer.headers.get("Link", ""))
    if found is None:
        return None
    parts = urlsplit(found[1])
    return f"{parts.path}?{parts.query}"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "navy").save(out, "PNG")
    return out.getvalue()


async def uploaded(app: Client, path: str = "/api/v2/media", **fields: str) -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", picture(), filename="a.png", content_type="image/png")
    for name, value in fields.items():
        form.add_field(name, value)
    return await app.request("POST", path, data=form)


# ── pages ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
async def test_pages_are_stable_while_posts_arrive(app: Client, alice: Home, seed: int) -> None:
    """issue 4: "Pagination stable while posts arrive": downwards, then upwards by min_id, everything once."""
    chance = random.Random(seed)
    posts = [(await said(alice, f"post {number}")).id for number in range(chance.randint(5, 12))]
    limit = chance.randint(1, 4)
    seen: list[int] = []
    first = page = await app.get(f"/api/v1/timelines/home?limit={limit}")
    while True:
        seen += ids(page)
        posts.append((await said(alice, f"late {len(posts)}")).id)
        following = rel(page, "next")
        if following is None:
            break
        page = await app.get(following)
    newest = max(ids(first))
    assert seen == sorted((one for one in posts if one <= newest), reverse=True)
    upwards: list[int] = []
    above = rel(first, "prev")
    while above is not None and (found := ids(page := await app.get(above))):
        assert found == sorted(found, reverse=True)
        assert len(found) <= limit
        upwards += found[::-1]
        above = rel(page, "prev")
    assert upwards == sorted(one for one in posts if one > newest)


async def test_windows_mean_what_mastodon_says(app: Client, alice: Home) -> None:
    """min_id: the page right above; since_id: the newest page above; max_id: the page right below."""
    one, two, three, four, five = [(await said(alice, f"post {number}")).id for number in range(5)]
    for query, wanted in (
        (f"min_id={one}&limit=2", [three, two]),
        (f"since_id={one}&limit=2", [five, four]),
        (f"max_id={four}&limit=2", [three, two]),
        (f"min_id={one}&max_id={four}", [three, two]),
        (f"since_id={five}", []),
        ("limit=0", [five]),
        ("limit=999", [five, four, three, two, one]),
    ):
        assert ids(await app.get(f"/api/v1/timelines/home?{query}")) == wanted, query
    assert (await app.get("/api/v1/timelines/home?max_id=abc")).status == 422
    assert "Link" not in (await app.get(f"/api/v1/timelines/home?since_id={five}")).headers


# ── who is in which ──────────────────────────────────────────────────────────────────────────


async def test_each_timeline_has_its_own(app: Client, anybody: Client, alice: Home, carol: Stranger) -> None:
    """client-api.md §3: public (local, remote, only_media), tag, direct."""
    await follows(alice, carol)
    note = carol.note("<p>theirs</p>")
    note["tag"] = [{"type": "Hashtag", "name": "#Weather", "href": f"{carol.iri}/tags/weather"}]
    await carol.deliver(carol.create(note), alice.base)
    theirs = (await arrives(alice, "theirs")).id
    quiet = carol.note("<p>quiet</p>", to=[f"{carol.iri}/followers"], cc=[PUBLIC])
    await carol.deliver(carol.create(quiet), alice.base)
    await arrives(alice, "quiet")
    ours = int((await app.post("/api/v1/statuses", {"status": "ours #weather #Été"})).json["id"])
    media = (await uploaded(app)).json["id"]
    picture_ = int((await app.post("/api/v1/statuses", {"status": "#weather", "media_ids": [media]})).json["id"])
    await app.post("/api/v1/statuses", {"status": "hidden #weather", "visibility": "private"})
    direct = int(
        (await app.post("/api/v1/statuses", {"status": f"psst {carol.handle}", "visibility": "direct"})).json["id"]
    )
    for path, wanted in (
        ("public", [picture_, ours, theirs]),
        ("public?local=true", [picture_, ours]),
        ("public?remote=1", [theirs]),
        ("public?only_media=true", [picture_]),
        ("tag/WEATHER", [picture_, ours, theirs]),
        ("tag/weather?local=true", [picture_, ours]),
        ("tag/weather?all[]=%C3%A9t%C3%A9", [ours]),
        ("tag/weather?none[]=%C3%89T%C3%89", [picture_, theirs]),
        ("tag/nothing", []),
        ("tag/%25", []),
        ("direct", [direct]),
        ("link?url=https://example.org", []),
    ):
        found = ids(await app.get(f"/api/v1/timelines/{path}"))
        assert sorted(found) == sorted(wanted), path
    assert sorted(ids(await anybody.get("/api/v1/timelines/tag/weather"))) == sorted([picture_, ours])
    assert sorted(ids(await anybody.get("/api/v1/timelines/public"))) == sorted([picture_, ours])
    assert (await app.get("/api/v1/timelines/list/1")).status == 404


async def test_bookmarks_and_favourites_are_in_the_order_they_were_kept(app: Client, alice: Home) -> None:
    first, second, third = [(await said(alice, f"post {number}")).id for number in range(3)]
    for act, where in (("bookmark", "bookmarks"), ("favourite", "favourites")):
        for identifier in (third, first, second):
            await app.post(f"/api/v1/statuses/{identifier}/{act}")
        page = await app.get(f"/api/v1/{where}?limit=2")
        assert ids(page) == [second, first]
        shapes.check(shapes.Many(shapes.STATUS), page.json)
        following = rel(page, "next")
        assert following is not None
        assert ids(await app.get(following)) == [third]
        before = rel(page, "prev")
        assert before is not None
        assert ids(await app.get(before)) == []


# ── media ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/api/v1/media", "/api/v2/media"])
async def test_a_picture_is_uploaded_described_and_posted(app: Client, anybody: Client, path: str) -> None:
    """client-api.md §4: v1 and v2 upload, description and focus; the number of a file stays its number."""
    made = await uploaded(app, path, description="a sea", focus="0.5,-0.5")
    assert made.status == 200, made.body
    shapes.check(shapes.ATTACHMENT, made.json)
    assert (made.json["type"], made.json["description"]) == ("image", "a sea")
    assert made.json["meta"]["focus"] == {"x": 0.5, "y": -0.5}
    where = f"/api/v1/media/{made.json['id']}"
    assert (await app.get(where)).json == made.json
    said_anew = await app.request("PUT", where, json={"description": "the sea"})
    assert said_anew.json["description"] == "the sea"
    status = (await app.post("/api/v1/statuses", {"status": "", "media_ids": [made.json["id"]]})).json
    shapes.check(shapes.STATUS, status)
    assert status["media_attachments"] == [said_anew.json]
    assert (await app.post("/api/v1/statuses", {"status": "x", "media_ids": [made.json["id"]]})).status == 422
    assert (await app.request("DELETE", where)).status == 422
    edit = {
        "status": "now with words",
        "media_ids": [made.json["id"]],
        "media_attributes": [{"id": made.json["id"], "description": "a lake"}],
    }
    edited = await app.request("PUT", f"/api/v1/statuses/{status['id']}", json=edit)
    assert edited.json["media_attachments"][0]["description"] == "a lake"
    assert edited.json["media_attachments"][0]["id"] == made.json["id"]
    assert (await uploaded(anybody, path)).status == 401


async def test_uploads_that_are_none_are_refused(app: Client, alice: Home) -> None:
    before = await alice.rows()
    text = aiohttp.FormData()
    text.add_field("file", b"<html>", filename="a.png", content_type="image/png")
    for how in (
        {"data": text},
        {"json": {"file": "abc"}},
        {"json": {}},
    ):
        assert (await app.request("POST", "/api/v2/media", **how)).status == 422
    assert (await uploaded(app, focus="2,2")).status == 422
    assert (await uploaded(app, focus="left")).status == 422
    assert (await uploaded(app, description="x" * 2000)).status == 422
    assert (await app.get("/api/v1/media/77")).status == 404
    assert await alice.rows() == before


async def test_other_peoples_pictures_come_by_way_of_this_node(app: Client, alice: Home, carol: Stranger) -> None:
    """issue 4: "Remote media are … served only by our own ids; never an open proxy"."""
    carol.extra = {"icon": {"type": "Image", "url": f"{carol.place.base}/me.png", "mediaType": "image/png"}}
    carol.publish()
    await follows(alice, carol)
    note = carol.note("<p>look :blob:</p>")
    note["attachment"] = [{"type": "Image", "mediaType": "image/png", "url": f"{carol.place.base}/a.png", "name": "x"}]
    blob = {"type": "Image", "url": "https://example.org/blob.png"}  # only https is read
    note["tag"] = [{"type": "Emoji", "name": ":blob:", "icon": blob}]
    await carol.deliver(carol.create(note), alice.base)
    post = await arrives(alice, "look")
    status = (await app.get(f"/api/v1/statuses/{post.id}")).json
    shapes.check(shapes.STATUS, status)
    (attached,), (emoji,) = status["media_attachments"], status["emojis"]
    for address in (attached["url"], attached["preview_url"], emoji["url"], status["account"]["avatar"]):
        assert address.startswith(f"{alice.base}/media/remote/"), address
    assert attached["remote_url"] == f"{carol.place.base}/a.png"
