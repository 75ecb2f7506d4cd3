"""Accounts and their keys, and bytes that one of them provably sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from keys import PublicIdentity, PublicTransport
from node.model.notes import Emoji
from node.model.values import Iri, KeyKind, KeyState, Trust, host_of


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
    """One row of a profile. `value` is sanitised HTML; in the owner's own Profile it is text as typed."""

    name: str
    value: str
    verified_at: datetime | None = None
    """When the page that it links to was seen to link back with rel=me; found here, never taken from a document."""


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
    emojis: tuple[Emoji, ...] = ()
    """Of its name, bio and fields."""
    resembles: Resembled | None = None
    """Found here when the account was met, never taken from its document."""

    @property
    def handle(self) -> str:
        """`@name@host`, with the host of the id: the one spelling that nobody else can claim."""
        return f"@{self.username}@{host_of(self.iri)}"
