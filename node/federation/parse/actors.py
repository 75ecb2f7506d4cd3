"""Their actors → Actor: profile, keys, what the server can do."""

from __future__ import annotations

from collections.abc import Callable

from keys import PublicIdentity, PublicTransport
from keys.errors import BadKey
from node import lookalike, text
from node.errors import Malformed, Reason, Refused
from node.federation.parse.notes import emojis
from node.federation.parse.values import (
    ACTOR_TYPES,
    MAX_ALIASES,
    MAX_BIO,
    MAX_FIELDS,
    MAX_KEYS,
    MAX_NAME,
    MAX_READ,
    USERNAME,
    WEBFINGER,
    Document,
    address_in,
    date,
    first_iri,
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
)
from node.model import (
    Actor,
    ActorKey,
    Iri,
    KeyKind,
    ProfileField,
    origin_of,
)


def actor(document: Document) -> Actor:
    """An account. Collections and a shared inbox on another origin than the actor's are left out (FEP-fe34).

    Raises Refused (wrong_origin) for an inbox elsewhere: what is sent there was not asked for by its owner.
    """
    refuse_rearranged(document)
    kind = type_of(document, ACTOR_TYPES)
    if kind not in ACTOR_TYPES:
        raise Malformed(f"not a type of actor: {kind[:60]!r}")
    own = id_of(document)
    origin = origin_of(own)
    inbox = iri_of(document.get("inbox"))
    if origin_of(inbox) != origin:
        raise Refused(Reason.WRONG_ORIGIN, f"{own} has its inbox on another origin: {inbox}")

    def beside(value: object) -> Iri | None:
        known = maybe_iri(value)
        return known if known is not None and origin_of(known) == origin else None

    endpoints = single(document.get("endpoints"))
    webfinger = document.get("webfinger")
    return Actor(
        iri=own,
        type=kind,
        username=_username(document),
        inbox=inbox,
        name=lookalike.without_checks(text.plain(text_in(document, "name"), MAX_NAME)),
        summary=text.sanitise(text_in(document, "summary")[:MAX_BIO]),
        url=address_in(document.get("url"), ("text/html",))[0],
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
        moved_to=first_iri(document.get("movedTo")),
        webfinger=webfinger if isinstance(webfinger, str) and WEBFINGER.fullmatch(webfinger) else None,
        implements=_implements(document.get("generator")),
        emojis=emojis(document.get("tag")),
    )


def _username(document: Document) -> str:
    name = document.get("preferredUsername")
    if not isinstance(name, str) or not USERNAME.fullmatch(name):
        raise Malformed("expected a preferredUsername of ASCII letters, digits, '_', '.' and '-'", got=name)
    return name


def _image(value: object) -> str | None:
    for item in several(value, 8):
        address = address_in(item.get("url") or item.get("href"))[0] if isinstance(item, dict) else maybe_iri(item)
        if address is not None:
            return address
    return None


def _fields(value: object) -> tuple[ProfileField, ...]:
    rows = [item for item in objects(value, MAX_READ) if item.get("type") == "PropertyValue"]
    return tuple(
        ProfileField(text.plain(text_in(row, "name"), MAX_NAME), text.sanitise(text_in(row, "value")[:2000]))
        for row in rows[:MAX_FIELDS]
    )


def _implements(value: object) -> tuple[str, ...]:
    generator = single(value)
    if not isinstance(generator, dict):
        return ()
    links = (item.get("href") if isinstance(item, dict) else item for item in several(generator.get("implements"), 32))
    return tuple(known for link in links if (known := maybe_iri(link)) is not None)


def _keys(document: Document, own: Iri) -> tuple[ActorKey, ...]:
    """The keys an actor claims for itself, on its own origin; one we cannot use is left out."""
    keys: dict[Iri, ActorKey] = {}
    for item in objects(document.get("publicKey"), MAX_KEYS):
        if item.get("owner") == own and (key := _key(item.get("id"), own, item.get("publicKeyPem"), _rsa)):
            keys.setdefault(key.id, key)
    for item in objects(document.get("assertionMethod"), MAX_KEYS):
        if item.get("type") == "Multikey" and item.get("controller") == own:
            key = _key(item.get("id"), own, item.get("publicKeyMultibase"), _ed25519)
            if key is not None:
                keys.setdefault(key.id, key)
    return tuple(keys.values())


def _key(name: object, owner: Iri, material: object, read: Callable[[str], tuple[KeyKind, str]]) -> ActorKey | None:
    known = maybe_iri(name)
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
