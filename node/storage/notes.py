"""Posts, ours and theirs, and the tombstones of those that were deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, delete, exists, func, null, select, union_all, update

from node.ids import LARGEST
from node.model import (
    Attachment,
    Audience,
    Authorship,
    Emoji,
    Iri,
    Mention,
    Note,
    Post,
    QuotePolicy,
    QuoteState,
    Trust,
    Verdict,
    Visibility,
    origin_of,
)
from node.storage import polls, tags
from node.storage.actors import RESEMBLED, beside_the_real, to_actor
from node.storage.blocks import is_hidden
from node.storage.dialect import Tx, insert_new, ms, ms_or_none, rows_among, upsert, when, when_or_none
from node.storage.schema import actors, featured, home, notes, reactions, tombstones, votes

OPEN = (Visibility.PUBLIC.value, Visibility.UNLISTED.value)


@dataclass(frozen=True, slots=True)
class NewNote:
    """A note to store, with the number of its author, its verdict and the activity that is its evidence."""

    id: int
    note: Note
    author_id: int
    visibility: Visibility
    published: datetime
    received_at: datetime
    authorship: Authorship
    activity: Iri | None
    own: bool = False
    for_owner: bool = False
    document: bytes | None = None
    quote_state: QuoteState | None = None
    """None: to be found out, if it quotes anything."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    iri: Iri
    author: Iri
    former_type: str
    deleted_at: datetime
    public: bool


def _content(note: Note) -> dict[str, Any]:
    """The columns that an edit may change."""
    return {
        "updated": ms_or_none(note.updated),
        "url": note.url,
        "content": note.content,
        "summary": note.summary,
        "sensitive": note.sensitive,
        "language": note.language,
        "mentions": [[mention.href, mention.name] for mention in note.mentions],
        "hashtags": list(note.hashtags),
        "attachments": [_pack(item) for item in note.attachments],
        "source": note.source,
        "emojis": [[emoji.shortcode, emoji.url] for emoji in note.emojis] or None,
        "poll": polls.pack(note.poll),
        "quote": note.quote,
        "quote_stamp": note.quote_stamp,
        "quote_policy": note.quote_policy,
    }


def _authorship(authorship: Authorship) -> dict[str, Any]:
    return {
        "verdict": authorship.verdict.value,
        "reason": authorship.reason,
        "key_id": authorship.key_id,
        "key": authorship.key,
        "key_since": ms_or_none(authorship.key_since),
        "key_trust": authorship.key_trust.value if authorship.key_trust else None,
        "signed_at": ms_or_none(authorship.signed_at),
    }


def _pack(item: Attachment) -> list[Any]:
    return [
        item.type,
        item.media_type,
        item.url,
        item.alt,
        item.width,
        item.height,
        item.blurhash,
        list(item.focus) if item.focus else None,
        item.digest,
    ]


def _unpack(packed: Sequence[Any]) -> Attachment:
    kind, media_type, url, alt, width, height, blurhash, focus, digest = packed
    return Attachment(
        kind, media_type, url, alt, width, height, blurhash, (focus[0], focus[1]) if focus else None, digest
    )


def _row(new: NewNote) -> dict[str, Any]:
    note = new.note
    return {
        "id": new.id,
        "iri": note.iri,
        "author_id": new.author_id,
        "own": new.own,
        "for_owner": new.for_owner,
        "type": note.type,
        "visibility": new.visibility.value,
        "published": ms(new.published),
        "received_at": ms(new.received_at),
        "in_reply_to": note.in_reply_to,
        "context": note.context,
        "audience": [list(note.audience.to), list(note.audience.cc)],
        "document": new.document,
        "activity": new.activity,
        "quote_state": new.quote_state or (QuoteState.PENDING if note.quote is not None else None),
        **_content(note),
        **_authorship(new.authorship),
    }


async def add_many(tx: Tx, new: Sequence[NewNote]) -> None:
    """Insert notes; a known IRI is left as it is (security.md §2: Create of a known id is no-op).

    A number that is taken is an error: what was accepted must not be dropped in silence.
    """
    await insert_new(tx, notes, [_row(item) for item in new], known_by=["iri"])
    await tags.index(tx, [(item.id, item.note.hashtags) for item in new if item.note.hashtags])


async def show_at_home(tx: Tx, entries: Sequence[tuple[int, int]]) -> None:
    """Put notes into the home timeline: (note number, number of the actor who brought it)."""
    await insert_new(
        tx, home, [{"id": note_id, "note_id": note_id, "actor_id": actor_id} for note_id, actor_id in entries]
    )


_KNOWN = union_all(
    select(notes.c.iri, null().label("author")).where(notes.c.iri.in_(bindparam("iris", expanding=True))),
    select(tombstones.c.iri, tombstones.c.author).where(tombstones.c.iri.in_(bindparam("iris", expanding=True))),
)
"""Made once: to build a statement anew for each batch costs as much as to run it."""


async def known(tx: Tx, authors: Mapping[Iri, Iri]) -> set[Iri]:
    """Which of these we have, or had and saw deleted by these, their authors.

    A Delete by somebody else is no reason to refuse a note: neighbours may delete what is not here yet.
    """
    if not authors:
        return set()
    rows = await rows_among(tx, _KNOWN, authors)
    return {Iri(iri) for iri, author in rows if author is None or authors[iri] == author}


@dataclass(frozen=True, slots=True)
class Hidden:
    """A note of somebody else's that is here, and missing at home or among what was said to the owner."""

    id: int
    iri: Iri
    author: Iri
    for_owner: bool
    at_home: bool


async def not_shown(tx: Tx, iris: Iterable[Iri]) -> list[Hidden]:
    """Which of these are here and not shown in both places."""
    at_home = exists().where(home.c.id == notes.c.id).label("at_home")
    rows = await tx.execute(
        select(notes.c.id, notes.c.iri, notes.c.for_owner, actors.c.iri.label("author"), at_home)
        .join(actors, actors.c.id == notes.c.author_id)
        .where(notes.c.iri.in_(set(iris)), ~notes.c.own)
    )
    found = [Hidden(row.id, Iri(row.iri), Iri(row.author), row.for_owner, bool(row.at_home)) for row in rows]
    return [one for one in found if not (one.for_owner and one.at_home)]


async def updated_at(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, tuple[datetime, Iri]]:
    """When the versions that are here were written, and by whom."""
    rows = await tx.execute(
        select(notes.c.iri, func.coalesce(notes.c.updated, notes.c.published).label("at"), actors.c.iri.label("author"))
        .join(actors, actors.c.id == notes.c.author_id)
        .where(notes.c.iri.in_(set(iris)))
    )
    return {Iri(row.iri): (when(row.at), Iri(row.author)) for row in rows}


async def open_between(
    tx: Tx, author: Iri, oldest: datetime, newest: datetime, *, received_before: datetime, limit: int
) -> list[Iri]:
    """Somebody's open posts between these times, without those of the very edges, that were here then; newest first."""
    rows = await tx.execute(
        select(notes.c.iri)
        .join(actors, actors.c.id == notes.c.author_id)
        .where(actors.c.iri == author, ~notes.c.own, notes.c.visibility.in_(OPEN))
        .where(notes.c.published > ms(oldest), notes.c.published < ms(newest))
        .where(notes.c.received_at < ms(received_before))
        .order_by(notes.c.id.desc())
        .limit(limit)
    )
    return [Iri(iri) for iri in rows.scalars()]


async def mark_for_owner(tx: Tx, identifier: int) -> None:
    """It turned out to be said to the owner."""
    await tx.execute(update(notes).where(notes.c.id == identifier).values(for_owner=True))


async def own_among(tx: Tx, iris: Iterable[Iri]) -> set[Iri]:
    """Which of these are notes of the owner's."""
    wanted = set(iris)
    if not wanted:
        return set()
    rows = await tx.execute(select(notes.c.iri).where(notes.c.iri.in_(wanted), notes.c.own))
    return {Iri(iri) for iri in rows.scalars()}


# ── reading ──────────────────────────────────────────────────────────────────────────────────

_AUTHOR = [column.label(f"a_{column.name}") for column in (*actors.c, *RESEMBLED)]


def posts(*more: ColumnElement[Any]) -> Select[Any]:
    """A note beside its author: what `to_post` reads. Other storage files add their conditions, and columns.

    What blocked accounts wrote is nowhere to be seen: it is left out here, once for all lists.
    """
    return _posts().add_columns(*more) if more else _posts()


@cache
def _posts() -> Select[Any]:
    both = notes.join(beside_the_real(), actors.c.id == notes.c.author_id)
    return select(notes, *_AUTHOR).select_from(both).where(~is_hidden(actors.c.iri))


class _Author:
    """Shows the `a_…` columns of a joined row as if it were a row of `actors`."""

    __slots__ = ("_row",)

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"a_{name}")


def to_post(row: Any) -> Post:
    note = Note(
        iri=Iri(row.iri),
        author=Iri(row.a_iri),
        audience=Audience(tuple(map(Iri, row.audience[0])), tuple(map(Iri, row.audience[1]))),
        content=row.content,
        published=when(row.published),
        updated=when_or_none(row.updated),
        type=row.type,
        url=row.url,
        in_reply_to=Iri(row.in_reply_to) if row.in_reply_to else None,
        context=row.context,
        summary=row.summary,
        sensitive=row.sensitive,
        language=row.language,
        mentions=tuple(Mention(Iri(href), name) for href, name in row.mentions),
        hashtags=tuple(row.hashtags),
        attachments=tuple(map(_unpack, row.attachments)),
        source=row.source,
        emojis=tuple(Emoji(shortcode, url) for shortcode, url in row.emojis or ()),
        poll=polls.unpack(row.poll),
        quote=Iri(row.quote) if row.quote else None,
        quote_stamp=Iri(row.quote_stamp) if row.quote_stamp else None,
        quote_policy=QuotePolicy(row.quote_policy) if row.quote_policy else None,
    )
    authorship = Authorship(
        verdict=Verdict(row.verdict),
        reason=row.reason,
        key_id=Iri(row.key_id) if row.key_id else None,
        key=row.key,
        key_since=when_or_none(row.key_since),
        key_trust=Trust(row.key_trust) if row.key_trust else None,
        signed_at=when_or_none(row.signed_at),
    )
    return Post(
        id=row.id,
        note=note,
        author=to_actor(_Author(row)),
        visibility=Visibility(row.visibility),
        received_at=when(row.received_at),
        authorship=authorship,
        own=row.own,
        quote_state=QuoteState(row.quote_state) if row.quote_state else None,
    )


async def get(tx: Tx, iri: Iri) -> Post | None:
    row = (await tx.execute(posts().where(notes.c.iri == iri))).one_or_none()
    return None if row is None else to_post(row)


async def get_by_id(tx: Tx, identifier: int) -> Post | None:
    if identifier > LARGEST:
        return None
    row = (await tx.execute(_numbered(), {"number": identifier})).one_or_none()
    return None if row is None else to_post(row)


@cache
def _numbered() -> Select[Any]:
    return posts().where(notes.c.id == bindparam("number"))


async def get_by_url(tx: Tx, url: str) -> Post | None:
    """By its id, else by the address of its page: that says something only where the id lives too, since anybody may
    write the address of somebody else's post on their own (security.md §0, rule 1).
    """
    if (known := await get(tx, Iri(url))) is not None:
        return known
    rows = await tx.execute(select(notes.c.iri).where(notes.c.url == url).order_by(notes.c.id))
    shown = next((Iri(iri) for iri in rows.scalars() if origin_of(iri) == origin_of(url)), None)
    return None if shown is None else await get(tx, shown)


async def document(tx: Tx, identifier: int) -> bytes | None:
    """The exact signed bytes of a note of the owner's."""
    value = (await tx.execute(select(notes.c.document).where(notes.c.id == identifier))).scalar_one_or_none()
    return None if value is None else bytes(value)


async def evidence_of(tx: Tx, identifier: int) -> Iri | None:
    """The activity that carried a note here."""
    value = (await tx.execute(select(notes.c.activity).where(notes.c.id == identifier))).scalar_one_or_none()
    return None if value is None else Iri(value)


async def replies(tx: Tx, iri: Iri, *, only_open: bool = True, after: int = 0, limit: int = 40) -> list[Post]:
    """Answers to a note that we know of, oldest first."""
    query = posts().where(notes.c.in_reply_to == iri, notes.c.id > after)
    if only_open:
        query = query.where(notes.c.visibility.in_(OPEN))
    rows = await tx.execute(query.order_by(notes.c.id).limit(limit))
    return [to_post(row) for row in rows]


async def count_replies(tx: Tx, iri: Iri) -> int:
    """How many open answers to a note we know of."""
    query = (
        select(func.count())
        .select_from(notes)
        .join(actors, actors.c.id == notes.c.author_id)
        .where(notes.c.in_reply_to == iri, notes.c.visibility.in_(OPEN), ~is_hidden(actors.c.iri))
    )
    return int((await tx.execute(query)).scalar_one())


async def count_own(tx: Tx) -> int:
    """How many public and unlisted posts of the owner's there are."""
    query = select(func.count()).select_from(notes).where(notes.c.own, notes.c.visibility.in_(OPEN))
    return int((await tx.execute(query)).scalar_one())


async def own_key(tx: Tx) -> str | None:
    """The key by which the newest of the owner's posts is signed; None before there is one."""
    query = select(notes.c.key).where(notes.c.own, notes.c.key.is_not(None)).order_by(notes.c.id.desc()).limit(1)
    return (await tx.execute(query)).scalar_one_or_none()


# ── changing ─────────────────────────────────────────────────────────────────────────────────


async def edit_own(tx: Tx, identifier: int, note: Note, authorship: Authorship, document: bytes) -> None:
    """A new version of the owner's: the bytes that are served, and an audience that may name more people."""
    audience = [list(note.audience.to), list(note.audience.cc)]
    await tx.execute(
        update(notes)
        .where(notes.c.id == identifier, notes.c.own)
        .values(**_content(note), **_authorship(authorship), document=document, audience=audience)
    )
    await tags.reindex(tx, identifier, note.hashtags)


async def edit(tx: Tx, identifier: int, note: Note, authorship: Authorship, *, activity: Iri) -> None:
    """Put the new version in place. Audience, author, dates of creation and place in the thread stay as they were."""
    await tx.execute(
        update(notes)
        .where(notes.c.id == identifier)
        .values(**_content(note), **_authorship(authorship), activity=activity)
    )
    await tags.reindex(tx, identifier, note.hashtags)


async def bury(tx: Tx, tombstone: Tombstone) -> bool:
    """Delete a note and remember that it is gone. True if it was here.

    Only a note by `tombstone.author` goes: the check is part of the statement, so it cannot be left out.
    """
    row = {
        "iri": tombstone.iri,
        "author": tombstone.author,
        "former_type": tombstone.former_type,
        "deleted_at": ms(tombstone.deleted_at),
        "public": tombstone.public,
    }
    author_id = select(actors.c.id).where(actors.c.iri == tombstone.author).scalar_subquery()
    found = (
        await tx.execute(select(notes.c.id).where(and_(notes.c.iri == tombstone.iri, notes.c.author_id == author_id)))
    ).scalar_one_or_none()
    somebody_elses = (
        found is None
        and (await tx.execute(select(notes.c.id).where(notes.c.iri == tombstone.iri))).scalar_one_or_none()
    )
    if somebody_elses:
        return False
    if found is None:  # whoever says so first; the author's word, once proven by a note, is not overwritten
        await insert_new(tx, tombstones, [row])
        return False
    await upsert(tx, tombstones, row)
    await tx.execute(delete(home).where(home.c.note_id == found))
    await tx.execute(delete(reactions).where(reactions.c.note == tombstone.iri))
    await tx.execute(delete(featured).where(featured.c.note == tombstone.iri))
    await tx.execute(delete(votes).where(votes.c.question == tombstone.iri))
    await tx.execute(delete(notes).where(notes.c.id == found))
    return True


async def bury_author(tx: Tx, author_id: int) -> int:
    """Remove every post of an account that deleted itself. How many went."""
    theirs = select(notes.c.id).where(notes.c.author_id == author_id)
    named = select(notes.c.iri).where(notes.c.author_id == author_id)
    await tx.execute(delete(home).where(home.c.note_id.in_(theirs)))
    await tx.execute(delete(reactions).where(reactions.c.note.in_(named)))
    await tx.execute(delete(featured).where(featured.c.note.in_(named)))
    return int((await tx.execute(delete(notes).where(notes.c.author_id == author_id))).rowcount)


async def tombstone(tx: Tx, iri: Iri) -> Tombstone | None:
    row = (await tx.execute(select(tombstones).where(tombstones.c.iri == iri))).one_or_none()
    if row is None:
        return None
    return Tombstone(Iri(row.iri), Iri(row.author), row.former_type, when(row.deleted_at), row.public)
