"""Our types → the JSON that goes out: the mirror of parse.py, function for function.

The shapes are those of federation.md §4, §6 and §7: arrays where many may stand, nothing null,
nothing that changes under a signature. Proofs are attached afterwards; nothing is sent from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from node import text
from node.ids import Ids
from node.model import (
    PUBLIC,
    Announce,
    Attachment,
    Audience,
    Emoji,
    Follow,
    Iri,
    Like,
    Note,
    Poll,
    Profile,
    QuotePolicy,
    Visibility,
)

Document = dict[str, object]

AS2 = "https://www.w3.org/ns/activitystreams"
DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v2"
_SECURITY = "https://w3id.org/security/v1"
_DID = "https://www.w3.org/ns/did/v1"
_MULTIKEY = "https://w3id.org/security/multikey/v1"

# Fedify has these contexts preloaded; anything else is spelled out inline (federation.md §1.6).
_TERMS: dict[str, object] = {
    "toot": "http://joinmastodon.org/ns#",
    "ostatus": "http://ostatus.org#",
    "gts": "https://gotosocial.org/ns#",
    "schema": "http://schema.org#",
    "sensitive": "as:sensitive",
    "Hashtag": "as:Hashtag",
    "blurhash": "toot:blurhash",
    "focalPoint": {"@container": "@list", "@id": "toot:focalPoint"},
    "digestMultibase": "https://w3id.org/security#digestMultibase",
    "conversation": "ostatus:conversation",
    "interactionPolicy": {"@id": "gts:interactionPolicy", "@type": "@id"},
    "canQuote": {"@id": "gts:canQuote", "@type": "@id"},
    "automaticApproval": {"@id": "gts:automaticApproval", "@type": "@id"},
    "votersCount": "toot:votersCount",
    "Emoji": "toot:Emoji",
    "quote": {"@id": "https://w3id.org/fep/044f#quote", "@type": "@id"},
    "quoteAuthorization": {"@id": "https://w3id.org/fep/044f#quoteAuthorization", "@type": "@id"},
    "quoteUrl": "as:quoteUrl",
    "quoteUri": "http://fedibird.com/ns#quoteUri",
    "_misskey_quote": "https://misskey-hub.net/ns#_misskey_quote",
}
_ACTOR_TERMS: dict[str, object] = {
    "toot": "http://joinmastodon.org/ns#",
    "schema": "http://schema.org#",
    "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
    "movedTo": {"@id": "as:movedTo", "@type": "@id"},
    "alsoKnownAs": {"@id": "as:alsoKnownAs", "@type": "@id"},
    "featured": {"@id": "toot:featured", "@type": "@id"},
    "discoverable": "toot:discoverable",
    "indexable": "toot:indexable",
    "PropertyValue": "schema:PropertyValue",
    "value": "schema:value",
    "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
    "implements": {"@id": "https://w3id.org/fep/844e#implements", "@type": "@id", "@container": "@set"},
}

IMPLEMENTS = (
    ("https://datatracker.ietf.org/doc/html/rfc9421", "RFC-9421: HTTP Message Signatures"),
    ("https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25", "RFC-9421 with Ed25519"),
)
"""What others may use with us, and where it is written (FEP-844e)."""


_IMAGES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "avif": "image/avif"}


def date(when: datetime) -> str:
    """RFC 3339, UTC, whole seconds, `Z` (federation.md §1.7)."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def audience(visibility: Visibility, ids: Ids, mentioned: Sequence[Iri] = ()) -> Audience:
    """Whom a note of the owner goes to (federation.md §5)."""
    people = tuple(dict.fromkeys(mentioned))
    match visibility:
        case Visibility.PUBLIC:
            return Audience((PUBLIC,), (ids.followers, *people))
        case Visibility.UNLISTED:
            return Audience((ids.followers,), (PUBLIC, *people))
        case Visibility.FOLLOWERS:
            return Audience((ids.followers,), people)
        case Visibility.DIRECT:
            return Audience(people)


# ── notes ────────────────────────────────────────────────────────────────────────────────────


def note(note: Note, ids: Ids) -> Document:
    """A post, ready for its proof. Its author, tags and audience are what the note says."""
    document: Document = {
        "id": note.iri,
        "type": note.type,
        "attributedTo": note.author,
        "to": list(note.audience.to),
        "cc": list(note.audience.cc),
    }
    if note.url is not None:
        document["url"] = note.url
    if note.published is not None:
        document["published"] = date(note.published)
    if note.updated is not None:
        document["updated"] = date(note.updated)
    if note.in_reply_to is not None:
        document["inReplyTo"] = note.in_reply_to
    if note.context is not None:
        document |= {"context": note.context, "conversation": note.context}
    if note.summary:
        document["summary"] = note.summary
    document |= {"sensitive": note.sensitive or bool(note.summary), "content": note.content}
    if note.language is not None:
        document["contentMap"] = {note.language: note.content}
    if note.source is not None:
        document["source"] = {"content": note.source, "mediaType": "text/plain"}
    document |= {
        "attachment": [_attachment(item) for item in note.attachments],
        "tag": [
            *({"type": "Mention", "href": mention.href, "name": mention.name} for mention in note.mentions),
            *({"type": "Hashtag", "href": ids.tag(tag), "name": f"#{tag}"} for tag in note.hashtags),
            *map(_emoji, note.emojis),
        ],
        "replies": ids.replies(note.iri),
        **_poll(note.poll),
        **_quote(note),
    }
    if note.quote_policy is not None:
        approved = _approved(note.quote_policy, note.author, ids)
        document["interactionPolicy"] = {"canQuote": {"automaticApproval": [approved]}}
    return {"@context": [AS2, DATA_INTEGRITY, _terms_of(document)], **document}


def _approved(policy: QuotePolicy, author: Iri, ids: Ids) -> Iri:
    """Who may quote without being asked; nobody is spelled as the author alone (FEP-044f)."""
    return {QuotePolicy.PUBLIC: PUBLIC, QuotePolicy.FOLLOWERS: ids.followers, QuotePolicy.NOBODY: author}[policy]


def _emoji(emoji: Emoji) -> Document:
    return {"type": "Emoji", "name": f":{emoji.shortcode}:", "icon": {"type": "Image", "url": emoji.url}}


def _poll(poll: Poll | None) -> Document:
    """What a Question asks, with its counts as they are now."""
    if poll is None:
        return {}
    choices = [
        {"type": "Note", "name": choice.name, "replies": {"type": "Collection", "totalItems": choice.votes}}
        for choice in poll.choices
    ]
    document: Document = {"anyOf" if poll.multiple else "oneOf": choices}
    if poll.ends is not None:
        document["endTime"] = date(poll.ends)
    if poll.closed is not None:
        document["closed"] = date(poll.closed)
    if poll.voters is not None:
        document["votersCount"] = poll.voters
    return document


def _quote(note: Note) -> Document:
    """A quote in every spelling that servers read (FEP-044f; Fedibird, Misskey, Pleroma)."""
    if note.quote is None:
        return {}
    names = ("quote", "quoteUrl", "quoteUri", "_misskey_quote")
    stamp = {"quoteAuthorization": note.quote_stamp} if note.quote_stamp is not None else {}
    return {**dict.fromkeys(names, note.quote), **stamp}


def _attachment(attachment: Attachment) -> Document:
    document: Document = {"type": attachment.type, "mediaType": attachment.media_type, "url": attachment.url}
    if attachment.alt:  # Misskey reads the name, GoToSocial the summary
        document |= {"name": attachment.alt, "summary": attachment.alt}
    if attachment.width is not None and attachment.height is not None:
        document |= {"width": attachment.width, "height": attachment.height}
    if attachment.blurhash is not None:
        document["blurhash"] = attachment.blurhash
    if attachment.focus is not None:
        document["focalPoint"] = list(attachment.focus)
    if attachment.digest is not None:
        document["digestMultibase"] = attachment.digest
    return document


def _terms_of(document: Document) -> Document:
    """The inline terms that this note uses, with the prefixes they stand on."""
    used = {"sensitive", *document}
    for part in (*_parts(document, "attachment"), *_parts(document, "tag")):
        used |= {*part, str(part["type"])}
    if "interactionPolicy" in used:
        used |= {"canQuote", "automaticApproval"}
    terms = {name: term for name, term in _TERMS.items() if name in used}
    named = {str(term["@id"] if isinstance(term, dict) else term).partition(":")[0] for term in terms.values()}
    return {name: term for name, term in _TERMS.items() if name in terms or name in named}


def _parts(document: Document, name: str) -> list[Document]:
    value = document.get(name)
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def tombstone(note: Iri, deleted: datetime) -> Document:
    """What is served, with 410, where a note was (federation.md §7)."""
    return {"@context": AS2, "id": note, "type": "Tombstone", "formerType": "Note", "deleted": date(deleted)}


# ── activities ───────────────────────────────────────────────────────────────────────────────


def create(note: Document, ids: Ids) -> Document:
    """Create of a composed note; the note keeps its own @context and proof inside."""
    own = Iri(str(note["id"]))
    return _activity("Create", ids.create(own), ids.actor, note, **_copied(note, "published", "to", "cc"))


def update(note: Document, ids: Ids) -> Document:
    """Update of a composed note that has an `updated`: an edit, with the whole new text."""
    updated = str(note["updated"])
    moment = int(datetime.fromisoformat(updated).timestamp())
    copied = _copied(note, "updated", "to", "cc")
    return _activity("Update", Iri(f"{note['id']}#updates/{moment}"), ids.actor, note, **copied)


def update_actor(actor: Document, when: datetime) -> Document:
    """Update of the owner's composed (and signed) actor document."""
    own = Iri(str(actor["id"]))
    return _activity("Update", Iri(f"{own}#updates/{int(when.timestamp())}"), own, actor, to=[PUBLIC])


def delete(note: Iri, audience: Audience, ids: Ids) -> Document:
    """Delete of a note, told to those the note was for: that a private note existed is private too."""
    stone: Document = {"id": note, "type": "Tombstone"}
    return _activity("Delete", ids.delete(note), ids.actor, stone, to=list(audience.to), cc=list(audience.cc))


def move(id: Iri, target: Iri, ids: Ids) -> Document:
    """The owner goes on elsewhere: told to followers, whose servers then ask the new account (federation.md §7)."""
    return _activity("Move", id, ids.actor, ids.actor, target=target, to=[ids.followers])


def follow(follow: Follow) -> Document:
    return _activity("Follow", follow.id, follow.actor, follow.object, to=[follow.object])


def accept(id: Iri, follow: Follow) -> Document:
    """The owner's yes to a Follow; it carries the Follow, for servers that match on its content."""
    return _activity("Accept", id, follow.object, _embedded(follow), to=[follow.actor])


def reject(id: Iri, follow: Follow) -> Document:
    """The owner's no to a Follow, or the removal of a follower."""
    return _activity("Reject", id, follow.object, _embedded(follow), to=[follow.actor])


def undo_follow(id: Iri, follow: Follow) -> Document:
    return _activity("Undo", id, follow.actor, _embedded(follow), to=[follow.object])


def announce(boost: Announce, author: Iri, ids: Ids, when: datetime) -> Document:
    """A boost of somebody's post, for everybody: told to the owner's followers, and to its author."""
    cc = [ids.followers, *([author] if author != ids.actor else [])]
    return _activity("Announce", boost.id, boost.actor, boost.object, published=date(when), to=[PUBLIC], cc=cc)


def like(like: Like, author: Iri) -> Document:
    """A like, told to the author alone; with an emoji where there is one (FEP-c0e0: others see a plain like)."""
    said = {"content": like.content} if like.content else {}
    return _activity("Like", like.id, like.actor, like.object, to=[author], **said)


def undo(id: Iri, activity: Document) -> Document:
    """Take one of the owner's own activities back, before the same readers."""
    embedded = _copied(activity, "id", "type", "actor", "object", "content")
    return _activity("Undo", id, Iri(str(activity["actor"])), embedded, **_copied(activity, "to", "cc"))


def add(id: Iri, note: Iri, ids: Ids) -> Document:
    """A post is pinned to the profile."""
    return _activity("Add", id, ids.actor, note, target=ids.featured, to=[PUBLIC], cc=[ids.followers])


def remove(id: Iri, note: Iri, ids: Ids) -> Document:
    """A post is pinned no more."""
    return _activity("Remove", id, ids.actor, note, target=ids.featured, to=[PUBLIC], cc=[ids.followers])


def _embedded(follow: Follow) -> Document:
    return {"id": follow.id, "type": "Follow", "actor": follow.actor, "object": follow.object}


def _activity(type: str, id: Iri, actor: Iri, object: Document | Iri, **properties: object) -> Document:
    return {"@context": [AS2, DATA_INTEGRITY], "id": id, "type": type, "actor": actor, **properties, "object": object}


activity = _activity
"""Any activity of ours around an object: what asking.py composes with."""


def _copied(document: Document, *names: str) -> Document:
    return {name: document[name] for name in names if name in document}


# ── actors ───────────────────────────────────────────────────────────────────────────────────


def actor(profile: Profile, ids: Ids, *, transport_pem: str, multikeys: Sequence[str]) -> Document:
    """The owner's actor document, ready for its proof: no counters, nothing that changes by itself."""
    document: Document = {
        "@context": [AS2, _SECURITY, DATA_INTEGRITY, _DID, _MULTIKEY, dict(_ACTOR_TERMS)],
        "id": ids.actor,
        "type": "Service" if profile.bot else "Person",
        "preferredUsername": profile.handle,
        "webfinger": ids.acct,
        "name": profile.name or profile.handle,
        "summary": text.render(profile.summary, mentions={}, tag_url=ids.tag).html,
        "url": ids.profile_page,
        "inbox": ids.inbox,
        "outbox": ids.outbox,
        "followers": ids.followers,
        "following": ids.following,
        "featured": ids.featured,
        "endpoints": {"sharedInbox": ids.inbox},
        "published": date(profile.created_at),
        "manuallyApprovesFollowers": profile.approves_followers,
        "discoverable": profile.discoverable,
        "indexable": profile.indexable,
        "alsoKnownAs": list(profile.also_known_as),
        "tag": [],
        "attachment": [_field(field.name, field.value, ids) for field in profile.fields],
        "publicKey": _public_key(ids.main_key, ids.actor, transport_pem),
        "assertionMethod": [
            {
                "id": ids.identity_key(multikey),
                "type": "Multikey",
                "controller": ids.actor,
                "publicKeyMultibase": multikey,
            }
            for multikey in multikeys
        ],
        "generator": _generator(),
    }
    if profile.moved_to is not None:
        document["movedTo"] = profile.moved_to
    for name, file in (("icon", profile.avatar), ("image", profile.header)):
        if file is not None:
            document[name] = _image(file, ids)
    return document


def _field(name: str, value: str, ids: Ids) -> Document:
    """One row of the profile: a link in it is the owner's own page, and says so with rel=me."""
    return {"type": "PropertyValue", "name": name, "value": text.render_field(value, tag_url=ids.tag)}


def _image(file: str, ids: Ids) -> Document:
    suffix = file.rpartition(".")[2].lower()
    return {"type": "Image", "mediaType": _IMAGES.get(suffix, "image/png"), "url": ids.media(file)}


def actor_stub(ids: Ids, *, transport_pem: str, multikeys: Sequence[str]) -> Document:
    """Of the owner's actor what others need to check a signature and to answer it, and nothing about the owner."""
    return {
        "@context": [AS2, _SECURITY, DATA_INTEGRITY, _DID, _MULTIKEY],
        "id": ids.actor,
        "type": "Person",
        "preferredUsername": ids.handle,
        "inbox": ids.inbox,
        "outbox": ids.outbox,
        "followers": ids.followers,
        "endpoints": {"sharedInbox": ids.inbox},
        "publicKey": _public_key(ids.main_key, ids.actor, transport_pem),
        "assertionMethod": [
            {
                "id": ids.identity_key(multikey),
                "type": "Multikey",
                "controller": ids.actor,
                "publicKeyMultibase": multikey,
            }
            for multikey in multikeys
        ],
    }


def delete_actor(ids: Ids) -> Document:
    """The owner leaves: the account and everything of it is to be forgotten (federation.md §12)."""
    return _activity("Delete", Iri(f"{ids.actor}#delete"), ids.actor, ids.actor, to=[PUBLIC])


def flag(id: Iri, about: Sequence[Iri], comment: str, ids: Ids) -> Document:
    """A report of an account (first) and of posts of theirs, by the node and not by its owner (federation.md §7)."""
    said = {"content": comment} if comment else {}
    return {**_activity("Flag", id, ids.server_actor, about[0], to=[about[0]], **said), "object": list(about)}


def block(id: Iri, whom: Iri, ids: Ids) -> Document:
    """The owner shuts an account out: told to that account's server alone, for it to keep them apart."""
    return _activity("Block", id, ids.actor, whom, to=[whom])


def server_actor(ids: Ids, pem: str) -> Document:
    """The actor that signs our GETs; anybody may fetch it without a signature (federation.md §4)."""
    terms = {name: _ACTOR_TERMS[name] for name in ("manuallyApprovesFollowers", "implements")}
    return {
        "@context": [AS2, _SECURITY, terms],
        "id": ids.server_actor,
        "type": "Application",
        "preferredUsername": server_username(ids),
        "name": ids.host,
        "url": f"{ids.base}/",
        "inbox": ids.inbox,
        "endpoints": {"sharedInbox": ids.inbox},
        "manuallyApprovesFollowers": True,
        "publicKey": _public_key(ids.server_key, ids.server_actor, pem),
        "generator": _generator(),
    }


def server_username(ids: Ids) -> str:
    """The host name, spelled with what a user name may hold (an IPv6 address has colons)."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", urlsplit(ids.base).hostname or "").strip(".-")


def _public_key(id: Iri, owner: Iri, pem: str) -> Document:
    return {"id": id, "owner": owner, "publicKeyPem": pem}


def _generator() -> Document:
    links = [{"type": "Link", "href": href, "name": name} for href, name in IMPLEMENTS]
    return {"type": "Application", "implements": links}


# ── collections ──────────────────────────────────────────────────────────────────────────────


def collection(id: str, total: int, first: str | None = None) -> Document:
    """A collection read page by page; without `first` its members are hidden (federation.md §8)."""
    document: Document = {"@context": AS2, "id": id, "type": "OrderedCollection", "totalItems": total}
    return document if first is None else {**document, "first": first}


def full_collection(id: str, items: Sequence[object]) -> Document:
    """A collection with everything in it, as `featured` is served."""
    return {**collection(id, len(items)), "orderedItems": list(items)}


def collection_page(
    id: str,
    part_of: str,
    items: Sequence[object],
    *,
    next: str | None = None,
    prev: str | None = None,
    total: int | None = None,
) -> Document:
    """One page, newest first; no `next` on the last one. `total`: of the collection, for who comes to a page first."""
    document: Document = {"@context": AS2, "id": id, "type": "OrderedCollectionPage", "partOf": part_of}
    if total is not None:
        document["totalItems"] = total
    links = {"next": next, "prev": prev}
    return {**document, **{name: link for name, link in links.items() if link}, "orderedItems": list(items)}
