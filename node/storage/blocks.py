"""Whom the owner shuts out, mutes, lets in or ignores; and the conditions by which lists leave them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, or_, select

from node.blocking import BlockList, account_key
from node.model import Iri
from node.storage.dialect import Tx, insert, insert_new, ms, ms_or_none, upsert, when, when_or_none
from node.storage.schema import actors, blocks, follows, home, mutes, notifications, standings

_HIDDEN = "hidden"
"""The third kind of row in `blocks`: the id of an account we met that an account or domain row covers.

Worked out in Python once, when the list changes, so that a query has nothing to normalise.
"""


@dataclass(frozen=True, slots=True)
class Block:
    """`kind` is `account` (`value`: an id, or `name@host` while it has not been met) or `domain`."""

    kind: str
    value: str
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Mute:
    """An account whose posts the owner does not want to see, for good or `until` then."""

    actor: Iri
    at: datetime
    until: datetime | None


class Standing(StrEnum):
    """What the owner decided about a stranger."""

    ALLOWED = "allowed"
    IGNORED = "ignored"


# ── blocks ───────────────────────────────────────────────────────────────────────────────────


async def listed(tx: Tx) -> list[Block]:
    """Newest first."""
    return [Block(row.kind, row.value, when(row.at), row.comment) for row in await tx.execute(_LISTED)]


_LISTED = select(blocks).where(blocks.c.kind != _HIDDEN).order_by(blocks.c.at.desc(), blocks.c.kind, blocks.c.value)


async def load(tx: Tx) -> BlockList:
    accounts, handles, domains = set[str](), set[str](), set[str]()
    for block in await listed(tx):
        if block.kind == "domain":
            domains.add(block.value)
        elif "://" in block.value:
            accounts.add(account_key(block.value))
        else:
            handles.add(block.value)
    return BlockList(frozenset(accounts), frozenset(handles), frozenset(domains))


async def add(tx: Tx, new: Sequence[Block]) -> None:
    """Block; what is blocked already stays as it was noted. Follow it by `hide`."""
    rows = [{"kind": item.kind, "value": item.value, "at": ms(item.at), "comment": item.comment} for item in new]
    await insert_new(tx, blocks, rows)


async def remove(tx: Tx, kind: str, values: Iterable[str]) -> bool:
    """Unblock. True if one of these was blocked. Follow it by `hide`."""
    gone = await tx.execute(delete(blocks).where(blocks.c.kind == kind, blocks.c.value.in_(set(values))))
    return bool(gone.rowcount)


async def hidden(tx: Tx) -> set[Iri]:
    """Of all we have met, whom the list covers, as `hide` worked it out last."""
    return {Iri(iri) for iri in (await tx.execute(select(blocks.c.value).where(blocks.c.kind == _HIDDEN))).scalars()}


async def hide(tx: Tx, at: datetime) -> list[Iri]:
    """Work out anew whom, of all we have met, the list covers; those it covers now."""
    blocked = await load(tx)
    await tx.execute(delete(blocks).where(blocks.c.kind == _HIDDEN))
    if not blocked:
        return []
    met = await tx.execute(select(actors.c.iri, actors.c.host, actors.c.username, actors.c.webfinger))
    covered = [
        Iri(row.iri)
        for row in met
        if blocked.covers(row.iri) or blocked.names(f"{row.username}@{row.host}", row.webfinger)
    ]
    await add(tx, [Block(_HIDDEN, iri, at) for iri in covered])
    theirs = select(blocks.c.value).where(blocks.c.kind == _HIDDEN)
    await tx.execute(delete(notifications).where(notifications.c.actor.in_(theirs)))
    return covered


async def covers(tx: Tx, actor: Iri) -> bool:
    """Whether the list covers this account, whom we have met."""
    return (await tx.execute(_COVERS, {"actor": actor})).first() is not None


_COVERS = select(blocks.c.value).where(blocks.c.kind == _HIDDEN, blocks.c.value == bindparam("actor"))


@lru_cache(maxsize=16)
def is_hidden(author: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the account with this id is blocked: nothing of theirs is shown anywhere."""
    return exists().where(blocks.c.kind == _HIDDEN, blocks.c.value == author)


# ── mutes ────────────────────────────────────────────────────────────────────────────────────


async def mute(tx: Tx, actor: Iri, at: datetime, until: datetime | None) -> None:
    await upsert(tx, mutes, {"actor": actor, "at": ms(at), "until": ms_or_none(until)})


async def unmute(tx: Tx, actor: Iri) -> bool:
    return bool((await tx.execute(delete(mutes).where(mutes.c.actor == actor))).rowcount)


async def muted(tx: Tx, now: datetime) -> list[Mute]:
    """Mutes that last, newest first."""
    query = select(mutes).where(_lasting(now)).order_by(mutes.c.at.desc(), mutes.c.actor)
    return [Mute(Iri(row.actor), when(row.at), when_or_none(row.until)) for row in await tx.execute(query)]


def _lasting(now: datetime | None) -> ColumnElement[bool]:
    return or_(mutes.c.until.is_(None), mutes.c.until > (bindparam("now") if now is None else ms(now)))


def is_muted(author: ColumnElement[Any], now: datetime | None) -> ColumnElement[bool]:
    """Whether the owner does not want to see what the account with this id writes.

    None: as of the parameter `now` (milliseconds), in a statement that is made once.
    """
    return exists().where(mutes.c.actor == author, _lasting(now))


def brought_by_muted(now: datetime | None) -> ColumnElement[bool]:
    """Whether a row of `home` was brought by somebody muted: their boosts go as well. `now` as in `is_muted`."""
    bringer = actors.alias("bringer")  # not the author, who is in the query around it
    return exists().where(bringer.c.id == home.c.actor_id, mutes.c.actor == bringer.c.iri, _lasting(now))


# ── strangers ────────────────────────────────────────────────────────────────────────────────


async def stand(tx: Tx, people: Iterable[Iri], standing: Standing, at: datetime) -> None:
    """Remember what the owner decided about these; the last word counts. One statement for all."""
    rows = [{"actor": iri, "standing": standing.value, "at": ms(at)} for iri in dict.fromkeys(people)]
    if not rows:
        return
    statement = insert(tx, standings)
    changed = {"standing": statement.excluded.standing, "at": statement.excluded.at}
    await tx.execute(statement.on_conflict_do_update(index_elements=["actor"], set_=changed), rows)


async def standing_of(tx: Tx, actor: Iri) -> Standing | None:
    found = (await tx.execute(select(standings.c.standing).where(standings.c.actor == actor))).scalar_one_or_none()
    return None if found is None else Standing(found)


@lru_cache(maxsize=16)
def is_known(author: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the owner follows, has spoken to, or let in the account with this id."""
    return or_(
        exists().where(follows.c.actor == author, follows.c.state == "accepted"),
        exists().where(standings.c.actor == author, standings.c.standing == Standing.ALLOWED.value),
    )


@lru_cache(maxsize=16)
def waits(author: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the owner has not decided about the stranger with this id."""
    ignored = exists().where(standings.c.actor == author, standings.c.standing == Standing.IGNORED.value)
    return ~is_known(author) & ~ignored
