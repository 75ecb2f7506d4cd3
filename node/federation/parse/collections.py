"""Their collections, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass

from keys.canonical import JsonValue
from node.errors import Malformed
from node.federation.parse.values import MAX_ITEMS, Document, maybe_iri, refuse_rearranged, single, type_of, whole
from node.model import (
    Iri,
    origin_of,
)


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """A collection, or one page of it. Items are as they came: iri_of(), note() and activity() read them."""

    id: Iri | None
    items: tuple[JsonValue, ...]
    first: Iri | None
    next: Iri | None
    total: int | None


def collection_page(document: Document) -> CollectionPage:
    """What another server's collection says. Pages on another origin than the document's are not offered."""
    refuse_rearranged(document)
    known = ("OrderedCollection", "OrderedCollectionPage", "Collection", "CollectionPage")
    if type_of(document, known) not in known:
        raise Malformed("not a collection")
    own = maybe_iri(document.get("id"))
    first = single(document.get("first"))
    # Mastodon's replies begin with an embedded page that may hold nothing but the address of the next.
    inside = isinstance(first, dict) and (_item_list(first) or ("next" in first and not _item_list(document)))
    page: Document = first if isinstance(first, dict) and inside else document

    def beside(value: object) -> Iri | None:
        known = maybe_iri(value)
        return known if known is not None and (own is None or origin_of(known) == origin_of(own)) else None

    return CollectionPage(
        id=own,
        items=tuple(_item_list(page)),
        first=beside(first),
        next=beside(page.get("next")),
        total=whole(document.get("totalItems"), 2**53),
    )


def _item_list(document: Document) -> list[JsonValue]:
    value = document.get("orderedItems", document.get("items"))
    if value is None:
        return []
    return value[:MAX_ITEMS] if isinstance(value, list) else [value]
