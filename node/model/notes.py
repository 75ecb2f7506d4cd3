"""Notes as their authors write them: text, audience, what is attached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from node.model.values import PUBLIC, Iri, Visibility


@dataclass(frozen=True, slots=True)
class Mention:
    href: Iri
    name: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, film or sound beside a note. `url` is the remote address; `alt` is text."""

    type: str
    media_type: str
    url: str
    alt: str = ""
    width: int | None = None
    height: int | None = None
    blurhash: str | None = None
    focus: tuple[float, float] | None = None
    digest: str | None = None
    """`digestMultibase`, the SHA-256 multihash of the bytes, when the author gives it."""


@dataclass(frozen=True, slots=True)
class Audience:
    to: tuple[Iri, ...] = ()
    cc: tuple[Iri, ...] = ()

    def __contains__(self, iri: object) -> bool:
        return iri in self.to or iri in self.cc

    def visibility(self, followers: Iri | None) -> Visibility:
        """Which of the four this audience means; `followers` is the author's collection (federation.md §5)."""
        if PUBLIC in self.to:
            return Visibility.PUBLIC
        if PUBLIC in self.cc:
            return Visibility.UNLISTED
        if followers is not None and followers in self:
            return Visibility.FOLLOWERS
        return Visibility.DIRECT


@dataclass(frozen=True, slots=True)
class Note:
    """A post. `content` is sanitised HTML, `summary` (the content warning) and `source` are plain text."""

    iri: Iri
    author: Iri
    audience: Audience
    content: str
    published: datetime | None = None
    updated: datetime | None = None
    type: str = "Note"
    url: str | None = None
    in_reply_to: Iri | None = None
    context: str | None = None
    summary: str = ""
    sensitive: bool = False
    language: str | None = None
    mentions: tuple[Mention, ...] = ()
    hashtags: tuple[str, ...] = ()
    """Without the `#`, as written."""
    attachments: tuple[Attachment, ...] = ()
    source: str | None = None
