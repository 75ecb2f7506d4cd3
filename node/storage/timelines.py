"""Lists of posts, newest first, paged by key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Column, Select, bindparam, delete, exists, func, literal, select

from node import text
from node.model import Iri, Post, ReactionKind, Visibility, utcnow
from node.storage import blocks
from node.storage.actors import by_ids
from node.storage.dialect import Tx, ms
from node.storage.notes import OPEN, posts, show_at_home, to_post
from node.storage.schema import activities, actors, followed_tags, home, note_tags, notes, reactions

PAGE = 20
MOST = 80


async def home_posts(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE, now: datetime | None = None
) -> list[Post]:
    """What those whom the owner follows wrote or brought, and what the owner wrote. Mutes count as of `now`."""
    rows = await _rows(tx, _at_home(), home.c.id, before, after, limit, now)
    brought = {row.brought_by for row in rows if row.brought_by != row.author_id}
    boosters = await by_ids(tx, brought) if brought else {}
    return [
        replace(
            to_post(row),
            entry=row.entry,
            boosted_by=boosters.get(row.brought_by) if row.brought_by != row.author_id else None,
        )
        for row in rows
    ]


@cache
def _at_home() -> Select[Any]:
    query = posts(home.c.id.label("entry"), home.c.actor_id.label("brought_by"))
    query = query.join(home, home.c.note_id == notes.c.id)
    return query.where(~blocks.is_muted(actors.c.iri, None), ~blocks.brought_by_muted(None))


async def mentions(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE, now: datetime | None = None
) -> list[Post]:
    """What was said to the owner by those the owner follows, has spoken to, or let in."""
    return _posts(await _rows(tx, _for_owner(strangers=False), notes.c.id, before, after, limit, now))


async def requests(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE, now: datetime | None = None
) -> list[Post]:
    """What strangers said to the owner, until the owner decides about them."""
    return _posts(await _rows(tx, _for_owner(strangers=True), notes.c.id, before, after, limit, now))


@cache
def _for_owner(*, strangers: bool) -> Select[Any]:
    by = blocks.waits(actors.c.iri) if strangers else blocks.is_known(actors.c.iri)
    return posts().where(notes.c.for_owner, by, ~blocks.is_muted(actors.c.iri, None))


async def own_posts(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE, only_open: bool = True
) -> list[Post]:
    """The owner's posts; those that anybody may read, unless asked otherwise."""
    return _posts(await _rows(tx, _own(only_open), notes.c.id, before, after, limit))


@cache
def _own(only_open: bool) -> Select[Any]:
    own = posts().where(notes.c.own)
    return own.where(notes.c.visibility.in_(OPEN)) if only_open else own


async def profile_posts(tx: Tx, *, before: int | None = None, limit: int = PAGE, tag: str | None = None) -> list[Post]:
    """The owner's public posts, as the profile page lists them; only those with a hashtag, if one is given."""
    query = _on_profile()
    if tag is None:
        return _posts(await _rows(tx, query, notes.c.id, before, None, limit))
    wanted, found = tag.casefold(), list[Post]()
    while len(found) < limit:  # the owner writes with one hand: no table of hashtags is needed for that
        page = _posts(await _rows(tx, query, notes.c.id, before, None, MOST))
        found += (post for post in page if wanted in map(str.casefold, post.note.hashtags))
        if len(page) < MOST:
            break
        before = page[-1].id
    return found[:limit]


@cache
def _on_profile() -> Select[Any]:
    return posts().where(notes.c.own, notes.c.visibility == Visibility.PUBLIC.value)


async def tagged(
    tx: Tx,
    tag: str,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
    any_of: Sequence[str] = (),
    all_of: Sequence[str] = (),
    none_of: Sequence[str] = (),
    only_own: bool = False,
    now: datetime | None = None,
) -> list[Post]:
    """Public posts with a hashtag, or `any_of` some more; with `all_of` these besides, and with `none_of` those.

    Hashtags in any spelling. `only_own`: those written here. Mutes count as of `now`.
    """
    wanted = {text.fold_tag(one) for one in (tag, *any_of)}
    query = posts().where(
        notes.c.id.in_(select(note_tags.c.note_id).where(note_tags.c.tag.in_(wanted))),
        notes.c.visibility == Visibility.PUBLIC.value,
        ~blocks.is_muted(actors.c.iri, now or utcnow()),
    )
    for one in map(text.fold_tag, all_of):
        query = query.where(notes.c.id.in_(select(note_tags.c.note_id).where(note_tags.c.tag == one)))
    if none_of:
        unwanted = select(note_tags.c.note_id).where(note_tags.c.tag.in_({text.fold_tag(one) for one in none_of}))
        query = query.where(notes.c.id.not_in(unwanted))
    if only_own:
        query = query.where(notes.c.own)
    return _posts(await _rows(tx, query, notes.c.id, before, after, limit))


async def of_author(tx: Tx, author_id: int, *, before: int | None = None, limit: int = PAGE) -> list[Post]:
    """What is here of somebody's open posts."""
    query = posts().where(notes.c.author_id == author_id, notes.c.visibility.in_(OPEN))
    return _posts(await _rows(tx, query, notes.c.id, before, None, limit))


THREAD_DEPTH = 32


async def thread(tx: Tx, root: Iri, *, limit: int = MOST) -> list[Post]:
    """The open posts below one, answers to answers included, oldest first. A closed post hides what is below it."""
    below = (
        select(notes.c.id, notes.c.iri, literal(1).label("depth"))
        .where(notes.c.in_reply_to == root, notes.c.visibility.in_(OPEN))
        .cte("below", recursive=True)
    )
    deeper = (
        select(notes.c.id, notes.c.iri, below.c.depth + 1)
        .join(below, notes.c.in_reply_to == below.c.iri)
        .where(notes.c.visibility.in_(OPEN), below.c.depth < THREAD_DEPTH)
    )
    whole = below.union(deeper)
    query = posts().where(notes.c.id.in_(select(whole.c.id))).order_by(notes.c.id).limit(limit)
    return [to_post(row) for row in await tx.execute(query)]


async def outbox(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE
) -> list[tuple[int, bytes]]:
    """What the owner said to everybody, exactly as it was delivered: posts, public and unlisted, and boosts.

    Newest first, each with its number, which is that of its time. `before` gives the page below a
    number; `after` the page right above it.
    """
    written = (
        select(notes.c.id, activities.c.body)
        .join(activities, activities.c.iri == notes.c.activity)
        .where(notes.c.own, notes.c.visibility.in_(OPEN))
    )
    boosted = select(reactions.c.id, activities.c.body).join(activities, activities.c.iri == reactions.c.activity)
    parts = []
    for query, key in ((written, notes.c.id), (boosted.where(*_OWN_BOOST), reactions.c.id)):
        if before is not None:
            query = query.where(key < before)
        if after is not None:
            query = query.where(key > after)
        parts.append(query.order_by(key.desc() if after is None else key).limit(min(limit, MOST)))
    found = [(int(row.id), bytes(row.body)) for part in parts for row in await tx.execute(part)]
    nearest = sorted(found, reverse=after is None)[: min(limit, MOST)]
    return sorted(nearest, reverse=True)


_OWN_BOOST = (
    reactions.c.kind == ReactionKind.BOOST.value,
    activities.c.direction == "out",  # the owner's own: what others did came in
)


async def outbox_size(tx: Tx) -> int:
    """How many posts and boosts there are in it."""
    written = select(func.count()).select_from(notes).where(notes.c.own, notes.c.visibility.in_(OPEN))
    boosted = (
        select(func.count())
        .select_from(reactions)
        .join(activities, activities.c.iri == reactions.c.activity)
        .where(*_OWN_BOOST)
    )
    return int((await tx.execute(written)).scalar_one()) + int((await tx.execute(boosted)).scalar_one())


async def _rows(
    tx: Tx,
    query: Select[Any],
    key: Column[Any],
    before: int | None,
    after: int | None,
    limit: int,
    now: datetime | None = None,
) -> list[Any]:
    """`now` is what a query compares with that was made once."""
    asked = {"now": ms(now or utcnow()), "before": before, "after": after, "most": max(1, min(limit, MOST))}
    return list(await tx.execute(_paged(query, key, before is not None, after is not None), asked))


def _posts(rows: Iterable[Any]) -> list[Post]:
    return [to_post(row) for row in rows]


@lru_cache(maxsize=32)
def _paged(query: Select[Any], key: Column[Any], before: bool, after: bool) -> Select[Any]:
    """Of a query that was made once, once too."""
    if before:
        query = query.where(key < bindparam("before"))
    if after:
        query = query.where(key > bindparam("after"))
    return query.order_by(key.desc()).limit(bindparam("most"))


async def parents_of(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, tuple[int, int]]:
    """Of posts that are answered, those that are here: their number, and their author's."""
    wanted = set(iris)
    if not wanted:
        return {}
    rows = await tx.execute(select(notes.c.iri, notes.c.id, notes.c.author_id).where(notes.c.iri.in_(wanted)))
    return {Iri(row.iri): (int(row.id), int(row.author_id)) for row in rows}


async def come_home(tx: Tx, author: Iri, most: int) -> None:
    """Put the newest posts of somebody just followed into the home timeline that were here before.

    They were looked at, answered, or followed once already, so nothing brings them a second time.
    """
    author_id = select(actors.c.id).where(actors.c.iri == author).scalar_subquery()
    direct = notes.c.visibility == Visibility.DIRECT.value
    query = select(notes.c.id, notes.c.author_id).where(notes.c.author_id == author_id, ~direct)
    rows = await tx.execute(query.order_by(notes.c.id.desc()).limit(most))
    await show_at_home(tx, [(int(row.id), int(row.author_id)) for row in rows])


async def leave_home(tx: Tx, author: Iri, *, but_tagged: bool = False) -> None:
    """Take an unfollowed account's posts and boosts out of the home timeline. They stay stored.

    `but_tagged`: the posts stay that a followed hashtag would have brought as well.
    """
    author_id = select(actors.c.id).where(actors.c.iri == author).scalar_subquery()
    leaving = home.c.actor_id == author_id
    if but_tagged:
        tagged = exists().where(note_tags.c.note_id == notes.c.id, note_tags.c.tag == followed_tags.c.name)
        public = (notes.c.author_id == author_id) & (notes.c.visibility == Visibility.PUBLIC.value)
        leaving &= home.c.note_id.not_in(select(notes.c.id).where(public, tagged))
    await tx.execute(delete(home).where(leaving))
