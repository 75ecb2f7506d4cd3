"""What the node talks about, as frozen values: actors, notes, activities, verdicts, pages.

The spelling is ActivityPub's. Nothing here reads JSON, SQL or the network; `federation/parse.py`
makes these from other people's JSON, `federation/compose.py` turns them into ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NewType
from urllib.parse import urlsplit

from keys import PublicIdentity, PublicTransport

Iri = NewType("Iri", str)
"""An absolute http(s) address that names something. Made by parse.iri(), ids.py or storage."""

Clock = Callable[[], datetime]
"""Answers the time, always aware and in UTC. Passed in, so that a test can hold it still."""

PUBLIC = Iri("https://www.w3.org/ns/activitystreams#Public")


def utcnow() -> datetime:
    return datetime.now(UTC)


def origin_of(iri: str) -> str:
    """Scheme, host and port, lower case, default port left out: what FEP-fe34 compares."""
    start = _ORIGIN.match(iri)
    return _origin(start[0] if start else iri)


_ORIGIN = re.compile(r"[^:/?#\\]+://[^/?#\\]*")


@lru_cache(maxsize=8192)
def _origin(start: str) -> str:
    """By what comes before the path: asked nine times for each note that arrives, and mostly the same.

    Total, since strangers write what it is asked about: what cannot be read as an address has an
    origin that no address has (RFC 6454 §4).
    """
    try:
        parts = urlsplit(start)
        number = parts.port
    except ValueError:
        return f"opaque:{start}"
    host = (parts.hostname or "").lower().rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    default = {"https": 443, "http": 80}.get(parts.scheme.lower())
    port = "" if number in (None, default) else f":{number}"
    return f"{parts.scheme.lower()}://{host}{port}"


def host_of(iri: str) -> str:
    """Host and non-default port, as they stand in a handle and in a Host header."""
    return origin_of(iri).partition("://")[2]


class Visibility(StrEnum):
    """Who a note is for (federation.md §5)."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    DIRECT = "direct"

    @property
    def is_open(self) -> bool:
        """Anybody may read it."""
        return self in (Visibility.PUBLIC, Visibility.UNLISTED)


class Verdict(StrEnum):
    """What the node says about who wrote a post (decisions.md §7)."""

    SIGNED = "signed"
    VOUCHED = "vouched"
    CHANGED = "changed"
    REFUSED = "refused"


class Trust(StrEnum):
    """How we came to know a key."""

    FIRST_USE = "first_use"
    COMPARED = "compared"
    CONTINUITY = "continuity"


class KeyState(StrEnum):
    """Where a known key stands: the pinned one, one that turned up without continuity, or one no longer listed."""

    PINNED = "pinned"
    CHANGED = "changed"
    RETIRED = "retired"


class KeyKind(StrEnum):
    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class ActorKey:
    """A public key as an actor lists it. `material` is SPKI PEM for RSA, a Multikey for Ed25519."""

    id: Iri
    owner: Iri
    kind: KeyKind
    material: str


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key with what we know of it: since when, how, and whether it still stands."""

    id: Iri
    owner: Iri
    kind: KeyKind
    material: str
    since: datetime
    trust: Trust
    state: KeyState
    public: PublicIdentity | PublicTransport = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """Bytes that `actor` provably sent to us over HTTP.

    Made by federation/httpsig.verify(), and by its recall() from rows that only verified bytes get into.
    """

    actor: Iri
    key: KnownKey
    body: bytes
    dialect: str
    created: datetime
    headers: tuple[tuple[str, str], ...]
    """The headers that the signature covers, and the signature itself, as received: kept as evidence."""


@dataclass(frozen=True, slots=True)
class ProfileField:
    """One row of an actor's profile; `value` is sanitised HTML."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Resembled:
    """Somebody whom the owner follows (or the owner), for whom a stranger's account could be taken."""

    iri: Iri
    handle: str
    followed: bool = True

    @property
    def warning(self) -> str:
        """What stands beside the stranger's name: it names the real one, in full."""
        return f"not the {self.handle} you follow" if self.followed else f"not you: you are {self.handle}"

    @property
    def public_warning(self) -> str:
        """The same for those who read the owner's pages."""
        return f"not the {self.handle} whom the author follows" if self.followed else f"not {self.handle}"


@dataclass(frozen=True, slots=True)
class Actor:
    """An account on some server, as its actor document says. `summary` is sanitised HTML; `name` is text."""

    iri: Iri
    type: str
    username: str
    inbox: Iri
    name: str = ""
    summary: str = ""
    url: str | None = None
    shared_inbox: Iri | None = None
    outbox: Iri | None = None
    followers: Iri | None = None
    following: Iri | None = None
    featured: Iri | None = None
    icon: str | None = None
    image: str | None = None
    fields: tuple[ProfileField, ...] = ()
    keys: tuple[ActorKey, ...] = ()
    locked: bool = False
    discoverable: bool = False
    bot: bool = False
    published: datetime | None = None
    also_known_as: tuple[Iri, ...] = ()
    moved_to: Iri | None = None
    webfinger: str | None = None
    """`name@domain` as the actor claims it (FEP-2c59); believed only once that domain confirms it."""
    implements: tuple[str, ...] = ()
    """hrefs of FEP-844e: what the server says it can do, e.g. RFC 9421."""
    resembles: Resembled | None = None
    """Found here when the account was met, never taken from its document."""

    @property
    def handle(self) -> str:
        """`@name@host`, with the host of the id: the one spelling that nobody else can claim."""
        return f"@{self.username}@{host_of(self.iri)}"


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


# ── activities ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Follow:
    id: Iri
    actor: Iri
    object: Iri


@dataclass(frozen=True, slots=True)
class Accept:
    """An answer to a Follow. Mitra sends only its id, Mastodon may embed an id we do not know: both are kept."""

    id: Iri
    actor: Iri
    follow: Iri | None
    follower: Iri | None


@dataclass(frozen=True, slots=True)
class Reject:
    id: Iri
    actor: Iri
    follow: Iri | None
    follower: Iri | None


@dataclass(frozen=True, slots=True)
class UndoFollow:
    """Undo of a Follow, by its id, by what it followed, or both."""

    id: Iri
    actor: Iri
    follow: Iri | None
    object: Iri | None


@dataclass(frozen=True, slots=True)
class Create:
    id: Iri
    actor: Iri
    note: Note


@dataclass(frozen=True, slots=True)
class Update:
    id: Iri
    actor: Iri
    note: Note


@dataclass(frozen=True, slots=True)
class UpdateActor:
    id: Iri
    actor: Iri
    profile: Actor


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete of a note, or of the actor itself when `object == actor`."""

    id: Iri
    actor: Iri
    object: Iri


class ReactionKind(StrEnum):
    """What somebody did with a post of somebody's."""

    LIKE = "like"
    BOOST = "boost"
    EMOJI = "emoji"


@dataclass(frozen=True, slots=True)
class Announce:
    """A boost. Only the id of what is boosted is read: what is embedded is not the booster's to say."""

    id: Iri
    actor: Iri
    object: Iri


@dataclass(frozen=True, slots=True)
class Like:
    """A like; with `content` an emoji reaction (EmojiReact, or Misskey's Like with content)."""

    id: Iri
    actor: Iri
    object: Iri
    content: str = ""

    @property
    def kind(self) -> ReactionKind:
        return ReactionKind.EMOJI if self.content else ReactionKind.LIKE


@dataclass(frozen=True, slots=True)
class UndoAnnounce:
    """Undo of a boost, by its id, by what it boosted, or both."""

    id: Iri
    actor: Iri
    activity: Iri | None
    object: Iri | None

    @property
    def kinds(self) -> tuple[ReactionKind, ...]:
        return (ReactionKind.BOOST,)


@dataclass(frozen=True, slots=True)
class UndoLike:
    """Undo of a like or an emoji reaction, by its id, by what it liked, or both."""

    id: Iri
    actor: Iri
    activity: Iri | None
    object: Iri | None
    content: str = ""

    @property
    def kinds(self) -> tuple[ReactionKind, ...]:
        return (ReactionKind.EMOJI,) if self.content else (ReactionKind.LIKE, ReactionKind.EMOJI)


@dataclass(frozen=True, slots=True)
class Add:
    """A note is pinned to a collection. Mastodon gives it no id: then the id is empty."""

    id: Iri
    actor: Iri
    object: Iri
    target: Iri


@dataclass(frozen=True, slots=True)
class Remove:
    """A note is unpinned from a collection."""

    id: Iri
    actor: Iri
    object: Iri
    target: Iri


@dataclass(frozen=True, slots=True)
class Move:
    """`object` (the actor itself) goes on as `target`."""

    id: Iri
    actor: Iri
    object: Iri
    target: Iri


@dataclass(frozen=True, slots=True)
class Block:
    id: Iri
    actor: Iri
    object: Iri


@dataclass(frozen=True, slots=True)
class Flag:
    """A report: whom and what it is about, and why. For the owner alone to read."""

    id: Iri
    actor: Iri
    objects: tuple[Iri, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """An activity of a type we accept and do nothing with. `type` is kept for the log and the counters."""

    id: Iri
    actor: Iri
    type: str


Activity = (
    Follow
    | Accept
    | Reject
    | UndoFollow
    | Create
    | Update
    | UpdateActor
    | Delete
    | Announce
    | UndoAnnounce
    | Like
    | UndoLike
    | Add
    | Remove
    | Move
    | Block
    | Flag
    | Ignored
)


# ── what the node keeps and shows ────────────────────────────────────────────────────────────


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


@dataclass(frozen=True, slots=True)
class Draft:
    """A status as the owner writes it: plain text in."""

    text: str
    visibility: Visibility = Visibility.PUBLIC
    in_reply_to: Iri | None = None
    warning: str = ""
    language: str | None = None


# ── effects: what follows from an activity, stored in the same transaction ───────────────────


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send this (composed, not yet signed) activity to these inboxes."""

    activity: dict[str, object]
    inboxes: tuple[Iri, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """Say inside the process that something happened: (`note`, id), (`follow`, actor) …"""

    kind: str
    subject: str


Effect = Deliver | Tell
