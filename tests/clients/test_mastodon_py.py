"""Mastodon.py, the library most bots are written with, drives a node (issue 4, "Real clients")."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import mastodon
import pytest
from PIL import Image

from node.model import Draft
from tests.clients.letting_in import let_in
from tests.support.browser import Browser
from tests.support.homes import Home, eventually

SCOPES = ["read", "write", "follow", "push"]


async def do(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The library blocks, so it works in a thread beside the node."""
    return await asyncio.wait_for(asyncio.to_thread(partial(function, *given, **named)), 30)


@pytest.fixture
async def app(alice: Home, browser: Browser) -> Any:
    """Logged in as Alice, by way of the page that asks her."""
    client_id, secret = await do(mastodon.Mastodon.create_app, "a bot", api_base_url=alice.base, scopes=SCOPES)
    made = await do(mastodon.Mastodon, client_id=client_id, client_secret=secret, api_base_url=alice.base)
    asked = await do(made.auth_request_url, scopes=SCOPES, allow_http=True)
    await do(made.log_in, code=await let_in(browser, asked), scopes=SCOPES, allow_http=True)
    return made


async def test_it_knows_where_it_is(app: Any) -> None:
    me = await do(app.account_verify_credentials)
    assert (me.acct, me.source.privacy) == ("alice", "public")
    assert (await do(app.app_verify_credentials)).name == "a bot"
    assert (await do(app.instance_v1)).max_toot_chars == 140
    assert (await do(app.instance_v2)).configuration.statuses.max_characters == 140
    assert (await do(app.instance_nodeinfo)).software.name == "cuicui"


async def test_it_posts_replies_edits_and_deletes(app: Any) -> None:
    said = await do(app.status_post, "Good morning #birds", language="en")
    with pytest.raises(mastodon.MastodonAPIError, match="141"):
        await do(app.status_post, "x" * 141)
    answer = await do(app.status_reply, said, "and good night", spoiler_text="late", visibility="unlisted")
    assert (answer.in_reply_to_id, answer.spoiler_text, answer.visibility) == (said.id, "late", "unlisted")
    assert [one.id for one in (await do(app.status_context, said)).descendants] == [answer.id]
    edited = await do(app.status_update, said, "Good evening #birds")
    assert (edited.id, edited.edited_at is not None) == (said.id, True)
    assert (await do(app.status_source, said)).text == "Good evening #birds"
    assert len(await do(app.status_history, said)) == 2
    deleted = await do(app.status_delete, said)
    assert deleted.text == "Good evening #birds"
    with pytest.raises(mastodon.MastodonNotFoundError):
        await do(app.status, said)


@pytest.mark.parametrize(
    ("act", "undo", "sign"),
    [
        ("status_favourite", "status_unfavourite", "favourited"),
        ("status_bookmark", "status_unbookmark", "bookmarked"),
        ("status_pin", "status_unpin", "pinned"),
        ("status_mute", "status_unmute", "muted"),
    ],
)
async def test_it_acts_on_a_status(app: Any, act: str, undo: str, sign: str) -> None:
    said = await do(app.status_post, "for an act")
    assert (await do(getattr(app, act), said))[sign]
    assert (await do(app.status, said))[sign]
    assert not (await do(getattr(app, undo), said))[sign]


async def test_it_boosts(app: Any) -> None:
    said = await do(app.status_post, "for a boost")
    around = await do(app.status_reblog, said)
    assert (around.id != said.id, around.reblog.id) == (True, said.id)
    assert (await do(app.status, said)).reblogged
    assert not (await do(app.status_unreblog, said)).reblogged


async def test_it_sends_pictures_with_words_for_them(app: Any) -> None:
    drawn = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(drawn, "PNG")
    sent = await do(
        app.media_post, drawn.getvalue(), mime_type="image/png", description="red", focus=(0.5, -0.5), synchronous=True
    )
    assert (sent.type, sent.description, sent.meta.original.width) == ("image", "red", 300)
    await do(app.media_update, sent, description="a red field")
    said = await do(app.status_post, "look", media_ids=[sent])
    (shown,) = said.media_attachments
    assert (shown.description, shown.meta.focus.x, len(shown.blurhash) > 6) == ("a red field", 0.5, True)


async def test_it_asks_and_schedules(app: Any) -> None:
    asked = await do(app.status_post, "which?", poll=app.make_poll(["tea", "coffee"], 3600))
    assert [option.title for option in (await do(app.poll, asked.poll)).options] == ["tea", "coffee"]
    later = await do(app.status_post, "in an hour", scheduled_at=datetime.now(UTC) + timedelta(hours=1))
    assert [one.id for one in await do(app.scheduled_statuses)] == [later.id]
    await do(app.scheduled_status_delete, later)
    assert await do(app.scheduled_statuses) == []


async def test_it_finds_and_follows_somebody_elsewhere(alice: Home, bob: Home, app: Any) -> None:
    (found,) = (await do(app.search_v2, bob.address, resolve=True)).accounts
    await do(app.account_follow, found)

    async def follows() -> bool:
        return bool((await do(app.account_relationships, found))[0].following)

    await eventually(follows)
    await bob.node.owner.post(Draft(f"hello {alice.address}"))

    async def told() -> Any:
        return await do(app.notifications)

    (told_,) = await eventually(told)
    assert (told_.type, told_.account.acct) == ("mention", bob.address.removeprefix("@"))
    assert told_.status.cuicui["verdict"] == "signed"
    assert [status.id for status in await do(app.timeline_home, limit=1)] == [told_.status.id]
    pages = await do(app.account_statuses, found, limit=1)
    assert await do(app.fetch_previous, pages) in ([], None)


async def test_it_listens(alice: Home, bob: Home, app: Any) -> None:
    """client-api.md §8: Mastodon.py reads the stream's delete payload as a number."""
    heard: list[tuple[str, Any]] = []

    class Listener(mastodon.StreamListener):  # type: ignore[misc,name-defined]
        def on_update(self, status: Any) -> None:
            heard.append(("update", status.content))

        def on_delete(self, status_id: Any) -> None:
            heard.append(("delete", str(status_id)))

        def on_notification(self, notification: Any) -> None:
            heard.append(("notification", notification.type))

    handle = await do(app.stream_user, Listener(), run_async=True, timeout=30)
    try:
        assert await do(app.stream_healthy)
        said = await do(app.status_post, "listen")
        await do(app.status_delete, said)
        await bob.node.owner.follow(alice.node.ids.actor)

        async def all_heard() -> bool:
            return len(heard) >= 3

        await eventually(all_heard)
        assert heard == [("update", "<p>listen</p>"), ("delete", str(said.id)), ("notification", "follow")]
    finally:
        await do(handle.close)


async def test_it_logs_out(app: Any) -> None:
    await do(app.revoke_access_token, allow_http=True)
    with pytest.raises(mastodon.MastodonAPIError):
        await do(app.account_verify_credentials)
