"""What surrounds every answer: headers, errors, files; and what strangers write stays words."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import text

import node.web
from node.errors import Reason, Refused
from node.model import Iri, Verdict
from node.web.middleware import HEADERS
from tests.web.filled import House, another_key, furnish, leave, open_doors
from tests.web.reading import Page

AP = "application/activity+json"
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


# ── headers ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "accept", "status"),
    [
        ("GET", "/@ada", HTML, 200),
        ("HEAD", "/@ada", HTML, 200),
        ("GET", "/", HTML, 302),
        ("GET", "/actor", HTML, 303),
        ("GET", "/actor", AP, 200),
        ("GET", "/static/cuicui.css", None, 200),
        ("GET", "/.well-known/webfinger", None, 400),
        ("GET", "/.well-known/webfinger?resource=acct:x@y", None, 404),
        ("GET", "/notes/77", AP, 404),
        ("GET", "/nowhere", HTML, 404),
        ("GET", "/inbox", AP, 405),
        ("POST", "/@ada", HTML, 405),
        ("DELETE", "/actor", AP, 405),
        ("POST", "/inbox", AP, 202),
    ],
)
async def test_every_answer_is_harmless(house: House, method: str, path: str, accept: str | None, status: int) -> None:
    """security.md §6: the policy allows nothing but our stylesheet and pictures, on errors as well."""
    reply = await house.ask(method, path, accept)
    assert reply.status == status
    for name, value in HEADERS.items():
        assert reply.headers[name] == value
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self' data:;")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert reply.headers["Server"] == "cuicui"  # and no version of anything
    assert "Set-Cookie" not in reply.headers


async def test_304_is_harmless_too(house: House) -> None:
    first = await house.get("/@ada", HTML)
    again = await house.get("/@ada", HTML, If_None_Match=first.headers["ETag"])
    assert again.status == 304
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
    assert (again.headers["Vary"], again.headers["ETag"]) == ("Accept", first.headers["ETag"])


async def test_the_host_header_is_not_believed(house: House) -> None:
    """Every address on a page comes from the settings, so no cache can be filled with another's."""
    number = await house.say("Hello #loom")
    for path in ("/@ada", f"/@ada/{number}", "/tags/loom", "/nowhere", "/"):
        reply = await house.get(path, HTML, Host="evil.example", X_Forwarded_Host="evil.example")
        assert b"evil.example" not in reply.body
        assert "evil.example" not in str(reply.headers)


# ── errors ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "accept", "is_page"),
    [
        ("/nowhere", HTML, True),
        ("/nowhere", None, True),
        ("/nowhere", AP, False),
        ("/@bob", HTML, True),
        ("/api/v1/nothing", HTML, False),
        ("/nodeinfo/9", HTML, False),
        ("/.well-known/nothing", HTML, False),
        ("/notes/7/likes", AP, False),
        ("/notes/7/likes", HTML, True),
    ],
)
async def test_who_asks_decides_how_an_error_is_said(
    house: House, path: str, accept: str | None, is_page: bool
) -> None:
    """A person reads a page in the same look; a program reads `error` and a stable `code`."""
    reply = await house.get(path, accept)
    assert reply.status == 404
    if is_page:
        assert "There is nothing here" in Page(reply.text).words
        assert reply.headers["Content-Type"].startswith("text/html")
    else:
        assert reply.json["code"] == "not_found"
        assert reply.headers["Content-Type"].startswith("application/json")
    assert "no-store" in reply.headers["Cache-Control"]


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def heard(name: str) -> Iterator[list[logging.LogRecord]]:
    """What a logger says meanwhile."""
    ear, logger = _Ear(), logging.getLogger(name)
    logger.addHandler(ear)
    try:
        yield ear.records
    finally:
        logger.removeHandler(ear)


@pytest.fixture
async def broken(house: House) -> AsyncIterator[str]:
    """The same pages, beside handlers that fail as no handler should."""
    app = web.Application()
    pages = node.web.mount(
        app,
        store=house.store,
        ids=house.ids,
        clock=lambda: house.now,
        profile=house.documents.profile,
        own_key=house.keys.identity.public,
    )
    assert isinstance(pages, node.web.Pages)

    async def fail(request: web.Request) -> web.Response:
        raise RuntimeError(f"a secret: {await request.text()}")

    async def refuse(_request: web.Request) -> web.Response:
        raise Refused(Reason.STALE, "the signature is from yesterday", hint="set your clock")

    app.router.add_post("/fail/{what}", fail)
    app.router.add_get("/refuse", refuse)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


@pytest.mark.parametrize("accept", [HTML, AP])
async def test_what_nobody_expected_is_logged_once_and_told_to_nobody(broken: str, accept: str) -> None:
    """security.md §9: a failure inside says nothing of the inside; a number leads the owner to it."""
    with heard("cuicui.web") as events:
        async with ClientSession() as session:
            reply = await session.post(f"{broken}/fail/private-id", data="swordfish", headers={"Accept": accept})
            body = await reply.text()
    assert reply.status == 500
    for inside in ("Traceback", "RuntimeError", "swordfish", "secret", ".py"):
        assert inside not in body
    assert [(one.levelname, one.getMessage()) for one in events] == [("ERROR", "request_failed")]
    event = events[0].__dict__
    assert event["request"] in body
    assert (event["method"], event["route"]) == ("POST", "/fail/{what}")  # the pattern, not the address
    assert reply.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    assert reply.headers["Cache-Control"] == "no-store"


async def test_an_expected_refusal_keeps_its_words(broken: str) -> None:
    """style.md §8: code, message and hint reach the one who is refused, and no error is logged."""
    with heard("cuicui.web") as events:
        async with ClientSession() as session:
            reply = await session.get(f"{broken}/refuse", headers={"Accept": AP})
            said = json.loads(await reply.text())
    assert reply.status == 401
    assert said == {"error": "the signature is from yesterday", "code": "stale", "hint": "set your clock"}
    assert events == []


async def test_a_broken_database_is_503(house: House) -> None:
    """RFC 9110 §15.6.4: temporarily unable; what is wrong with the database is for the owner's log."""
    async with house.store.write() as tx:
        await tx.execute(text("ALTER TABLE notes RENAME TO lost"))
    with heard("cuicui.web") as events:
        page = await house.get("/@ada", HTML)
        document = await house.get("/notes/77", AP)
    assert (page.status, document.status) == (503, 503)
    assert "One moment" in Page(page.text).words
    assert document.json["code"] == "store"
    assert page.headers["Retry-After"] == "10"
    for answer in (page, document):
        assert "notes" not in answer.text.replace("/notes/", "")
        assert "sql" not in answer.text.lower()
    assert [one.getMessage() for one in events] == ["store_failed", "store_failed"]


# ── files ────────────────────────────────────────────────────────────────────────────────────


async def test_the_stylesheet_is_kept_by_those_who_have_it(house: House) -> None:
    """Its address changes with its content, so it may be kept for long; RFC 9110 §13.1.2 for the rest."""
    page = Page((await house.get("/@ada", HTML)).text)
    address = page.one("link", rel="stylesheet").attributes["href"]
    reply = await house.get(address)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "max-age=86400" in reply.headers["Cache-Control"]
    assert "url(" not in reply.text  # nothing further is loaded
    assert "@import" not in reply.text
    assert (await house.get(address, If_None_Match=reply.headers["ETag"])).status == 304
    bird = await house.get(page.one("link", rel="icon").attributes["href"])
    assert (bird.status, bird.headers["Content-Type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize("name", ["avatar.png", "header.png"])
async def test_apps_in_browsers_may_look_at_the_pixels(house: House, name: str) -> None:
    """Phanpy asks for every face with CORS, to see how bright it is."""
    reply = await house.get(f"/static/{name}", Origin="https://app.example")
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize(
    "name", ["nothing.css", "../pages.py", "..%2Fpages.py", "%2e%2e%2fpages.py", "..%5Cpages.py", "%00", ""]
)
async def test_no_other_file_is_served(house: House, name: str) -> None:
    """No address becomes a path."""
    assert (await house.get(f"/static/{name}")).status == 404


# ── what strangers write ─────────────────────────────────────────────────────────────────────

HOSTILE = [
    "<script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "--><!--",
    "</time></p></article></li></ol><h1>Owned</h1>",
]
HOSTILE_HTML = [
    *HOSTILE,
    "<img src=https://tracker.example/p.gif>",
    "<iframe src=https://evil.example></iframe>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<p style='background:url(https://tracker.example)' class='unseen top' id=main onclick=x()>hello</p>",
    "<a href='javascript:alert(1)'>click</a>",
    "<a href='data:text/html,x' target=_top>click</a>",
    "<form action=https://evil.example><input name=password><button>go</button></form>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<base href=https://evil.example><meta http-equiv=refresh content='0;url=https://evil.example'>",
]


def assert_harmless(html: str) -> Page:
    """Nothing runs, nothing is fetched from elsewhere, and the page is still in one piece."""
    page = Page(html)
    names = {one.name for one in page.elements}
    assert not names & {"script", "iframe", "object", "embed", "form", "style", "base", "img", "math", "video", "audio"}
    for one in page.elements:
        assert not [name for name in one.attributes if name.startswith("on") or name == "style"]
        link = one.attributes.get("href", "")
        assert link.startswith(("https://", "http://", "/static/", "#")) or not link
        assert not (one.name == "meta" and "http-equiv" in one.attributes)
        if one.name == "a" and not link.startswith(("https://ada.example", "#")):
            assert "noopener" in one.attributes["rel"]
    assert {address.partition("?")[0] for address in page.loads} == {"/static/cuicui.css", "/static/bird.svg"}
    marked = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(marked) == len(set(marked))
    for landmark in ("h1", "main", "body", "title"):
        assert len(page.all(landmark)) == 1
    return page


@pytest.mark.parametrize("words", HOSTILE)
async def test_hostile_words_stay_words(house: House, words: str) -> None:
    """security.md §6: names, warnings and descriptions are text, wherever on a page they stand."""
    eve = await house.meet("@eve@eve.example", words, url="javascript:alert(1)")
    number = await house.say(words, warning=words)
    plain = await house.say(words)
    await house.answer(
        eve,
        house.ids.note(number),
        "<p>hi</p>",
        warning=words,
        language=words,
        url="javascript:alert(1)",
        key=words,
        verdict=Verdict.CHANGED,
    )
    await house.answer(eve, house.ids.note(plain), "<p>hi</p>", verdict=Verdict.SIGNED, key=another_key())
    await house.rename(name=words, summary=words)
    for path in ("/@ada", f"/@ada/{number}", f"/@ada/{plain}"):
        page = assert_harmless((await house.get(path, HTML)).text)
        assert " ".join(words.split()) in page.words


@pytest.mark.parametrize("html", HOSTILE_HTML)
async def test_hostile_html_is_tame(house: House, html: str) -> None:
    """What was stored by an older, laxer version is cleaned again on its way out."""
    eve = await house.meet("@eve@eve.example", "Eve")
    number = await house.say("What do you think?")
    await house.answer(eve, house.ids.note(number), html)
    await house.answer(eve, house.ids.note(number), html + "x" * 600)  # folded
    assert_harmless((await house.get(f"/@ada/{number}", HTML)).text)


@pytest.mark.parametrize("words", HOSTILE)
async def test_hostile_addresses_come_back_as_words(house: House, words: str) -> None:
    """What was asked is never part of a page, unless as words."""
    for path in ("/tags/x", "/nowhere", "/@ada"):
        reply = await house.get(f"{path}?q={_quoted(words)}", HTML)
        assert_harmless(reply.text)
        assert "alert" not in reply.text
    assert_harmless((await house.get(f"/tags/{_quoted(words)}", HTML)).text)


def _quoted(words: str) -> str:
    return "".join(f"%{byte:02x}" for byte in words.encode())


async def test_nothing_is_loaded_from_elsewhere(house: House) -> None:
    """A reader's address is told to nobody: no pictures, no fonts, no styles of others."""
    bob = await house.meet("@bob@bob.example", "Bob")
    number = await house.say("See https://example.org/picture.png", answers=Iri("https://far.example/1"))
    await house.answer(bob, house.ids.note(number), "<p>Nice <a href='https://bob.example/x'>place</a></p>")
    for path in ("/@ada", f"/@ada/{number}", "/tags/x", "/nowhere", "/@ada/5"):
        assert_harmless((await house.get(path, HTML)).text)


def test_a_node_that_nobody_looks_at_carries_no_templates() -> None:
    """Idle memory is counted: what only pages need is loaded with the first page."""
    said = subprocess.run(
        [sys.executable, "-c", "import node.app, sys; print('jinja2' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(node.web.__file__).parents[2],
    )
    assert said.stdout.strip() == "False"


async def test_the_look_is_the_same_at_another_base(tmp_path: Path) -> None:
    """A node tried on one machine has the same pages, with its own addresses."""
    alice = await furnish(tmp_path, handle="alice", base="http://127.0.0.1:8140")
    server = await open_doors(alice)
    try:
        page = Page((await alice.get("/@alice", HTML)).text)
        assert page.one("link", rel="canonical").attributes["href"] == "http://127.0.0.1:8140/@alice"
        assert "@alice@127.0.0.1:8140" in page.words
    finally:
        await leave(alice, server)


# ── where other servers send people ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "named", ["@bob@bob.example", "bob@bob.example", "acct:bob@127.0.0.1:8142", "https://b.example/@bob"]
)
async def test_the_subscribe_link_leads_to_what_to_type(house: House, named: str) -> None:
    """federation.md §2: the template that WebFinger names is a page that is there."""
    reply = await house.ask("GET", f"/authorize_interaction?uri={quote(named, safe='')}", HTML)
    assert reply.status == 200
    assert f"cuicui follow {named.removeprefix('acct:')}" in reply.text


@pytest.mark.parametrize(
    "named", ["", "bob", "bob@b.example; rm -rf /", "<b>x</b>@y", "javascript:alert(1)", "$(x)@y.z"]
)
async def test_only_what_can_be_typed_is_shown(house: House, named: str) -> None:
    """Nobody is led to paste somebody else's command."""
    reply = await house.ask("GET", f"/authorize_interaction?uri={quote(named, safe='')}", HTML)
    assert reply.status == 200
    assert "cuicui follow" not in reply.text
