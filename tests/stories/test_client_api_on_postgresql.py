"""An app at a node whose database is a PostgreSQL: it cannot tell."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from node.web.mastodon import ROUTES
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.following import follows
from tests.support.homes import Home, eventually, settle_in
from tests.support.pictures import as_bytes, painted
from tests.support.stranger import PUBLIC, Place


@pytest.fixture
async def home(tmp_path: Path, postgres_url: str) -> AsyncIterator[Home]:
    made = await settle_in(tmp_path, "alice", clock=FakeClock(), database_url=postgres_url)
    try:
        yield await made.start()
    finally:
        await made.stop()


async def test_a_day_with_an_app(home: Home, place: Place) -> None:
    """Write with a picture and a poll, read, like, boost, bookmark, edit, schedule, search, be told, look at
    everything there is to look at."""
    app = await Client.of(home)
    dave = place.stranger("dave", proofs=True)
    await follows(home, dave)
    assert (await dave.deliver(dave.activity("Follow", home.node.ids.actor), home.base)).status == 202
    tag = {"type": "Hashtag", "name": "#Café", "href": f"{place.base}/tags/cafe"}
    note = dave.prove(dave.note("about #Café", cc=[f"{dave.iri}/followers"], tag=[tag]))
    assert (await dave.deliver(dave.create(note), home.base)).status == 202

    (theirs,) = (await app.get("/api/v1/timelines/home")).json
    assert theirs["cuicui"]["verdict"] == "signed"
    file = io.BytesIO(as_bytes(painted(), "PNG"))
    picture = await app.request("POST", "/api/v2/media", data={"file": file, "description": "a gradient"})
    assert picture.status == 200, picture.body
    mine = await _posted(app, status="Look #café", media_ids=[picture.json["id"]])
    poll = await _posted(app, status="Tea?", poll={"options": ["yes", "no"], "expires_in": 300})
    again = [
        (await app.post("/api/v1/statuses", {"status": "once"}, headers={"Idempotency-Key": "k"})).json["id"]
        for _ in range(2)
    ]
    assert again[0] == again[1]
    at = (home.clock() + timedelta(hours=1)).isoformat()
    planned = await _posted(app, status="Later", scheduled_at=at)
    for act in ("favourite", "reblog", "bookmark"):
        answer = await app.post(f"/api/v1/statuses/{theirs['id']}/{act}")
        assert answer.status == 200, (act, answer.body)
    assert (await app.post(f"/api/v1/statuses/{mine['id']}/pin")).status == 200
    edited = await app.request("PUT", f"/api/v1/statuses/{mine['id']}", json={"status": "Look again #café"})
    assert edited.status == 200, edited.body

    mine_iri = f"{home.base}/notes/{mine['id']}"
    assert (await dave.deliver(dave.activity("Like", mine_iri), home.base)).status == 202
    boost = dave.activity("Announce", mine_iri, to=[PUBLIC])
    assert (await dave.deliver(boost, home.base)).status == 202
    kinds = [one["type"] for one in (await app.get("/api/v1/notifications")).json]
    assert sorted(kinds) == ["favourite", "follow", "reblog"]
    shown = (await app.get(f"/api/v1/statuses/{mine['id']}")).json
    assert (shown["favourites_count"], shown["reblogs_count"], shown["pinned"]) == (1, 1, True)
    found = [one["id"] for one in (await app.get("/api/v1/timelines/tag/CAFÉ")).json]
    assert found == [mine["id"], theirs["id"]]
    assert [one["id"] for one in (await app.get("/api/v1/favourites")).json] == [theirs["id"]]
    assert [one["id"] for one in (await app.get("/api/v1/bookmarks")).json] == [theirs["id"]]

    await _look_at_everything(app, account=theirs["account"]["id"], status=mine["id"], planned=planned["id"])

    home.clock.forward(timedelta(hours=2))
    await home.restart()

    async def later() -> bool:
        written = (await app.get("/api/v1/timelines/home")).json
        closed = (await app.get(f"/api/v1/polls/{poll['poll']['id']}")).json["expired"]
        return closed and any("Later" in one["content"] for one in written)

    await eventually(later)
    assert (await app.request("DELETE", f"/api/v1/statuses/{mine['id']}")).status == 200
    assert (await app.get(f"/api/v1/statuses/{mine['id']}")).status == 404


async def test_a_nul_is_the_askers_fault(home: Home) -> None:
    """No text of this database holds one: whoever writes it in an address is told so, and no alarm is given."""
    anybody = Client(home, None)
    for path in ("/api/v1/timelines/tag/%00", "/api/v1/tags/%00", "/oauth/authorize?response_type=code&client_id=%00"):
        assert (await anybody.get(path)).status in (400, 404), path
    shown = {"Authorization": f"Basic {base64.b64encode(bytes(3)).decode()}"}
    assert (await anybody.post("/oauth/token", {"grant_type": "client_credentials"}, headers=shown)).status == 401


async def _posted(app: Client, **what: object) -> dict[str, object]:
    answer = await app.post("/api/v1/statuses", what)
    assert answer.status == 200, answer.body
    found: dict[str, object] = answer.json
    return found


async def _look_at_everything(app: Client, **numbers: object) -> None:
    """Every GET of the API, with numbers of what is there: not one fails in the database."""
    for route in ROUTES:
        if route.method != "GET" or "streaming" in route.path:
            continue
        kind = "planned" if "scheduled" in route.path else "account" if "accounts/" in route.path else "status"
        path = route.path.replace(":id", str(numbers[kind])).replace(":tag", "tea").replace(":key", "favourite-1")
        asked = {"q": "Look", "id[]": str(numbers["account"]), "acct": "dave", "limit": "2", "max_id": "9" * 18}
        answer = await app.get(path, params=asked)
        assert answer.status < 500, (path, answer.body)
        again = await app.get(path, params={**asked, "min_id": "1"})
        assert again.status < 500, (path, again.body)
