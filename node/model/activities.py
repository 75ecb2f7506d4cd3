"""What is done with actors and notes, as it goes over the wire."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from node.model.actors import Actor
from node.model.notes import Note
from node.model.values import Iri


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
    url: str | None = None
    """The picture of a custom emoji."""

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
class Vote:
    """An answer to a poll: a Create of notes that are nothing but a choice. Never a post."""

    id: Iri
    actor: Iri
    question: Iri
    choices: tuple[str, ...]
    notes: tuple[Iri, ...]
    """The ids of the notes that carried it."""


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """`actor` wants to quote `object` in `instrument` (FEP-044f)."""

    id: Iri
    actor: Iri
    object: Iri
    instrument: Iri


@dataclass(frozen=True, slots=True)
class AcceptQuote:
    """Yes to a QuoteRequest: `stamp` is the QuoteAuthorization. `instrument` when the request is embedded."""

    id: Iri
    actor: Iri
    request: Iri | None
    instrument: Iri | None
    stamp: Iri


@dataclass(frozen=True, slots=True)
class RejectQuote:
    """No to a QuoteRequest."""

    id: Iri
    actor: Iri
    request: Iri | None
    instrument: Iri | None


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
    | Vote
    | QuoteRequest
    | AcceptQuote
    | RejectQuote
    | Ignored
)
