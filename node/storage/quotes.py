"""Who quotes whom, and by whose leave: the state of each quote, and the stamps that the owner gave (FEP-044f)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from node.model import Iri, Note, Post, QuoteState
from node.storage.dialect import Tx, insert_new, ms, when, when_or_none
from node.storage.notes import OPEN, posts, to_post
from node.storage.schema import notes, quote_grants


@dataclass(frozen=True, slots=True)
class Grant:
    """The owner lets `actor` quote `note` in `quoting`. `stamp` is the address where that can be read."""

    stamp: Iri
    note: Iri
    quoting: Iri
    actor: Iri
    at: datetime
    revoked_at: datetime | None = None


def _grant(row: Any) -> Grant:
    return Grant(
        Iri(row.stamp), Iri(row.note), Iri(row.quoting), Iri(row.actor), when(row.at), when_or_none(row.revoked_at)
    )


async def grant(tx: Tx, new: Grant) -> Grant:
    """Remember a grant; one that was given for the same before stands as it is, also when it was revoked."""
    row = {
        "stamp": new.stamp,
        "note": new.note,
        "quoting": new.quoting,
        "actor": new.actor,
        "at": ms(new.at),
        "revoked_at": None,
    }
    await insert_new(tx, quote_grants, [row])
    query = select(quote_grants).where(
        quote_grants.c.note == new.note, quote_grants.c.quoting == new.quoting, quote_grants.c.actor == new.actor
    )
    return _grant((await tx.execute(query)).one())


async def quoting(tx: Tx, note: Iri, actor: Iri) -> set[Iri]:
    """The posts in which somebody was ever let quote a post of the owner's."""
    query = select(quote_grants.c.quoting).where(quote_grants.c.note == note, quote_grants.c.actor == actor)
    return {Iri(iri) for iri in (await tx.execute(query)).scalars()}


async def own_quoting(tx: Tx, quoted: Iri) -> list[int]:
    """The numbers of the owner's posts that quote this one, by leave."""
    query = select(notes.c.id).where(
        notes.c.own, notes.c.quote == quoted, notes.c.quote_state == QuoteState.ACCEPTED.value
    )
    return [int(number) for number in (await tx.execute(query)).scalars()]


async def granted(tx: Tx, stamp: Iri) -> Grant | None:
    row = (await tx.execute(select(quote_grants).where(quote_grants.c.stamp == stamp))).one_or_none()
    return None if row is None else _grant(row)


async def grants(tx: Tx, quoting: Iri | None = None, limit: int = 200) -> list[Grant]:
    """What the owner let others quote, newest first; only that for one post, if it is named."""
    query = select(quote_grants).order_by(quote_grants.c.at.desc()).limit(limit)
    if quoting is not None:
        query = query.where(quote_grants.c.quoting == quoting)
    return [_grant(row) for row in await tx.execute(query)]


async def revoke(tx: Tx, stamp: Iri, at: datetime) -> None:
    await tx.execute(update(quote_grants).where(quote_grants.c.stamp == stamp).values(revoked_at=ms(at)))
    await tx.execute(update(notes).where(notes.c.quote_stamp == stamp).values(quote_state=QuoteState.REVOKED.value))


async def settle(tx: Tx, note: Iri, state: QuoteState, stamp: Iri | None) -> None:
    """What came of a quote."""
    values = {"quote_state": state.value, "quote_stamp": stamp}
    await tx.execute(update(notes).where(notes.c.iri == note).values(**values))


async def settle_checked(tx: Tx, note: Note, state: QuoteState, quoted: Iri | None) -> None:
    """What was found out about somebody's quote, unless it changed meanwhile. `quoted` is the id of what is quoted."""
    same = (notes.c.quote == note.quote) & notes.c.quote_stamp.is_not_distinct_from(note.quote_stamp)
    values = {"quote_state": state.value, "quote": quoted or note.quote}
    await tx.execute(
        update(notes).where(notes.c.iri == note.iri, same, notes.c.quote_state == "pending").values(**values)
    )


async def renew(tx: Tx, note: Iri, quote: Iri | None, stamp: Iri | None) -> None:
    """It quotes something else now, or by another stamp: nothing is known of that yet."""
    state = None if quote is None else QuoteState.PENDING.value
    await tx.execute(update(notes).where(notes.c.iri == note).values(quote=quote, quote_stamp=stamp, quote_state=state))


async def withdrawn(tx: Tx, stamp: Iri, by: Iri) -> list[int]:
    """The author of what is quoted took a stamp back: the posts whose quote it allowed.

    Only the author's word counts, which is the author of the quoted note, and no neighbour on that server.
    """
    rows = (
        await tx.execute(
            select(notes.c.id, notes.c.quote).where(notes.c.quote_stamp == stamp, notes.c.quote_state == "accepted")
        )
    ).all()
    gone: list[int] = []
    for row in rows:
        quoted = (await tx.execute(posts().where(notes.c.iri == row.quote))).one_or_none()
        if quoted is not None and to_post(quoted).note.author == by:
            gone.append(row.id)
    await tx.execute(update(notes).where(notes.c.id.in_(gone)).values(quote_state=QuoteState.REVOKED.value))
    return gone


async def shown(tx: Tx, quoting: Iterable[Post]) -> dict[Iri, Post]:
    """What each of these posts quotes by its author's leave, if anybody may read it; by the id of the post that quotes.

    Not by the id of what is quoted: another post that quotes the same may not.
    """
    allowed = {
        post.note.iri: post.note.quote
        for post in quoting
        if post.note.quote is not None and post.quote_state is QuoteState.ACCEPTED
    }
    if not allowed:
        return {}
    rows = await tx.execute(posts().where(notes.c.iri.in_(set(allowed.values())), notes.c.visibility.in_(OPEN)))
    found = {Iri(row.iri): to_post(row) for row in rows}
    return {iri: found[quoted] for iri, quoted in allowed.items() if quoted in found}
