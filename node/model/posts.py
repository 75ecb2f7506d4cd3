"""What the node keeps, shows and does next: posts with their verdicts, the owner, effects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from node.model.actors import Actor, ProfileField
from node.model.notes import Note, QuotePolicy, QuoteState
from node.model.values import Iri, Trust, Verdict, Visibility


@dataclass(frozen=True, slots=True)
class Authorship:
    """The verdict on a post, with everything a reader may want to know about it."""

    verdict: Verdict
    reason: str
    """One plain sentence."""
    key_id: Iri | None = None
    key: str | None = None
    """The Multikey, or `rsa:` and the SHA-256 of the SPKI in hex."""
    key_since: datetime | None = None
    key_trust: Trust | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A note as it is stored and shown: with its number, its author and its verdict."""

    id: int
    note: Note
    author: Actor
    visibility: Visibility
    received_at: datetime
    authorship: Authorship
    own: bool = False
    boosted_by: Actor | None = None
    """Who brought it into the home timeline, when that is not its author."""
    entry: int | None = None
    """Its number in the home timeline, where a boost has one of its own: what the next page goes on from."""
    quote_state: QuoteState | None = None
    """Of a post that quotes one: whether the quoted author let it. Only then is it shown as more than a link."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a post, with what was known of who wrote it."""

    written_at: datetime
    content: str
    summary: str
    verdict: Verdict
    reason: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What others did with a post, as far as this node has seen."""

    likes: int = 0
    boosts: int = 0
    replies: int = 0
    emojis: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a new post is unless its author says otherwise."""

    visibility: Visibility = Visibility.PUBLIC
    language: str | None = None
    """BCP 47, for example `fr`."""
    sensitive: bool = False
    synthetic: bool = True
    """Verdicts also show as filters and profile fields, in apps that know none (client-api.md §7)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The owner, as others see them."""

    handle: str
    name: str = ""
    summary: str = ""
    """Plain text; rendered to HTML when shown."""
    approves_followers: bool = False
    created_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    also_known_as: tuple[Iri, ...] = ()
    moved_to: Iri | None = None
    fields: tuple[ProfileField, ...] = ()
    bot: bool = False
    discoverable: bool = True
    """May be shown in directories and suggestions."""
    indexable: bool = False
    """Public posts may be found by searching for words in them."""
    hides_collections: bool = False
    """Who follows and who is followed is shown as a number only."""
    avatar: str | None = None
    """File in the media directory; so is `header`."""
    header: str | None = None
    preferences: Preferences = Preferences()
    followed_tags: frozenset[str] = frozenset()
    """Hashtags, folded, whose public posts come to the home timeline. Nobody else is told."""


@dataclass(frozen=True, slots=True)
class PollDraft:
    """A poll as the owner asks it; `lasts` from the moment it is published."""

    choices: tuple[str, ...]
    multiple: bool = False
    lasts: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Draft:
    """A status as the owner writes it: plain text in."""

    text: str
    visibility: Visibility = Visibility.PUBLIC
    in_reply_to: Iri | None = None
    warning: str = ""
    language: str | None = None
    poll: PollDraft | None = None
    quote: Iri | None = None
    """The post that it quotes: its id, its address, or its number here."""
    quote_policy: QuotePolicy | None = None
    """Who may quote it; None for what the settings say."""
    media: tuple[int, ...] = ()
    """Numbers of uploaded files: at most four pictures, or one recording."""
    sensitive: bool = False
    """Attached files are covered until asked for; a warning covers them as well."""
    once: str | None = None
    """A word by which this draft is known again: it is published once, however often it comes."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send this (composed, not yet signed) activity to these inboxes."""

    activity: dict[str, object]
    inboxes: tuple[Iri, ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """Send somebody's logged activity on, as it came (`body`), to these inboxes; `actor` is who said it."""

    activity: Iri
    actor: Iri
    body: bytes
    inboxes: tuple[Iri, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Say inside the process that something happened: (`note`, id), (`follow`, actor) …"""

    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class Notify:
    """The owner may want to be told: why (`kind`, a node.notify.Kind), who did it, and the number of the post."""

    kind: str
    actor: Iri
    note_id: int | None = None


Effect = Deliver | Forward | Notify | Tell
