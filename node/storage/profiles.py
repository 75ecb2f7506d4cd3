"""What somebody wrote and boosted, as a profile in an app lists it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Text, cast, func, or_, select

from node.model import Iri, Post, ReactionKind, Visibility, Window
from node.storage.actors import by_ids
from node.storage.dialect import Tx
from node.storage.listings import windowed
from node.storage.notes import OPEN, posts, to_post
from node.storage.schema import featured, notes, reactions

SCANS = 10
"""Pages that are looked through for one with a hashtag."""


async def written(
    tx: Tx,
    window: Window,
    number: int,
    iri: Iri,
    *,
    is_owner: bool,
    replies: bool = True,
    boosts: bool = True,
    only_media: bool = False,
    tag: str | None = None,
) -> list[Post]:
    """The posts of one account, and what it boosted, newest first; `tag` casefolded.

    Direct posts are nobody's profile. `is_owner`: with the owner's eyes; else only what anybody may read.
    """
    parent = notes.alias("parent")
    query = posts().where(notes.c.author_id == number)
    query = query.where(notes.c.visibility != Visibility.DIRECT.value if is_owner else notes.c.visibility.in_(OPEN))
    if not replies:  # an answer to oneself goes on with a thread: it stays
        to_self = select(parent.c.id).where(parent.c.iri == notes.c.in_reply_to, parent.c.author_id == number)
        query = query.where(or_(notes.c.in_reply_to.is_(None), to_self.exists()))
    if only_media:
        query = query.where(cast(notes.c.attachments, Text) != "[]")
    if tag is not None and tag.isascii():  # SQLite folds no other letters
        query = query.where(func.lower(cast(notes.c.hashtags, Text)).contains(tag.lower(), autoescape=True))
    own: list[Post] = []
    page = window
    for _ in range(SCANS):
        rows = [to_post(row) for row in await windowed(tx, query, notes.c.id, page)]
        fit = [post for post in rows if tag is None or tag in map(str.casefold, post.note.hashtags)]
        own = [*fit, *own] if window.nearest else [*own, *fit]
        if len(rows) < window.limit or len(own) >= window.limit:
            break
        page = replace(page, after=rows[0].id) if window.nearest else replace(page, before=rows[-1].id)
    if boosts and tag is None and not only_media:
        own += await _boosted(tx, window, number, iri, is_owner=is_owner)
    own.sort(key=lambda post: post.entry or post.id, reverse=True)
    return own[-window.limit :] if window.nearest else own[: window.limit]


async def _boosted(tx: Tx, window: Window, number: int, iri: Iri, *, is_owner: bool) -> list[Post]:
    query = posts(reactions.c.id.label("entry")).join(reactions, reactions.c.note == notes.c.iri)
    query = query.where(reactions.c.actor == iri, reactions.c.kind == ReactionKind.BOOST.value)
    if not is_owner:
        query = query.where(notes.c.visibility.in_(OPEN))
    rows = await windowed(tx, query, reactions.c.id, window)
    by = (await by_ids(tx, [number])).get(number)
    return [replace(to_post(row), entry=row.entry, boosted_by=by) for row in rows]


async def pinned(tx: Tx, iri: Iri, *, limit: int, is_owner: bool) -> list[Post]:
    """What somebody keeps on top of their profile, in their order."""
    query = posts().join(featured, featured.c.note == notes.c.iri).where(featured.c.actor == iri)
    if not is_owner:
        query = query.where(notes.c.visibility.in_(OPEN))
    rows = await tx.execute(query.order_by(featured.c.position).limit(limit))
    return [to_post(row) for row in rows]
