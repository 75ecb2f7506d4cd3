"""Every route of the table, asked at random with what is nearly right: no 500, and a refusal stores nothing.

Junk alone is refused at the door; here numbers name what is there, and fields have the names that
routes read, so that requests get deep before something is wrong with them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest

from node.web.mastodon import ROUTES
from node.web.mastodon.route import Route
from tests.support.client import Answer, Client
from tests.support.following import follows, said
from tests.support.homes import Home
from tests.support.stranger import Stranger
from tests.web.mastodon.test_lists import hears
from tests.web.mastodon.test_people import number_of

APART = ("/streaming", "/oauth/revoke", "/cuicui/v1/sessions")
"""Streams do not end; the others would end the test's own token."""

ASKED = [route for route in ROUTES if not any(part in route.path for part in APART)]
ROUNDS = 2
"""Of the whole table, for each seed; more find more, and take longer."""
OUTWARD = {
    *("queue", "activities", "actors", "keys", "hosts", "chores", "cursors", "remote_media", "refusals", "home"),
    "tombstones",
}
"""Rows that come from other servers' answers, and from deliveries under way, whatever this test asks at that moment."""

TEXTS = ("", " ", "tea", "TEA #tea @carol", "x" * 10_000, "🐦" * 150, "\u202e", "' OR 1=1", '"', "%", "[", "null", "-1")
TIMES = ("2036-01-01T00:00:00Z", "yesterday", "9999-12-31T23:59:59-12:00", 60, 3600, -5, 10**12)


def words(chance: random.Random, ids: Sequence[str]) -> dict[str, Any]:
    """Some fields, each with something that it might hold."""
    number = lambda: chance.choice([*ids, *ids, "1", "0", "abc", "9" * 25, -1, None])  # noqa: E731
    text = lambda: chance.choice(TEXTS)  # noqa: E731
    flag = lambda: chance.choice([True, False, "true", "0", "perhaps", None, []])  # noqa: E731
    one_of = lambda *known: chance.choice([*known, *known, text(), None, 5, [known[0]]])  # noqa: E731
    some = lambda make: [make() for _ in range(chance.choice([0, 1, 2, 500]))]  # noqa: E731
    poll = {"options": some(text), "expires_in": chance.choice(TIMES), "multiple": flag()}
    keywords = [{"keyword": text(), "whole_word": flag(), "id": number(), "_destroy": flag()}]
    everything: dict[str, Any] = {
        **{name: text() for name in ("status", "spoiler_text", "display_name", "note", "comment", "title", "phrase")},
        **{name: text() for name in ("keyword", "q", "acct", "domain", "language", "description", "focus", "url")},
        **{name: number() for name in ("in_reply_to_id", "status_id", "account_id", "max_id", "min_id", "since_id")},
        **{name: flag() for name in ("sensitive", "exclusive", "whole_word", "irreversible", "resolve", "locked")},
        **{name: flag() for name in ("reblogs", "notify", "notifications", "pinned", "following", "synthetic")},
        **{name: some(number) for name in ("id", "account_ids", "status_ids", "media_ids", "choices")},
        "quoted_status_id": number(),
        "visibility": one_of("public", "direct", "private"),
        "filter_action": one_of("warn", "hide"),
        "replies_policy": one_of("list", "none"),
        "context": [one_of("home", "thread")],
        "keywords_attributes": chance.choice([keywords, {"0": keywords[0]}, some(text), text()]),
        "fields_attributes": chance.choice([[{"name": text(), "value": text()}], {"0": {"name": text()}}, text()]),
        "source": chance.choice([{"privacy": text(), "sensitive": flag(), "language": text()}, text()]),
        "home": chance.choice([{"last_read_id": number()}, {}, text()]),
        "poll": chance.choice([poll, text(), None]),
        "expires_in": chance.choice(TIMES),
        "scheduled_at": chance.choice(TIMES),
        "duration": chance.choice(TIMES),
        "limit": chance.choice([0, 1, 40, 10**9, -3, "all"]),
        "offset": chance.choice([0, 1, 10**9, -3, "all"]),
        "type": one_of("accounts", "statuses", "hashtags"),
        "types": some(lambda: one_of("mention", "follow")),
        "languages": some(text),
        "policy": one_of("all", "followed"),
        "subscription": chance.choice([{"endpoint": text(), "keys": {"p256dh": text(), "auth": text()}}, text()]),
    }
    return {name: everything[name] for name in chance.sample(sorted(everything), chance.randint(1, 12))}


async def asked(app: Client, chance: random.Random, route: Route, ids: Sequence[str]) -> tuple[Answer, object]:
    """One request, in one of the ways in which apps send them."""
    names = {part: chance.choice([*ids, *ids, "1", "tea", "x" * 300, "%00"]) for part in route.path.split("/")}
    path = "/".join(names[part] if part.startswith(":") else part for part in route.path.split("/"))
    fields = words(chance, ids)
    flat = [(name, str(value)[:500]) for name, value in fields.items() if not isinstance(value, dict | list)]
    how: dict[str, Any] = {"params": flat}
    if route.method != "GET":
        form = aiohttp.FormData(flat, default_to_multipart=True)
        broken = {"data": json.dumps(fields)[:-2], "headers": {"Content-Type": "application/json"}}
        how = chance.choice([{"json": fields}, {"json": fields}, {"data": dict(flat)}, {"data": form}, broken])
    return await app.request(route.method, path, **how), fields


@pytest.mark.parametrize("seed", range(2))
async def test_a_refusal_is_a_refusal(alice: Home, app: Client, carol: Stranger, seed: int) -> None:
    """issue 4: "a 4xx in the API's own form, nothing stored … a property test over the routes finds no 500"."""
    chance = random.Random(seed)
    await follows(alice, carol)
    theirs = str(await hears(alice, carol, "tea"))
    mine = str((await said(alice, "tea")).id)
    liked = await app.post("/api/v1/statuses", {"status": "tea?", "poll": {"options": ["a", "b"], "expires_in": 3600}})
    list_ = (await app.post("/api/v1/lists", {"title": "tea"})).json
    filter_ = {"title": "tea", "context": ["home"], "keywords_attributes": [{"keyword": "tea"}]}
    made = (await app.post("/api/v2/filters", filter_)).json
    her = await number_of(app, carol.handle)
    ids = [theirs, mine, liked.json["id"], list_["id"], made["id"], made["keywords"][0]["id"], her]
    await alice.quiet()
    before = await alice.rows()
    for route in chance.sample(ASKED, len(ASKED)) * ROUNDS:
        answer, fields = await asked(app, chance, route, ids)
        assert answer.status < 500, (route.method, route.path, fields, answer.body[:300])
        if answer.status < 400:
            before = await alice.rows() if route.method != "GET" else before
            continue
        if "oauth" not in route.path:
            assert answer.json["error"], (route.path, answer.status)
        after = await alice.rows()
        stored = {name for name in after if after[name] > before[name]} - OUTWARD
        assert not stored, (route.method, route.path, answer.status, stored, fields)
        before = after
