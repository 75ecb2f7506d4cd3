"""Their polls, votes and quotes: Question, the notes that are a vote, FEP-044f and the older spellings of a quote."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from node import text
from node.errors import Malformed, Reason, Refused
from node.federation.parse.values import (
    MAX_NAME,
    MAX_READ,
    Document,
    date,
    id_of,
    iri_of,
    iris_of,
    maybe_iri,
    objects,
    refuse_rearranged,
    several,
    single,
    text_in,
    type_of,
    whole,
)
from node.model import PUBLIC, Choice, Iri, Poll, QuotePolicy, Vote

MAX_CHOICES = 20
"""Choices of one poll that are read (security.md §4). Mastodon asks 4, Misskey 10, Pleroma and Mitra 20."""

_MOST_VOTES = 2**53 - 1
_MISSKEY_QUOTE = "https://misskey-hub.net/ns#_misskey_quote"

# ── polls ────────────────────────────────────────────────────────────────────────────────────


def poll(document: Document, kind: str) -> Poll | None:
    """What a Question asks. Choices of the same name are one: votes go by name. None when there is no choice."""
    if kind != "Question":
        return None
    multiple = document.get("anyOf") is not None and not several(document.get("oneOf"), 1)
    named: dict[str, Choice] = {}
    for item in objects(document.get("anyOf" if multiple else "oneOf"), MAX_CHOICES):
        name = choice_name(text_in(item, "name"))
        if name:
            named.setdefault(name, Choice(name, _votes(item)))
    if not named:
        return None
    closed, ends = document.get("closed"), date(document.get("endTime"))
    return Poll(
        choices=tuple(named.values()),
        multiple=multiple,
        ends=ends,
        closed=date(closed) or (_closed(document, ends) if closed is True else None),
        voters=whole(document.get("votersCount"), _MOST_VOTES),
    )


def _votes(item: Document) -> int:
    """How many chose it: as a collection (Mastodon, Pleroma, Misskey), or as Misskey writes it besides."""
    replies = single(item.get("replies"))
    counted = whole(replies.get("totalItems"), _MOST_VOTES) if isinstance(replies, dict) else None
    return counted if counted is not None else whole(item.get("_misskey_votes"), _MOST_VOTES) or 0


def _closed(document: Document, ends: datetime | None) -> datetime | None:
    """AS2 lets `closed` be a mere true: then since the end that was set, or the latest change."""
    return ends or date(document.get("updated")) or date(document.get("published"))


def choice_name(written: str) -> str:
    """A choice as it is kept and compared."""
    return text.plain(written, MAX_NAME)


def vote(value: object, own: Iri, by: Iri) -> Vote | None:
    """A Create's object as a vote: one note, or several (GoToSocial), that hold a name and nothing else.

    None when it is something else. Raises Refused when it is a vote in somebody else's name.
    """
    notes = objects(value, MAX_READ)
    if not notes or len(notes) != len(several(value, MAX_READ + 1)) or not all(_is_vote(note) for note in notes):
        return None
    if len(notes) > MAX_CHOICES:
        raise Malformed(f"{len(notes)} votes at once; {MAX_CHOICES} are read")
    questions = {iri_of(note.get("inReplyTo")) for note in notes}
    if len(questions) != 1:
        raise Malformed("votes for several polls in one activity")
    for note in notes:
        refuse_rearranged(note)
        if iri_of(note.get("attributedTo")) != by:
            raise Refused(Reason.WRONG_AUTHOR, f"{by} votes in the name of somebody else")
    names = tuple(dict.fromkeys(choice_name(text_in(note, "name")) for note in notes))
    return Vote(own, by, questions.pop(), names, tuple(id_of(note) for note in notes))


def _is_vote(note: Document) -> bool:
    """federation.md §7: a name, what it answers, and no content."""
    return (
        isinstance(note.get("name"), str)
        and type_of(note, ("Note",)) == "Note"
        and note.get("inReplyTo") is not None
        and not text_in(note, "content")
        and not several(note.get("attachment"), 1)
    )


# ── quotes ───────────────────────────────────────────────────────────────────────────────────


def quote(document: Document) -> tuple[Iri | None, Iri | None]:
    """The post that is quoted and the stamp that allows it; of several spellings the first, in Mastodon's order."""
    for name in ("quote", "_misskey_quote", "quoteUrl", "quoteUri"):
        if (found := maybe_iri(document.get(name))) is not None:
            return found, maybe_iri(document.get("quoteAuthorization"))
    return _linked(document), maybe_iri(document.get("quoteAuthorization"))


def _linked(document: Document) -> Iri | None:
    """FEP-e232: a Link among the tags that says it is a quote."""
    for tag in objects(document.get("tag"), MAX_READ):
        if tag.get("type") == "Link" and _MISSKEY_QUOTE in several(tag.get("rel"), 8):
            return maybe_iri(tag.get("href"))
    return None


def quote_policy(document: Document) -> QuotePolicy | None:
    """Who may quote it, as its author says: the nearest word of ours. None when nothing is said."""
    policy = single(document.get("interactionPolicy"))
    rule = single(policy.get("canQuote")) if isinstance(policy, dict) else None
    if not isinstance(rule, dict):
        return None
    named = {*iris_of(rule.get("automaticApproval")), *iris_of(rule.get("manualApproval"))}
    if PUBLIC in named:
        return QuotePolicy.PUBLIC
    others = named - {maybe_iri(document.get("attributedTo"))}
    return QuotePolicy.FOLLOWERS if others else QuotePolicy.NOBODY


@dataclass(frozen=True, slots=True)
class Stamp:
    """A QuoteAuthorization: `author` lets `quoting` quote `quoted`."""

    iri: Iri
    author: Iri
    quoting: Iri
    quoted: Iri


def stamp(document: Document) -> Stamp:
    """Raises Malformed for anything that is no QuoteAuthorization."""
    refuse_rearranged(document)
    kind = type_of(document, ("QuoteAuthorization",))
    if kind != "QuoteAuthorization":
        raise Malformed(f"not a QuoteAuthorization: {kind[:60]!r}")
    return Stamp(
        id_of(document),
        iri_of(document.get("attributedTo")),
        iri_of(document.get("interactingObject")),
        iri_of(document.get("interactionTarget")),
    )
