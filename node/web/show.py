"""Posts as the templates want them: their words, their links, their verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from node import text
from node.ids import Ids
from node.model import Iri, Poll, Post
from node.storage import notes
from node.storage.dialect import Tx
from node.web import words

FOLDED = 500
"""Posts of others with more characters than this are folded (decisions.md §13)."""

EXCERPT = 280

_REMOTE = "nofollow noopener noreferrer"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Parent:
    """What a post answers to. No link when the one who reads may not see it."""

    name: str
    link: str | None
    rel: str


@dataclass(frozen=True, slots=True)
class Shown:
    post: Post
    html: Markup
    excerpt: str | None
    """The beginning of a post that is folded."""
    published: words.Moment
    language: str | None
    name: str
    handle: str
    link: str
    author_link: str
    rel: str
    said: words.Said
    parent: Parent | None = None
    asked: Asked | None = None
    quoted: Quoted | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A poll: its choices with their counts and shares in percent, and what stands below them."""

    choices: tuple[tuple[str, int, int], ...]
    below: str


@dataclass(frozen=True, slots=True)
class Quoted:
    """What a post quotes, by its author's leave."""

    name: str
    html: Markup
    warning: str
    link: str
    rel: str


def show(
    post: Post, ids: Ids, now: datetime, parent: Parent | None = None, quoted: Mapping[Iri, Post] | None = None
) -> Shown:
    note = post.note
    # Sanitised when it came in, and again on its way out: a mistake at one door is not a hole.
    clean = text.sanitise(note.content)
    plain = text.to_text(clean) if not post.own and len(clean) > FOLDED else ""
    return Shown(
        post=post,
        html=Markup(clean),  # noqa: S704 - what sanitise() gives is what may be shown
        excerpt=_cut(plain, EXCERPT) if len(plain) > FOLDED else None,
        published=words.moment(note.published or post.received_at, now),
        language=note.language if note.language and _LANGUAGE.fullmatch(note.language) else None,
        name=words.name_of(post.author),
        handle=words.handle_of(post.author),
        link=ids.note_page(post.id) if post.own else _web(note.url, note.iri),
        author_link=ids.profile_page if post.own else _web(post.author.url, post.author.iri),
        rel="author" if post.own else _REMOTE,
        said=words.verdict(post, now),
        parent=parent,
        asked=_asked(note.poll, now),
        quoted=_quoted((quoted or {}).get(note.iri), ids),
    )


def _asked(poll: Poll | None, now: datetime) -> Asked | None:
    if poll is None:
        return None
    total = max((poll.voters or 0) if poll.multiple else poll.votes, 1)
    choices = tuple((choice.name, choice.votes, min(100 * choice.votes // total, 100)) for choice in poll.choices)
    people = poll.voters if poll.voters is not None else poll.votes
    said = [f"{people} voted", "more than one choice may be made"] if poll.multiple else [f"{people} voted"]
    if poll.ends is not None:
        said.append(f"{'ended' if poll.is_over(now) else 'ends'} {words.moment(poll.ends, now).full}")
    return Asked(choices, " · ".join(said))


def _quoted(post: Post | None, ids: Ids) -> Quoted | None:
    if post is None:
        return None
    return Quoted(
        name=words.name_of(post.author) if post.own else words.handle_of(post.author),
        html=Markup(text.sanitise(post.note.content)),  # noqa: S704 - what sanitise() gives is what may be shown
        warning=post.note.summary,
        link=ids.note_page(post.id) if post.own else _web(post.note.url, post.note.iri),
        rel="" if post.own else _REMOTE,
    )


async def parent_of(tx: Tx, post: Post, ids: Ids) -> Parent | None:
    """Whom and what a post answers, as far as it is known and open."""
    iri = post.note.in_reply_to
    if iri is None:
        return None
    known = await notes.get(tx, iri)
    if known is None:
        if ids.is_ours(iri):
            return Parent("a post that is not here any more", None, "")
        return Parent(f"a post on {words.host(iri)}", _web(None, iri), _REMOTE)
    if not known.visibility.is_open:
        return Parent("a post that is not public", None, "")
    if known.own:
        return Parent(words.name_of(known.author), ids.note_page(known.id), "")
    return Parent(words.handle_of(known.author), _web(known.note.url, iri), _REMOTE)


def summary(post: Post, limit: int) -> str:
    """A post in one line, for titles and previews: its warning, if it has one, and never what is behind it."""
    if post.note.summary:
        return _cut(f"Content warning: {post.note.summary}", limit)
    return _cut(" ".join(text.to_text(post.note.content).split()), limit)


def _cut(long: str, limit: int) -> str:
    return long if len(long) <= limit else long[: limit - 1].rsplit(maxsplit=1)[0].rstrip() + "…"


def _web(url: str | None, iri: Iri) -> str:
    """The page of something elsewhere; its id when the page is not on the web."""
    return url if url is not None and url.startswith(("https://", "http://")) else iri
