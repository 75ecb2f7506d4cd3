"""Accounts: Update and Delete of actors."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation.handlers import note
from node.federation.handlers.arrived import Arrived, Here, keep_for_later, log
from node.model import Delete, Effect, Tell, UpdateActor
from node.storage import actors, arrivals, erasing
from node.storage.dialect import Tx


async def update(tx: Tx, arrived: Sequence[Arrived[UpdateActor]], here: Here) -> list[Effect]:
    """A profile changed: it waits to be fetched from its origin, with the key that announced it as continuity.

    What the activity embeds is not believed (security.md §1, key rotation abuse). Of two that wait already, one after
    the other, the second has not been begun: it brings what this one tells of.
    """
    await log(tx, arrived, [item.activity.actor for item in arrived])
    kept = []
    for item in arrived:
        if await arrivals.announcements(tx, item.activity.actor, item.signed.key) < 2:
            await keep_for_later(tx, item, here.now)
            kept.append(item)
    return [Tell("later", item.activity.actor) for item in kept]


async def delete_or_note(tx: Tx, arrived: Sequence[Arrived[Delete]], here: Here) -> list[Effect]:
    """Delete of a note, or of the account itself."""
    effects: list[Effect] = []
    for item in arrived:
        if item.activity.object == item.activity.actor:
            effects += await _delete_account(tx, item, here)
        else:
            effects += await note.delete(tx, item, here)
    return effects


async def _delete_account(tx: Tx, item: Arrived[Delete], here: Here) -> list[Effect]:
    """The account is gone, and what it wrote and did with it; its keys stay, as evidence of what it signed."""
    known = await actors.get(tx, item.activity.actor)
    if known is None:
        return []
    await log(tx, [item], [item.activity.actor])
    await erasing.account(tx, item.activity.actor, known.id, here.now, but=item.activity.id)
    return [Tell("gone", item.activity.actor)]
