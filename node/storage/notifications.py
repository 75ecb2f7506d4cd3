"""What the owner is told: who did what, about which post.

Rows are written for everything that deserves it; whether one is shown is decided when it is read.
So a stranger's mention waits in the request box and appears, with its own number, once they are
let in, and a mute that ends gives back what it covered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, or_, select

from node.ids import Snowflake
from node.model import Iri, Notify, Post, Tell, Window
from node.notify import Kind
from node.storage import blocks, push
from node.storage.dialect import Tx, ms, rounded, when
from node.storage.notes import posts, to_post
from node.storage.schema import actors, markers, muted_threads, mutes, notes, notifications

MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Notification:
    id: int
    kind: Kind
    actor: Iri
    note_id: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """What a stranger said to the owner, who has not decided about them. `id` is the stranger's number."""

    id: int
    actor: Iri
    times: int
    first_at: datetime
    last_at: datetime
    last_note_id: int | None


# ── writing ──────────────────────────────────────────────────────────────────────────────────


async def add_many(tx: Tx, new: Sequence[Notify], snowflake: Snowflake, now: datetime) -> list[Tell]:
    """Keep these, each once; owe the pushes for those that are shown. What to tell after the commit.

    A handful of statements for a whole batch, and none when nothing is for the owner.
    """
    wanted = {(item.kind, item.actor, item.note_id): item for item in new}
    if not wanted:
        return []
    people = rounded({item.actor for item in wanted.values()})
    kinds = rounded({item.kind for item in wanted.values()})
    before = await tx.execute(_TOLD, {"actors": people, "kinds": kinds})
    # A post can be edited twice, and each time the owner is told.
    known = {(row.kind, Iri(row.actor), row.note_id) for row in before if row.kind not in _AGAIN}
    rows = [
        {
            "id": snowflake.mint(now),
            "kind": item.kind,
            "actor": item.actor,
            "note_id": item.note_id,
            "at": ms(now),
        }
        for key, item in wanted.items()
        if key not in known
    ]
    if not rows:
        return []
    await tx.execute(_NEW, rows)
    ids = [row["id"] for row in rows]
    found = await tx.execute(_shown_among(), {"now": ms(now), "ids": rounded(ids)})
    shown = [_notification(row) for row in found]
    await push.owe(tx, [push.Due(item.id, item.kind, item.actor) for item in shown], now)
    return [Tell("notification", str(item.id)) for item in shown]


_NEW = notifications.insert()

_TOLD = select(notifications.c.kind, notifications.c.actor, notifications.c.note_id).where(
    notifications.c.actor.in_(bindparam("actors", expanding=True)),
    notifications.c.kind.in_(bindparam("kinds", expanding=True)),
)

_AGAIN = (Kind.UPDATE.value, Kind.QUOTED_UPDATE.value)


async def dismiss(tx: Tx, ids: Iterable[int]) -> bool:
    """Whether one of them was there."""
    return bool((await tx.execute(delete(notifications).where(notifications.c.id.in_(list(ids))))).rowcount)


async def clear(tx: Tx) -> None:
    """All of them, but for those that wait with strangers in the request box."""
    waiting = and_(notifications.c.kind == Kind.MENTION.value, blocks.waits(notifications.c.actor))
    await tx.execute(delete(notifications).where(~waiting))


# ── reading ──────────────────────────────────────────────────────────────────────────────────


def _in_muted_thread() -> ColumnElement[bool]:
    """Whether the post is part of a conversation that the owner does not want to hear of any more."""
    it, parent = notes.alias("it"), notes.alias("parent")
    roots = it.outerjoin(parent, parent.c.iri == it.c.in_reply_to).join(
        muted_threads,
        or_(
            muted_threads.c.root == it.c.context,
            muted_threads.c.root == it.c.iri,
            muted_threads.c.root == it.c.in_reply_to,
            muted_threads.c.root == parent.c.context,
        ),
    )
    return exists(select(it.c.id).select_from(roots).where(it.c.id == notifications.c.note_id))


@cache
def _shown() -> Any:
    """What the owner sees: nothing by those who are blocked or muted, no mention by a stranger.

    With the parameter `now` (milliseconds), so that it is made once: that took longer than to ask it.
    """
    actor = notifications.c.actor
    stranger = and_(notifications.c.kind == Kind.MENTION.value, ~blocks.is_known(actor))
    lasting = or_(mutes.c.until.is_(None), mutes.c.until > bindparam("now"))
    muted = exists().where(mutes.c.actor == actor, mutes.c.notifications, lasting)
    return select(notifications).where(~stranger, ~muted, ~blocks.is_hidden(actor), ~_in_muted_thread())


@cache
def _shown_among() -> Any:
    return _shown().where(notifications.c.id.in_(bindparam("ids", expanding=True))).order_by(notifications.c.id)


async def newest(
    tx: Tx,
    window: Window,
    now: datetime,
    *,
    kinds: Iterable[Kind] | None = None,
    without: Iterable[Kind] = (),
    actor: Iri | None = None,
    waiting: bool = False,
) -> list[Notification]:
    """One page, newest first. With `waiting`, what is held back of one stranger's (`actor`) as well."""
    query: Any = select(notifications) if waiting else _shown()
    query = _of_kinds(query, kinds, without)
    if actor is not None:
        query = query.where(notifications.c.actor == actor)
    if window.before is not None:
        query = query.where(notifications.c.id < window.before)
    if window.after is not None:
        query = query.where(notifications.c.id > window.after)
    order = notifications.c.id if window.nearest else notifications.c.id.desc()
    rows = await tx.execute(query.order_by(order).limit(window.limit), {"now": ms(now)})
    return sorted(map(_notification, rows), key=lambda item: item.id, reverse=True)


async def get(tx: Tx, identifier: int, now: datetime) -> Notification | None:
    row = (await tx.execute(_shown_among(), {"now": ms(now), "ids": [identifier]})).one_or_none()
    return None if row is None else _notification(row)


async def since(tx: Tx, identifier: int, now: datetime, limit: int = 100) -> list[Notification]:
    """What came after a number, oldest first."""
    query = _shown().where(notifications.c.id > identifier).order_by(notifications.c.id).limit(limit)
    return [_notification(row) for row in await tx.execute(query, {"now": ms(now)})]


async def count_unread(
    tx: Tx, now: datetime, *, kinds: Iterable[Kind] | None = None, without: Iterable[Kind] = (), most: int = 100
) -> int:
    """How many are newer than the marker that all apps share; counted up to `most`."""
    read = select(markers.c.last_read_id).where(markers.c.timeline == "notifications").scalar_subquery()
    query = _of_kinds(_shown(), kinds, without).where(notifications.c.id > func.coalesce(read, 0))
    bounded = query.limit(min(most, MOST_COUNTED)).subquery()
    return int((await tx.execute(select(func.count()).select_from(bounded), {"now": ms(now)})).scalar_one())


async def posts_of(tx: Tx, found: Sequence[Notification]) -> dict[int, Post]:
    """The posts that these are about, by their numbers."""
    wanted = {item.note_id for item in found if item.note_id is not None}
    if not wanted:
        return {}
    return {post.id: post for post in map(to_post, await tx.execute(posts().where(notes.c.id.in_(wanted))))}


# ── in groups ────────────────────────────────────────────────────────────────────────────────

GROUP_SPAN = timedelta(hours=12)
"""What happens in one such span of time is told together."""


def span_of(at: datetime) -> int:
    return ms(at) // (GROUP_SPAN // timedelta(milliseconds=1))


def begin_of(span: int) -> datetime:
    return when(span * (GROUP_SPAN // timedelta(milliseconds=1)))


def _within(kinds: Iterable[Kind], first: int, last: int) -> Any:
    """Of these kinds, in these spans and those between. By number, which is that of the time: the key is at hand."""
    begin, end = (Snowflake(0).mint(begin_of(span)) for span in (first, last + 1))
    found = _of_kinds(_shown(), kinds, ())
    return found.where(notifications.c.id >= begin, notifications.c.id < end)


async def of_span(
    tx: Tx, now: datetime, kinds: Iterable[Kind], note_id: int | None, span: int, limit: int | None
) -> list[Notification]:
    """All about one post, or all that are about none, newest first."""
    about = notifications.c.note_id.is_(None) if note_id is None else notifications.c.note_id == note_id
    query = _within(kinds, span, span).where(about).order_by(notifications.c.id.desc()).limit(limit)
    return [_notification(row) for row in await tx.execute(query, {"now": ms(now)})]


async def tally(
    tx: Tx, now: datetime, kinds: Iterable[Kind], first: int, last: int
) -> list[tuple[Kind, int | None, int, int]]:
    """(kind, post, span, how many) for all of these spans."""
    inner = _within(kinds, first, last).subquery()
    span = (inner.c.at // (GROUP_SPAN // timedelta(milliseconds=1))).label("span")
    query = select(inner.c.kind, inner.c.note_id, span, func.count().label("many"))
    rows = await tx.execute(query.group_by(inner.c.kind, inner.c.note_id, span), {"now": ms(now)})
    return [(Kind(row.kind), row.note_id, int(row.span), int(row.many)) for row in rows]


async def unread(
    tx: Tx, now: datetime, *, kinds: Iterable[Kind] | None = None, without: Iterable[Kind] = ()
) -> list[Notification]:
    """Those newer than the marker that all apps share, the newest thousand."""
    read = select(markers.c.last_read_id).where(markers.c.timeline == "notifications").scalar_subquery()
    query = _of_kinds(_shown(), kinds, without).where(notifications.c.id > func.coalesce(read, 0))
    rows = await tx.execute(query.order_by(notifications.c.id.desc()).limit(MOST_COUNTED), {"now": ms(now)})
    return [_notification(row) for row in rows]


# ── the request box ──────────────────────────────────────────────────────────────────────────


def _waiting(now: datetime) -> ColumnElement[bool]:
    actor = notifications.c.actor
    return and_(
        notifications.c.kind == Kind.MENTION.value,
        blocks.waits(actor),
        ~blocks.is_muted(actor, now),
        ~blocks.is_hidden(actor),
    )


async def requests(
    tx: Tx, now: datetime, *, before: int | None = None, actor_id: int | None = None, limit: int = 40
) -> list[Request]:
    """Strangers who wait, newest account first; `actor_id` asks for one of them."""
    query = (
        select(
            actors.c.id,
            actors.c.iri,
            func.count().label("times"),
            func.min(notifications.c.at).label("first_at"),
            func.max(notifications.c.at).label("last_at"),
            func.max(notifications.c.note_id).label("last_note_id"),
        )
        .join(actors, actors.c.iri == notifications.c.actor)
        .where(_waiting(now))
        .group_by(actors.c.id, actors.c.iri)
        .order_by(actors.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(actors.c.id < before)
    if actor_id is not None:
        query = query.where(actors.c.id == actor_id)
    return [
        Request(row.id, Iri(row.iri), row.times, when(row.first_at), when(row.last_at), row.last_note_id)
        for row in await tx.execute(query)
    ]


async def count_waiting(tx: Tx, now: datetime) -> tuple[int, int]:
    """(strangers who wait, what they said)."""
    query = select(func.count(notifications.c.actor.distinct()), func.count()).where(_waiting(now))
    people, times = (await tx.execute(query)).one()
    return int(people), int(times)


def _of_kinds(query: Any, kinds: Iterable[Kind] | None, without: Iterable[Kind]) -> Any:
    if kinds is not None:
        query = query.where(notifications.c.kind.in_([kind.value for kind in kinds]))
    left_out = [kind.value for kind in without]
    return query.where(notifications.c.kind.not_in(left_out)) if left_out else query


def _notification(row: Any) -> Notification:
    return Notification(row.id, Kind(row.kind), Iri(row.actor), row.note_id, when(row.at))
