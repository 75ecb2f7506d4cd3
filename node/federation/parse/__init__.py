"""Their JSON → our types: tolerant of every spelling that servers use, and refusing with a reason.

Total: whatever JSON comes in, what comes out is one of our values, Malformed or Refused. This file
checks shapes; who may say what is decided in policy.py, but for the few places where our types do
not keep what the decision needs. No JSON-LD processing: names are taken as they stand.
"""

from node.federation.parse.activities import activity
from node.federation.parse.actors import actor
from node.federation.parse.collections import CollectionPage, collection_page
from node.federation.parse.notes import note
from node.federation.parse.polls import MAX_CHOICES, Stamp, stamp
from node.federation.parse.values import (
    ACTOR_TYPES,
    MAX_ADDRESSEES,
    MAX_ATTACHMENTS,
    MAX_CONTENT,
    MAX_EMOJIS,
    MAX_FIELDS,
    MAX_IRI,
    MAX_ITEMS,
    MAX_KEYS,
    MAX_MENTIONS,
    MAX_NAME,
    MAX_TAGS,
    NOTE_TYPES,
    Document,
    actor_id_of,
    date,
    id_of,
    iri,
    iri_of,
    iris_of,
    type_of,
)

__all__ = [
    "ACTOR_TYPES",
    "MAX_ADDRESSEES",
    "MAX_ATTACHMENTS",
    "MAX_CHOICES",
    "MAX_CONTENT",
    "MAX_EMOJIS",
    "MAX_FIELDS",
    "MAX_IRI",
    "MAX_ITEMS",
    "MAX_KEYS",
    "MAX_MENTIONS",
    "MAX_NAME",
    "MAX_TAGS",
    "NOTE_TYPES",
    "CollectionPage",
    "Document",
    "Stamp",
    "activity",
    "actor",
    "actor_id_of",
    "collection_page",
    "date",
    "id_of",
    "iri",
    "iri_of",
    "iris_of",
    "note",
    "stamp",
    "type_of",
]
