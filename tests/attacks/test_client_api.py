"""A stranger with bad intent, and an app that may do less than it tries, at the client API (security.md §6, §7, §9)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from node.model import Draft, Visibility
from node.storage import tokens
from node.web.mastodon import ROUTES, forms
from node.web.mastodon.route import SCOPES, Route, allows
from tests.support.attack import greet
from tests.support.client import Answer, Client, lines
from tests.support.clock import FakeClock
from tests.support.following import befriend, follows
from tests.support.homes import Home, settle_in
from tests.support.stranger import PUBLIC, Stranger

QUIET = [route for route in ROUTES if "/streaming" not in route.path]
"""Streams do not end; tests/web/mastodon/test_streaming.py has them."""


@pytest.fixture
def anybody(alice: Home) -> Client:
    return Client(alice, None)


async def holder(home: Home, scopes: str, *, kind: str = "user") -> Client:
    """An app with a token of these scopes."""
    value = secrets.token_urlsafe(32)
    async with home.node.store.write() as tx:
        await tokens.add(tx, value, label="x", scopes=scopes, at=home.clock(), kind=kind)
    return Client(home, value)


def at(route: Route, value: object = 1) -> str:
    """Its path, with something in the place of what varies."""
    return "/".join(str(value) if part.startswith(":") else part for part in route.path.split("/"))


async def ask(client: Client, method: str, path: str, **how: Any) -> Answer:
    headers = {**client.headers, **how.pop("headers", {})}
    url = URL(client.home.base + path, encoded=True)
    async with (await lines()).request(method, url, headers=headers, allow_redirects=False, **how) as response:
        body = await response.read()
        is_json = response.content_type == "application/json" and body
        return Answer(response.status, response.headers, json.loads(body) if is_json else None, body)


# ── who may ask ──────────────────────────────────────────────────────────────────────────────


async def test_every_route_asks_for_its_scope(alice: Home, anybody: Client) -> None:
    """ "Scope escalation": all scopes but the one that is needed open no route; nor does an app's own token."""
    own = await holder(alice, " ".join(sorted(SCOPES)), kind="app")
    for route in QUIET:
        if route.scope not in SCOPES:
            continue
        less = await holder(alice, " ".join(sorted(scope for scope in SCOPES if not allows([scope], route.scope))))
        refused = await ask(less, route.method, at(route))
        assert refused.status == 403, route
        assert route.scope in refused.json["error"], route
        statuses = [(await ask(one, route.method, at(route))).status for one in (anybody, own)]
        if route.anonymous:
            assert statuses[0] == statuses[1] not in (401, 403), route
        else:
            assert statuses == [401, 403], route
    assert (await (await Client.of(alice)).get("/api/v1/timelines/home")).status == 200


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"])
async def test_a_request_is_what_its_first_line_says(alice: Home, header: str) -> None:
    """No header turns a reader into a writer, or one address into another."""
    reader = await holder(alice, "read")
    for value in ("POST", "DELETE", "/api/v1/statuses"):
        answer = await ask(reader, "POST", "/api/v1/statuses", headers={header: value}, json={"status": "no"})
        assert answer.status == 403
        read = await ask(reader, "GET", "/api/v1/timelines/home?_method=post", headers={header: value})
        assert (read.status, read.json) == (200, [])


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1//timelines/home", "/api/v1/timelines/home/", "/api/v1/./timelines/home", "//api/v1/timelines/home"),
        *(
            "/api/v1/timelines/%68ome",
            "/API/v1/timelines/home",
            "/api/v1/timelines/home;x",
            "/api/v1/timelines/home%00",
        ),
        *(
            "/api/v1/instance/../timelines/home",
            "/api/v1/instance%2f..%2ftimelines/home",
            "/oauth/../api/v1/preferences",
        ),
    ],
)
async def test_another_spelling_of_a_path_opens_nothing(alice: Home, anybody: Client, path: str) -> None:
    assert (await ask(anybody, "GET", path)).status in (301, 302, 308, 400, 401, 404)
    assert (await ask(await holder(alice, "write"), "GET", path)).status in (301, 302, 308, 400, 403, 404)


# ── what is not for everybody ────────────────────────────────────────────────────────────────


async def test_no_route_tells_what_was_not_for_everybody(
    alice: Home, bob: Home, carol: Stranger, anybody: Client
) -> None:
    """security.md §9, "Same by … API without token, app token": every GET there is, for every number there is, by
    nobody, by an app alone, by an app that may only write, and by one that may only read something else."""
    owner, app = alice.node.owner, await Client.of(alice)
    await befriend(bob, alice)
    await follows(alice, carol)
    root = (await owner.post(Draft("marmalade for everybody #tag"))).post
    followers = (await owner.post(Draft("quince #tag", visibility=Visibility.FOLLOWERS, warning="quincewarning"))).post
    direct = (await owner.post(Draft(f"{bob.address} medlar", visibility=Visibility.DIRECT))).post
    answer = (await owner.post(Draft("sloeberry", visibility=Visibility.FOLLOWERS, in_reply_to=root.note.iri))).post
    await owner.edit(followers.note.iri, "quince, edited #tag", "quincewarning")
    for word, to in (
        ("rowanberry", [alice.node.ids.actor]),
        ("bilberry", [carol.iri + "/followers"]),
        ("elderberry", [PUBLIC]),
    ):
        note = carol.note(f"{word} #tag", to=to, inReplyTo=root.note.iri)
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    await carol.deliver(carol.activity("Like", followers.note.iri), alice.base)
    await alice.quiet()
    for post in (followers, direct):
        assert (await app.post(f"/api/v1/statuses/{post.id}/bookmark")).status == 200
        assert (await app.post(f"/api/v1/statuses/{post.id}/favourite")).status == 200
    words = ("quince", "medlar", "sloeberry", "rowanberry", "bilberry")
    numbers = {post.id for post in (root, followers, direct, answer)}
    numbers |= {int(one["id"]) for one in (await app.get("/api/v1/timelines/home")).json}
    numbers |= {int(one["id"]) for one in (await app.get("/api/v1/notifications")).json}
    numbers |= {int(one["account"]["id"]) for one in (await app.get("/api/v1/timelines/home")).json}
    found = (await app.get("/api/v1/accounts/search?q=c")).json + (await app.get("/api/v1/accounts/search?q=b")).json
    numbers |= {int(one["id"]) for one in found}
    own = await holder(alice, "read write", kind="app")
    writer, other = await holder(alice, "write push profile"), await holder(alice, "read:lists read:filters read:mutes")
    queries = (
        "",
        "?limit=40",
        "?local=true&any[]=tag",
        "?id[]=" + "&id[]=".join(map(str, sorted(numbers))),
        "?q=quince",
    )
    asked = 0
    for route in QUIET:
        if route.method != "GET":
            continue
        places = [at(route, value) for value in (*sorted(numbers), "tag")] if ":" in route.path else [at(route)]
        for path in places:
            for query in queries if ":" not in route.path else queries[:2]:
                for client in (anybody, own, writer, other):
                    told = await ask(client, "GET", path + query)
                    asked += 1
                    leaked = [word for word in words if word.encode() in told.body]
                    assert leaked == [], (route, path, query)
                    assert b"elderberry" not in told.body, (route, path)  # others' words are theirs to publish
    assert asked > 500
    shown = await app.get(f"/api/v1/statuses/{followers.id}")
    assert "quince" in shown.json["content"]
    assert b"marmalade" in (await anybody.get(f"/api/v1/statuses/{root.id}")).body
    context = (await anybody.get(f"/api/v1/statuses/{root.id}/context")).json
    assert context == {"ancestors": [], "descendants": []}


async def test_what_is_hidden_answers_like_what_never_was(alice: Home, anybody: Client, carol: Stranger) -> None:
    """ "Private = 404 (same as absent …)": for every route with a number in it, status, words and headers alike."""
    private = (await alice.node.owner.post(Draft("hidden", visibility=Visibility.FOLLOWERS))).post
    await greet(alice, carol)
    (received,) = [post for post in await alice.said_to_me() if not post.own]
    own = await holder(alice, "read", kind="app")
    absent = private.id + 1
    for route in QUIET:
        if ":id" not in route.path:
            continue
        for client in (anybody, own):
            nothing = await ask(client, route.method, at(route, absent))
            for hidden in (private.id, received.id):
                one = await ask(client, route.method, at(route, hidden))
                assert (one.status, one.body) == (nothing.status, nothing.body), route
                assert one.status in (401, 403, 404), route
                assert _headers(one) == _headers(nothing), route


def _headers(answer: Answer) -> dict[str, str]:
    ignored = ("date", "x-ratelimit-remaining", "x-ratelimit-reset")
    return {name.lower(): value for name, value in answer.headers.items() if name.lower() not in ignored}


async def test_ids_of_other_kinds_name_nothing(alice: Home, carol: Stranger) -> None:
    """The number of an account is no post, that of a post no account, no list, no file; nothing is done to either."""
    app = await Client.of(alice)
    await greet(alice, carol)
    post = (await alice.node.owner.post(Draft("a post"))).post
    account = (await app.get("/api/v1/accounts/search?q=carol")).json[0]["id"]
    before = await alice.rows()
    for route in QUIET:
        if ":id" in route.path:
            wrong = account if "/statuses/" in route.path or "/polls/" in route.path else post.id
            answer = await ask(app, route.method, at(route, wrong))
            assert answer.status in (200, 404, 422), route  # to take away what is not there may be done already
            if answer.status == 200:
                assert route.method in ("GET", "POST", "DELETE"), route
                assert b"a post" not in answer.body, route
    after = await alice.rows()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"muted_threads", "cursors"}, changed
    assert (await app.get(f"/api/v1/statuses/{post.id}")).status == 200


# ── junk ─────────────────────────────────────────────────────────────────────────────────────

JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0.5, 10**30, 1e308, float("nan"), float("inf"), "", " ", "x" * 20_000, "🐦" * 3000),
    *("\u202e", "../../x", "%00", "'; DROP TABLE notes; --", '" OR 1=1', "%_%", "NEAR(", "*", "9" * 30, "-1"),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2026-02-30T25:61:61", "10000-01-01T00:00:00Z"),
    *([], {}, [[]], [{}], [None], [1, "a", {}], {"0": {"0": {"0": []}}}, {"": ""}, ["x"] * 500, "javascript:alert(1)"),
)
FIELDS = (
    *("status", "spoiler_text", "media_ids", "poll", "in_reply_to_id", "visibility", "language", "scheduled_at"),
    *("quoted_status_id", "quote_approval_policy", "sensitive", "media_attributes", "id", "choices", "display_name"),
    *("note", "fields_attributes", "source", "locked", "subscription", "data", "policy", "comment", "duration"),
    *("account_id", "status_ids", "account_ids", "title", "context", "keywords_attributes", "expires_in", "phrase"),
    *("home", "notifications", "acct", "q", "limit", "max_id", "min_id", "since_id", "offset", "type", "domain"),
    *("languages", "reblogs", "avatar", "focus", "description", "token", "code", "grant_type", "scope", "client_id"),
    *("client_name", "redirect_uris", "scopes", "website", "tag", "list", "any", "types", "exclude_types", "url"),
)


@pytest.mark.parametrize("part", range(4))
async def test_junk_is_the_askers_fault_on_every_route(alice: Home, carol: Stranger, part: int) -> None:
    """issue 4: "a 4xx in the API's own form … finds no 500", whatever stands in whichever field."""
    await greet(alice, carol)
    app = await Client.of(alice)
    post = (await alice.node.owner.post(Draft("a post"))).post
    for number, route in enumerate(QUIET):
        if number % 4 != part:
            continue
        for turn in range(number % 4, len(JUNK), 4):
            body = {name: JUNK[(turn + place * 7) % len(JUNK)] for place, name in enumerate(FIELDS)}
            how: dict[str, Any] = {"json": body} if route.method != "GET" else {}
            query = ""
            if route.method == "GET":
                query = "?" + "&".join(
                    f"{name}={URL.build(query={'': str(body[name])[:40]}).raw_query_string[1:]}"
                    for name in FIELDS[turn % 3 :: 3]
                )
            answer = await ask(app, route.method, at(route, post.id) + query, **how)
            assert answer.status < 500, (route, turn, answer.body[:300])
            if answer.status >= 400:
                assert "error" in answer.json, (route, turn)
    await greet(alice, carol)


async def test_one_field_of_junk_at_a_time(alice: Home, carol: Stranger) -> None:
    """The same for those that take most: what else they need is there."""
    await greet(alice, carol)
    app = await Client.of(alice)
    account = (await app.get("/api/v1/accounts/search?q=carol")).json[0]["id"]
    calls: tuple[tuple[str, str, dict[str, Any], tuple[str, ...]], ...] = (
        ("POST", "/api/v1/statuses", {"status": "x"}, FIELDS[:12]),
        ("POST", "/api/v1/statuses", {"status": "x", "scheduled_at": "2036-01-01T00:00:00Z"}, FIELDS[:6]),
        ("PATCH", "/api/v1/accounts/update_credentials", {}, ("display_name", "note", "fields_attributes", "source")),
        ("POST", f"/api/v1/accounts/{account}/mute", {}, ("duration", "notifications")),
        ("POST", f"/api/v1/accounts/{account}/note", {}, ("comment",)),
        ("POST", f"/api/v1/accounts/{account}/follow", {}, ("languages", "reblogs", "notify")),
        ("POST", "/api/v1/apps", {"client_name": "x", "redirect_uris": "x://y"}, ("scopes", "website", "client_name")),
        ("POST", "/api/v1/reports", {"account_id": account}, ("status_ids", "comment", "category")),
    )
    for method, path, whole, fields in calls:
        for place, field in enumerate(fields):
            for value in JUNK[place % 3 :: 3]:
                answer = await ask(app, method, path, json={**whole, field: value})
                assert answer.status < 500, (path, field, value)
    assert (await app.post(f"/api/v1/accounts/{account}/unmute")).status == 200
    await greet(alice, carol)


async def test_a_query_is_read_within_bounds(anybody: Client, alice: Home) -> None:
    """A thousand and one fields, NUL, what nests without end: 400, not 500. And a query is decoded once."""
    for query in ("a=&" * 1001, "q=%00", "a[b][c][d][e][f]=1", "a=1&a[b]=2", "a[]=1&a[b]=2"):
        answer = await ask(anybody, "GET", f"/api/v1/instance?{query}")
        assert answer.status == 400, query[:20]
        assert "error" in answer.json
    app = await Client.of(alice)
    for written, meant in (("100%2525", "100%25"), ("a%252Bb", "a%2Bb"), ("a%26b", "a&b"), ("a+b", "a b")):
        found = await ask(app, "POST", f"/api/v1/statuses?status={written}")
        assert found.json["content"] == f"<p>{meant.replace('&', '&amp;')}</p>"


async def test_an_address_is_no_header(alice: Home, anybody: Client) -> None:
    """ "CRLF": a path comes back in Link, as it was written."""
    for number in range(3):
        await alice.node.owner.post(Draft(f"number {number} #tea"))
    for tag in ("x%0d%0aSet-Cookie:%20a=b", "x%0dX:y", "%22%3e", "%c3%a9", "%f0%9f%90%a6"):
        answer = await ask(anybody, "GET", f"/api/v1/timelines/tag/{tag}?any[]=tea&limit=2&x=%0d%0aX:%20y")
        assert "Set-Cookie" not in answer.headers and "X" not in answer.headers  # noqa: PT018
        if "%0a" in tag:  # no path of ours has a second line
            assert answer.status == 404
            continue
        assert (answer.status, len(answer.json)) == (200, 2), tag
        link = answer.headers["Link"]
        assert link.isascii()
        assert f"/tag/{tag}?".lower() in link.lower()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "a b", 'x"><script>', ""])
async def test_the_host_header_names_nobody(alice: Home, host: str) -> None:
    """ "Host header / X-Forwarded-*": every address in an answer is of the configured base."""
    await alice.node.owner.post(Draft("hello #tea"))
    lies = {
        "Host": host,
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "host=evil.example",
    }
    bare = Client(alice, None)
    for path in ("/api/v2/instance", "/api/v1/timelines/public?limit=1", "/.well-known/oauth-authorization-server"):
        answer = await ask(bare, "GET", path, headers=lies)
        if answer.status == 400:  # aiohttp says no by itself
            continue
        assert b"evil" not in answer.body and "evil" not in str(answer.headers)  # noqa: PT018
        assert alice.base.encode() in answer.body or path.endswith("limit=1")
    for path in ("/", "/@alice", "/login", "/@Alice", "/access", "/oauth/authorize?client_id=x"):
        answer = await ask(bare, "GET", path, headers={**lies, "Accept": "text/html"})
        assert b"evil" not in answer.body and "evil" not in str(answer.headers), path  # noqa: PT018


# ── too much ─────────────────────────────────────────────────────────────────────────────────


def _multipart(*parts: bytes) -> tuple[bytes, dict[str, str]]:
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=b"}


async def test_forms_of_many_parts_are_refused(alice: Home, anybody: Client) -> None:
    """A thousand parts, nine files, a hundred nested forms, half a form: a 4xx, and nothing is kept on disk."""
    app = await Client.of(alice)
    text, file = b'name="f%d"\r\n\r\nx', b'name="f%d"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nx'
    inner = b'name="f"\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--'
    forms_: list[tuple[bytes, dict[str, str]]] = [
        _multipart(*(text % number for number in range(1001))),
        _multipart(*(file % number for number in range(9))),
        _multipart(*[inner] * 100),
        _multipart(b'filename="x"\r\n\r\nx'),
        _multipart(b'name="x"\r\nContent-Transfer-Encoding: rot13\r\n\r\nx'),
        _multipart(b'name="file"; filename="' + b"a" * 9000 + b'"\r\n\r\nx'),
        _multipart(b'name="' + b"[" * 500 + b'"\r\n\r\nx', b'name="\xff"\r\n\r\n\xff'),
        (b"--b\r\nContent-Disposition: form-data; name=x", {"Content-Type": "multipart/form-data; boundary=b"}),
        (b"--b\r\n\r\n", {"Content-Type": "multipart/form-data"}),
        (b"", {"Content-Type": "multipart/form-data; boundary=" + "b" * 300}),
        (b"x" * 1000, {"Content-Type": "multipart/form-data; boundary=b"}),
    ]
    for body, headers in forms_:
        for client, path in ((anybody, "/api/v1/apps"), (app, "/api/v2/media"), (app, "/api/v1/statuses")):
            answer = await ask(client, "POST", path, data=body, headers=headers)
            assert 400 <= answer.status < 500, (path, body[:80], answer.status)
            assert "error" in answer.json
    assert (await alice.rows())["media"] == 0
    assert (await app.post("/api/v1/statuses", {"status": "still here"})).status == 200


@pytest.fixture
async def small(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    """A node that takes recordings of up to 2 MiB, and no more than 3 MiB of files at one time."""
    monkeypatch.setattr(forms, "FILE_LIMIT", 1 << 20)
    home = await settle_in(tmp_path, "alice", clock=clock, recording_limit=2, image_limit=1)
    try:
        yield await home.start()
    finally:
        await home.stop()


async def test_files_of_one_request_share_one_limit(small: Home) -> None:
    """Eight files below the limit are not eight times the limit."""
    app = await Client.of(small)
    head = b'name="f%d"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body, headers = _multipart(*(head % number + b"x" * (5 << 18) for number in range(3)))
    assert (await ask(app, "POST", "/api/v2/media", data=body, headers=headers)).status == 413


async def test_a_recording_as_large_as_the_settings_say_comes_through_the_door(small: Home) -> None:
    """`recording_limit` is the limit: what is less is refused for what it is, and what is more for its size."""
    app = await Client.of(small)
    for size, status in ((15 << 17, 422), (25 << 17, 413)):
        part = b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n' + b"x" * size
        body, headers = _multipart(part)
        assert (await ask(app, "POST", "/api/v2/media", data=body, headers=headers)).status == status


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
)
async def test_a_body_that_does_not_come_is_not_waited_for(
    alice: Home, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §10: "body 30 s", also where nobody has a token yet."""
    monkeypatch.setattr(forms, "TEXT_TIMEOUT", 0.2)
    head = f"POST /api/v1/apps HTTP/1.1\r\nHost: {alice.settings.listen}\r\nContent-Length: 100\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", alice.settings.listen_port)
    writer.write(f"{head}Content-Type: {kind}\r\n\r\n--b\r\n".encode())
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    asked = {"client_name": "x", "redirect_uris": "https://x.example/", "scopes": "read"}
    assert (await Client(alice, None).post("/api/v1/apps", asked)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_a_compressed_body_is_not_read(alice: Home, encoding: str) -> None:
    """Ten bytes that become a gigabyte are ten bytes."""
    import gzip

    app = await Client.of(alice)
    body = gzip.compress(b'{"status": "small"}')
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        url = f"{alice.base}/api/v1/statuses"
        async with session.post(url, data=body, headers={**app.headers, **headers}, skip_auto_headers=()) as answer:
            assert answer.status in (400, 415)
    assert (await app.get("/api/v1/timelines/home")).json == []


async def test_too_much_of_everything_in_a_post(alice: Home) -> None:
    """issue 4: "10,000-character statuses, 500 poll options, forged media ids … nothing stored"."""
    app = await Client.of(alice)
    before = await alice.rows()
    poll = {"options": ["a", "b"], "expires_in": 3600}
    for wrong in (
        {"status": "x" * 10_000},
        {"status": "x", "spoiler_text": "y" * 140},
        {"status": "x", "poll": {**poll, "options": [str(number) for number in range(500)]}},
        {"status": "x", "poll": {**poll, "options": ["a" * 5000, "b"]}},
        {"status": "x", "poll": {**poll, "options": ["a", "a"]}},
        {"status": "x", "poll": {**poll, "options": ["a"]}},
        {"status": "x", "poll": {**poll, "options": ["a", " "]}},
        {"status": "x", "poll": {**poll, "expires_in": -5}},
        {"status": "x", "media_ids": ["1"]},
        {"status": "x", "media_ids": ["../../x"]},
        {"status": "x", "media_ids": [str(number) for number in range(1, 90)]},
        {"status": "x", "in_reply_to_id": "1"},
        {"status": "x", "quoted_status_id": "1"},
        {"status": "x", "visibility": "everybody"},
        {"status": " \n\t"},
    ):
        answer = await app.post("/api/v1/statuses", wrong)
        assert answer.status in (404, 422), (wrong, answer.json)
    assert await alice.rows() == before
    assert (await app.post("/api/v1/statuses", {"status": "x", "poll": poll})).status == 200
