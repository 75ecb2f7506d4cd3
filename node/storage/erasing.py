"""An account deleted itself: every trace of it goes, but for its keys and what refuses it to come back by a replay."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update

from node.model import Iri
from node.storage import notes as stored_notes
from node.storage import reactions, relations
from node.storage.dialect import Tx, ms
from node.storage.schema import (
    activities,
    actors,
    arrivals,
    chores,
    conversations,
    cursors,
    featured,
    list_members,
    mutes,
    notes,
    notifications,
    quote_grants,
    remarks,
    standings,
    votes,
)


async def account(tx: Tx, iri: Iri, identifier: int, at: datetime, *, but: Iri) -> None:
    """Forget an account and all it wrote and did; of the log the ids stay, and the Delete (`but`) whole.

    Blocks stay: the owner's word is not the account's to take back.
    """
    theirs = select(notes.c.id).where(notes.c.author_id == identifier)
    await tx.execute(delete(conversations).where(conversations.c.last_note_id.in_(theirs)))
    await stored_notes.bury_author(tx, identifier)
    await reactions.forget_actor(tx, iri)
    await relations.forget(tx, iri)
    for table in (
        arrivals,
        cursors,
        featured,
        list_members,
        mutes,
        notifications,
        quote_grants,
        remarks,
        standings,
        votes,
    ):
        await tx.execute(delete(table).where(table.c.actor == iri))
    await tx.execute(delete(chores).where(chores.c.subject == iri))
    said = (activities.c.actor == iri) & (activities.c.direction == "in") & (activities.c.iri != but)
    await tx.execute(update(activities).where(said).values(body=b"", headers=None))
    nothing: dict[str, object] = {"name": "", "summary": "", "fields": [], "document": None}
    nothing |= {"emojis": None, "resembles": None, "icon": None, "image": None, "also_known_as": [], "moved_to": None}
    await tx.execute(update(actors).where(actors.c.iri == iri).values(**nothing, gone_at=ms(at)))
