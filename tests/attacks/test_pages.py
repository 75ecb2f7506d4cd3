"""What strangers write, on the pages and in apps; and the headers around everything (security.md §6)."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import update

from node.model import Draft, PollDraft
from node.storage.schema import actors, notes
from tests.attacks.test_client_api import ask
from tests.support.attack import greet
from tests.support.browser import Browser
from tests.support.client import Client
from tests.support.homes import Home
from tests.support.pictures import as_bytes, painted, pieces
from tests.support.stranger import PUBLIC, Stranger

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>{{7*7}}</title></textarea>"
MARKUP = (
    '<p id="main" class="page owner invisible" style="position:fixed" onclick="alert(1)">words'
    '<script>alert(1)</script><style>*{}</style><iframe srcdoc="x"></iframe><object data="x"></object>'
    '<a href="javascript:alert(1)">a</a><a href=" jAvAsCrIpT&#58;alert(1)">b</a><a href="data:text/html,x">c</a>'
    '<a href="//evil.example/x">d</a><a href="/login">e</a>'
    '<a href="https://ok.example/" target="x" onfocus=alert(1)>f</a>'
    '<form action="/logout" method="post"><input name="x"><button>go</button></form><base href="https://evil.example/">'
    '<meta http-equiv="refresh" content="0;url=https://evil.example/"><link rel="stylesheet" href="https://evil.example/">'
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>"
    '<img src=x onerror=alert(1)><video src=x onerror=alert(1)></video><noscript><p title="</noscript><img src=x>">'
    "<svg><animate onbegin=alert(1)></svg><details open ontoggle=alert(1)>x</details><template><b>x</b></template></p>"
)
FORBIDDEN = frozenset(
    "script iframe object embed style base frame frameset applet template noscript math marquee".split()  # noqa: SIM905
)
IN_POSTS = frozenset(
    "p span br a del s pre code em strong b i u ul ol li blockquote ruby rt rp".split()  # noqa: SIM905
)
ADDRESSES = ("href", "src", "action", "cite", "poster", "formaction", "data", "srcset", "xlink:href")


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


def check_page(html: str) -> None:
    """Nothing in a page runs, loads or leads anywhere that is not ours to say."""
    for tag, attributes in Tags(html).found:
        assert tag not in FORBIDDEN, tag
        assert not (tag == "meta" and "http-equiv" in attributes)
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("style", "srcdoc"), (tag, name)
            if name in ADDRESSES:
                assert value.startswith(("https://", "http://", "/", "#")), (tag, value)
                assert not value.startswith(("//", "/\\")), value


def check_words(html: str) -> None:
    """HTML that an app is given: the allow-list and nothing else."""
    for tag, attributes in Tags(html).found:
        assert tag in IN_POSTS, tag
        assert attributes.keys() <= {"href", "class", "rel", "translate"}, (tag, attributes)
        if "href" in attributes:
            assert attributes["href"].startswith(("https://", "http://")), attributes
        assert not {"page", "owner"} & set(attributes.get("class", "").split())


HTML = frozenset({"content", "note", "value"})
URLS = ("url", "uri", "avatar", "avatar_static", "header", "header_static", "remote_url", "preview_url", "static_url")


def check_answer(value: Any, name: str = "") -> None:
    """Everything in an answer, by what its field means to apps."""
    if isinstance(value, dict):
        for inner, one in value.items():
            check_answer(one, inner)
    elif isinstance(value, list):
        for one in value:
            check_answer(one, name)
    elif isinstance(value, str) and name in HTML:
        check_words(value)
    elif isinstance(value, str) and name in URLS:
        assert value.startswith(("https://", "http://")), (name, value)


async def test_nothing_strangers_write_runs_anywhere(alice: Home, carol: Stranger) -> None:
    """ "XSS in content", "in text fields: name, summary, alt, poll, shortcode, tag, field names"; javascript: URLs."""
    carol.extra |= {
        "name": f"Carol {EVIL}",
        "summary": MARKUP,
        "url": "javascript:alert(1)",
        "icon": {"type": "Image", "url": "javascript:alert(1)"},
        "image": {"type": "Image", "url": 'https://x.example/"><script>alert(1)</script>'},
        "attachment": [
            {"type": "PropertyValue", "name": EVIL, "value": MARKUP},
            {"type": "PropertyValue", "name": "site", "value": "javascript:alert(1)"},
        ],
        "tag": [{"type": "Emoji", "name": f":{EVIL}:", "icon": {"type": "Image", "url": "data:text/html,x"}}],
    }
    carol.publish()
    await greet(alice, carol)
    root = (await alice.node.owner.post(Draft("what do you say?"))).post
    tags = [
        {"type": "Hashtag", "name": f"#{EVIL}", "href": "javascript:alert(1)"},
        {"type": "Mention", "name": EVIL, "href": alice.node.ids.actor},
        {"type": "Mention", "name": "@x@y.example", "href": "javascript:alert(1)"},
        {"type": "Emoji", "name": ':evil" onload=alert(1):', "icon": {"type": "Image", "url": "javascript:alert(1)"}},
        {"type": "Emoji", "name": ":blob:", "icon": {"type": "Image", "url": 'https://x.example/" onerror="alert(1)'}},
    ]
    files = [
        {"type": "Document", "mediaType": "image/png", "url": "javascript:alert(1)", "name": EVIL},
        {"type": "Document", "mediaType": "image/png", "url": "https://x.example/a.png", "name": EVIL},
        {"type": "Document", "mediaType": f"text/html{EVIL}", "url": "https://x.example/a.html", "name": EVIL},
    ]
    for more in (
        {"content": MARKUP, "tag": tags, "attachment": files, "url": "javascript:alert(1)"},
        {"content": "x", "summary": EVIL, "sensitive": True, "attachment": files, "contentMap": {'en"><script>': EVIL}},
        {"content": f"{EVIL}{MARKUP * 30}", "url": "data:text/html,x"},
        {
            "type": "Question",
            "content": MARKUP,
            "oneOf": [{"type": "Note", "name": EVIL}, {"type": "Note", "name": "b"}],
        },
        {"type": "Article", "name": EVIL, "content": MARKUP, "url": 'https://x.example/"><script>'},
    ):
        note = carol.note("", to=[PUBLIC, alice.node.ids.actor], inReplyTo=root.note.iri) | more
        assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    await alice.quiet()
    page = await Browser(alice).get(str(root.note.url))
    assert page.html.count("words") >= 2
    assert "5 answers" in page.html or "4 answers" in page.html
    check_page(page.html)
    assert page.html.count('id="main"') == 1
    app = await Client.of(alice)
    number = (await app.get("/api/v1/accounts/search?q=carol")).json[0]["id"]
    paths = (f"/api/v1/statuses/{root.id}/context", f"/api/v1/accounts/{number}", f"/api/v1/accounts/{number}/statuses")
    for path in (*paths, "/api/v1/notifications", "/api/v1/timelines/home", "/api/v2/search?q=carol"):
        answer = await app.get(path)
        assert answer.status == 200
        check_answer(answer.json)
    assert len((await app.get(paths[0])).json["descendants"]) >= 4
    await greet(alice, carol)


async def test_what_the_owner_writes_is_text_as_well(alice: Home) -> None:
    """A password that was lent is not a script on the page: name, bio, fields, warning, description, poll, tag."""
    owner, app = alice.node.owner, await Client.of(alice)
    fields = [{"name": EVIL[:100], "value": "javascript:alert(1)"}, {"name": "x", "value": EVIL[:100]}]
    form = {"display_name": EVIL[:99], "note": MARKUP[:900] + EVIL[:90], "fields_attributes": fields}
    assert (await app.request("PATCH", "/api/v1/accounts/update_credentials", json=form)).status == 200
    picture = await alice.node.media.upload(pieces(as_bytes(painted(), "PNG")), alt=EVIL)
    posts = [
        (await owner.post(Draft(EVIL[:60], warning=EVIL[60:110], media=(picture.id,)))).post,
        (await owner.post(Draft(f"[x](javascript:alert(1)) <{EVIL[:40]}> #tag"))).post,
        (await owner.post(Draft("ask", poll=PollDraft((EVIL[:50], "b"), False, timedelta(days=1))))).post,
    ]
    browser = Browser(alice)
    for path in ("/@alice", "/tags/tag", f"/tags/{'%22%3e%3cscript%3e'}", *(str(post.note.url) for post in posts)):
        page = await browser.get(path)
        assert page.status == 200
        check_page(page.html)
    for path in ("/api/v1/timelines/home", "/api/v1/accounts/verify_credentials", "/api/v1/timelines/public"):
        answer = await app.get(path)
        found = answer.json if isinstance(answer.json, list) else [{**answer.json, "source": None}]
        check_answer(found)


async def test_a_hole_in_the_way_in_is_none_on_the_way_out(alice: Home, carol: Stranger) -> None:
    """Sanitised at both doors: what stands in the store all the same, of an older version's making, does not run."""
    await greet(alice, carol)
    root = (await alice.node.owner.post(Draft("what do you say?"))).post
    note = carol.note("words", to=[PUBLIC, alice.node.ids.actor], inReplyTo=root.note.iri)
    assert (await carol.deliver(carol.create(note), alice.base)).status == 202
    async with alice.node.store.write() as tx:
        await tx.execute(update(notes).values(content=MARKUP))
        await tx.execute(update(actors).values(summary=MARKUP))
    page = await Browser(alice).get(str(root.note.url))
    assert page.html.count("words") >= 2
    check_page(page.html)
    app = await Client.of(alice)
    for path in (f"/api/v1/statuses/{root.id}", f"/api/v1/statuses/{root.id}/context"):
        answer = await app.get(path)
        assert b"words" in answer.body
        check_answer(answer.json)


async def test_what_was_asked_is_not_said_back_as_markup(alice: Home) -> None:
    """Reflected: addresses, queries and headers of the asker in pages, errors and redirects."""
    browser = Browser(alice)
    evil = "%22%3e%3cscript%3ealert(1)%3c/script%3e"
    for path in (
        f"/{evil}",
        f"/@{evil}",
        f"/@alice/{evil}",
        f"/@alice?before={evil}",
        f"/tags/{evil}",
        f"/login?next=/{evil}",
        f"/authorize_interaction?uri={evil}",
        "/authorize_interaction?uri=javascript:alert(1)",
        f"/oauth/authorize?client_id={evil}&state={evil}&scope={evil}",
        f"/static/{evil}",
        f"/media/{evil}",
    ):
        page = await browser.get(path, headers={"User-Agent": EVIL, "Referer": EVIL, "Accept-Language": EVIL})
        assert page.status < 500, path
        assert "<script" not in page.html.lower(), path
        if page.headers.get("Content-Type", "").startswith("text/html"):
            check_page(page.html)
        assert "<" not in page.location, path


# ── headers ──────────────────────────────────────────────────────────────────────────────────

EVERYWHERE = (
    *("/", "/@alice", "/tags/x", "/login", "/access", "/static/cuicui.css", "/static/bird.svg", "/nothing", "/media/x"),
    *("/actor", "/outbox", "/notes/1", "/inbox", "/nodeinfo/2.1", "/.well-known/nodeinfo", "/healthz", "/metrics"),
    *("/.well-known/webfinger?resource=x", "/.well-known/webfinger", "/.well-known/oauth-authorization-server"),
    *("/api/v2/instance", "/api/v1/nothing", "/api/v1/timelines/home", "/api/v1/streaming/user", "/oauth/authorize"),
    *("/media/remote/1", "/media/00000000000000000000000000000000.png", "/authorize_interaction", "/robots.txt"),
)


async def test_every_answer_carries_the_policy(alice: Home) -> None:
    """ "CSP, framing, sniffing, referrer": on every answer, of every kind, right or wrong."""
    bare = Client(alice, None)
    for path in EVERYWHERE:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            for accept in ("text/html", "application/json", "application/activity+json"):
                answer = await ask(bare, method, path, headers={"Accept": accept})
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy, path  # noqa: PT018
                assert "unsafe" not in policy and "script-src" not in policy, path  # noqa: PT018
                assert answer.headers["X-Content-Type-Options"] == "nosniff", path
                assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), path
                assert "Cross-Origin-Opener-Policy" in answer.headers, path
                assert answer.headers["Server"] == "cuicui", path
                assert answer.status < 500, (method, path)
                if method == "TRACE":
                    assert answer.status in (404, 405), path


async def test_what_is_the_owners_is_kept_by_nobody(alice: Home) -> None:
    """ "Private answers cached": by no proxy and by no browser; and what depends on a header says so."""
    app, bare = await Client.of(alice), Client(alice, None)
    post = (await alice.node.owner.post(Draft("hello"))).post
    for client in (app, bare):
        for path in (
            "/api/v1/timelines/home",
            "/api/v1/timelines/public",
            f"/api/v1/statuses/{post.id}",
            "/api/v2/instance",
            "/api/v1/nothing",
        ):
            answer = await client.get(path)
            assert answer.headers["Cache-Control"] in ("private, no-store", "no-store"), path
            assert answer.json is None or answer.status != 200 or "Authorization" in answer.headers["Vary"], path
    browser = Browser(alice)
    for path in ("/login", "/access", "/oauth/authorize?client_id=x"):
        page = await browser.get(path)
        assert page.headers["Cache-Control"] == "no-store", path
        assert "Access-Control-Allow-Origin" not in page.headers, path
    for path in ("/", "/@alice", str(post.note.url), post.note.iri, "/actor"):
        page = await browser.get(path)
        assert "Accept" in page.headers["Vary"], path


@pytest.mark.parametrize("accept", ["text/html", "application/activity+json"])
async def test_a_path_leads_to_no_file(alice: Home, accept: str) -> None:
    """ "Path traversal": below /static, /media and everywhere else, however the dots are written."""
    bare = Client(alice, None)
    for place in ("/static/", "/media/", "/media/remote/", "/@alice/", "/tags/", "/notes/", "/", "/api/v1/media/"):
        for dots in ("../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..%5c", "....//", "..;/", "%252e%252e%252f", "//"):
            for file in ("cuicui.db", "cuicui.toml", "etc/passwd", "pages.py", "static/cuicui.css"):
                answer = await ask(bare, "GET", f"{place}{dots * 3}{file}", headers={"Accept": accept})
                assert answer.status in (200, 302, 303, 400, 401, 404), (place, dots)
                for found in (b"SQLite format", b"root:", b"base_url", b"import annotations", b"--paper"):
                    assert found not in answer.body, (place, dots, file)
