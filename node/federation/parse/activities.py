"""Their activities → ours, by type."""

from __future__ import annotations

from collections.abc import Callable

from keys.canonical import JsonValue
from node import text
from node.errors import Malformed, Reason, Refused
from node.federation.parse.actors import actor
from node.federation.parse.notes import emojis, note
from node.federation.parse.polls import vote
from node.federation.parse.values import (
    ACTOR_TYPES,
    NOTE_TYPES,
    Document,
    actor_id_of,
    id_of,
    iri,
    iri_of,
    iris_of,
    maybe_iri,
    refuse_rearranged,
    single,
    text_in,
    type_of,
)
from node.model import (
    Accept,
    AcceptQuote,
    Activity,
    Add,
    Announce,
    Block,
    Create,
    Delete,
    Flag,
    Follow,
    Ignored,
    Iri,
    Like,
    Move,
    QuoteRequest,
    Reject,
    RejectQuote,
    Remove,
    UndoAnnounce,
    UndoFollow,
    UndoLike,
    Update,
    UpdateActor,
)


def activity(document: Document) -> Activity:
    """An activity; Ignored for those we accept and do nothing with.

    An Ignored may have the empty id: Mastodon's Add and Remove carry none (federation.md §1.2).
    """
    refuse_rearranged(document)
    kind = type_of(document, tuple(_ACTIVITIES))
    by = actor_id_of(document)
    read = _ACTIVITIES.get(kind)
    if read is None:
        return Ignored(maybe_iri(document.get("id")) or Iri(""), by, _label(kind))
    if kind in _NAMELESS and document.get("id") is None:
        return read(document, Iri(""), by)
    return read(document, id_of(document), by)


_NAMELESS = ("Add", "Remove")
MAX_EMOJI = 64
MAX_FLAGGED = 20
MAX_COMMENT = 1000


# A stranger's word must not become a name in the log and a new counter.
_COMMON = frozenset(
    """Add Announce Arrive Block Dislike EmojiReact Flag Ignore Invite Join Leave Like Listen Move Offer QuoteRequest
    Read Remove TentativeAccept TentativeReject Travel View Vote Tombstone Follow Undo Create Update Delete Accept
    Reject""".split()  # noqa: SIM905 - words read best as words
).union(NOTE_TYPES, ACTOR_TYPES)


def _label(kind: object) -> str:
    return kind if isinstance(kind, str) and kind in _COMMON else "unknown"


def _object(document: Document) -> object:
    value = single(document.get("object"))
    if value is None:
        raise Malformed("expected an object")
    if isinstance(value, dict):
        refuse_rearranged(value)
    return value


def _follow(document: Document, own: Iri, by: Iri) -> Activity:
    return Follow(own, by, iri_of(_object(document)))


def _answer(kind: type[Accept] | type[Reject]) -> Callable[[Document, Iri, Iri], Activity]:
    def read(document: Document, own: Iri, by: Iri) -> Activity:
        value = _object(document)
        granted = maybe_iri(document.get("result"))
        if not isinstance(value, dict):
            if kind is Accept and granted is not None:
                return AcceptQuote(own, by, iri(value), None, granted)
            return kind(own, by, iri(value), None)
        inner = type_of(value, ("Follow", "QuoteRequest")) if "type" in value else "Follow"
        if inner == "QuoteRequest":
            request, instrument = maybe_iri(value.get("id")), maybe_iri(value.get("instrument"))
            if kind is Reject:
                return RejectQuote(own, by, request, instrument)
            if granted is None:  # a yes that nobody can check
                return Ignored(own, by, "Accept(QuoteRequest)")
            return AcceptQuote(own, by, request, instrument, granted)
        if inner != "Follow":
            return Ignored(own, by, f"{kind.__name__}({_label(inner)})")
        answered, follower = maybe_iri(value.get("id")), maybe_iri(value.get("actor"))
        if answered is None and follower is None:
            raise Malformed(f"{kind.__name__} does not say which Follow it answers")
        return kind(own, by, answered, follower)

    return read


def _undo(document: Document, own: Iri, by: Iri) -> Activity:
    value = _object(document)
    if not isinstance(value, dict):
        return UndoFollow(own, by, iri(value), None)
    inner = type_of(value, _UNDONE) if "type" in value else "Follow"
    if inner not in _UNDONE:
        return Ignored(own, by, f"Undo({_label(inner)})")
    # What is undone is not kept with its actor, so this is the place to look (security.md §2).
    if "actor" in value and iri_of(value["actor"]) != by:
        raise Refused(Reason.WRONG_ACTOR, f"{by} would undo a {inner} of somebody else")
    undone, target = maybe_iri(value.get("id")), maybe_iri(value.get("object"))
    if undone is None and target is None:
        raise Malformed(f"Undo does not say which {inner} it undoes")
    if inner == "Announce":
        return UndoAnnounce(own, by, undone, target)
    if inner != "Follow":
        return UndoLike(own, by, undone, target, _emoji(value))
    return UndoFollow(own, by, undone, target)


_UNDONE = ("Follow", "Announce", "Like", "EmojiReact")


def _emoji(document: Document) -> str:
    """The emoji of a reaction (FEP-c0e0); empty for a plain like."""
    written = document.get("content") or document.get("_misskey_reaction")
    return text.plain(written, MAX_EMOJI) if isinstance(written, str) else ""


def _picture(document: Document) -> str | None:
    """The address of the custom emoji that a reaction consists of."""
    shortcode = _emoji(document).strip(":")
    return next((one.url for one in emojis(document.get("tag")) if one.shortcode == shortcode.partition("@")[0]), None)


def _announce(document: Document, own: Iri, by: Iri) -> Activity:
    value = _object(document)
    if isinstance(value, dict) and "type" in value and (inner := type_of(value, NOTE_TYPES)) not in NOTE_TYPES:
        return Ignored(own, by, f"Announce({_label(inner)})")  # FEP-1b12: groups pass activities on
    return Announce(own, by, iri_of(value))


def _like(document: Document, own: Iri, by: Iri) -> Activity:
    return Like(own, by, iri_of(_object(document)), _emoji(document), _picture(document))


def _featured(kind: type[Add] | type[Remove]) -> Callable[[Document, Iri, Iri], Activity]:
    def read(document: Document, own: Iri, by: Iri) -> Activity:
        pinned, target = maybe_iri(_object(document)), maybe_iri(document.get("target"))
        if pinned is None or target is None:  # Mastodon pins hashtags too, and they have no id
            return Ignored(own, by, kind.__name__)
        return kind(own, by, pinned, target)

    return read


def _block(document: Document, own: Iri, by: Iri) -> Activity:
    return Block(own, by, iri_of(_object(document)))


def _move(document: Document, own: Iri, by: Iri) -> Activity:
    return Move(own, by, iri_of(_object(document)), iri_of(document.get("target")))


def _flag(document: Document, own: Iri, by: Iri) -> Activity:
    about = iris_of(document.get("object"), MAX_FLAGGED)
    if not about:
        raise Malformed("Flag does not say what it is about")
    return Flag(own, by, about, text.plain(text_in(document, "content"), MAX_COMMENT, lines=True))


def _quote_request(document: Document, own: Iri, by: Iri) -> Activity:
    written = single(document.get("instrument"))
    if isinstance(written, dict) and "attributedTo" in written and iri_of(written["attributedTo"]) != by:
        raise Refused(Reason.WRONG_AUTHOR, f"{by} asks for a post of somebody else's")
    return QuoteRequest(own, by, iri_of(_object(document)), iri_of(written))


def _create(document: Document, own: Iri, by: Iri) -> Activity:
    voted = vote(document.get("object"), own, by)
    if voted is not None:
        return voted
    value = _embedded(document)
    if isinstance(value, str):
        return Ignored(own, by, f"Create({value})")
    return Create(own, by, note(value, around=document))


def _update(document: Document, own: Iri, by: Iri) -> Activity:
    value = _embedded(document, ACTOR_TYPES)
    if isinstance(value, str):
        return Ignored(own, by, f"Update({value})")
    if type_of(value, (*NOTE_TYPES, *ACTOR_TYPES)) in ACTOR_TYPES:
        return UpdateActor(own, by, actor(value))
    return Update(own, by, note(value, around=document))


def _embedded(document: Document, also: tuple[str, ...] = ()) -> dict[str, JsonValue] | str:
    """The embedded post (or actor); else a word for what is there instead: a bare id, several, another type."""
    value = _object(document)
    if isinstance(value, str):
        return "reference" if iri(value) else ""
    if isinstance(value, list):
        return "several"
    if not isinstance(value, dict):
        raise Malformed("expected an object", got=value)
    kind = type_of(value, (*NOTE_TYPES, *also))
    return value if kind in NOTE_TYPES or kind in also else _label(kind)


def _delete(document: Document, own: Iri, by: Iri) -> Activity:
    return Delete(own, by, iri_of(_object(document)))


_ACTIVITIES: dict[str, Callable[[Document, Iri, Iri], Activity]] = {
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
    "Follow": _follow,
    "Accept": _answer(Accept),
    "Reject": _answer(Reject),
    "Undo": _undo,
    "Announce": _announce,
    "Like": _like,
    "EmojiReact": _like,
    "Add": _featured(Add),
    "Remove": _featured(Remove),
    "Block": _block,
    "Move": _move,
    "Flag": _flag,
    "QuoteRequest": _quote_request,
}
