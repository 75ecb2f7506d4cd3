"""Notes as their authors write them: text, audience, what is attached."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from node.model.values import PUBLIC, Iri, Visibility


@dataclass(frozen=True, slots=True)
class Mention:
    href: Iri
    name: str


@dataclass(frozen=True, slots=True)
class Emoji:
    """A picture that stands for `:shortcode:` in a text, at its remote address."""

    shortcode: str
    url: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer that a poll offers, and how many chose it, as last heard."""

    name: str
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Poll:
    """What a Question asks. `voters` None: the author does not say how many people voted."""

    choices: tuple[Choice, ...]
    multiple: bool = False
    ends: datetime | None = None
    closed: datetime | None = None
    voters: int | None = None

    def is_over(self, now: datetime) -> bool:
        return any(end is not None and end <= now for end in (self.closed, self.ends))

    @property
    def votes(self) -> int:
        return sum(choice.votes for choice in self.choices)

    def asks_the_same(self, other: Poll | None) -> bool:
        """Whether votes for the one are votes for the other."""
        names = tuple(choice.name for choice in self.choices)
        return other is not None and (names, self.multiple) == (
            tuple(choice.name for choice in other.choices),
            other.multiple,
        )


class QuotePolicy(StrEnum):
    """Who may quote a post (`interactionPolicy.canQuote`, FEP-044f); others' rules are read as the nearest of these."""

    PUBLIC = "public"
    FOLLOWERS = "followers"
    NOBODY = "nobody"


class QuoteState(StrEnum):
    """What is known of the consent of whoever is quoted (FEP-044f)."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REVOKED = "revoked"


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
    emojis: tuple[Emoji, ...] = ()
    poll: Poll | None = None
    """Of a Question."""
    quote: Iri | None = None
    """The post that this one says it quotes; whether it may is not said here (Post.quote_state)."""
    quote_stamp: Iri | None = None
    """Where the consent of the quoted author is said to lie (`quoteAuthorization`)."""
    quote_policy: QuotePolicy | None = None
