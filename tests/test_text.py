"""Text: how long it is, how it is written as HTML, and what is left of other people's HTML."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import text
from node.errors import TooLong
from node.model import Iri, Mention
from node.text import MentionTarget

BOB = MentionTarget(Iri("https://b.example/users/bob"), "@bob@b.example", "https://b.example/@bob")


def tag_url(name: str) -> str:
    return f"https://a.example/tags/{name.lower()}"


def html(written: str, **mentions: MentionTarget) -> str:
    known = {"@bob@b.example": BOB, **mentions}
    return text.render(written, mentions=known, tag_url=tag_url).html


# ── counting ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "warning", "length"),
    [
        ("", "", 0),
        ("hello", "", 5),
        ("hello", "cw", 7),
        ("e\u0301", "", 1),  # one letter, two code points
        ("\u1100\u1161\u11a8", "", 1),  # a Hangul syllable in three jamo
        ("👨‍👩‍👧‍👦", "", 1),
        ("🇫🇷🇩🇪", "", 2),
        ("🏳️‍🌈!", "", 2),
        ("a\nb", "", 3),
        ("a\r\nb", "", 3),
        ("https://a.example/", "", 23),
        ("https://a.example/" + "x" * 500, "", 23),
        ("HTTP://A.example", "", 23),
        ("see https://a.example/x.", "", 4 + 23 + 1),
        ("(https://a.example/x_(y))", "", 25),
        ("a.example www.a.example", "", 23),  # bare names count as typed
        ("ftp://a.example/", "", 16),
        ("https://user:pw@a.example/", "", 26),  # not a link here
        ("@bob@b.example hi", "", 7),
        ("@bob@b.example:8080 hi", "", 7),
        ("@bob hi", "", 7),
        ("bob@b.example", "", 13),  # an e-mail address
        ("https://b.example/@bob@c.example", "", 23),
        ("hi", "see https://a.example/", 24),  # the warning counts as typed
    ],
)
def test_length(written: str, warning: str, length: int):
    """Extended grapheme clusters of the NFC text; a URL counts 23, @user@host counts as @user, a warning counts in."""
    assert text.count(written, warning) == length


def test_a_status_of_140_is_accepted_and_of_141_refused_with_by_how_many():
    """141 is refused with a message that says by how many."""
    text.check_length("é" * 140)
    with pytest.raises(TooLong, match=r"141 characters, 1 more") as caught:
        text.check_length("é" * 141)
    assert caught.value.code == "too_long"
    assert "shorten it by 1" in str(caught.value.hint)


# ── finding ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("@bob@b.example and @ann@c.example.", ["@bob@b.example", "@ann@c.example"]),
        ("@bob@b.example @BOB@b.example", ["@bob@b.example"]),
        ("(@bob@127.0.0.1:8080)", ["@bob@127.0.0.1:8080"]),
        ("@bob@b.example: hi", ["@bob@b.example"]),
        ("@bob@münchen.example", ["@bob@münchen.example"]),
        ("@a.b-c_d@b.example", ["@a.b-c_d@b.example"]),
        ("bob@b.example", []),
        ("x@bob@b.example", []),
        ("https://b.example/@bob@c.example", []),
        ("@bob", []),
        ("@@bob@b.example", []),
    ],
)
def test_mentions_are_found(written: str, found: list[str]):
    """Handles in order, each once; not inside a link or an e-mail address."""
    assert text.find_mentions(written) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("#chat and #Chat, #dog.", ["chat", "dog"]),
        ("#été #हिन्दी #日本語 ＃全角", ["été", "हिन्दी", "日本語", "全角"]),
        ("#2026 #1er #_", ["1er"]),  # a number is no hashtag
        ("https://a.example/#part x#y &#39; a/#b", []),
        ("(#a)#b", ["a"]),
    ],
)
def test_hashtags_are_found(written: str, found: list[str]):
    """Letters of any script, not digits alone, not inside a link."""
    assert text.find_hashtags(written) == found


# ── writing ──────────────────────────────────────────────────────────────────────────────────

REL = 'rel="nofollow noopener noreferrer"'


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("hello", "<p>hello</p>"),
        ("a\nb\n \n\n c ", "<p>a<br>b</p><p>c</p>"),
        ("a\r\nb\rc", "<p>a<br>b<br>c</p>"),
        ("", ""),
        ("<b>&\"'", "<p>&lt;b&gt;&amp;\"'</p>"),
        (
            "@bob@b.example",
            '<p><span class="h-card"><a href="https://b.example/@bob" class="u-url mention">@<span>bob</span></a>'
            "</span></p>",
        ),
        ("@ann@b.example", "<p>@ann@b.example</p>"),
        (
            "#Chat",
            '<p><a href="https://a.example/tags/chat" class="mention hashtag" rel="tag">#<span>Chat</span></a></p>',
        ),
        (
            "https://a.example/x?a=1&b=2.",
            f'<p><a href="https://a.example/x?a=1&amp;b=2" {REL}><span class="invisible">https://</span>'
            "a.example/x?a=1&amp;b=2</a>.</p>",
        ),
        (
            "www.a.example",
            f'<p><a href="https://www.a.example" {REL}><span class="invisible">www.</span>a.example</a></p>',
        ),
        (
            "https://a.example/" + "x" * 30,
            f'<p><a href="https://a.example/{"x" * 30}" {REL}><span class="invisible">https://</span>'
            f'<span class="ellipsis">a.example/{"x" * 20}</span><span class="invisible">{"x" * 10}</span></a></p>',
        ),
        ("javascript:alert(1) data:text/html,x //a.example", "<p>javascript:alert(1) data:text/html,x //a.example</p>"),
        ('https://a.example/"onload="x', f'<p><a href="https://a.example/" {REL}><span class="invisible">https://'
         '</span>a.example/</a>"onload="x</p>'),
        ("a\x00\x1b[31mb", "<p>a[31mb</p>"),
    ],
)  # fmt: skip
def test_plain_text_becomes_html(written: str, expected: str):
    """Paragraphs, line ends, links, and the markup for mentions and hashtags that Mastodon knows."""
    assert html(written) == expected


def test_rendering_says_whom_it_mentions_and_which_hashtags_it_has():
    """A Mention tag gives the notification; each person and each hashtag once."""
    rendered = text.render("@BOB@b.example #A @bob@b.example #a", mentions={"@bob@b.example": BOB}, tag_url=tag_url)
    assert rendered.mentions == (Mention(BOB.href, "@bob@b.example"),)
    assert rendered.hashtags == ("A",)


@given(st.text(max_size=200))
def test_what_we_write_is_what_a_sanitiser_lets_through(written: str):
    """Sanitising our own HTML changes nothing but the rel of links."""
    ours = html(written)
    without_rel = re.sub(r' rel="[^"]*"', "", ours)
    assert re.sub(r' rel="[^"]*"', "", text.sanitise(ours)) == without_rel


# ── other people's HTML ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("attack", "left"),
    [
        ("<script>alert(1)</script>x", "x"),
        ("<SCRIPT SRC=//evil.example></SCRIPT>x", "x"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<svg onload=alert(1)><p>x</svg>y", "<p>xy</p>"),
        ("<p onclick=alert(1) style='position:fixed' id=login>x</p>", "<p>x</p>"),
        ("<a href='javascript:alert(1)'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='JaVaScRiPt:alert(1)'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='java\nscript:alert(1)'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='\x01javascript:alert(1)'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='&#1;javascript:alert(1)'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='data:text/html,<script>x</script>'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='vbscript:x'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='//evil.example/'>x</a>", f"<a {REL}>x</a>"),
        ("<a href='/settings/delete'>x</a>", f"<a {REL}>x</a>"),
        (
            "<a href='https://x.example/' target=_top rel=opener ping=//e download>x</a>",
            f'<a href="https://x.example/" {REL}>x</a>',
        ),
        ("<span class='modal overlay mention h-card'>x</span>", '<span class="mention h-card">x</span>'),
        ("<span class='btn'>x</span>", "<span>x</span>"),
        ("<iframe src=//e></iframe><object data=x></object><embed src=x><form action=/x><input></form>", ""),
        ("<style>*{display:none}</style><link rel=stylesheet href=//e><meta http-equiv=refresh content=0>x", "x"),
        ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", ""),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", ""),
        ("<!--><img src=x onerror=alert(1)>-->", "--&gt;"),
        ("<h1>Title</h1><p>x</p>", "<strong>Title</strong><p>x</p>"),
        ("<ruby>漢<rt>かん</rt></ruby>", "<ruby>漢<rt>かん</rt></ruby>"),
        ("<pre><code>x</code></pre>", "<pre><code>x</code></pre>"),
        ("a\x00b\x1b[31mc&#27;d\x9b", "ab[31mcd"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("a \ud800 b", "a  b"),
        ("a\nb\tc\r\x7f\x85\ufffe\uffff\U0001f426", "a\nb\tc\U0001f426"),
        ("a&#x1b;&#155;&#x9b;&#127;&#0;&NewLine;&amp;#27;b", "a››\ufffd\n&amp;#27;b"),
    ],
)  # fmt: skip
def test_html_from_outside_passes_an_allow_list(attack: str, left: str):
    """HTML from outside passes an allow-list sanitiser at input; href http/https only, no style, no id."""
    clean = text.sanitise(attack)
    if not left and "onerror" in attack:
        assert "<img" not in clean
        assert "<style" not in clean
    else:
        assert clean == left


_PIECES = st.sampled_from(
    """<p> </p> <a href="https://x.example/"> <a href=javascript:x> </a> <span class="mention x"> </span> <br> <ul> <li>
    </ul> <h2> </h2> <b> </b> <i> </i> <em> <script> </script> <style> <!-- --> &lt; &amp;lt; & < > " ' x y <img/src=x>
    <blockquote> </blockquote> <pre> </pre> <code> <table> <td> <div> </div> <svg> </svg>""".split()  # noqa: SIM905
)


@given(st.lists(_PIECES, max_size=25).map(" ".join))
def test_sanitised_html_holds_only_what_is_allowed(markup: str):
    """Re-serialised from a tree: every tag that is left is one of the list, with known attributes."""
    for tag in re.findall(r"<[^>]*>", text.sanitise(markup)):
        assert re.fullmatch(
            r'</?(p|span|br|a|b|i|em|ul|li|blockquote|pre|code|strong)( (href="https://x\.example/"|class="mention"|'
            r'rel="nofollow noopener noreferrer"))*>',
            tag,
        )


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Bob", "Bob"),
        (" Bob\n\tB. ", "Bob B."),
        ("<b>Bob</b>", "<b>Bob</b>"),  # text is text; whoever shows it escapes it
        ("Bob\u202egnp.exe", "Bobgnp.exe"),
        ("B\u200bo\u2060b\ufeff", "Bob"),
        ("\u2067Bob\u2069", "Bob"),
        ("a\u200db", "ab"),
        ("👨‍👩‍👧 ❤️‍🔥", "👨‍👩‍👧 ❤️‍🔥"),
        ("می‌خواهم", "می‌خواهم"),
        ("Bob\x00\x1b[2J\x9b", "Bob[2J"),
        ("x" * 300, "x" * 200),
        ("\u202e" * 5000 + "x", ""),
        ("a\ud800b", "ab"),
    ],
)
def test_names_read_as_what_they_are(given_name: str, shown: str):
    """Strip bidi and zero-width in names; strip C0."""
    assert text.plain(given_name, 200) == shown


@pytest.mark.parametrize(
    ("markup", "shown"),
    [
        ("<p>a<br>b</p><p>c &amp; d</p>", "a\nb\n\nc & d"),
        ('<a href="https://x.example/">here</a>', "here (https://x.example/)"),
        ('<a href="https://evil.example/">https://bank.example/</a>', "https://bank.example/ (https://evil.example/)"),
        ('<a href="https://x.example/a">x.example/a</a>', "x.example/a"),
        (
            '<a href="https://x.example/ab"><span class="invisible">https://</span><span>x.example/</span>'
            '<span class="invisible">ab</span></a>',
            "https://x.example/ab",
        ),
        ('<a href="https://x.example/@b" class="mention">@<span>b</span></a> hi', "@b hi"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("a&#27;[2J\x9bb\u202ec", "a[2Jbc"),
        ("<script>x</script>y", "y"),
    ],
)
def test_html_as_text_for_a_terminal(markup: str, shown: str):
    """Paragraphs parted, the true target of a link shown, no terminal control sequences."""
    assert text.to_text(markup) == shown


@given(st.text())
def test_plain_text_survives_the_way_through_html(written: str):
    """What from_plain() writes, to_text() reads."""
    shown = text.to_text(text.from_plain(written))
    kept = re.sub("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", "", written)
    assert shown.split() == kept.split()


# ── bounded time ─────────────────────────────────────────────────────────────────────────────

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "piece",
    """http://a http:// http://a.b/! http://a.b/( http://a.b/) www. @ @a @a. @a@b. # #a #1 < & <p> <a><b> </p <!-- &#1;
    é a. \u200d""".split(),  # noqa: SIM905
)  # fmt: skip
def test_a_megabyte_of_anything_takes_bounded_time(piece: str):
    """No backtracking regex on remote text; linear tokenizer; time budget. What the owner writes is shorter."""
    for repeated in (piece * MEGABYTE, (piece + " ") * MEGABYTE, "@" + piece * MEGABYTE):
        theirs, ours = repeated[:MEGABYTE], repeated[: MEGABYTE // 5]
        start = time.thread_time()
        text.sanitise(theirs)
        text.plain(theirs, 200)
        text.to_text(theirs)
        text.count(ours)
        text.find_mentions(ours)
        assert time.thread_time() - start < 3


@pytest.mark.parametrize("opened", ["<ul>", "<ul><li>", "<rt>", "<dl>", "<span>", "<b><i>", "<blockquote>"])
@pytest.mark.parametrize("closed", ["", "</x>", "</i>", "</p>"])
def test_what_is_nested_without_end_takes_bounded_time(opened: str, closed: str):
    """Of elements within elements the parser's time grows with the square: so many tags are read, and no more."""
    for half in (text.MAX_HTML, 20_000, 10_000):
        nested = (opened * text.MAX_HTML)[:half] + closed * text.MAX_HTML
        start = time.thread_time()
        text.sanitise(nested)
        assert time.thread_time() - start < 1.5


@pytest.mark.parametrize("piece", ["<b ", "<i/", "<p", "<a href='"])
def test_tags_that_are_never_closed_take_bounded_time(piece: str):
    """Each may be looked at to the end of the text, so they are counted first."""
    start = time.thread_time()
    text.sanitise(piece * (text.MAX_HTML // len(piece)))
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize("opened", ["<ul>", "<ul><li>", "<rt>", "<span>", "<b><i>", "<blockquote>"])
def test_what_is_nested_without_end_is_shown_without_it(opened: str):
    """It is read once, when it comes; whoever shows it, a page of it as well, pays for its words alone."""
    kept = text.sanitise(f"{opened * (4_000 // opened.count('<'))}so &lt;deep&gt;")
    start = time.thread_time()
    for _ in range(40):
        assert text.sanitise(kept) == "so &lt;deep&gt;"
        assert text.to_text(kept) == "so <deep>"
    assert time.thread_time() - start < 1
    nested = f"{'<blockquote>' * 40}so deep{'</blockquote>' * 40}"
    assert text.sanitise(nested) == nested


@pytest.mark.parametrize("name", ["b", "STRONG", "font", "a"])
@pytest.mark.parametrize("between", [" ", "/", "\n", "\x01 ", "\x0c"])
def test_what_a_paragraph_leaves_open_takes_bounded_room(name: str, between: str):
    """HTML, "reconstruct the active formatting elements": each paragraph opens anew what differs and was not closed."""
    opened = "".join(f"<{name}{between}class=x{number}>" for number in range(2_000))
    start = time.thread_time()
    assert len(text.sanitise(f"<p>{opened}{'<p>x' * 1_990}")) < 4 * text.MAX_HTML
    assert time.thread_time() - start < 1.5


def test_many_tags_are_read_as_far_as_anybody_writes_them():
    """A program in colours, as long as a text may be, is read whole, and reads the same the second time."""
    piece = '<span class="mention">def</span> '
    written = f"<p>{piece * 2_900}</p>"
    assert text.sanitise(written) == written
    lines = "<p>a" * 4_100
    assert text.sanitise(lines) == "<p>a</p>" * 4_000
    assert text.sanitise("<p>a</p>" * 4_000) == "<p>a</p>" * 4_000
