"""Single values: addresses, dates, texts, lists; every spelling that servers use. The bounds stand here too."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeGuard

from keys.canonical import JsonValue
from node import text
from node.errors import Malformed
from node.model import (
    PUBLIC,
    Iri,
)

Document = Mapping[str, JsonValue]

ACTOR_TYPES = ("Person", "Service", "Application", "Group", "Organization")
NOTE_TYPES = ("Note", "Article", "Page", "Question", "Image", "Video", "Audio", "Event")
TITLED = frozenset(NOTE_TYPES) - {"Note", "Question"}
"""Types whose `name` is a title and whose `summary` is an excerpt, not a warning."""

# security.md §4
MAX_IRI = 2048
"""Bytes: PostgreSQL keeps no key in an index that is longer than some 2,700."""
MAX_ADDRESSEES = 512
MAX_MENTIONS = 50
MAX_TAGS = 64
MAX_EMOJIS = 64
MAX_ATTACHMENTS = 16
MAX_CONTENT = text.MAX_HTML
MAX_NAME = 200
MAX_WARNING = 1000
MAX_BIO = 20_000
MAX_FIELDS = 16
MAX_ALT = 10_000
MAX_KEYS = 10
MAX_ALIASES = 32
MAX_ITEMS = 200
MAX_READ = 256
"""Entries of a list of tags or attachments that are looked at."""

# ASCII host names only: ids are URIs, and an IDN host is compared as its A-label (security.md §2).
_IRI = re.compile(
    r"(?i:https?)://(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?"
    r"(?:[/?#][^\x00-\x20\x7f-\xa0<>\"\\\u2028\u2029\ud800-\udfff]*)?",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"[^\x00-\x20\x7f-\xa0<>\"\\\u2028\u2029\ud800-\udfff]*")
_PUBLIC = frozenset((PUBLIC, "as:Public", "Public"))
USERNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
WEBFINGER = re.compile(r"[A-Za-z0-9_.-]{1,128}@[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]{5,30}(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+_-]{0,80}")
BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,166}")
MULTIBASE = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{40,100}")
SHORTCODE = re.compile(r"[A-Za-z0-9_+.-]{1,64}")
HASHTAG = re.compile(r"[^\s#<>\"'&\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,100}")


def iri(value: object) -> Iri:
    """An absolute http(s) address with a host, at most 2048 bytes, and nobody's user name in it."""
    if not isinstance(value, str):
        raise Malformed("expected an id", got=value)
    end = value.find("/", 8)  # after the host: of "https://" and "http://a" the last slash is before it
    start, path = (value, "") if end < 0 else (value[:end], value[end:])
    if len(value) > MAX_IRI or not (_is_start(start) and _may_stand_in_address(path)) or not _fits(value):
        raise Malformed(f"not an http(s) address: {value[:100]!r}")
    return Iri(value)


@lru_cache(maxsize=1024)
def _is_start(written: str) -> bool:
    """The scheme and the host, which come again and again; or all of an address that has no path."""
    match = _IRI.fullmatch(written)
    if match is None or (match[2] is not None and not 0 < int(match[2]) < 65536):
        return False
    if match[1] is not None:
        try:
            ipaddress.IPv6Address(match[1])
        except ValueError:
            return False
    return True


def _may_stand_in_address(written: str) -> bool:
    if written.isascii() and written.isprintable():  # most often, and quicker than the pattern
        return not (" " in written or '"' in written or "<" in written or ">" in written or "\\" in written)
    return _IN_ADDRESS.fullmatch(written) is not None


def _fits(written: str) -> bool:
    return written.isascii() or len(written.encode()) <= MAX_IRI


def is_opaque(value: object) -> TypeGuard[str]:
    """Whether it could be a URI of any kind, of 1 to 2048 bytes."""
    return isinstance(value, str) and 0 < len(value) <= MAX_IRI and _may_stand_in_address(value) and _fits(value)


def iri_of(value: object) -> Iri:
    """The id of a link, or of an embedded object, alone or in an array of one (AS2 Core §4.1, §4.2)."""
    value = single(value)
    if isinstance(value, dict):
        value = value.get("id", value.get("href") if value.get("type") == "Link" else None)
    return iri(value)


def iris_of(value: object, limit: int = MAX_ADDRESSEES) -> tuple[Iri, ...]:
    """The http(s) ids in one value or many, each once; what is no such id is left out, and all after `limit`.

    All spellings of the public collection become the full one (AP §5.6).
    """
    found: dict[Iri, None] = {}
    for item in several(value, limit):
        if isinstance(item, str) and item in _PUBLIC:
            found[PUBLIC] = None
        elif (known := maybe_iri(item)) is not None:
            found[known] = None
    return tuple(found)


def id_of(document: Document) -> Iri:
    """The id of a document, for an early look."""
    return iri(document.get("id"))


def actor_id_of(document: Document) -> Iri:
    """The one actor of an activity: an address, or an embedded actor reduced to its id (security.md §2)."""
    return iri_of(document.get("actor"))


def type_of(document: Document, known: tuple[str, ...] = ()) -> str:
    """The type of an object; of several, the first that is among `known` (AS2 Core §4.1 allows many)."""
    kind = document.get("type")
    if isinstance(kind, str):  # most often
        return kind
    names = [name for name in several(kind, 16) if isinstance(name, str)]
    if not names:
        raise Malformed("expected a type", got=kind)
    return next((name for name in names if name in known), names[0])


def date(value: object) -> datetime | None:
    """A date of any RFC 3339 form, in UTC; None for anything else. Without an offset it is read as UTC."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        when = datetime.fromisoformat(value.upper())
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def single(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def several(value: object, limit: int) -> list[object]:
    if value is None:
        return []
    return value[:limit] if isinstance(value, list) else [value]


def objects(value: object, limit: int) -> Sequence[dict[str, JsonValue]]:
    return [item for item in several(value, limit) if isinstance(item, dict)] if value else ()


def maybe_iri(value: object) -> Iri | None:
    if value is None:  # most often: no exception for what is merely not there
        return None
    try:
        return iri(value) if isinstance(value, str) else iri_of(value)
    except Malformed:
        return None


def first_iri(value: object) -> Iri | None:
    """The first address in one value or many."""
    return next((known for item in several(value, 16) if (known := maybe_iri(item)) is not None), None)


def text_in(document: Document, name: str) -> str:
    """A property that is text, in itself or as the first of its language map (AS2 Core §4.7)."""
    value = document.get(name)
    if isinstance(value, str):
        return value
    by_language = document.get(f"{name}Map")
    if isinstance(by_language, dict):
        return next((entry for entry in by_language.values() if isinstance(entry, str)), "")
    return ""


def whole(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def address_in(value: object, media_types: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The address and media type in a `url`: a string, a Link, or several, of which the first of `media_types`."""
    first: tuple[str | None, str] = (None, "")
    for item in several(value, 32):
        target, media_type = item, ""
        if isinstance(item, dict):
            target, media_type = item.get("href", item.get("url")), media_type_of(item)
        if (address := maybe_iri(target)) is None:
            continue
        if media_type.startswith(media_types) and media_types:
            return address, media_type
        if first[0] is None:
            first = (address, media_type)
    return first


def media_type_of(document: Document) -> str:
    value = document.get("mediaType")
    if isinstance(value, str):
        value = value.partition(";")[0].strip().lower()
        if _MEDIA_TYPE.fullmatch(value):
            return value
    return ""


def refuse_rearranged(document: Document) -> None:
    """JSON-LD keywords that move parts of a document about: signed under one shape, read under another."""
    if "@graph" in document or "@included" in document or "@reverse" in document:
        raise Malformed("@graph, @included and @reverse are not read here")
