"""The owner's filters: words and posts to be hidden, or shown behind a warning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, or_, select, update

from node.storage.dialect import Tx, insert_new, ms, ms_or_none, when_or_none
from node.storage.schema import filter_keywords, filter_statuses, filters

CONTEXTS = ("home", "notifications", "public", "thread", "account")
ACTIONS = ("warn", "hide", "blur")


@dataclass(frozen=True, slots=True)
class Keyword:
    id: int
    keyword: str
    whole_word: bool


@dataclass(frozen=True, slots=True)
class FilteredPost:
    """A post that a filter names. `id` is the entry's number."""

    id: int
    note_id: int


@dataclass(frozen=True, slots=True)
class Filter:
    id: int
    title: str
    contexts: tuple[str, ...]
    action: str
    expires_at: datetime | None
    keywords: tuple[Keyword, ...] = ()
    posts: tuple[FilteredPost, ...] = ()


async def everything(tx: Tx) -> list[Filter]:
    """In the order in which they were made; one query while there are none."""
    rows = list(await tx.execute(select(filters).order_by(filters.c.id)))
    return await _whole(tx, rows) if rows else []


async def standing(tx: Tx, now: datetime) -> list[Filter]:
    """Those that did not expire."""
    rows = list(await tx.execute(_STANDING, {"now": ms(now)}))
    return await _whole(tx, rows) if rows else []


_STANDING = (
    select(filters)
    .where(or_(filters.c.expires_at.is_(None), filters.c.expires_at > bindparam("now")))
    .order_by(filters.c.id)
)


async def get(tx: Tx, identifier: int) -> Filter | None:
    rows = list(await tx.execute(select(filters).where(filters.c.id == identifier)))
    return (await _whole(tx, rows))[0] if rows else None


async def of_keyword(tx: Tx, identifier: int) -> Filter | None:
    """The filter that a keyword belongs to."""
    its = select(filter_keywords.c.filter_id).where(filter_keywords.c.id == identifier)
    number = (await tx.execute(its)).scalar_one_or_none()
    return None if number is None else await get(tx, number)


async def of_entry(tx: Tx, identifier: int) -> Filter | None:
    """The filter that an entry for a post belongs to."""
    its = select(filter_statuses.c.filter_id).where(filter_statuses.c.id == identifier)
    number = (await tx.execute(its)).scalar_one_or_none()
    return None if number is None else await get(tx, number)


async def _whole(tx: Tx, rows: Sequence[Any]) -> list[Filter]:
    wanted = [row.id for row in rows]
    words: dict[int, list[Keyword]] = {}
    named: dict[int, list[FilteredPost]] = {}
    query = select(filter_keywords).where(filter_keywords.c.filter_id.in_(wanted)).order_by(filter_keywords.c.id)
    for row in await tx.execute(query):
        words.setdefault(row.filter_id, []).append(Keyword(row.id, row.keyword, bool(row.whole_word)))
    query = select(filter_statuses).where(filter_statuses.c.filter_id.in_(wanted)).order_by(filter_statuses.c.id)
    for row in await tx.execute(query):
        named.setdefault(row.filter_id, []).append(FilteredPost(row.id, row.note_id))
    return [
        Filter(
            row.id,
            row.title,
            tuple(row.contexts),
            row.action,
            when_or_none(row.expires_at),
            tuple(words.get(row.id, ())),
            tuple(named.get(row.id, ())),
        )
        for row in rows
    ]


# ── changing ─────────────────────────────────────────────────────────────────────────────────


def _row(one: Filter) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "contexts": list(one.contexts),
        "action": one.action,
        "expires_at": ms_or_none(one.expires_at),
    }


async def add(tx: Tx, new: Filter) -> None:
    """With its keywords."""
    await insert_new(tx, filters, [_row(new)])
    await put_keywords(tx, new.id, new.keywords)


async def change(tx: Tx, changed: Filter) -> None:
    """All but its keywords and posts."""
    await tx.execute(update(filters).where(filters.c.id == changed.id).values(_row(changed)))


async def remove(tx: Tx, identifier: int) -> bool:
    """Whether it was there."""
    await tx.execute(delete(filter_keywords).where(filter_keywords.c.filter_id == identifier))
    await tx.execute(delete(filter_statuses).where(filter_statuses.c.filter_id == identifier))
    return bool((await tx.execute(delete(filters).where(filters.c.id == identifier))).rowcount)


async def put_keywords(tx: Tx, identifier: int, keywords: Iterable[Keyword]) -> None:
    """New ones, and those that are there, changed."""
    put = list(keywords)
    rows = [
        {"id": one.id, "filter_id": identifier, "keyword": one.keyword, "whole_word": one.whole_word} for one in put
    ]
    await remove_keywords(tx, [one.id for one in put])
    await insert_new(tx, filter_keywords, rows)


async def remove_keywords(tx: Tx, identifiers: Iterable[int]) -> None:
    await tx.execute(delete(filter_keywords).where(filter_keywords.c.id.in_(set(identifiers))))


async def put_post(tx: Tx, identifier: int, entry: FilteredPost) -> None:
    await insert_new(tx, filter_statuses, [{"id": entry.id, "filter_id": identifier, "note_id": entry.note_id}])


async def remove_post(tx: Tx, entry: int) -> None:
    await tx.execute(delete(filter_statuses).where(filter_statuses.c.id == entry))
