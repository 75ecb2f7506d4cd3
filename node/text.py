"""Text: counted, written as HTML, and other people's HTML made harmless.

Every pattern here is linear (possessive where it repeats), for it runs over what strangers send.
linkify-it-py is not used: 40 kB of `http://a.b/!http://a.b/!…` keep it busy for two seconds, and
what is counted and what is linked must be the same thing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from html import escape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from node.errors import TooLong
from node.model import Iri, Mention

if TYPE_CHECKING:
    import nh3

LIMIT = 140
"""Characters of a status, as count() counts them (decisions.md §13)."""

URL_COUNTS = 23
MAX_HTML = 100_000
"""Characters of HTML that are read (security.md §4)."""

MAX_TAGS = 4_000
"""Elements that are read, closed or not; nh3's time grows with the square of how deep they lie, and with what tries to
close them. The worst text takes half a second; without this bound and those below it took all memory there is."""

FEW_TAGS = 200
"""So few that nothing about them can cost much."""

MAX_DEPTH = 100
"""Elements within each other: more than anybody writes."""

_SHOWN_URL = 30
"""Characters of a link that are shown; the rest is there, and hidden by style."""

_WORD = r"[\p{L}\p{M}\p{N}_]"

# ── what is in a text: links, mentions, hashtags ─────────────────────────────────────────────

_TOKEN = rf"""
      (?<![\p{{L}}\p{{M}}\p{{N}}_@./])
      (?P<url> (?i:https?://|www\.) [^\s\p{{Cc}}<>"\\^`{{|}}«»“”„‘‚‹›「」『』【】（）《》，。！？；：、]++ )
    | (?<![\p{{L}}\p{{M}}\p{{N}}_@./=-])
      @(?P<user> [A-Za-z0-9_]++(?:[.-]++[A-Za-z0-9_]++)*+ )
      @(?P<host> {_WORD}++(?:[.-]++{_WORD}++)*+ (?: :[0-9]{{1,5}}(?![0-9]) )? )
    | (?<![\p{{L}}\p{{M}}\p{{N}}_&/=)\#＃])
      [\#＃](?P<tag> [\p{{L}}\p{{M}}\p{{N}}_·\u200c]++ )
    """
_AUTHORITY = rf"(?:{_WORD}++(?:[.-]++{_WORD}++)*+\.?|\[[0-9A-Fa-f:.]++\])(?::[0-9]{{1,5}})?(?=[/?#]|$)"
_TRAILING = frozenset(".,:;!?'*_~…’-")
_CLOSERS = {")": "(", "]": "["}


@cache
def _pattern(text: str) -> Any:
    """Compiled when first used: Unicode's properties take 3 MiB, which a node that only waits does without."""
    import regex  # type: ignore[import-untyped]

    return regex.compile(text, regex.VERBOSE if text.startswith("\n") else 0)


class _Kind(Enum):
    URL = "url"
    MENTION = "mention"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    start: int
    end: int
    value: str
    """The URL as written, the handle `@user@host`, or the hashtag without its `#`."""


def _tokens(text: str) -> Iterator[_Token]:
    """The links, mentions and hashtags of a text, from left to right, never one inside another."""
    for match in _pattern(_TOKEN).finditer(text):
        start, end = match.span()
        if match["url"] is not None:
            url = _trimmed(match["url"])
            if _is_linkable(url):
                yield _Token(_Kind.URL, start, start + len(url), url)
        elif match["tag"] is not None:
            if _pattern(r"\p{L}").search(match["tag"]):
                yield _Token(_Kind.TAG, start, end, match["tag"])
        else:
            yield _Token(_Kind.MENTION, start, end, match[0])


def _trimmed(url: str) -> str:
    """A URL without the punctuation of the sentence around it; brackets stay if they were opened in it."""
    surplus = {closer: url.count(closer) - url.count(opener) for closer, opener in _CLOSERS.items()}
    end = len(url)
    while end:
        last = url[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return url[:end]


def _is_linkable(url: str) -> bool:
    """A host with a dot in it (or localhost, or an IPv6 address), and no user name in front of it."""
    start = url.find("://") + 3 if "://" in url[:8] else 0
    authority = _pattern(_AUTHORITY).match(url, start)
    if authority is None:
        return False
    host = authority[0]
    name = host.partition(":")[0].rstrip(".")
    return host.startswith("[") or "." in name.removeprefix("www.") or (start > 0 and name.lower() == "localhost")


def count(text: str, warning: str = "") -> int:
    """How long a status is, exactly as Mastodon's apps compute it (decisions.md §13).

    Extended grapheme clusters of the NFC text; a link counts 23, `@user@host` as `@user`; the
    content warning counts in.
    """
    text = unicodedata.normalize("NFC", text)
    parts: list[str] = [unicodedata.normalize("NFC", warning)]
    done = 0
    for token in _tokens(text):
        if token.kind is _Kind.URL and token.value[:4].lower() == "http":
            stands_for = "x" * URL_COUNTS
        elif token.kind is _Kind.MENTION:
            stands_for = token.value[: token.value.index("@", 1)]
        else:
            continue
        parts += (text[done : token.start], stands_for)
        done = token.end
    counted = "".join([*parts, text[done:]])
    if counted.isascii() and "\r" not in counted:
        return len(counted)
    return sum(1 for _ in _pattern(r"\X").finditer(counted))


def check_length(text: str, warning: str = "") -> None:
    """Raises TooLong, saying by how many, when a status has more than 140 characters."""
    length = count(text, warning)
    if length > LIMIT:
        raise TooLong(
            f"the status has {length} characters, {length - LIMIT} more than the {LIMIT} there are",
            hint=f"shorten it by {length - LIMIT}; a link counts {URL_COUNTS} however long it is, "
            "and a content warning counts in",
        )


def find_mentions(text: str) -> list[str]:
    """The handles `@user@host` or `@user@host:port` in a text: in order, each once, as first written."""
    found = (token.value for token in _tokens(unicodedata.normalize("NFC", text)) if token.kind is _Kind.MENTION)
    return list(_unique(found))


def find_hashtags(text: str) -> list[str]:
    """The hashtags in a text without their `#`: in order, each once, as first written."""
    found = (token.value for token in _tokens(unicodedata.normalize("NFC", text)) if token.kind is _Kind.TAG)
    return list(_unique(found))


def fold_tag(name: str) -> str:
    """A hashtag in the one spelling in which it is compared: `#Café`, `#CAFÉ` and `#ｃａｆé` are one."""
    return unicodedata.normalize("NFKC", name.removeprefix("#")).casefold()


def _unique(values: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for value in values:
        if (folded := value.casefold()) not in seen:
            seen.add(folded)
            yield value


# ── out: plain text → HTML ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MentionTarget:
    """Whom a handle in a text means: the actor's id, the page people see, the full handle."""

    href: Iri
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Rendered:
    html: str
    mentions: tuple[Mention, ...]
    hashtags: tuple[str, ...]


def render(
    text: str, *, mentions: Mapping[str, MentionTarget], tag_url: Callable[[str], str], rel: str = ""
) -> Rendered:
    """Plain text as the HTML that every server understands (federation.md §6).

    A blank line parts paragraphs, a line end is a <br>. Handles are looked up in `mentions`
    (keys as find_mentions() gives them, in any case); one that is not there stays text. `rel`: what
    links say beside that they are nobody's recommendation, for example `me `.
    """
    known = {handle.casefold(): target for handle, target in mentions.items()}
    named: dict[Iri, Mention] = {}
    tags: dict[str, str] = {}

    def inline(line: str) -> str:
        parts: list[str] = []
        done = 0
        for token in _tokens(line):
            if token.kind is _Kind.URL:
                html = _link(token.value, rel)
            elif token.kind is _Kind.TAG:
                tags.setdefault(token.value.casefold(), token.value)
                html = _tag_link(line[token.start : token.end], tag_url(token.value))
            elif (target := known.get(token.value.casefold())) is not None:
                named.setdefault(target.href, Mention(target.href, target.name))
                html = _mention_link(token.value, target.url)
            else:
                continue
            parts += (_text(line[done : token.start]), html)
            done = token.end
        return "".join([*parts, _text(line[done:])])

    clean = unicodedata.normalize("NFC", _without_controls(_with_newlines(text)))
    html = "".join(f"<p>{'<br>'.join(map(inline, lines))}</p>" for lines in _paragraphs(clean))
    return Rendered(html, tuple(named.values()), tuple(tags.values()))


def render_field(value: str, *, tag_url: Callable[[str], str]) -> str:
    """The value of a profile field as HTML: one line, its links marked as the owner's own (rel=me)."""
    html = render(" ".join(value.split()), mentions={}, tag_url=tag_url, rel="me ").html
    return html.removeprefix("<p>").removesuffix("</p>")


def from_plain(text: str) -> str:
    """Plain text as HTML with nothing in it but paragraphs and line ends."""
    clean = _without_controls(_with_newlines(text))
    return "".join(f"<p>{'<br>'.join(map(_text, lines))}</p>" for lines in _paragraphs(clean))


def _paragraphs(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line.strip())
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _text(text: str) -> str:
    """Text as an HTML serialiser writes it, so that sanitising ours changes nothing."""
    return escape(text, quote=False).replace("\xa0", "&nbsp;")


def _link(url: str, rel: str = "") -> str:
    """A link whose text is the whole URL, with the dull parts marked for hiding as Mastodon does."""
    href = url if "://" in url[:8] else f"https://{url}"
    hidden = url.find("://") + 3 if "://" in url[:8] else 0
    if url[hidden : hidden + 4].lower() == "www.":
        hidden += 4
    cut = hidden + _SHOWN_URL
    shown, rest = url[hidden:cut], url[cut:]
    return (
        f'<a href="{escape(href)}" rel="{rel}nofollow noopener noreferrer">'
        + (f'<span class="invisible">{_text(url[:hidden])}</span>' if hidden else "")
        + (f'<span class="ellipsis">{_text(shown)}</span>' if rest else _text(shown))
        + (f'<span class="invisible">{_text(rest)}</span>' if rest else "")
        + "</a>"
    )


def _mention_link(handle: str, url: str) -> str:
    user = handle[1:].partition("@")[0]
    return f'<span class="h-card"><a href="{escape(url)}" class="u-url mention">@<span>{_text(user)}</span></a></span>'


def _tag_link(written: str, url: str) -> str:
    return (
        f'<a href="{escape(url)}" class="mention hashtag" rel="tag">{written[0]}<span>{_text(written[1:])}</span></a>'
    )


# ── in: other people's HTML and text ─────────────────────────────────────────────────────────

# C0 but \t and \n, DEL, C1 (0x9B starts a terminal sequence), halves of surrogate pairs, U+FFFE and U+FFFF.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Direction overrides and isolates, and what has no width: a name must read as what it is (security.md §2).
_BIDI = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
_INVISIBLE = (
    rf"[{_BIDI}\u200b\u2060-\u2064\u206a-\u206f\ufeff\u180e\u00ad\U000e0000-\U000e001f]"
    # A joiner is a letter's business in emoji and in the scripts that join; elsewhere it only hides.
    r"|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f\p{Arabic}\p{Syriac}\p{Devanagari}\p{Bengali}\p{Gurmukhi}"
    r"\p{Gujarati}\p{Oriya}\p{Tamil}\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Mongolian}])[\u200c\u200d]"
)
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SPACES = re.compile(r"\s+")
_TAG = re.compile("</?")
_FORMATTING = re.compile("<(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\\s/][^>]*>", re.IGNORECASE)
_ELEMENT = re.compile("<[^>]*>")

_TAGS = frozenset(
    "p span br a del s pre code em strong b i u ul ol li blockquote ruby rt rp h1 h2 h3 h4 h5 h6".split()  # noqa: SIM905
)
_DROPPED = frozenset(
    "script style template noscript iframe object embed svg math title textarea select".split()  # noqa: SIM905
)
_CLASS = re.compile(r"(?:(?:[hpue]|dt)-[A-Za-z0-9_-]{1,40}|mention|hashtag|ellipsis|invisible|quote-inline)")
_HEADINGS = tuple((f"{mark}h{level}>", f"{mark}strong>") for level in range(1, 7) for mark in ("<", "</"))


def _attribute(_tag: str, name: str, value: str) -> str | None:
    if len(value) > 2048:
        return None
    return _classes(value) if name == "class" else value


@lru_cache(maxsize=256)  # a handful of values, in every post; at most 2048 characters each
def _classes(value: str) -> str | None:
    return " ".join(filter(_CLASS.fullmatch, value.split())) or None


@cache
def _cleaner() -> nh3.Cleaner:
    import nh3  # when the first post arrives: a node that only waits holds 1.5 MiB less

    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROPPED,
        attributes={"a": {"href", "class"}, "span": {"class"}},
        attribute_filter=_attribute,
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="nofollow noopener noreferrer",
    )


def sanitise(html: str) -> str:
    """Other people's HTML, rebuilt from what is allowed (security.md §6): safe to show as it is.

    Headings become bold, links lose everything but an http(s) address and a few classes. Only the
    first MAX_HTML characters are read, and of these only the first MAX_TAGS elements; what lies deeper in each other
    than MAX_DEPTH becomes text, so that reading it again costs little.
    """
    clean = _cleaner().clean(_with_few_tags(_without_controls(html[:MAX_HTML])))
    if "<h" in clean:  # after the rebuild a heading has no attributes, and a `<` in text is an entity
        for heading, bold in _HEADINGS:
            clean = clean.replace(heading, bold)
    if _is_deep(clean):
        clean = _ELEMENT.sub("", clean)
    # Only a reference can have become a control character.
    return _without_controls(clean) if "&" in html else clean


def _with_few_tags(html: str) -> str:
    """As much of it as is read.

    What a paragraph leaves open of <b> and its like is opened again in the next, if it is not the same as another:
    2,000 that differ and 2,000 paragraphs would be four million. What makes them differ is left out of them anyway.
    """
    if html.count("<") <= FEW_TAGS:  # as in every text that is meant to be read
        return html
    opened = closed = 0
    for tag in _TAG.finditer(html):
        if tag[0] == "<":
            opened += 1
        else:
            closed += 1
        if max(opened, closed) > MAX_TAGS:
            html = html[: tag.start()]
            break
    return _FORMATTING.sub(r"<\1>", html)  # of so few: each that is never closed is looked at to the end


def _is_deep(clean: str) -> bool:
    """Of rebuilt HTML, in which all that is opened is closed, but for <br>."""
    if clean.count("</") <= MAX_DEPTH:
        return False
    depth = 0
    for element in _ELEMENT.finditer(clean):
        depth += -1 if element[0].startswith("</") else element[0] != "<br>"
        if depth > MAX_DEPTH:
            return True
    return False


def plain(text: str, limit: int, *, lines: bool = False) -> str:
    """A field that is text (name, content warning, description): at most `limit` characters, no markup read.

    What would change how the page around it reads is taken out: control characters, direction
    overrides, characters without width. Line ends stay only where `lines` says so.
    """
    if not text:  # as most warnings are
        return ""
    text = _without_controls(_with_newlines(text[: 4 * limit]))
    if not text.isascii():
        text = _pattern(_INVISIBLE).sub("", text)
    text = text.strip() if lines else _SPACES.sub(" ", text).strip()
    return text if len(text) <= limit else text[:limit].rstrip()


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _without_controls(text: str) -> str:
    # isprintable() knows fewer as harmless than _CONTROLS does, and is quicker by half.
    return text if text.isprintable() else _CONTROLS.sub("", text)


def to_text(html: str) -> str:
    """HTML as text for a terminal: paragraphs parted, links readable, no control sequences."""
    writer = _TextWriter()
    writer.feed(sanitise(html))
    writer.close()
    text = _OVERRIDES.sub("", _without_controls("".join(writer.parts)))
    return "\n\n".join("\n".join(lines) for lines in _paragraphs(text))


class _TextWriter(HTMLParser):
    """Reads sanitised HTML, which is well formed, and writes text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._href: str | None = None
        self._link_starts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.parts.append("\n")
        elif tag in ("p", "pre", "blockquote", "ul", "ol"):
            self.parts.append("\n\n")
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag == "a":
            self._href, self._link_starts = dict(attrs).get("href"), len(self.parts)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "pre", "blockquote", "ul", "ol"):
            self.parts.append("\n\n")
        elif tag == "a" and self._href is not None:
            shown = "".join(self.parts[self._link_starts :]).strip()
            if not shown.startswith(("@", "#")) and shown not in (self._href, self._href.partition("://")[2]):
                self.parts.append(f" ({self._href})" if shown else self._href)
            self._href = None

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
