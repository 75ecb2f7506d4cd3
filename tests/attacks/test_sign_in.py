"""A stranger with bad intent at the login, at OAuth and with tokens (security.md §7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import pytest
from sqlalchemy import func, select

from node.storage import oauth, tokens
from node.storage.dialect import Tx
from node.storage.schema import apps
from node.storage.schema import tokens as tokens_table
from node.storage.tokens import Token
from node.web.signin.attempts import FREE, LONGEST, LONGEST_TOGETHER, Attempts
from tests.support.browser import Browser, give_password
from tests.support.client import Client
from tests.support.clock import FakeClock
from tests.support.homes import Home
from tests.web.test_signin import (
    BACK,
    CHALLENGE,
    PASSWORD,
    VERIFIER,
    answer_of,
    exchange,
    question,
    register,
    say_yes,
)


@pytest.fixture
async def browser(alice: Home, monkeypatch: pytest.MonkeyPatch) -> Browser:
    await give_password(alice, PASSWORD, monkeypatch)
    return Browser(alice)


@pytest.fixture
def anybody(alice: Home) -> Client:
    return Client(alice, None)


# ── codes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("together", [2, 8])
async def test_a_code_exchanged_side_by_side_gives_one_token_and_then_none(
    alice: Home, browser: Browser, anybody: Client, together: int
) -> None:
    """ "code single-use … reuse revokes the tokens": whoever is quicker has a token, until the slower one comes."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    answers = await asyncio.gather(*(exchange(anybody, app, code) for _ in range(together)))
    given = [answer.json["access_token"] for answer in answers if answer.status == 200]
    assert len(given) == 1
    assert all(answer.json["error"] == "invalid_grant" for answer in answers if answer.status != 200)
    assert (await Client(alice, given[0]).get("/api/v1/timelines/home")).status == 401
    fresh = answer_of(await say_yes(browser, question(app)))["code"]
    good = await exchange(anybody, app, fresh)
    assert (await Client(alice, good.json["access_token"]).get("/api/v1/timelines/home")).status == 200


@pytest.mark.parametrize("wrong", [{"code_verifier": "w" * 64}, {"redirect_uri": "https://app.example/"}])
async def test_a_code_that_was_tried_wrongly_is_used_up(
    browser: Browser, anybody: Client, wrong: dict[str, str]
) -> None:
    """Who stole a code does not try verifiers until one fits."""
    app = await register(anybody)
    path = question(app, code_challenge=CHALLENGE, code_challenge_method="S256")
    code = answer_of(await say_yes(browser, path))["code"]
    assert (await exchange(anybody, app, code, **{"code_verifier": VERIFIER, **wrong})).status == 400
    assert (await exchange(anybody, app, code, code_verifier=VERIFIER)).json["error"] == "invalid_grant"


async def test_a_challenge_that_was_left_out_on_the_way_is_missed(browser: Browser, anybody: Client) -> None:
    """RFC 9700 §4.8.2, PKCE downgrade: "If there was no code_challenge …, any request … containing a
    code_verifier is rejected": the app sent one, so somebody took it away."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    answer = await exchange(anybody, app, code, code_verifier=VERIFIER)
    assert (answer.status, answer.json["error"]) == (400, "invalid_grant")


async def test_a_new_password_voids_codes_and_sessions(alice: Home, browser: Browser, anybody: Client) -> None:
    """Whoever was in with the old one has nothing left to turn into a token."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    await alice.node.owner.set_password("another long and rainy summer")
    assert (await exchange(anybody, app, code)).json["error"] == "invalid_grant"
    assert (await browser.get("/access")).status == 303
    assert (await Browser(alice).log_in("another long and rainy summer")).status == 303


async def test_a_code_is_no_token_and_a_token_no_code(alice: Home, browser: Browser, anybody: Client) -> None:
    """One kind of secret does not open what another does."""
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    for wrong in (code, app["client_id"], app["client_secret"], browser.cookies["cuicui"], tokens.hashed(code)):
        assert (await Client(alice, wrong).get("/api/v1/timelines/home")).status == 401
    token = (await exchange(anybody, app, code)).json["access_token"]
    assert (await exchange(anybody, app, token)).json["error"] == "invalid_grant"
    assert (await Client(alice, tokens.hashed(token)).get("/api/v1/timelines/home")).status == 401
    other = Browser(alice)
    other.cookies["cuicui"] = token
    assert (await other.get("/access")).status == 303
    assert (await Client(alice, token).get("/api/v1/timelines/home")).status == 200


# ── tokens ───────────────────────────────────────────────────────────────────────────────────


async def test_a_token_revoked_while_it_is_looked_up_is_not_remembered(
    alice: Home, browser: Browser, anybody: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that began before the revocation must not keep the token good for those after it."""
    known = await register(anybody)
    said = answer_of(await say_yes(browser, question(known)))
    app = Client(alice, (await exchange(anybody, known, said["code"])).json["access_token"])
    find, read, go = tokens.find, asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx, value: str) -> Token | None:
        found = await find(tx, value)
        if not read.is_set():
            read.set()
            await go.wait()
        return found

    monkeypatch.setattr(tokens, "find", slowly)
    first = asyncio.create_task(app.get("/api/v1/timelines/home"))
    await read.wait()
    asked = {"client_id": known["client_id"], "client_secret": known["client_secret"], "token": app.token}
    assert (await anybody.request("POST", "/oauth/revoke", data=asked)).status == 200
    go.set()
    assert (await first).status == 401
    assert (await app.get("/api/v1/timelines/home")).status == 401


HEADERS = ["", "Bearer", "Bearer ", "Basic {}", "bearer\t{}", "Bearer {}x", "Bearer  x{}", "Token {}", "{}"]


async def test_a_header_that_is_not_quite_one_opens_nothing(alice: Home) -> None:
    """RFC 6750 §2.1; what is no token is no anonymous request either."""
    for written in HEADERS:
        app = await Client.of(alice)
        bare = Client(alice, None)
        headers = {"Authorization": written.format(app.token)}
        for path in ("/api/v1/timelines/home", "/api/v1/timelines/public"):
            assert (await bare.get(path, headers=headers)).status == 401, path
        assert (await app.get("/api/v1/timelines/home")).status == 200


async def test_a_token_in_the_address_or_the_body_opens_streams_alone(alice: Home) -> None:
    """ "Token in URL: header only": addresses are written into logs, and sent on as Referer."""
    app, bare = await Client.of(alice), Client(alice, None)
    for path in ("timelines/home", "accounts/verify_credentials", "notifications", "statuses/1/source", "preferences"):
        assert (await bare.get(f"/api/v1/{path}?access_token={app.token}")).status == 401, path
    post = {"status": "by the body", "access_token": app.token}
    assert (await bare.post("/api/v1/statuses", post)).status == 401
    assert (await bare.request("POST", f"/api/v1/statuses?access_token={app.token}", data=post)).status == 401
    assert (await bare.get("/api/v1/timelines/home", headers={"Cookie": f"access_token={app.token}"})).status == 401
    assert (await app.post("/api/v1/statuses", {"status": "by the header"})).status == 200


async def test_a_session_cookie_opens_nothing_of_the_api(alice: Home, browser: Browser) -> None:
    """What a browser sends by itself acts for nobody: another site can have it sent."""
    await browser.log_in(PASSWORD)
    cookie = {"Cookie": f"cuicui={browser.cookies['cuicui']}"}
    bare = Client(alice, None)
    assert (await bare.get("/api/v1/timelines/home", headers=cookie)).status == 401
    assert (await bare.post("/api/v1/statuses", {"status": "no"}, headers=cookie)).status == 401


# ── guessing ─────────────────────────────────────────────────────────────────────────────────


async def test_guesses_made_side_by_side_are_counted_as_well(browser: Browser, clock: FakeClock) -> None:
    """ "Brute force": forty at once are not forty free ones."""
    page = await browser.get("/login")
    answers = await asyncio.gather(*(browser.send(page, password=f"guess {number}") for number in range(40)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(401) <= FREE + 1
    assert set(statuses) == {401, 429}
    clock.forward(LONGEST)
    assert (await browser.log_in(PASSWORD)).status == 303


def test_nobody_shuts_the_owner_out_for_long(clock: FakeClock) -> None:
    """From many addresses, or through the proxy behind which everybody has one: half a minute at most."""
    together, proxied = Attempts(), Attempts()
    now = clock()
    for number in range(3000):
        assert (together.begin(f"93.184.{number // 250}.{number % 250}", now) or timedelta()) <= LONGEST_TOGETHER
        assert (proxied.begin("127.0.0.1", now) or timedelta()) <= LONGEST_TOGETHER
    now += LONGEST_TOGETHER
    assert together.begin("198.51.100.7", now) is None
    assert proxied.begin("127.0.0.1", now) is None


def test_one_network_is_one_guesser(clock: FakeClock) -> None:
    """A household has 2**64 addresses of IPv6, and every one of them would have five guesses."""
    attempts = Attempts()
    made = [attempts.begin(f"2606:2800:220:1::{number:x}", clock()) for number in range(1, 20)]
    assert made.count(None) == FREE + 1
    assert attempts.begin("2606:2800:220:2::1", clock()) is None


def test_an_address_that_guesses_waits_longer_each_time(clock: FakeClock) -> None:
    attempts, now, waited = Attempts(), clock(), []
    for _ in range(FREE + 14):
        if (pause := attempts.begin("93.184.216.34", now)) is not None:
            waited.append(pause)
            now += pause
            assert attempts.begin("93.184.216.34", now) is None
    assert waited == sorted(waited)
    assert waited[-1] > LONGEST_TOGETHER


# ── forms of other sites ─────────────────────────────────────────────────────────────────────


ELSEWHERE: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1@evil.example"},
    {"Origin": "\\\\"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "SAME-ORIGIN, cross-site"},
]


async def test_a_form_from_elsewhere_does_nothing(alice: Home, browser: Browser, anybody: Client) -> None:
    """ "CSRF on web forms": with the right cookie, and even with the right token."""
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    for headers in ELSEWHERE:
        asked = await browser.get(question(app))
        refused = await browser.send(asked, headers=headers, decision="allow")
        assert (refused.status, refused.location) == (403, "")
        access = await browser.get("/access")
        for number in range(access.html.count("<form")):
            assert (await browser.send(access, number, headers=headers)).status == 403
        assert (await browser.get("/access")).status == 200
        fresh = Browser(alice)
        assert (await fresh.send(await fresh.get("/login"), headers=headers, password=PASSWORD)).status == 403
        assert answer_of(await browser.send(asked, decision="allow"))["code"]


FORM_TOKENS = ["", "x", "é", "\ud800", None]


async def test_a_form_without_its_token_does_nothing(alice: Home, browser: Browser, anybody: Client) -> None:
    """A session-bound token in each form; that of another session is none."""
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    other = Browser(alice)
    await other.log_in(PASSWORD)
    for token in FORM_TOKENS:
        form = (await browser.get(question(app))).form().fields | {"decision": "allow"}
        wrong = (await other.get(question(app))).form().fields["token"] if token is None else token
        body = "&".join(f"{name}={_quoted(value)}" for name, value in {**form, "token": wrong}.items())
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        refused = await browser.go("POST", "/oauth/authorize", data=body, headers=headers)
        assert refused.status in (400, 403)
        assert (await browser.go("GET", "/oauth/authorize?decision=allow&" + body)).location == ""  # GET does nothing
        assert (await browser.send(await browser.get(question(app)), decision="allow")).status == 302


def _quoted(value: str) -> str:
    return "".join(f"%{byte:02x}" for byte in value.encode("utf-8", "surrogatepass"))


COOKIES = ["", "x", "\xff\xfe", '"', "a" * 4000]


async def test_cookies_that_are_none_of_ours_are_nobodys(alice: Home, browser: Browser) -> None:
    """They log nobody in, break no page, and are not taken over as ours."""
    for cookie in COOKIES:
        for name in ("cuicui", "cuicui-form"):
            raw = f"GET /login HTTP/1.1\r\nHost: {alice.settings.listen}\r\nCookie: {name}={cookie}\r\n"
            answer = await _raw(alice, raw + "Connection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert cookie.encode("latin-1") not in answer or len(cookie) < 2
            form = f"password=x&token={_quoted(cookie)}"
            head = (
                raw.replace("GET", "POST")
                + f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
            )
            refused = await _raw(alice, f"{head}Connection: close\r\n\r\n{form}")
            assert refused.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 401 "))
            assert (await _raw(alice, raw.replace("/login", "/access") + "Connection: close\r\n\r\n")).startswith(
                b"HTTP/1.1 303 "
            )
    assert (await browser.log_in(PASSWORD)).status == 303


async def _raw(home: Home, request: str | bytes) -> bytes:
    """What the node answers to these octets."""
    reader, writer = await asyncio.open_connection("127.0.0.1", home.settings.listen_port)
    writer.write(request if isinstance(request, bytes) else request.encode("latin-1"))
    await writer.drain()
    try:
        async with asyncio.timeout(8):
            return await reader.read()
    finally:
        writer.close()


AWAY = [
    *("//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "/%09/evil.example"),
    *("javascript:alert(1)", "/\t/evil.example", "/\r\nSet-Cookie: a=b", " //evil.example", "", "evil.example"),
    *("/%2F/evil.example", "/%5Cevil.example", "///evil.example", "/.//evil.example"),
]


async def test_after_the_login_one_is_still_here(browser: Browser) -> None:
    """ "Open redirect": wherever a browser that follows the answer arrives, it is this node."""
    for to in AWAY:
        browser.cookies.clear()
        page = await browser.get(f"/login?next={quote(to, safe='')}")
        there = await browser.send(page, password=PASSWORD)
        assert there.status == 303
        assert "a" not in browser.cookies
        # As browsers read it: tabs and line ends vanish, a backslash is a slash.
        read = there.location.translate({9: None, 10: None, 13: None}).replace("\\", "/")
        assert urlsplit(urljoin(browser.home.base + "/login", read)).netloc == urlsplit(browser.home.base).netloc


# ── where a code goes ────────────────────────────────────────────────────────────────────────


TRICKS = [
    "https://app.example;script-src/cb",
    "https://app.example,default-src/cb",
    "https://*/cb",
    "https://*.example/cb",
    "https://app.example'none'/cb",
    "https://аpp.example/cb",  # a Cyrillic a
    "https://app.example%2eevil.example/cb",
    "https://owner:pass@app.example/cb",
    "https://@app.example/cb",
    "https://app.example:99999/cb",
    "http://localhost.evil.example/cb",
    "http://127.0.0.1.evil.example/cb",
    "http://0x7f000001/cb",
    "vbscript:x",
    "blob:https://app.example/x",
    "view-source:https://app.example/",
    "intent://x#Intent;end",
    "x:",
    "app.example/cb",
    "//app.example/cb",
    "https://app.example/\r\nX: y",
    "https://app.example/\u202ecb",
]


async def test_an_address_with_tricks_is_not_registered(anybody: Client) -> None:
    """ "redirect_uri": what the owner reads as the target is the target, and nothing else in our headers."""
    for uri in TRICKS:
        asked = {"client_name": "x", "redirect_uris": [uri], "scopes": "read"}
        answer = await anybody.post("/api/v1/apps", asked)
        assert answer.status == 422, answer.json
        assert await register(anybody)


ALMOST: list[Callable[[str], str]] = [
    lambda uri: uri.upper(),
    lambda uri: uri + "&y=1",
    lambda uri: uri.replace("?x=1", ""),
    lambda uri: uri + "#x",
    lambda uri: uri.replace("app.example", "app.example."),
    lambda uri: uri.replace("app.example", "app.example:443"),
    lambda uri: uri.replace("/callback", "/callback/../evil"),
    lambda uri: uri.replace("/callback", "/%63allback"),
    lambda uri: " " + uri,
    lambda uri: uri + "\n",
    lambda uri: f"{uri} {uri}",
]


async def test_almost_the_registered_address_is_another(browser: Browser, anybody: Client) -> None:
    """Exact match, before the owner is asked and when the owner's form comes back."""
    app = await register(anybody)
    await browser.log_in(PASSWORD)
    for change in ALMOST:
        uri = change(BACK)
        page = await browser.get(question(app, redirect_uri=uri))
        assert (page.status, page.location) == (400, "")
        asked = await browser.get(question(app))
        sent = await browser.send(asked, decision="allow", redirect_uri=uri)
        assert (sent.status, sent.location) == (400, "")
        assert (await browser.send(asked, decision="allow")).status == 302


async def test_the_form_cannot_ask_for_more_than_the_app_may(browser: Browser, anybody: Client) -> None:
    """ "Scope escalation": the owner's form is checked as the question was."""
    app = await register(anybody, scopes="read")
    await browser.log_in(PASSWORD)
    asked = await browser.get(question(app, scope="read"))
    for scope in ("write", "read write", "push", "admin:write write", "read:statuses write:statuses"):
        assert "code" not in answer_of(await browser.send(asked, decision="allow", scope=scope)), scope
    own = {"client_id": app["client_id"], "client_secret": app["client_secret"], "grant_type": "client_credentials"}
    answer = await anybody.request("POST", "/oauth/token", data={**own, "scope": "read write"})
    assert answer.json["error"] == "invalid_scope"
    code = answer_of(await browser.send(asked, decision="allow"))["code"]
    got = await exchange(anybody, app, code, scope="read write")
    assert got.json["scope"] == "read"


async def test_an_apps_name_is_text_and_reads_as_it_is(browser: Browser, anybody: Client) -> None:
    """What a stranger calls an app is read by the owner where it is decided who comes in."""
    evil = "</em><script>alert(1)</script>\u202e\u200bTusky\x07"
    app = await register(anybody, client_name=evil, website='https://x.example/"><script>')
    await browser.log_in(PASSWORD)
    page = await browser.get(question(app, state='"><script>alert(2)</script>'))
    assert page.status == 200
    assert "<script" not in page.html
    assert "\u202e" not in page.html and "\u200b" not in page.html and "\x07" not in page.html  # noqa: PT018
    code = answer_of(await browser.send(page, decision="allow"))["code"]
    assert (await exchange(anybody, app, code)).status == 200
    listed = await browser.get("/access")
    assert "<script" not in listed.html and "Tusky" in listed.html  # noqa: PT018


REGISTRATIONS: list[dict[str, object]] = [
    *({"redirect_uris": 5}, {"redirect_uris": True}, {"redirect_uris": [5, None]}, {"redirect_uris": None}),
    *({"redirect_uris": ["https://x.example/" + "x" * 1900] * 9}, {"client_name": ["x"]}, {"client_name": "\u202e"}),
    *({"scopes": {"a": 1}, "client_name": ""}, {"website": "https://x.example@evil.example/"}),
    *({"website": "https://x.example/\njavascript:"}, {"website": "https://аpp.example/"}),
]


async def test_a_registration_of_other_types_is_refused(anybody: Client) -> None:
    """Nothing is stored of it, and nothing breaks."""
    for wrong in REGISTRATIONS:
        asked = {"client_name": "x", "redirect_uris": BACK, "scopes": "read", **wrong}
        answer = await anybody.post("/api/v1/apps", asked)
        assert answer.status == 422, answer.json
    assert await register(anybody)


# ── too much ─────────────────────────────────────────────────────────────────────────────────


async def test_names_are_not_a_way_to_fill_the_disk(
    alice: Home, browser: Browser, anybody: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10,000 registrations, each with tokens of its own: what is kept is bounded at once, and the owner's app stays."""
    monkeypatch.setattr(oauth, "MOST_NEW", 100)
    theirs = await register(anybody)
    said = answer_of(await say_yes(browser, question(theirs)))
    mine = Client(alice, (await exchange(anybody, theirs, said["code"])).json["access_token"])
    own: dict[str, str] = {}
    for number in range(300):
        app = await register(anybody, client_name=f"number {number}")
        own = {name: app[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
        assert (await anybody.request("POST", "/oauth/token", data=own)).status == 200
    for _ in range(30):
        last = await anybody.request("POST", "/oauth/token", data=own)
    async with alice.node.store.read() as tx:
        assert int((await tx.execute(select(func.count()).select_from(apps))).scalar_one()) <= 152
        assert int((await tx.execute(select(func.count()).select_from(tokens_table))).scalar_one()) <= 164
    assert (await Client(alice, last.json["access_token"]).get("/api/v1/apps/verify_credentials")).status == 200
    assert (await mine.get("/api/v1/timelines/home")).status == 200
    assert (await mine.get("/api/v1/apps/verify_credentials")).json["name"] == "Tester"


async def test_an_anonymous_crowd_is_told_to_wait_and_the_owner_is_not(
    alice: Home, anybody: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted for each asker, and not for more askers than can be remembered."""
    from node.web.mastodon import dispatch

    monkeypatch.setattr(dispatch, "ALLOWED", {True: 1000, False: 20})
    monkeypatch.setattr(dispatch, "COUNTED", 3)
    mine = [await Client.of(alice) for _ in range(6)]
    statuses = [(await anybody.get("/api/v1/instance")).status for _ in range(30)]
    assert statuses[:20] == [200] * 20
    assert statuses[-1] == 429
    for client in mine:
        assert (await client.get("/api/v1/timelines/home")).status == 200


FORMS = ["/login", "/access", "/oauth/authorize", "/logout"]


async def test_a_form_that_does_not_come_is_not_waited_for(
    alice: Home, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md §10: "body 30 s"; the place in the door is free again."""
    for path in FORMS:
        monkeypatch.setattr("node.web.signin.FORM_TIMEOUT", 0.2)
        head = f"POST {path} HTTP/1.1\r\nHost: {alice.settings.listen}\r\nContent-Length: 100\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\n\r\npass"
        reader, writer = await asyncio.open_connection("127.0.0.1", alice.settings.listen_port)
        writer.write(head.encode())
        answer = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        assert b" 408 " in answer
    assert (await browser.log_in(PASSWORD)).status == 303


async def test_secrets_are_kept_as_hashes_and_told_to_no_log(
    alice: Home, browser: Browser, anybody: Client, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """ "store SHA-256 of tokens"; "never tokens, bodies, authorization" in logs."""
    caplog.set_level("DEBUG")
    app = await register(anybody)
    code = answer_of(await say_yes(browser, question(app)))["code"]
    token = (await exchange(anybody, app, code)).json["access_token"]
    mine = Client(alice, token)
    assert (await mine.get("/api/v1/timelines/home")).status == 200
    await mine.request("POST", "/api/v1/statuses", data=b"{" + token.encode())
    await mine.get(f"/api/v1/nothing?access_token={token}")
    secrets = (PASSWORD, code, token, app["client_secret"], browser.cookies["cuicui"])
    said = "\n".join(json.dumps(vars(record), default=repr) for record in caplog.records if record.name != "aiosqlite")
    assert [secret for secret in secrets if secret in said] == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name.endswith(".db") or "sqlite" in path.name for path in files)
    for path in files:
        data = path.read_bytes()
        assert [secret for secret in secrets if secret.encode() in data] == [], path.name


async def test_what_is_no_request_says_nothing_in_the_log(alice: Home, caplog: pytest.LogCaptureFixture) -> None:
    """ "Log injection": one word of it, however often it is sent, and none of the words that were sent."""
    caplog.set_level("INFO")
    good = f"GET /api/v1/instance HTTP/1.1\r\nHost: {alice.settings.listen}\r\n"
    bad = (f"{good}Authorization: Bearer hush\x7f", f"{good}X\nY: hush\x00", "GET /hush\x01 HTTP/1.1", "hush hush")
    for request in bad:
        assert b" 400 " in (await _raw(alice, request + "\r\n\r\n")).split(b"\r\n")[0]
    said = [record for record in caplog.records if record.name == "cuicui.http"]
    assert {record.getMessage() for record in said} == {"request_unreadable"}
    assert all(record.exc_info is None and "hush" not in json.dumps(vars(record), default=repr) for record in said)
    assert b" 200 " in (await _raw(alice, good + "Connection: close\r\n\r\n")).split(b"\r\n")[0]
