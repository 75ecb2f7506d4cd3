"""What this server says of itself, which decides what apps offer (client-api.md §1, §6)."""

from __future__ import annotations

import io
from typing import Any

import pytest

from node.media.sniff import FORMATS
from tests.support.client import Client
from tests.web.mastodon.shapes import ACCOUNT, COUNT, FLAG, TEXT, URL, Many, Maybe, check, matching
from tests.web.mastodon.test_profile import picture

CONFIGURATION = {
    "urls": {"streaming": TEXT},
    "accounts": {"max_featured_tags": COUNT, "max_profile_fields": COUNT},
    "statuses": {"max_characters": COUNT, "max_media_attachments": COUNT, "characters_reserved_per_url": COUNT},
    "media_attachments": {
        "supported_mime_types": Many(matching(r"[a-z]+/[a-z0-9-]+", "a media type")),
        **dict.fromkeys(("image_size_limit", "image_matrix_limit", "video_size_limit"), COUNT),
        **dict.fromkeys(("video_frame_rate_limit", "video_matrix_limit", "description_limit"), COUNT),
    },
    "polls": dict.fromkeys(("max_options", "max_characters_per_option", "min_expiration", "max_expiration"), COUNT),
    "translation": {"enabled": FLAG},
    "vapid": {"public_key": TEXT},
}
V2 = {
    **dict.fromkeys(("domain", "title", "version", "description"), TEXT),
    "source_url": URL,
    "usage": {"users": {"active_month": COUNT}},
    "thumbnail": {"url": URL},
    "languages": Many(TEXT),
    "configuration": CONFIGURATION,
    "registrations": {"enabled": FLAG, "approval_required": FLAG, "message": Maybe(TEXT)},
    "contact": {"email": TEXT, "account": ACCOUNT},
    "rules": Many(TEXT),
    "api_versions": {"mastodon": COUNT},
}
V1 = {
    **dict.fromkeys(("uri", "title", "version", "short_description", "description", "email"), TEXT),
    "urls": {"streaming_api": TEXT},
    "stats": dict.fromkeys(("user_count", "status_count", "domain_count"), COUNT),
    "thumbnail": URL,
    "contact_account": ACCOUNT,
    "registrations": FLAG,
    "max_toot_chars": COUNT,
    "configuration": CONFIGURATION,
    "rules": Many(TEXT),
}


@pytest.mark.parametrize(("path", "shape"), [("/api/v2/instance", V2), ("/api/v1/instance", V1)])
async def test_the_instance_has_every_field_apps_read(anybody: Client, path: str, shape: dict[str, Any]) -> None:
    """client-api.md §6; and the number that the whole project is about."""
    found = (await anybody.get(path)).json
    check(shape, found)
    assert found["version"].startswith("4.2.0 (compatible; cuicui ")
    assert found["configuration"]["statuses"]["max_characters"] == 140
    assert found["configuration"]["statuses"]["characters_reserved_per_url"] == 23


async def test_what_the_owner_says_is_text_where_text_belongs_and_html_where_html_does(
    app: Client, anybody: Client
) -> None:
    """As Mastodon has it: `short_description` is text, version 1's `description` is HTML."""
    await app.request("PATCH", "/api/v1/accounts/update_credentials", json={"note": "Engines & numbers\n<b>"})
    old, new = [(await anybody.get(f"/api/{version}/instance")).json for version in ("v1", "v2")]
    assert old["short_description"] == new["description"] == "Engines & numbers\n<b>"
    assert old["description"] == "<p>Engines &amp; numbers<br>&lt;b&gt;</p>"


async def test_the_limits_are_those_that_hold(app: Client) -> None:
    """What the instance allows is taken, and one more is refused."""
    allowed = (await app.get("/api/v2/instance")).json["configuration"]
    most = allowed["polls"]["max_options"]
    for count, status in ((most, 200), (most + 1, 422)):
        poll = {"options": [f"no. {number}" for number in range(count)], "expires_in": 3600}
        assert (await app.post("/api/v1/statuses", {"status": "?", "poll": poll})).status == status
    for seconds, status in (
        (allowed["polls"]["min_expiration"], 200),
        (allowed["polls"]["min_expiration"] - 1, 422),
        (allowed["polls"]["max_expiration"] + 1, 422),
    ):
        poll = {"options": ["a", "b"], "expires_in": seconds}
        assert (await app.post("/api/v1/statuses", {"status": "?", "poll": poll})).status == status, seconds
    longest = allowed["media_attachments"]["description_limit"]
    for length, status in ((longest, 200), (longest + 1, 422)):
        form = {"file": io.BytesIO(picture()), "description": "x" * length}
        assert (await app.request("POST", "/api/v2/media", data=form)).status == status
    fields = allowed["accounts"]["max_profile_fields"]
    for count, status in ((fields, 200), (fields + 1, 422)):
        rows = [{"name": str(number), "value": "x"} for number in range(count)]
        answer = await app.request("PATCH", "/api/v1/accounts/update_credentials", json={"fields_attributes": rows})
        assert answer.status == status


async def test_every_kind_of_file_that_is_taken_is_announced(anybody: Client) -> None:
    """Apps offer only what is on the list."""
    found = (await anybody.get("/api/v2/instance")).json["configuration"]["media_attachments"]
    taken = {one.media_type for one in FORMATS} - {"image/heic"}  # that one hangs on a library
    assert taken <= set(found["supported_mime_types"])
    assert "image/svg+xml" not in found["supported_mime_types"]
