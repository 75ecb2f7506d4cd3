"""Where news belongs: which timelines a post is in, and what other processes wrote since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from node.ids import Snowflake
from node.model import Iri, Visibility
from node.storage import blocks
from node.storage.dialect import Tx, ms
from node.storage.schema import actors, home, notes, notifications

LATE = timedelta(hours=1)
"""How much older than its arrival a post's number may be, to be noticed when another process stored it."""

EDITED = timedelta(days=1)
"""How old a post may be whose edit by another process is noticed."""

MOST = 200


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry of the timelines, with what decides who is shown it. `by` is who brought it there."""

    id: int
    by: Iri
    own: bool
    at_home: bool
    public: bool
    """In the public timeline: for everybody, and no answer to somebody else."""
    hashtags: frozenset[str]
    """Casefolded; of posts for everybody."""
    has_media: bool
    direct: bool = False


async def posts(tx: Tx, identifiers: Iterable[int], now: datetime) -> list[Placed]:
    """Those of these that may be shown at all: not by somebody blocked or muted."""
    at_home = exists().where(home.c.id == notes.c.id).label("at_home")
    rows = await tx.execute(
        select(
            notes.c.id,
            actors.c.iri.label("by"),
            notes.c.own,
            notes.c.visibility,
            notes.c.in_reply_to,
            notes.c.hashtags,
            notes.c.attachments,
            at_home,
        )
        .join(actors, actors.c.id == notes.c.author_id)
        .where(notes.c.id.in_(set(identifiers)), ~blocks.is_hidden(actors.c.iri), ~blocks.is_muted(actors.c.iri, now))
    )
    found = []
    for row in rows:
        everybody = row.visibility == Visibility.PUBLIC.value
        found.append(
            Placed(
                id=row.id,
                by=Iri(row.by),
                own=row.own,
                at_home=bool(row.at_home),
                public=everybody and (row.own or row.in_reply_to is None),
                hashtags=frozenset(tag.casefold() for tag in row.hashtags) if everybody else frozenset(),
                has_media=bool(row.attachments),
                direct=row.visibility == Visibility.DIRECT.value,
            )
        )
    return found


async def boosts(tx: Tx, entries: Iterable[int], now: datetime) -> list[Placed]:
    """Boosts at home, by the numbers of their entries."""
    author = actors.alias("author")
    rows = await tx.execute(
        select(home.c.id, actors.c.iri.label("by"))
        .join(actors, actors.c.id == home.c.actor_id)
        .join(notes, notes.c.id == home.c.note_id)
        .join(author, author.c.id == notes.c.author_id)
        .where(
            home.c.id.in_(set(entries)),
            ~blocks.is_muted(actors.c.iri, now),
            ~blocks.is_muted(author.c.iri, now),
            ~blocks.is_hidden(author.c.iri),
        )
    )
    return [Placed(row.id, Iri(row.by), False, True, False, frozenset(), False) for row in rows]


@dataclass(frozen=True, slots=True)
class News:
    """What was written since, by anybody: numbers of posts, of boosts at home, of edited posts, of notifications."""

    posts: tuple[int, ...]
    boosts: tuple[int, ...]
    edits: tuple[tuple[int, int], ...]
    """With the time of the edit, in milliseconds: the same post may be edited twice."""
    notifications: tuple[int, ...]


async def since(tx: Tx, then: datetime) -> News:
    """The newest of each; ranges of primary keys, so that asking often costs little."""
    number = Snowflake(0).mint
    new = select(notes.c.id).where(notes.c.id > number(then - LATE), notes.c.received_at >= ms(then))
    edited = select(notes.c.id, notes.c.updated).where(
        notes.c.id > number(then - EDITED), notes.c.updated >= ms(then.replace(microsecond=0))
    )
    brought = select(home.c.id).where(home.c.id > number(then), home.c.id != home.c.note_id)
    told = select(notifications.c.id).where(notifications.c.id > number(then))
    posts_ = (await tx.execute(new.order_by(notes.c.id.desc()).limit(MOST))).scalars()
    boosts_ = (await tx.execute(brought.order_by(home.c.id.desc()).limit(MOST))).scalars()
    edits = await tx.execute(edited.limit(MOST))
    told_ = (await tx.execute(told.order_by(notifications.c.id.desc()).limit(MOST))).scalars()
    return News(
        tuple(sorted(posts_)),
        tuple(sorted(boosts_)),
        tuple((row.id, row.updated) for row in edits),
        tuple(sorted(told_)),
    )
