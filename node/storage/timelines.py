"""Lists of posts, newest first, paged by key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Select, delete, select

from node.model import Iri, Post
from node.storage.dialect import Tx
from node.storage.notes import OPEN, posts, to_post
from node.storage.schema import activities, actors, home, notes

PAGE = 20
MOST = 80


async def home_posts(tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE) -> list[Post]:
    """What those whom the owner follows wrote, what the owner wrote, and what was said to the owner."""
    query = posts().join(home, home.c.note_id == notes.c.id)
    return await _page(tx, query, home.c.id, before, after, limit)


async def own_posts(
    tx: Tx, *, before: int | None = None, after: int | None = None, limit: int = PAGE, only_open: bool = True
) -> list[Post]:
    """The owner's posts; those that anybody may read, unless asked otherwise."""
    query = posts().where(notes.c.own)
    if only_open:
        query = query.where(notes.c.visibility.in_(OPEN))
    return await _page(tx, query, notes.c.id, before, after, limit)


async def outbox(tx: Tx, *, before: int | None = None, limit: int = PAGE) -> list[tuple[int, bytes]]:
    """The Create activities of public and unlisted notes, exactly as they were delivered, with the notes' numbers."""
    query = (
        select(notes.c.id, activities.c.body)
        .join(activities, activities.c.iri == notes.c.activity)
        .where(notes.c.own, notes.c.visibility.in_(OPEN))
        .order_by(notes.c.id.desc())
        .limit(min(limit, MOST))
    )
    if before is not None:
        query = query.where(notes.c.id < before)
    return [(row.id, bytes(row.body)) for row in await tx.execute(query)]


async def _page(
    tx: Tx, query: Select[Any], key: Column[Any], before: int | None, after: int | None, limit: int
) -> list[Post]:
    if before is not None:
        query = query.where(key < before)
    if after is not None:
        query = query.where(key > after)
    rows = await tx.execute(query.order_by(key.desc()).limit(max(1, min(limit, MOST))))
    return [to_post(row) for row in rows]


async def leave_home(tx: Tx, author: Iri) -> None:
    """Take an unfollowed account's posts out of the home timeline. They stay stored."""
    author_id = select(actors.c.id).where(actors.c.iri == author).scalar_subquery()
    await tx.execute(delete(home).where(home.c.actor_id == author_id))
