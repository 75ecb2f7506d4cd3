"""The owner's lists of people, and which entries of the home timeline they show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from node.model import Iri
from node.storage.dialect import Tx, insert_new
from node.storage.relations import State
from node.storage.schema import actors, follows, home, list_members, lists, notes

POLICIES = ("followed", "list", "none")
"""Whose answers to others a list shows: all that came home, those to members, none. The owner is no other."""


@dataclass(frozen=True, slots=True)
class PeopleList:
    """`exclusive`: what its members write is in the list instead of at home."""

    id: int
    title: str
    replies_policy: str = "list"
    exclusive: bool = False


def _to_list(row: Any) -> PeopleList:
    return PeopleList(row.id, row.title, row.replies_policy, bool(row.exclusive))


async def everything(tx: Tx) -> list[PeopleList]:
    """By title."""
    rows = await tx.execute(select(lists).order_by(lists.c.title, lists.c.id))
    return [_to_list(row) for row in rows]


async def get(tx: Tx, identifier: int) -> PeopleList | None:
    row = (await tx.execute(select(lists).where(lists.c.id == identifier))).one_or_none()
    return None if row is None else _to_list(row)


async def having(tx: Tx, actor: Iri) -> list[PeopleList]:
    """The lists that an account is in."""
    its = select(list_members.c.list_id).where(list_members.c.actor == actor)
    rows = await tx.execute(select(lists).where(lists.c.id.in_(its)).order_by(lists.c.title, lists.c.id))
    return [_to_list(row) for row in rows]


async def add(tx: Tx, new: PeopleList) -> None:
    await insert_new(tx, lists, [_row(new)])


async def change(tx: Tx, changed: PeopleList) -> None:
    await tx.execute(update(lists).where(lists.c.id == changed.id).values(_row(changed)))


def _row(one: PeopleList) -> dict[str, Any]:
    return {"id": one.id, "title": one.title, "replies_policy": one.replies_policy, "exclusive": one.exclusive}


async def remove(tx: Tx, identifier: int) -> bool:
    """Whether it was there."""
    await tx.execute(delete(list_members).where(list_members.c.list_id == identifier))
    return bool((await tx.execute(delete(lists).where(lists.c.id == identifier))).rowcount)


# ── members ──────────────────────────────────────────────────────────────────────────────────


async def followed_among(tx: Tx, people: Iterable[Iri]) -> set[Iri]:
    """Whom of these the owner follows, or asked to: nobody else can be in a list."""
    states = (State.ACCEPTED.value, State.PENDING.value)
    rows = await tx.execute(
        select(follows.c.actor).where(follows.c.actor.in_(set(people)), follows.c.state.in_(states))
    )
    return {Iri(one) for one in rows.scalars()}


async def put(tx: Tx, identifier: int, people: Iterable[Iri]) -> None:
    """Twice is once."""
    await insert_new(tx, list_members, [{"list_id": identifier, "actor": iri} for iri in dict.fromkeys(people)])


async def take(tx: Tx, identifier: int, people: Iterable[Iri]) -> None:
    its = list_members.c.list_id == identifier
    await tx.execute(delete(list_members).where(its, list_members.c.actor.in_(set(people))))


# ── what they show ───────────────────────────────────────────────────────────────────────────


def shows() -> ColumnElement[bool]:
    """Whether a list that a member's entry of `home` belongs to shows it, as its policy of answers says."""
    parent = notes.alias("parent")
    its, they = list_members.alias("its"), actors.alias("they")
    member = exists().where(its.c.list_id == lists.c.id, its.c.actor == they.c.iri, they.c.id == parent.c.author_id)
    to_whom = or_(
        parent.c.author_id == notes.c.author_id,
        parent.c.own,
        and_(lists.c.replies_policy == "list", member.correlate(lists, parent)),
    )
    return or_(
        lists.c.replies_policy == "followed",
        home.c.id != home.c.note_id,  # a boost
        notes.c.in_reply_to.is_(None),
        exists().where(parent.c.iri == notes.c.in_reply_to, to_whom).correlate(notes, lists),
    )


def is_kept_apart() -> ColumnElement[bool]:
    """Whether an entry of `home` is for an exclusive list alone."""
    apart = (
        select(actors.c.id)
        .join(list_members, list_members.c.actor == actors.c.iri)
        .join(lists, lists.c.id == list_members.c.list_id)
        .where(lists.c.exclusive)
        .correlate(None)
    )
    return home.c.actor_id.in_(apart)


@dataclass(frozen=True, slots=True)
class Place:
    """The lists that show an entry, and whether it is in them instead of at home."""

    lists: tuple[int, ...] = ()
    apart: bool = False


async def places(tx: Tx, entries: Iterable[int]) -> dict[int, Place]:
    """Where lists put these entries of the home timeline; one query."""
    rows = await tx.execute(
        select(home.c.id, lists.c.id.label("list_id"), lists.c.exclusive, shows().label("is_shown"))
        .select_from(home)
        .join(notes, notes.c.id == home.c.note_id)
        .join(_by, _by.c.id == home.c.actor_id)
        .join(list_members, list_members.c.actor == _by.c.iri)
        .join(lists, lists.c.id == list_members.c.list_id)
        .where(home.c.id.in_(set(entries)))
        .order_by(lists.c.id)
    )
    found: dict[int, Place] = {}
    for row in rows:
        before = found.get(row.id, Place())
        shown = (*before.lists, row.list_id) if row.is_shown else before.lists
        found[row.id] = Place(shown, before.apart or bool(row.exclusive))
    return found


_by = actors.alias("by")
