"""Votes, and the counts of polls: the owner's are counted here, others' are what their authors say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, distinct, func, select, update

from node.model import Audience, Choice, Iri, Poll, Visibility
from node.storage.dialect import Tx, insert_new, ms, ms_or_none, when_or_none
from node.storage.schema import notes, votes


@dataclass(frozen=True, slots=True)
class Question:
    """A poll of the owner's, as far as somebody who votes in it needs to be known to it."""

    id: int
    iri: Iri
    visibility: Visibility
    audience: Audience
    poll: Poll


@dataclass(frozen=True, slots=True)
class Cast:
    """One choice of one voter; `choice` counts from 0, in the order of the poll."""

    question: Iri
    actor: Iri
    choice: int
    at: datetime


def pack(poll: Poll | None) -> dict[str, Any] | None:
    if poll is None:
        return None
    return {
        "choices": [[choice.name, choice.votes] for choice in poll.choices],
        "multiple": poll.multiple,
        "ends": ms_or_none(poll.ends),
        "closed": ms_or_none(poll.closed),
        "voters": poll.voters,
    }


def unpack(packed: dict[str, Any] | None) -> Poll | None:
    if packed is None:
        return None
    return Poll(
        tuple(Choice(name, count) for name, count in packed["choices"]),
        packed["multiple"],
        when_or_none(packed["ends"]),
        when_or_none(packed["closed"]),
        packed["voters"],
    )


async def own_among(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Question]:
    """Which of these are polls of the owner's."""
    rows = await tx.execute(
        select(notes.c.id, notes.c.iri, notes.c.visibility, notes.c.audience, notes.c.poll).where(
            notes.c.iri.in_(set(iris)), notes.c.own, notes.c.type == "Question"
        )
    )
    found: dict[Iri, Question] = {}
    for row in rows:
        poll = unpack(row.poll)
        if poll is not None:
            audience = Audience(tuple(map(Iri, row.audience[0])), tuple(map(Iri, row.audience[1])))
            found[Iri(row.iri)] = Question(row.id, Iri(row.iri), Visibility(row.visibility), audience, poll)
    return found


async def cast_by(tx: Tx, questions: Iterable[Iri], actors: Iterable[Iri]) -> set[tuple[Iri, Iri, int]]:
    """What these have voted already: (poll, voter, choice)."""
    rows = await tx.execute(
        select(votes.c.question, votes.c.actor, votes.c.choice).where(
            votes.c.question.in_(set(questions)), votes.c.actor.in_(set(actors))
        )
    )
    return {(Iri(row.question), Iri(row.actor), row.choice) for row in rows}


async def add_many(tx: Tx, new: Sequence[Cast]) -> None:
    await insert_new(
        tx,
        votes,
        [{"question": one.question, "actor": one.actor, "choice": one.choice, "at": ms(one.at)} for one in new],
    )


async def tally(tx: Tx, question: Iri, poll: Poll) -> Poll:
    """A poll of the owner's with its votes counted."""
    rows = await tx.execute(
        select(votes.c.choice, func.count()).where(votes.c.question == question).group_by(votes.c.choice)
    )
    counts = {int(row[0]): int(row[1]) for row in rows}
    voters = select(func.count(distinct(votes.c.actor))).where(votes.c.question == question)
    return replace(
        poll,
        choices=tuple(Choice(choice.name, counts.get(index, 0)) for index, choice in enumerate(poll.choices)),
        voters=int((await tx.execute(voters)).scalar_one()),
    )


async def voters(tx: Tx, question: Iri) -> set[Iri]:
    rows = await tx.execute(select(votes.c.actor).distinct().where(votes.c.question == question))
    return {Iri(iri) for iri in rows.scalars()}


async def choices_of(tx: Tx, questions: Iterable[Iri], actor: Iri) -> dict[Iri, tuple[int, ...]]:
    """What somebody chose in these polls: numbers from 0, in their order."""
    found: dict[Iri, list[int]] = {}
    for question, _, choice in sorted(await cast_by(tx, questions, [actor])):
        found.setdefault(question, []).append(choice)
    return {question: tuple(chosen) for question, chosen in found.items()}


async def put(tx: Tx, iri: Iri, poll: Poll) -> None:
    """New counts, of a poll that asks the same as before."""
    await tx.execute(update(notes).where(notes.c.iri == iri).values(poll=pack(poll)))


async def forget(tx: Tx, question: Iri) -> None:
    """The poll is gone, or asks something else now: what was voted counts no more."""
    await tx.execute(delete(votes).where(votes.c.question == question))
