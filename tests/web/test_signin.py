"""Logging in, letting apps in and showing them out (security.md §7; RFC 6749, 7009, 7636, 8414)."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from node.storage import profile
from node.web.mastodon.oauth import OOB, covered, is_redirect
from node.web.signin import _local
from node.web.signin.ask import meanings
from tests.support.browser import Browser, Page, give_password
from tests.support.client import Answer, Client
from tests.support.clock import FakeClock
from tests.support.homes import Home

PASSWORD = "a long and rainy summer"
BACK = "https://app.example/callback?x=1"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
async def browser(alice: Home, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The owner's, not logged in yet."""
    await give_password(alice, PASSWORD, monkeypatch)
    return Browser(alice)


async def register(anybody: Client, **more: Any) -> dict[str, Any]:
    asked = {"client_name": "Tester", "redirect_uris": BACK, "scopes": "read write follow push", **more}
    answer = await anybody.post("/api/v1/apps", asked)
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json
    return found


@pytest.fixture
def anybody(alice: Home) -> Client:
    return Client(alice, None)


def question(app: dict[str, Any], **more: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": BACK,
        "scope": "read write",
        **more,
    }
    return "/oauth/authorize?" + urlencode(asked)


async def say_yes(browser: Browser, path: str) -> Page:
    if "cuicui" not in browser.cookies:
        assert (await browser.log_in(PASSWORD)).status == 303
    return await browser.send(await browser.get(path), decision="allow")


def answer_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.location).query).items()}


async def exchange(anybody: Client, app: dict[str, Any], given: str, **more: str) -> Answer:
    form = {
        "grant_type": "authorization_code",
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": BACK,
        "code": given,
        **more,
    }
    return await anybody.request("POST", "/oauth/token", data=form)


# ── the whole way ────────────────────────────────────────────────────────────────────────────


async def test_an_app_logs_in(alice: Home, browser: Browser, anybody: Client) -> None:
    """client-api.md §1: register, authorize, token, and the token works."""
    app = await register(anybody)
    path = question(app, state="s/1 2", code_challenge=CHALLENGE, code_challenge_method="S256")
    login = await browser.get(path)
    assert login.status == 303
    assert login.location.startswith("/login?next=%2Foauth%2Fauthorize")
    logged_in = await browser.send(await browser.get(login.location), password=PASSWORD)
    assert logged_in.status == 303
    asked = await browser.get(logged_in.location)
    assert asked.status == 200
    for words in ("Tester", "app.example", "in your name", f"@{alice.handle}"):
        assert words in asked.html
    assert "form-action 'self' https://app.example;" in asked.headers["Content-Security-Policy"]
    assert asked.headers["Cache-Control"] == "no-store"
    allowed = await browser.send(asked, decision="allow")
    assert allowed.status == 302
    assert allowed.location.startswith("https://app.example/callback?x=1&")
    said = answer_of(allowed)
    assert (said["state"], said["iss"]) == ("s/1 2", f"{alice.base}/")
    got = await exchange(anybody, app, said["code"], code_verifier=VERIFIER)
    assert got.status == 200, got.json
    assert {"token_type": "Bearer", "scope": "read write"}.items() <= got.json.items()
    assert isinstance(got.json["created_at"], int)
    mine = Client(alice, got.json["access_token"])
    assert (await mine.get("/api/v1/accounts/verify_credentials")).json["acct"] == "alice"
    assert (await mine.get("/api/v1/apps/verify_credentials")).json["name"] == "Tester"


async def test_a_window_that_an_app_opened_finds_its_way_back(browser: Browser, anybody: Client) -> None:
    """Phanpy asks in a window of its own: one stricter answer on the way, and to the app it is closed (HTML, COOP)."""
    path = question(await register(anybody))
    login = await browser.get(path)
    form = await browser.get(login.location)
    logged_in = await browser.send(form, password=PASSWORD)
    asked = await browser.get(logged_in.location)
    allowed = await browser.send(asked, decision="allow")
    policies = [page.headers["Cross-Origin-Opener-Policy"] for page in (login, form, logged_in, asked, allowed)]
    assert policies == ["unsafe-none"] * 5
    assert all("frame-ancestors 'none'" in page.headers["Content-Security-Policy"] for page in (form, asked))
    assert (await browser.get("/access")).headers["Cross-Origin-Opener-Policy"] == "same-origin"


async def test_a_code_can_be_shown_instead(browser: Browser, anybody: Client) -> None:
    """client-api.md §1: "oob page shows the code"."""
    app = await register(anybody, redirect_uris=[OOB])
    shown = await say_yes(browser, question(app, redirect_uri=OOB))
    assert shown.status == 200
    code = shown.html.partition('value="')[2].partition('"')[0]
    assert (await exchange(anybody, app, code, redirect_uri=OOB)).status == 200


async def test_a_slash_at_the_end_changes_nothing(browser: Browser, anybody: Client) -> None:
    """toot asks at `/oauth/authorize/`."""
    app = await register(anybody)
    allowed = await say_yes(browser, question(app).replace("/authorize?", "/authorize/?"))
    assert (await exchange(anybody, app, answer_of(allowed)["code"])).status == 200


async def test_the_owner_can_say_no(browser: Browser, anybody: Client) -> None:
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    denied = await browser.send(await browser.get(question(app, state="1")), decision="deny")
    assert answer_of(denied)["error"] == "access_denied"
    assert "code" not in answer_of(denied)


async def test_an_apps_own_token_is_not_the_owners(alice: Home, anybody: Client) -> None:
    """security.md §7: "app token ≠ user"."""
    app = await register(anybody)
    form = {"grant_type": "client_credentials", "client_id": app["client_id"], "client_secret": app["client_secret"]}
    got = await anybody.request("POST", "/oauth/token", data=form)
    assert got.status == 200
    theirs = Client(alice, got.json["access_token"])
    assert (await theirs.get("/api/v1/apps/verify_credentials")).json["name"] == "Tester"
    assert (await theirs.get("/api/v1/accounts/verify_credentials")).status == 403
    assert (await theirs.get("/api/v1/timelines/home")).status == 403


async def test_a_token_is_taken_back(alice: Home, browser: Browser, anybody: Client) -> None:
    """RFC 7009; nobody else's app can do it."""
    app, other = await register(anybody), await register(anybody, client_name="Other")
    said = answer_of(await say_yes(browser, question(app)))
    value = (await exchange(anybody, app, said["code"])).json["access_token"]
    mine = Client(alice, value)
    assert (await mine.get("/api/v1/timelines/home")).status == 200

    async def take(by: dict[str, Any]) -> int:
        form = {"client_id": by["client_id"], "client_secret": by["client_secret"], "token": value}
        return (await anybody.request("POST", "/oauth/revoke", data=form)).status

    assert await take(other) == 403
    assert (await mine.get("/api/v1/timelines/home")).status == 200
    assert await take(app) == 200
    assert (await mine.get("/api/v1/timelines/home")).status == 401
    assert await take(app) == 200


async def test_scopes_are_enforced(alice: Home, browser: Browser, anybody: Client) -> None:
    app = await register(anybody)
    said = answer_of(await say_yes(browser, question(app, scope="read")))
    reader = Client(alice, (await exchange(anybody, app, said["code"])).json["access_token"])
    assert (await reader.get("/api/v1/timelines/home")).status == 200
    refused = await reader.post("/api/v1/statuses", {"status": "no"})
    assert refused.status == 403
    assert "write:statuses" in refused.json["error"]


# ── codes ────────────────────────────────────────────────────────────────────────────────────


async def test_a_code_used_twice_takes_its_token_back(alice: Home, browser: Browser, anybody: Client) -> None:
    """security.md §7: "reuse revokes the tokens"."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    mine = Client(alice, (await exchange(anybody, app, code)).json["access_token"])
    assert (await mine.get("/api/v1/timelines/home")).status == 200
    again = await exchange(anybody, app, code)
    assert (again.status, again.json["error"]) == (400, "invalid_grant")
    assert (await mine.get("/api/v1/timelines/home")).status == 401


async def test_a_code_lives_a_minute(clock: FakeClock, browser: Browser, anybody: Client) -> None:
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    clock.forward(timedelta(seconds=61))
    assert (await exchange(anybody, app, code)).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"client_secret": "guessed"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"redirect_uri": "https://app.example/callback"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_grant"),
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_is_bound(browser: Browser, anybody: Client, wrong: dict[str, str], error: str) -> None:
    """security.md §7: "bound to client+redirect+challenge"."""
    app = await register(anybody)
    path = question(app, code_challenge=CHALLENGE, code_challenge_method="S256")
    code = answer_of(await say_yes(browser, path))["code"]
    answer = await exchange(anybody, app, code, **{"code_verifier": VERIFIER, **wrong})
    assert answer.status in (400, 401)
    assert answer.json["error"] == error
    assert "access_token" not in answer.json


async def test_another_app_cannot_use_a_code(browser: Browser, anybody: Client) -> None:
    app, other = await register(anybody), await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    assert (await exchange(anybody, other, code)).json["error"] == "invalid_grant"


# ── questions that are not put ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wrong",
    [
        {"redirect_uri": "https://app.example/callback"},
        {"redirect_uri": "https://app.example/callback?x=1&y"},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": ""},
        {"client_id": "nobody"},
    ],
)
async def test_nobody_is_sent_where_the_app_never_said(
    browser: Browser, anybody: Client, wrong: dict[str, str]
) -> None:
    """security.md §7: "exact string match … error shown on our page"."""
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    page = await browser.get(question(app, **wrong))
    assert (page.status, page.location) == (400, "")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "everything"}, "invalid_scope"),
        ({"scope": "push profile"}, "invalid_scope"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": CHALLENGE}, "invalid_request"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
    ],
)
async def test_an_app_learns_what_it_asked_wrong(
    browser: Browser, anybody: Client, wrong: dict[str, str], error: str
) -> None:
    """RFC 6749 §4.1.2.1; "S256 only"."""
    app = await register(anybody, scopes="read write push")
    await browser.log_in(PASSWORD)
    page = await browser.get(question(app, state="st", **wrong))
    assert page.status == 302
    assert {"error": error, "state": "st"}.items() <= answer_of(page).items()


@pytest.mark.parametrize(
    ("uri", "fine"),
    [
        ("https://elk.example/api/x", True),
        ("http://localhost:3000/cb", True),
        ("http://127.0.0.1/cb", True),
        ("http://[::1]:80/cb", True),
        ("oauth2redirect://com.keylesspalace.tusky/", True),
        ("com.tapbots.Ivory.10217:/request_token", True),
        ("icecubesapp://", True),
        ("mastodon://joinmastodon.org/oauth", True),
        (OOB, True),
        ("http://app.example/cb", False),
        ("javascript:alert(1)", False),
        ("JavaScript://x/%0aalert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("https://user@app.example/", False),
        ("https:///x", False),
        ("https://app.example/#frag", False),
        ("https://app.example\\@evil.example/", False),
        ("https://[broken/", False),
        ("/relative", False),
        ("", False),
    ],
)
def test_where_a_code_may_go(uri: str, fine: bool) -> None:
    """security.md §7: "never javascript/data/file"."""
    assert is_redirect(uri) is fine


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_name": ""},
        {"client_name": "x" * 500},
        {"redirect_uris": ""},
        {"redirect_uris": "javascript:alert(1)"},
        {"redirect_uris": [BACK, "file:///x"]},
        {"redirect_uris": [BACK] * 50},
        {"redirect_uris": {"a": 1}},
        {"scopes": "root"},
        {"website": "javascript:alert(1)"},
    ],
)
async def test_a_registration_is_checked(anybody: Client, wrong: dict[str, Any]) -> None:
    asked = {"client_name": "x", "redirect_uris": BACK, "scopes": "read", **wrong}
    answer = await anybody.post("/api/v1/apps", asked)
    assert answer.status == 422
    assert answer.json["error"].startswith("Validation failed")


async def test_registration_answers_as_apps_expect(anybody: Client) -> None:
    """client-api.md §1: form and JSON, one redirect or several."""
    two = f"{BACK}\n{OOB}"
    answer = await anybody.request("POST", "/api/v1/apps", data={"client_name": "A", "redirect_uris": two})
    assert answer.status == 200
    assert answer.json["redirect_uris"] == [BACK, OOB]
    assert answer.json["redirect_uri"] == two
    assert {"id", "name", "website", "client_id", "client_secret", "vapid_key"} <= set(answer.json)
    assert answer.json["id"].isdigit()


def test_scopes_are_within_those_registered() -> None:
    """security.md §7, scope escalation."""
    assert covered("read:accounts write:statuses", "read write:statuses")
    assert covered("write:blocks", "follow")
    assert not covered("write", "write:statuses")
    assert not covered("push", "read write")


def test_the_page_says_what_each_scope_means() -> None:
    sentences = [sentence for sentence, _, _ in meanings("read:statuses write push")]
    assert sentences[0] == "read these only: statuses"
    assert "in your name" in sentences[1]
    assert len(sentences) == 3


async def test_what_there_is_can_be_read(alice: Home, anybody: Client) -> None:
    """RFC 8414, at /.well-known/oauth-authorization-server."""
    found = (await anybody.get("/.well-known/oauth-authorization-server")).json
    assert found["token_endpoint"] == f"{alice.base}/oauth/token"
    assert found["code_challenge_methods_supported"] == ["S256"]


# ── the password ─────────────────────────────────────────────────────────────────────────────


async def test_one_logs_in_with_what_the_node_itself_made_of_the_password(alice: Home) -> None:
    """security.md §7: argon2id, with what RFC 9106 §4 recommends where 2 GiB are not to be had."""
    await alice.node.owner.set_password(PASSWORD)
    async with alice.node.store.read() as tx:
        assert str(await profile.password_hash(tx)).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (await Browser(alice).log_in(PASSWORD)).status == 303


async def test_a_wrong_password_opens_nothing(browser: Browser) -> None:
    for wrong in ("", "wrong", PASSWORD + " ", "x" * 5000):
        page = await browser.log_in(wrong)
        assert page.status in (401, 429), wrong
        assert "cuicui" not in browser.cookies
    assert (await browser.get("/access")).status == 303


async def test_guessing_gets_slow(clock: FakeClock, browser: Browser) -> None:
    """security.md §7: "global back-off for the one owner + per address"; and it ends."""
    free = [(await browser.log_in(f"guess {number}")).status for number in range(5)]
    assert free == [401] * 5
    for number in range(6):  # 1, 2, 4 … 30 s; the last is longer than a guess takes on the busiest machine
        clock.forward(timedelta(minutes=1))
        assert (await browser.log_in(f"further guess {number}")).status == 401
    waiting = await browser.log_in(PASSWORD)
    assert waiting.status == 429
    assert int(waiting.headers["Retry-After"]) <= 30
    clock.forward(timedelta(seconds=int(waiting.headers["Retry-After"])))
    assert (await browser.log_in(PASSWORD)).status == 303


async def test_a_node_without_a_password_says_how_to_set_one(alice: Home) -> None:
    page = await Browser(alice).get("/login")
    assert "cuicui password" in page.html
    assert "<form" not in page.html


# ── sessions and forms ───────────────────────────────────────────────────────────────────────


async def test_the_cookie_is_for_our_pages_alone(browser: Browser) -> None:
    await browser.log_in(PASSWORD)
    (cookie,) = [line for line in browser.set_cookies if line.startswith("cuicui=") and len(line) > 60]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}


async def test_each_login_has_a_new_id(browser: Browser) -> None:
    """security.md §7, session fixation."""
    await browser.log_in(PASSWORD)
    first = browser.cookies["cuicui"]
    await browser.send(await browser.get("/login?again=1"), password=PASSWORD)
    assert browser.cookies["cuicui"] != first
    old = Browser(browser.home)
    old.cookies["cuicui"] = first
    assert (await old.get("/access")).status == 303


async def test_logging_out_ends_it_here_too(browser: Browser) -> None:
    """security.md §7: "server-side delete at log-out"."""
    await browser.log_in(PASSWORD)
    kept = dict(browser.cookies)
    page = await browser.get("/access")
    last = page.html.count("<form") - 1
    assert (await browser.send(page, last)).status == 303
    browser.cookies = kept
    assert (await browser.get("/access")).status == 303


async def test_a_session_ends_when_it_is_not_used(clock: FakeClock, browser: Browser) -> None:
    await browser.log_in(PASSWORD)
    clock.forward(timedelta(days=29))
    assert (await browser.get("/access")).status == 200
    clock.forward(timedelta(days=29))
    assert (await browser.get("/access")).status == 200
    clock.forward(timedelta(days=31))
    assert (await browser.get("/access")).status == 303


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"token": "x"}],
)
async def test_forms_of_other_sites_do_nothing(browser: Browser, anybody: Client, headers: dict[str, str]) -> None:
    """security.md §6, CSRF."""
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    page = await browser.get(question(app))
    more = {"token": headers["token"]} if "token" in headers else {}
    answer = await browser.send(page, headers={} if more else headers, decision="allow", **more)
    assert (answer.status, answer.location) == (403, "")
    login = await browser.send(
        await browser.get("/login?again=1"), headers={} if more else headers, password=PASSWORD, **more
    )
    assert login.status == 403


async def test_apps_and_browsers_are_listed_and_shown_out(alice: Home, browser: Browser, anybody: Client) -> None:
    """Issue 4: "sessions listed and revocable"."""
    app = await register(anybody, client_name="<b>Phone</b>")
    code = answer_of(await say_yes(browser, question(app)))["code"]
    mine = Client(alice, (await exchange(anybody, app, code)).json["access_token"])
    assert (await mine.get("/api/v1/timelines/home")).status == 200
    page = await browser.get("/access")
    assert "&lt;b&gt;Phone&lt;/b&gt;" in page.html
    assert "read write" in page.html
    await browser.send(page, 0)
    assert (await mine.get("/api/v1/timelines/home")).status == 401
    after = await browser.get("/access")
    assert "Phone" not in after.html
    await browser.send(after, 0)  # this browser itself
    assert (await browser.get("/access")).status == 303


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/access", "/access"),
        ("/oauth/authorize?a=b&c=%2F", "/oauth/authorize?a=b&c=%2F"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        (None, "/"),
    ],
)
def test_after_the_login_one_stays_here(to: str | None, goes: str) -> None:
    """security.md §6, open redirect."""
    assert _local(to) == goes


async def test_a_new_password_shows_apps_out(alice: Home, browser: Browser, anybody: Client) -> None:
    """security.md §7: whoever knew the old one may have let an app in. What was made in the shell stays."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    mine = Client(alice, (await exchange(anybody, app, code)).json["access_token"])
    script = Client(alice, await alice.node.owner.new_token("script"))
    assert [(await who.get("/api/v1/timelines/home")).status for who in (mine, script)] == [200, 200]
    assert await alice.node.owner.set_password("another long summer") == 1
    assert [(await who.get("/api/v1/timelines/home")).status for who in (mine, script)] == [401, 200]
    assert (await browser.get("/access")).status == 303
