"""Lists of posts and people as apps page through them: by windows, upwards and downwards without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Text, bindparam, cast, func, or_, select

from node.model import Actor, Iri, Post, QuoteState, ReactionKind, Visibility, Window
from node.storage import blocks
from node.storage import lists as of_people
from node.storage.actors import by_ids
from node.storage.dialect import Tx
from node.storage.notes import posts, to_post
from node.storage.schema import actors, bookmarks, home, list_members, lists, note_tags, notes, reactions
from node.text import fold_tag

MOST = 80


async def windowed(tx: Tx, query: Select[Any], key: Column[Any] | ColumnElement[Any], window: Window) -> list[Any]:
    """The rows of one page, newest first (see Window)."""
    if window.before is not None:
        query = query.where(key < window.before)
    if window.after is not None:
        query = query.where(key > window.after)
    order = key.asc() if window.nearest else key.desc()
    rows = list(await tx.execute(query.order_by(order).limit(max(1, min(window.limit, MOST)))))
    return rows[::-1] if window.nearest else rows


# ── home, and lists of people ────────────────────────────────────────────────────────────────


async def home_page(tx: Tx, window: Window, now: datetime, *, of_list: int | None = None) -> list[Post]:
    """The home timeline, or what a list shows of what its members wrote or brought there. Mutes count as of `now`."""
    query = posts(home.c.id.label("entry"), home.c.actor_id.label("brought_by")).join(
        home, home.c.note_id == notes.c.id
    )
    query = query.where(~blocks.is_muted(actors.c.iri, now), ~blocks.brought_by_muted(now))
    if of_list is None:
        query = query.where(~of_people.is_kept_apart())
    else:
        members = select(list_members.c.actor).where(list_members.c.list_id == of_list)
        numbers = select(actors.c.id).where(actors.c.iri.in_(members)).correlate(None)
        query = query.join(lists, lists.c.id == of_list).where(home.c.actor_id.in_(numbers), of_people.shows())
    return await _brought(tx, await windowed(tx, query, home.c.id, window))


async def _brought(tx: Tx, rows: Iterable[Any]) -> list[Post]:
    """Rows with `entry` and `brought_by`, as posts that know who boosted them."""
    rows = list(rows)
    others = {row.brought_by for row in rows if row.brought_by != row.author_id}
    people = await by_ids(tx, others) if others else {}
    return [
        replace(
            to_post(row),
            entry=row.entry,
            boosted_by=people.get(row.brought_by) if row.brought_by != row.author_id else None,
        )
        for row in rows
    ]


# ── the wide world, tags, direct ─────────────────────────────────────────────────────────────

_HAS_MEDIA = func.length(cast(notes.c.attachments, Text)) > 2


async def public_page(
    tx: Tx,
    window: Window,
    now: datetime,
    *,
    own: bool | None = None,
    owner: Iri,
    only_media: bool = False,
) -> list[Post]:
    """Public posts that are no answers. `own`: only the owner's (True), only other people's (False)."""
    query = posts().where(
        notes.c.visibility == Visibility.PUBLIC.value,
        or_(notes.c.in_reply_to.is_(None), notes.c.own),
        ~blocks.is_muted(actors.c.iri, now),
    )
    if own is True:  # by the index on authors
        number = select(actors.c.id).where(actors.c.iri == owner).correlate(None).scalar_subquery()
        query = query.where(notes.c.author_id == number)
    elif own is False:
        query = query.where(~notes.c.own)
    if only_media:
        query = query.where(_HAS_MEDIA)
    return [to_post(row) for row in await windowed(tx, query, notes.c.id, window)]


async def tag_page(
    tx: Tx,
    window: Window,
    now: datetime,
    *,
    any_of: set[str],
    all_of: set[str] = frozenset(),  # type: ignore[assignment]
    none_of: set[str] = frozenset(),  # type: ignore[assignment]
    own: bool | None = None,
    only_media: bool = False,
) -> list[Post]:
    """Public posts with one of these hashtags, all of those, and none of the others; in any spelling."""
    query = posts().where(
        notes.c.id.in_(_carrying({fold_tag(one) for one in any_of})),
        notes.c.visibility == Visibility.PUBLIC.value,
        ~blocks.is_muted(actors.c.iri, now),
    )
    for one in sorted(all_of):
        query = query.where(notes.c.id.in_(_carrying({fold_tag(one)})))
    if none_of:
        query = query.where(notes.c.id.not_in(_carrying({fold_tag(one) for one in none_of})))
    if own is not None:
        query = query.where(notes.c.own if own else ~notes.c.own)
    if only_media:
        query = query.where(_HAS_MEDIA)
    return [to_post(row) for row in await windowed(tx, query, notes.c.id, window)]


def _carrying(tags: set[str]) -> Select[tuple[int]]:
    return select(note_tags.c.note_id).where(note_tags.c.tag.in_(sorted(tags)))


async def direct_page(tx: Tx, window: Window, now: datetime) -> list[Post]:
    """Direct posts, the owner's and those said to the owner by people who are let in."""
    query = posts().where(
        notes.c.visibility == Visibility.DIRECT.value,
        or_(notes.c.own, blocks.is_known(actors.c.iri)),
        ~blocks.is_muted(actors.c.iri, now),
    )
    return [to_post(row) for row in await windowed(tx, query, notes.c.id, window)]


# ── what the owner kept, and who reacted ─────────────────────────────────────────────────────


async def bookmarked(tx: Tx, window: Window) -> list[Post]:
    """`entry` is the number of the bookmark: what the next page goes on from."""
    query = posts(bookmarks.c.id.label("entry")).join(bookmarks, bookmarks.c.note_id == notes.c.id)
    rows = await windowed(tx, query, bookmarks.c.id, window)
    return [replace(to_post(row), entry=row.entry) for row in rows]


async def favourites(tx: Tx, window: Window, owner: Iri) -> list[Post]:
    """What the owner liked; `entry` is the number of the like."""
    query = posts(reactions.c.id.label("entry")).join(reactions, reactions.c.note == notes.c.iri)
    query = query.where(reactions.c.actor == owner, reactions.c.kind == ReactionKind.LIKE.value)
    rows = await windowed(tx, query, reactions.c.id, window)
    return [replace(to_post(row), entry=row.entry) for row in rows]


async def reacted(tx: Tx, note: Iri, kind: ReactionKind, window: Window) -> list[tuple[int, Actor]]:
    """Who did that with a post, newest first, each with the number to page on from; blocked accounts are left out."""
    query = (
        select(reactions.c.id, actors.c.id.label("actor_id"))
        .join(actors, actors.c.iri == reactions.c.actor)
        .where(reactions.c.note == note, reactions.c.kind == kind.value, ~blocks.is_hidden(actors.c.iri))
    )
    rows = await windowed(tx, query, reactions.c.id, window)
    people = await by_ids(tx, {row.actor_id for row in rows})
    return [(row.id, people[row.actor_id]) for row in rows if row.actor_id in people]


async def boost_by_id(tx: Tx, identifier: int) -> Post | None:
    """The post that a boost with this number is about, with who boosted it."""
    row = (await tx.execute(_boost(), {"number": identifier})).one_or_none()
    if row is None:
        return None
    number = (await tx.execute(select(actors.c.id).where(actors.c.iri == row.booster))).scalar_one_or_none()
    people = {} if number is None else await by_ids(tx, [number])
    if number is None or number not in people:
        return None
    return replace(to_post(row), entry=row.entry, boosted_by=people[number])


@cache
def _boost() -> Select[Any]:
    boosted = posts(reactions.c.id.label("entry"), reactions.c.actor.label("booster"))
    return boosted.join(reactions, reactions.c.note == notes.c.iri).where(
        reactions.c.id == bindparam("number"),
        reactions.c.kind == ReactionKind.BOOST.value,
        ~blocks.is_hidden(reactions.c.actor),
    )


async def many(tx: Tx, identifiers: Iterable[int]) -> dict[int, Post]:
    rows = await tx.execute(posts().where(notes.c.id.in_(set(identifiers))))
    return {row.id: to_post(row) for row in rows}


async def quoting(tx: Tx, note: Iri, window: Window) -> list[Post]:
    """Posts that quote one, by its author's leave."""
    query = posts().where(notes.c.quote == note, notes.c.quote_state == QuoteState.ACCEPTED.value)
    return [to_post(row) for row in await windowed(tx, query, notes.c.id, window)]


async def is_list(tx: Tx, identifier: int) -> bool:
    return (await tx.execute(select(lists.c.id).where(lists.c.id == identifier))).scalar_one_or_none() is not None


async def members(tx: Tx, of_list: int, window: Window | None) -> list[int]:
    """The numbers of the accounts in a list: one page, or without a window all of them."""
    query = select(actors.c.id).join(list_members, list_members.c.actor == actors.c.iri)
    query = query.where(list_members.c.list_id == of_list)
    if window is None:
        return list((await tx.execute(query.order_by(actors.c.id.desc()))).scalars())
    return [row.id for row in await windowed(tx, query, actors.c.id, window)]
