"""Their JSON → our types: tolerant of every spelling that servers use, and refusing with a reason.

Total: whatever JSON comes in, what comes out is one of our values, Malformed or Refused. This file
checks shapes; who may say what is decided in policy.py, but for the few places where our types do
not keep what the decision needs. No JSON-LD processing: names are taken as they stand.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from keys import PublicIdentity, PublicTransport
from keys.canonical import JsonValue
from keys.errors import BadKey
from node import text
from node.errors import Malformed, Reason, Refused
from node.model import (
    PUBLIC,
    Accept,
    Activity,
    Actor,
    ActorKey,
    Attachment,
    Audience,
    Create,
    Delete,
    Follow,
    Ignored,
    Iri,
    KeyKind,
    Mention,
    Note,
    ProfileField,
    Reject,
    UndoFollow,
    Update,
    UpdateActor,
    origin_of,
)

Document = Mapping[str, JsonValue]

ACTOR_TYPES = ("Person", "Service", "Application", "Group", "Organization")
NOTE_TYPES = ("Note", "Article", "Page", "Question", "Image", "Video", "Audio", "Event")
_TITLED = frozenset(NOTE_TYPES) - {"Note", "Question"}
"""Types whose `name` is a title and whose `summary` is an excerpt, not a warning."""

# security.md §4
MAX_IRI = 2048
MAX_ADDRESSEES = 512
MAX_MENTIONS = 50
MAX_TAGS = 64
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
_MAX_READ = 256
"""Entries of a list of tags or attachments that are looked at."""

# ── single values ────────────────────────────────────────────────────────────────────────────

# ASCII host names only: ids are URIs, and an IDN host is compared as its A-label (security.md §2).
_IRI = re.compile(
    r"(?i:https?)://(?:[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_.])?|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?"
    r"(?:[/?#][^\x00-\x20\x7f-\xa0<>\"\\\u2028\u2029\ud800-\udfff]*)?",
    re.IGNORECASE,
)
_OPAQUE = re.compile(r"[^\x00-\x20\x7f-\xa0<>\"\\\u2028\u2029\ud800-\udfff]{1,2048}")
_PUBLIC = frozenset((PUBLIC, "as:Public", "Public"))
_USERNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_WEBFINGER = re.compile(r"[A-Za-z0-9_.-]{1,128}@[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]{5,30}(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+_-]{0,80}")
_BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,166}")
_MULTIBASE = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{40,100}")
_HASHTAG = re.compile(r"[^\s#<>\"'&\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,100}")


def iri(value: object) -> Iri:
    """An absolute http(s) address with a host, at most 2048 characters, and nobody's user name in it."""
    if not isinstance(value, str):
        raise Malformed("expected an id", got=value)
    match = _IRI.fullmatch(value) if len(value) <= MAX_IRI else None
    if match is None or (match[2] is not None and not 0 < int(match[2]) < 65536):
        raise Malformed(f"not an http(s) address: {value[:100]!r}")
    if match[1] is not None:
        try:
            ipaddress.IPv6Address(match[1])
        except ValueError:
            raise Malformed(f"not an http(s) address: {value[:100]!r}") from None
    return Iri(value)


def iri_of(value: object) -> Iri:
    """The id of a link, or of an embedded object, alone or in an array of one (AS2 Core §4.1, §4.2)."""
    value = _one(value)
    if isinstance(value, dict):
        value = value.get("id", value.get("href") if value.get("type") == "Link" else None)
    return iri(value)


def iris_of(value: object, limit: int = MAX_ADDRESSEES) -> tuple[Iri, ...]:
    """The http(s) ids in one value or many, each once; what is no such id is left out, and all after `limit`.

    All spellings of the public collection become the full one (AP §5.6).
    """
    found: dict[Iri, None] = {}
    for item in _many(value, limit):
        if isinstance(item, str) and item in _PUBLIC:
            found[PUBLIC] = None
        elif (known := _maybe_iri(item)) is not None:
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
    names = [name for name in _many(document.get("type"), 16) if isinstance(name, str)]
    if not names:
        raise Malformed("expected a type", got=document.get("type"))
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


def _one(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _many(value: object, limit: int) -> list[object]:
    if value is None:
        return []
    return value[:limit] if isinstance(value, list) else [value]


def _dicts(value: object, limit: int) -> Iterator[dict[str, JsonValue]]:
    return (item for item in _many(value, limit) if isinstance(item, dict))


def _maybe_iri(value: object) -> Iri | None:
    try:
        return iri_of(value)
    except Malformed:
        return None


def _first_iri(value: object) -> Iri | None:
    """The first address in one value or many."""
    return next((known for item in _many(value, 16) if (known := _maybe_iri(item)) is not None), None)


def _string(document: Document, name: str) -> str:
    """A property that is text, in itself or as the first of its language map (AS2 Core §4.7)."""
    value = document.get(name)
    if isinstance(value, str):
        return value
    by_language = document.get(f"{name}Map")
    if isinstance(by_language, dict):
        return next((entry for entry in by_language.values() if isinstance(entry, str)), "")
    return ""


def _count(value: object, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def _link(value: object, media_types: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The address and media type in a `url`: a string, a Link, or several, of which the first of `media_types`."""
    first: tuple[str | None, str] = (None, "")
    for item in _many(value, 32):
        target, media_type = item, ""
        if isinstance(item, dict):
            target, media_type = item.get("href", item.get("url")), _media_type(item)
        if (address := _maybe_iri(target)) is None:
            continue
        if media_type.startswith(media_types) and media_types:
            return address, media_type
        if first[0] is None:
            first = (address, media_type)
    return first


def _media_type(document: Document) -> str:
    value = document.get("mediaType")
    if isinstance(value, str):
        value = value.partition(";")[0].strip().lower()
        if _MEDIA_TYPE.fullmatch(value):
            return value
    return ""


def _refuse_rearranged(document: Document) -> None:
    """JSON-LD keywords that move parts of a document about: signed under one shape, read under another."""
    if "@graph" in document or "@included" in document or "@reverse" in document:
        raise Malformed("@graph, @included and @reverse are not read here")


# ── notes ────────────────────────────────────────────────────────────────────────────────────


def note(document: Document, *, fallback: Audience | None = None) -> Note:
    """A post of any type in NOTE_TYPES. `fallback` is the audience of the activity around it."""
    _refuse_rearranged(document)
    kind = type_of(document, NOTE_TYPES)
    if kind not in NOTE_TYPES:
        raise Malformed(f"not a type of post: {kind[:60]!r}")
    audience = _audience(document)
    if fallback is not None and not audience.to and not audience.cc:
        audience = fallback
    titled = kind in _TITLED
    warning = "" if titled else text.plain(_string(document, "summary"), MAX_WARNING)
    mentions, hashtags = _tags(document.get("tag"))
    return Note(
        iri=id_of(document),
        author=iri_of(document.get("attributedTo")),
        audience=audience,
        content=_content(document, titled=titled),
        published=date(document.get("published")),
        updated=date(document.get("updated")),
        type=kind,
        url=_link(document.get("url"), ("text/html",))[0],
        in_reply_to=_first_iri(document.get("inReplyTo")),
        context=_opaque(document.get("context")) or _opaque(document.get("conversation")),
        summary=warning,
        sensitive=document.get("sensitive") is True or warning != "",
        language=_language(document),
        mentions=mentions,
        hashtags=hashtags,
        attachments=_attachments(document.get("attachment")),
        source=_source(document.get("source")),
    )


def _audience(document: Document) -> Audience:
    return Audience(iris_of(document.get("to")), iris_of(document.get("cc")))


def _opaque(value: object) -> str | None:
    """A thread's name: any URI (Mastodon's are tag: URIs), only ever compared."""
    value = _one(value)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and _OPAQUE.fullmatch(value) else None


def _content(document: Document, *, titled: bool) -> str:
    written = _string(document, "content") or (_string(document, "summary") if titled else "")
    if len(written) > MAX_CONTENT:
        raise Malformed(f"content of {len(written)} characters; {MAX_CONTENT} are read")
    media_type = document.get("mediaType")
    is_text = isinstance(media_type, str) and media_type.startswith(("text/plain", "text/markdown"))
    clean = text.from_plain(written) if is_text else text.sanitise(written)
    if titled and (title := text.plain(_string(document, "name"), MAX_NAME)):
        clean = text.from_plain(title).replace("<p>", "<p><strong>").replace("</p>", "</strong></p>") + clean
    if len(clean) > 2 * MAX_CONTENT:
        raise Malformed("content that grows when it is made well formed")
    return clean


def _language(document: Document) -> str | None:
    """The language whose text is the content; else the first one (Mastodon reads the first key)."""
    by_language = document.get("contentMap")
    if not isinstance(by_language, dict):
        return None
    content = document.get("content")
    names = [name for name, value in by_language.items() if value == content] or list(by_language)
    return next((name for name in names[:8] if _LANGUAGE.fullmatch(name)), None)


def _source(value: object) -> str | None:
    if not isinstance(value, dict) or value.get("mediaType", "text/plain") != "text/plain":
        return None
    content = value.get("content")
    return text.plain(content, MAX_CONTENT, lines=True) if isinstance(content, str) else None


def _tags(value: object) -> tuple[tuple[Mention, ...], tuple[str, ...]]:
    """The first 50 mentions and 64 hashtags, each once; other tags (Emoji, Link) are left alone."""
    mentions: dict[Iri, Mention] = {}
    hashtags: dict[str, str] = {}
    for tag in _dicts(value, _MAX_READ):
        kind, name = tag.get("type"), tag.get("name")
        if kind == "Mention" and len(mentions) < MAX_MENTIONS:
            if (href := _maybe_iri(tag.get("href"))) is not None:
                shown = text.plain(name, MAX_NAME) if isinstance(name, str) else ""
                mentions.setdefault(href, Mention(href, shown))
        elif kind == "Hashtag" and isinstance(name, str) and len(hashtags) < MAX_TAGS:
            word = name.removeprefix("#")
            if _HASHTAG.fullmatch(word):
                hashtags.setdefault(word.casefold(), word)
    return tuple(mentions.values()), tuple(hashtags.values())


_MEDIA = ("Image", "Video", "Audio")


def _attachments(value: object) -> tuple[Attachment, ...]:
    found = (_attachment(item) for item in _dicts(value, _MAX_READ))
    return tuple(item for item in found if item is not None)[:MAX_ATTACHMENTS]


def _attachment(document: Document) -> Attachment | None:
    """A medium, told by its type (Image, Video, Audio, Document) or its media type; None for other things."""
    kind = document.get("type")
    address, media_type = _link(document.get("url") or document.get("href"))
    media_type = _media_type(document) or media_type
    if kind not in _MEDIA:
        by_media_type = media_type.partition("/")[0].capitalize()
        kind = by_media_type if by_media_type in _MEDIA else kind
    if address is None or not isinstance(kind, str) or kind not in (*_MEDIA, "Document"):
        return None
    blurhash, digest = document.get("blurhash"), document.get("digestMultibase")
    return Attachment(
        type=kind,
        media_type=media_type,
        url=address,
        alt=text.plain(_string(document, "summary") or _string(document, "name"), MAX_ALT, lines=True),
        width=_count(document.get("width"), 65535),
        height=_count(document.get("height"), 65535),
        blurhash=blurhash if isinstance(blurhash, str) and _BLURHASH.fullmatch(blurhash) else None,
        focus=_focus(document.get("focalPoint")),
        digest=digest if isinstance(digest, str) and _MULTIBASE.fullmatch(digest) else None,
    )


def _focus(value: object) -> tuple[float, float] | None:
    match value:
        case [int() | float() as x, int() | float() as y] if all(math.isfinite(n) and -1 <= n <= 1 for n in (x, y)):
            return float(x), float(y)
    return None


# ── actors ───────────────────────────────────────────────────────────────────────────────────


def actor(document: Document) -> Actor:
    """An account. Collections and a shared inbox on another origin than the actor's are left out (FEP-fe34).

    Raises Refused (wrong_origin) for an inbox elsewhere: what is sent there was not asked for by its owner.
    """
    _refuse_rearranged(document)
    kind = type_of(document, ACTOR_TYPES)
    if kind not in ACTOR_TYPES:
        raise Malformed(f"not a type of actor: {kind[:60]!r}")
    own = id_of(document)
    origin = origin_of(own)
    inbox = iri_of(document.get("inbox"))
    if origin_of(inbox) != origin:
        raise Refused(Reason.WRONG_ORIGIN, f"{own} has its inbox on another origin: {inbox}")

    def beside(value: object) -> Iri | None:
        known = _maybe_iri(value)
        return known if known is not None and origin_of(known) == origin else None

    endpoints = _one(document.get("endpoints"))
    webfinger = document.get("webfinger")
    return Actor(
        iri=own,
        type=kind,
        username=_username(document),
        inbox=inbox,
        name=text.plain(_string(document, "name"), MAX_NAME),
        summary=text.sanitise(_string(document, "summary")[:MAX_BIO]),
        url=_link(document.get("url"), ("text/html",))[0],
        shared_inbox=beside(endpoints.get("sharedInbox")) if isinstance(endpoints, dict) else None,
        outbox=beside(document.get("outbox")),
        followers=beside(document.get("followers")),
        following=beside(document.get("following")),
        featured=beside(document.get("featured")),
        icon=_image(document.get("icon")),
        image=_image(document.get("image")),
        fields=_fields(document.get("attachment")),
        keys=_keys(document, own),
        locked=document.get("manuallyApprovesFollowers") is True,
        discoverable=document.get("discoverable") is True,
        bot=kind in ("Service", "Application"),
        published=date(document.get("published")),
        also_known_as=iris_of(document.get("alsoKnownAs"), MAX_ALIASES),
        moved_to=_first_iri(document.get("movedTo")),
        webfinger=webfinger if isinstance(webfinger, str) and _WEBFINGER.fullmatch(webfinger) else None,
        implements=_implements(document.get("generator")),
    )


def _username(document: Document) -> str:
    name = document.get("preferredUsername")
    if not isinstance(name, str) or not _USERNAME.fullmatch(name):
        raise Malformed("expected a preferredUsername of ASCII letters, digits, '_', '.' and '-'", got=name)
    return name


def _image(value: object) -> str | None:
    for item in _many(value, 8):
        address = _link(item.get("url") or item.get("href"))[0] if isinstance(item, dict) else _maybe_iri(item)
        if address is not None:
            return address
    return None


def _fields(value: object) -> tuple[ProfileField, ...]:
    rows = [item for item in _dicts(value, _MAX_READ) if item.get("type") == "PropertyValue"]
    return tuple(
        ProfileField(text.plain(_string(row, "name"), MAX_NAME), text.sanitise(_string(row, "value")[:2000]))
        for row in rows[:MAX_FIELDS]
    )


def _implements(value: object) -> tuple[str, ...]:
    generator = _one(value)
    if not isinstance(generator, dict):
        return ()
    links = (item.get("href") if isinstance(item, dict) else item for item in _many(generator.get("implements"), 32))
    return tuple(known for link in links if (known := _maybe_iri(link)) is not None)


def _keys(document: Document, own: Iri) -> tuple[ActorKey, ...]:
    """The keys an actor claims for itself, on its own origin; one we cannot use is left out."""
    keys: dict[Iri, ActorKey] = {}
    for item in _dicts(document.get("publicKey"), MAX_KEYS):
        if item.get("owner") == own and (key := _key(item.get("id"), own, item.get("publicKeyPem"), _rsa)):
            keys.setdefault(key.id, key)
    for item in _dicts(document.get("assertionMethod"), MAX_KEYS):
        if item.get("type") == "Multikey" and item.get("controller") == own:
            key = _key(item.get("id"), own, item.get("publicKeyMultibase"), _ed25519)
            if key is not None:
                keys.setdefault(key.id, key)
    return tuple(keys.values())


def _key(name: object, owner: Iri, material: object, read: Callable[[str], tuple[KeyKind, str]]) -> ActorKey | None:
    known = _maybe_iri(name)
    if known is None or not isinstance(material, str) or origin_of(known) != origin_of(owner):
        return None
    try:
        return ActorKey(known, owner, *read(material))
    except BadKey:
        return None


def _rsa(pem: str) -> tuple[KeyKind, str]:
    return KeyKind.RSA, PublicTransport.from_pem(pem).pem


def _ed25519(multikey: str) -> tuple[KeyKind, str]:
    return KeyKind.ED25519, PublicIdentity.from_multikey(multikey).multikey


# ── activities ───────────────────────────────────────────────────────────────────────────────


def activity(document: Document) -> Activity:
    """An activity; Ignored for those we accept and do nothing with.

    An Ignored may have the empty id: Mastodon's Add and Remove carry none (federation.md §1.2).
    """
    _refuse_rearranged(document)
    kind = type_of(document, tuple(_ACTIVITIES))
    by = actor_id_of(document)
    read = _ACTIVITIES.get(kind)
    if read is None:
        return Ignored(_maybe_iri(document.get("id")) or Iri(""), by, _label(kind))
    return read(document, id_of(document), by)


# A stranger's word must not become a name in the log and a new counter.
_COMMON = frozenset(
    """Add Announce Arrive Block Dislike EmojiReact Flag Ignore Invite Join Leave Like Listen Move Offer QuoteRequest
    Read Remove TentativeAccept TentativeReject Travel View Vote Tombstone Follow Undo Create Update Delete Accept
    Reject""".split()  # noqa: SIM905 - words read best as words
).union(NOTE_TYPES, ACTOR_TYPES)


def _label(kind: object) -> str:
    return kind if isinstance(kind, str) and kind in _COMMON else "unknown"


def _object(document: Document) -> object:
    value = _one(document.get("object"))
    if value is None:
        raise Malformed("expected an object")
    if isinstance(value, dict):
        _refuse_rearranged(value)
    return value


def _follow(document: Document, own: Iri, by: Iri) -> Activity:
    return Follow(own, by, iri_of(_object(document)))


def _answer(kind: type[Accept] | type[Reject]) -> Callable[[Document, Iri, Iri], Activity]:
    def read(document: Document, own: Iri, by: Iri) -> Activity:
        value = _object(document)
        if not isinstance(value, dict):
            return kind(own, by, iri(value), None)
        if "type" in value and (inner := type_of(value, ("Follow",))) != "Follow":
            return Ignored(own, by, f"{kind.__name__}({_label(inner)})")
        answered, follower = _maybe_iri(value.get("id")), _maybe_iri(value.get("actor"))
        if answered is None and follower is None:
            raise Malformed(f"{kind.__name__} does not say which Follow it answers")
        return kind(own, by, answered, follower)

    return read


def _undo(document: Document, own: Iri, by: Iri) -> Activity:
    value = _object(document)
    if not isinstance(value, dict):
        return UndoFollow(own, by, iri(value), None)
    if "type" in value and (inner := type_of(value, ("Follow",))) != "Follow":
        return Ignored(own, by, f"Undo({_label(inner)})")
    # Our UndoFollow does not keep who followed, so this is the place to look (security.md §2).
    if "actor" in value and iri_of(value["actor"]) != by:
        raise Refused(Reason.WRONG_ACTOR, f"{by} would undo a Follow of somebody else")
    undone, target = _maybe_iri(value.get("id")), _maybe_iri(value.get("object"))
    if undone is None and target is None:
        raise Malformed("Undo does not say which Follow it undoes")
    return UndoFollow(own, by, undone, target)


def _create(document: Document, own: Iri, by: Iri) -> Activity:
    value = _embedded(document)
    if isinstance(value, str):
        return Ignored(own, by, f"Create({value})")
    return Create(own, by, note(value, fallback=_audience(document)))


def _update(document: Document, own: Iri, by: Iri) -> Activity:
    value = _embedded(document, ACTOR_TYPES)
    if isinstance(value, str):
        return Ignored(own, by, f"Update({value})")
    if type_of(value, (*NOTE_TYPES, *ACTOR_TYPES)) in ACTOR_TYPES:
        return UpdateActor(own, by, actor(value))
    return Update(own, by, note(value, fallback=_audience(document)))


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
}


# ── collections ──────────────────────────────────────────────────────────────────────────────


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
    _refuse_rearranged(document)
    known = ("OrderedCollection", "OrderedCollectionPage", "Collection", "CollectionPage")
    if type_of(document, known) not in known:
        raise Malformed("not a collection")
    own = _maybe_iri(document.get("id"))
    first = _one(document.get("first"))
    page: Document = first if isinstance(first, dict) and _item_list(first) else document

    def beside(value: object) -> Iri | None:
        known = _maybe_iri(value)
        return known if known is not None and (own is None or origin_of(known) == origin_of(own)) else None

    return CollectionPage(
        id=own,
        items=tuple(_item_list(page)),
        first=beside(first),
        next=beside(page.get("next")),
        total=_count(document.get("totalItems"), 2**53),
    )


def _item_list(document: Document) -> list[JsonValue]:
    value = document.get("orderedItems", document.get("items"))
    if value is None:
        return []
    return value[:MAX_ITEMS] if isinstance(value, list) else [value]
