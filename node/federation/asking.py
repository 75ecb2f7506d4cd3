"""Our votes, counts and quotes → the JSON that goes out (federation.md §7, FEP-044f); the rest is in compose.py."""

from __future__ import annotations

from datetime import datetime

from node.federation.compose import AS2, DATA_INTEGRITY, Document, activity, date
from node.ids import Ids
from node.model import PUBLIC, Iri, QuoteRequest
from node.storage.quotes import Grant

_QUOTE_TERMS: Document = {
    "QuoteRequest": "https://w3id.org/fep/044f#QuoteRequest",
    "QuoteAuthorization": "https://w3id.org/fep/044f#QuoteAuthorization",
    "gts": "https://gotosocial.org/ns#",
    "interactingObject": {"@id": "gts:interactingObject", "@type": "@id"},
    "interactionTarget": {"@id": "gts:interactionTarget", "@type": "@id"},
}


def vote(id: Iri, question: Iri, author: Iri, choice: str, ids: Ids, when: datetime) -> Document:
    """One choice in somebody's poll, told to its author alone: a note with a name and no content."""
    note: Document = {
        "id": id,
        "type": "Note",
        "attributedTo": ids.actor,
        "to": [author],
        "cc": [],
        "name": choice,
        "inReplyTo": question,
        "published": date(when),
    }
    return activity("Create", Iri(f"{id}/activity"), ids.actor, note, to=[author], cc=[])


def refreshed(note: Document, ids: Ids, when: datetime) -> Document:
    """Update of a composed note that is no edit: counts, or a stamp. Its `updated` is as it was."""
    own = Iri(f"{note['id']}#refreshed/{int(when.timestamp() * 1000)}")
    return activity("Update", own, ids.actor, note, to=note["to"], cc=note["cc"])


def quote_request(note: Document, quoted: Iri, author: Iri, ids: Ids) -> Document:
    """May this note quote that one? Asked of its author, with the whole note for them to judge by."""
    own = ids.quote_request(Iri(str(note["id"])))
    return _with_terms(activity("QuoteRequest", own, ids.actor, quoted, to=[author], instrument=note))


def accept_quote(id: Iri, wanted: QuoteRequest, stamp: Iri, ids: Ids) -> Document:
    """Yes, and where that can be read."""
    return _with_terms(activity("Accept", id, ids.actor, _request(wanted), to=[wanted.actor], result=stamp))


def reject_quote(id: Iri, wanted: QuoteRequest, ids: Ids) -> Document:
    return _with_terms(activity("Reject", id, ids.actor, _request(wanted), to=[wanted.actor]))


def _request(wanted: QuoteRequest) -> Document:
    return {
        "id": wanted.id,
        "type": "QuoteRequest",
        "actor": wanted.actor,
        "object": wanted.object,
        "instrument": wanted.instrument,
    }


def stamp(grant: Grant, ids: Ids) -> Document:
    """A QuoteAuthorization, ready for its proof: anybody may check that this quote of that post is allowed."""
    terms = {name: term for name, term in _QUOTE_TERMS.items() if name != "QuoteRequest"}
    return {
        "@context": [AS2, DATA_INTEGRITY, terms],
        "id": grant.stamp,
        "type": "QuoteAuthorization",
        "attributedTo": ids.actor,
        "interactingObject": grant.quoting,
        "interactionTarget": grant.note,
    }


def withdraw(grant: Grant, ids: Ids) -> Document:
    """The stamp is taken back: told to whoever quotes, and to those who may have seen it."""
    own = Iri(f"{grant.stamp}#delete")
    return activity("Delete", own, ids.actor, grant.stamp, to=[PUBLIC], cc=[grant.actor, ids.followers])


def _with_terms(document: Document) -> Document:
    terms = {"QuoteRequest": _QUOTE_TERMS["QuoteRequest"]}
    return {**document, "@context": [AS2, DATA_INTEGRITY, terms]}
