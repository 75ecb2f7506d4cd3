"""Their notes → Note: content, tags, attachments, audience."""

from __future__ import annotations

import math
from html import escape

from node import text
from node.errors import Malformed
from node.federation.parse.polls import poll, quote, quote_policy
from node.federation.parse.values import (
    BLURHASH,
    HASHTAG,
    LANGUAGE,
    MAX_ALT,
    MAX_ATTACHMENTS,
    MAX_CONTENT,
    MAX_EMOJIS,
    MAX_MENTIONS,
    MAX_NAME,
    MAX_READ,
    MAX_TAGS,
    MAX_WARNING,
    MULTIBASE,
    NOTE_TYPES,
    SHORTCODE,
    TITLED,
    Document,
    address_in,
    date,
    first_iri,
    id_of,
    iri_of,
    iris_of,
    is_opaque,
    maybe_iri,
    media_type_of,
    objects,
    refuse_rearranged,
    single,
    text_in,
    type_of,
    whole,
)
from node.model import (
    Attachment,
    Audience,
    Emoji,
    Iri,
    Mention,
    Note,
)


def note(document: Document, *, around: Document | None = None) -> Note:
    """A post of any type in NOTE_TYPES. One that names no audience has that of the activity `around` it."""
    refuse_rearranged(document)
    kind = type_of(document, NOTE_TYPES)
    if kind not in NOTE_TYPES:
        raise Malformed(f"not a type of post: {kind[:60]!r}")
    audience = audience_in(document)
    if around is not None and not audience.to and not audience.cc:
        audience = audience_in(around)
    titled = kind in TITLED
    warning = "" if titled else text.plain(text_in(document, "summary"), MAX_WARNING)
    mentions, hashtags = _tags(document.get("tag"))
    url = address_in(document.get("url"), ("text/html",))[0]
    quoted, quote_stamp = quote(document)
    return Note(
        iri=id_of(document),
        author=_author(document.get("attributedTo")),
        audience=audience,
        content=_content(document, titled=titled, url=url),
        published=date(document.get("published")),
        updated=date(document.get("updated")),
        type=kind,
        url=url,
        in_reply_to=first_iri(document.get("inReplyTo")),
        context=_opaque(document.get("context")) or _opaque(document.get("conversation")),
        summary=warning,
        sensitive=document.get("sensitive") is True or warning != "",
        language=_language(document),
        mentions=mentions,
        hashtags=hashtags,
        attachments=_attachments(document.get("attachment")) or _itself(document, kind),
        source=_source(document.get("source")),
        emojis=emojis(document.get("tag")),
        poll=poll(document, kind),
        quote=quoted,
        quote_stamp=quote_stamp,
        quote_policy=quote_policy(document),
    )


def _author(value: object) -> Iri:
    """Who wrote it. PeerTube names the account and the channel: the person is the author."""
    people = [item for item in objects(value, 8) if item.get("type") == "Person"]
    return iri_of(people[0] if isinstance(value, list) and len(people) == 1 else value)


def audience_in(document: Document) -> Audience:
    return Audience(iris_of(document.get("to")), iris_of(document.get("cc")))


def _opaque(value: object) -> str | None:
    """A thread's name: any URI (Mastodon's are tag: URIs), only ever compared."""
    value = single(value)
    if isinstance(value, dict):
        value = value.get("id")
    return value if is_opaque(value) else None


def _content(document: Document, *, titled: bool, url: str | None = None) -> str:
    """The words; of what has a title, that title, and the link to the whole where it is longer than a note."""
    written = text_in(document, "content") or (text_in(document, "summary") if titled else "")
    if len(written) > MAX_CONTENT:
        raise Malformed(f"content of {len(written)} characters; {MAX_CONTENT} are read")
    media_type = document.get("mediaType")
    is_text = isinstance(media_type, str) and media_type.startswith(("text/plain", "text/markdown"))
    clean = text.from_plain(written) if is_text else text.sanitise(written)
    if titled and (title := text.plain(text_in(document, "name"), MAX_NAME)):
        clean = text.from_plain(title).replace("<p>", "<p><strong>").replace("</p>", "</strong></p>") + clean
    if titled and url is not None and f'href="{escape(url)}"' not in clean:
        clean += text.sanitise(f'<p><a href="{escape(url)}">{escape(url)}</a></p>')
    if len(clean) > 2 * MAX_CONTENT:
        raise Malformed("content that grows when it is made well formed")
    return clean


def _language(document: Document) -> str | None:
    """The language whose text is the content; else the first one (Mastodon reads the first key).

    PeerTube and Lemmy say it beside the content, as `language: {identifier, name}`.
    """
    by_language = document.get("contentMap")
    if not isinstance(by_language, dict):
        said = document.get("language")
        code = said.get("identifier") if isinstance(said, dict) else said
        return code if isinstance(code, str) and LANGUAGE.fullmatch(code) and code != "und" else None
    content = document.get("content")
    names = [name for name, value in by_language.items() if value == content] or list(by_language)
    return next((name for name in names[:8] if LANGUAGE.fullmatch(name)), None)


def _source(value: object) -> str | None:
    if not isinstance(value, dict) or value.get("mediaType", "text/plain") != "text/plain":
        return None
    content = value.get("content")
    return text.plain(content, MAX_CONTENT, lines=True) if isinstance(content, str) else None


def _tags(value: object) -> tuple[tuple[Mention, ...], tuple[str, ...]]:
    """The first 50 mentions and 64 hashtags, each once; other tags (Emoji, Link) are left alone."""
    mentions: dict[Iri, Mention] = {}
    hashtags: dict[str, str] = {}
    for tag in objects(value, MAX_READ):
        kind, name = tag.get("type"), tag.get("name")
        if kind == "Mention" and len(mentions) < MAX_MENTIONS:
            if (href := maybe_iri(tag.get("href"))) is not None:
                shown = text.plain(name, MAX_NAME) if isinstance(name, str) else ""
                mentions.setdefault(href, Mention(href, shown))
        elif kind == "Hashtag" and isinstance(name, str) and len(hashtags) < MAX_TAGS:
            word = name.removeprefix("#")
            if HASHTAG.fullmatch(word):
                hashtags.setdefault(word.casefold(), word)
    return tuple(mentions.values()), tuple(hashtags.values())


def emojis(value: object) -> tuple[Emoji, ...]:
    """Custom emoji by their shortcodes, each once; only https pictures (FEP-9098)."""
    found: dict[str, Emoji] = {}
    for tag in objects(value, MAX_READ):
        name, icon = tag.get("name"), single(tag.get("icon"))
        if tag.get("type") != "Emoji" or not isinstance(name, str) or len(found) >= MAX_EMOJIS:
            continue
        address = address_in(icon.get("url") or icon.get("href"))[0] if isinstance(icon, dict) else None
        shortcode = name.removeprefix(":").removesuffix(":")
        if address is not None and address.lower().startswith("https://") and SHORTCODE.fullmatch(shortcode):
            found.setdefault(shortcode, Emoji(shortcode, address))
    return tuple(found.values())


_MEDIA = ("Image", "Video", "Audio")


def _attachments(value: object) -> tuple[Attachment, ...]:
    found = [_attachment(item) for item in objects(value, MAX_READ)]
    return tuple([item for item in found if item is not None][:MAX_ATTACHMENTS])


def _attachment(document: Document) -> Attachment | None:
    """A medium, told by its type (Image, Video, Audio, Document) or its media type; None for other things."""
    kind = document.get("type")
    address, media_type = address_in(document.get("url") or document.get("href"))
    media_type = media_type_of(document) or media_type
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
        alt=text.plain(text_in(document, "summary") or text_in(document, "name"), MAX_ALT, lines=True),
        width=whole(document.get("width"), 65535),
        height=whole(document.get("height"), 65535),
        blurhash=blurhash if isinstance(blurhash, str) and BLURHASH.fullmatch(blurhash) else None,
        focus=_focus(document.get("focalPoint")),
        digest=digest if isinstance(digest, str) and MULTIBASE.fullmatch(digest) else None,
    )


def _itself(document: Document, kind: str) -> tuple[Attachment, ...]:
    """The file of a film, a sound or a picture that is a post by itself, among its addresses (PeerTube)."""
    if kind not in _MEDIA:
        return ()
    address, media_type = address_in(document.get("url"), (f"{kind.lower()}/",))
    if address is None or not media_type.startswith(f"{kind.lower()}/"):
        return ()
    return (Attachment(type=kind, media_type=media_type, url=address),)


def _focus(value: object) -> tuple[float, float] | None:
    match value:
        case [int() | float() as x, int() | float() as y] if all(math.isfinite(n) and -1 <= n <= 1 for n in (x, y)):
            return float(x), float(y)
    return None
