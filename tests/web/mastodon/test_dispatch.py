"""The door of the client API: tokens, scopes, forms, CORS, errors."""

from __future__ import annotations

import re

import aiohttp
import pytest

from node.web.mastodon import ROUTES, dispatch
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Unreadable
from node.web.mastodon.forms import nested
from node.web.mastodon.route import ANY_TOKEN, ANYONE, SCOPES, Route, Table, allows
from tests.support.client import Client
from tests.support.homes import Home


async def nothing(call: Call) -> aiohttp.web.Response:
    raise AssertionError


def test_a_route_without_a_declared_scope_does_not_start() -> None:
    """security.md §7: "scope check is a decorator without default; test that every route has one"."""
    assert {route.scope for route in ROUTES} <= SCOPES | {ANYONE, ANY_TOKEN}
    with pytest.raises(ValueError, match="is no scope"):
        Table([Route("GET", "/api/v1/x", nothing, "")])
    with pytest.raises(TypeError):
        Route("GET", "/api/v1/x", nothing)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("granted", "wanted", "answer"),
    [
        ("read", "read:statuses", True),
        ("read:statuses", "read:statuses", True),
        ("read:accounts", "read:statuses", False),
        ("write", "read:statuses", False),
        ("follow", "write:follows", True),
        ("follow", "write:statuses", False),
        ("read:statuses", "read", False),
        ("", "push", False),
    ],
)
def test_a_scope_covers(granted: str, wanted: str, answer: bool) -> None:
    assert allows(granted.split(), wanted) is answer


async def test_a_token_opens_what_it_is_for(app: Client, anybody: Client) -> None:
    """client-api.md §1: verify_credentials, after login."""
    answer = await app.get("/api/v1/accounts/verify_credentials")
    assert (answer.status, answer.json["acct"]) == (200, "alice")
    assert (await anybody.get("/api/v1/accounts/verify_credentials")).status == 401
    wrong = Client(app.home, "no-such-token")
    assert (await wrong.get("/api/v1/accounts/verify_credentials")).json["error"] == "The access token is invalid"


async def test_an_unknown_path_is_a_json_404(anybody: Client) -> None:
    """client-api.md §6: "404 JSON never HTML"."""
    for path in ("/api/v1/nothing", "/api/v9", "/api/", "/oauth/nothing", "/api/v1/statuses/abc"):
        answer = await anybody.get(path, headers={"Accept": "text/html"})
        assert answer.status == 404
        assert answer.json["error"] == "Record not found"


@pytest.mark.parametrize("path", ["/api/v2/instance", "/api/v1/nothing", "/api/v1/accounts/verify_credentials"])
async def test_browsers_may_read_every_answer(anybody: Client, path: str) -> None:
    """client-api.md §1: "CORS on every API route incl. errors and preflight", `Link` exposed."""
    answer = await anybody.get(path, headers={"Origin": "https://elk.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Link" in answer.headers["Access-Control-Expose-Headers"]
    preflight = await anybody.request(
        "OPTIONS",
        path,
        headers={
            "Origin": "https://elk.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        },
    )
    assert preflight.status in (200, 204)
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(
        re.split(r",\s*", preflight.headers["Access-Control-Allow-Headers"])
    )


async def test_answers_are_private_and_counted(app: Client) -> None:
    answer = await app.get("/api/v1/timelines/home")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert int(answer.headers["X-RateLimit-Remaining"]) < int(answer.headers["X-RateLimit-Limit"])
    assert answer.headers["X-RateLimit-Reset"].endswith("Z")


async def test_who_asks_too_often_is_told_until_when(
    app: Client, anybody: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """client-api.md §6: "429 with `X-RateLimit-*`"; the owner's app is not kept out by a crowd of others."""
    monkeypatch.setattr(dispatch, "ALLOWED", {True: 300_000, False: 3})
    for _ in range(8):  # twice as often as needed: a new span may begin between two of them
        refused = await anybody.get("/api/v1/timelines/public")
        if refused.status != 200:
            break
    assert (refused.status, refused.json["error"]) == (429, "Too many requests")
    assert (refused.headers["X-RateLimit-Limit"], refused.headers["X-RateLimit-Remaining"]) == ("3", "0")
    assert 0 < int(refused.headers["Retry-After"]) <= dispatch.SPAN
    assert refused.headers["Access-Control-Allow-Origin"] == "*"
    assert (await app.get("/api/v1/timelines/home")).status == 200


@pytest.mark.parametrize(
    ("pairs", "meant"),
    [
        ([("a", "1")], {"a": "1"}),
        ([("id[]", "1"), ("id[]", "2")], {"id": ["1", "2"]}),
        ([("poll[options][]", "x"), ("poll[options][]", "y")], {"poll": {"options": ["x", "y"]}}),
        ([("source[privacy]", "public")], {"source": {"privacy": "public"}}),
        (
            [("fields_attributes[0][name]", "a"), ("fields_attributes[0][value]", "b")],
            {"fields_attributes": {"0": {"name": "a", "value": "b"}}},
        ),
        (
            [("f[][name]", "a"), ("f[][value]", "b"), ("f[][name]", "c")],
            {"f": [{"name": "a", "value": "b"}, {"name": "c"}]},
        ),
    ],
)
def test_brackets_nest(pairs: list[tuple[str, str]], meant: object) -> None:
    """client-api.md §8: bracket fields in every kind of form."""
    assert nested(pairs) == meant


@pytest.mark.parametrize(
    "pairs", [[("a", "1"), ("a[b]", "2")], [("a[]", "1"), ("a[b]", "2")], [("a" + "[b]" * 9, "1")]]
)
def test_forms_that_contradict_themselves_are_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(Unreadable):
        nested(pairs)


async def test_a_status_can_be_sent_in_any_form(app: Client, alice: Home) -> None:
    """client-api.md §8: "JSON, urlencoded and multipart are accepted on every route"."""
    form = aiohttp.FormData({"status": "by multipart"}, default_to_multipart=True)
    for how in ({"json": {"status": "by json"}}, {"data": {"status": "by form"}}, {"data": form}):
        answer = await app.request("POST", "/api/v1/statuses", **how)
        assert answer.status == 200, answer.json
    shown = await app.get("/api/v1/timelines/home?limit=2")
    assert [status["content"] for status in shown.json] == ["<p>by multipart</p>", "<p>by form</p>"]
    assert re.search(r'<[^>]*max_id=\d+[^>]*>; rel="next", <[^>]*min_id=\d+[^>]*>; rel="prev"', shown.headers["Link"])


async def test_bad_bodies_are_the_askers_fault(app: Client) -> None:
    """security.md §4: wrong input is a 4xx in the API's own form, and nothing is stored."""
    json = {"Content-Type": "application/json"}
    for body in (b"{", b"[1]", b'{"a":' * 5000, b"\xff", b'{"status": "\\ud800"}'):
        answer = await app.request("POST", "/api/v1/statuses", data=body, headers=json)
        assert answer.status in (400, 422), body
        assert "error" in answer.json
    large = await app.request("POST", "/api/v1/statuses", data=b'{"status": "' + b"x" * 2_000_000 + b'"}', headers=json)
    assert large.status == 413
    assert (await app.get("/api/v1/timelines/home")).json == []


async def test_141_characters_are_refused_with_the_number(app: Client) -> None:
    """decisions.md §13: "141 is refused with 422 and a message that says by how many"."""
    assert (await app.post("/api/v1/statuses", {"status": "x" * 140})).status == 200
    answer = await app.post("/api/v1/statuses", {"status": "x" * 141})
    assert answer.status == 422
    assert "1" in answer.json["error"]
