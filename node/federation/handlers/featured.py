"""Pinned posts of others: Add and Remove of what stands in their featured collection."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation.handlers.arrived import Arrived, Here
from node.model import Add, Effect, Remove, Tell
from node.storage import featured, reactions
from node.storage.dialect import Tx

MOST = 20
"""Posts that an account of somebody else's may have pinned here."""


async def change(tx: Tx, arrived: Sequence[Arrived[Add | Remove]], here: Here) -> list[Effect]:
    """Only the signer's own collection, and only notes by the signer that are here (security.md §2).

    Nothing is logged: Mastodon gives these no id, and doing one of them twice changes nothing.
    """
    effects: list[Effect] = []
    targets = await featured.collections(tx, {item.activity.actor for item in arrived})
    notes = await reactions.targets(tx, {item.activity.object for item in arrived})
    for item in arrived:
        said, note = item.activity, notes.get(item.activity.object)
        if said.target != targets.get(said.actor) or note is None or note.author != said.actor:
            continue
        if isinstance(said, Remove):
            await featured.unpin(tx, said.actor, said.object)
        elif await featured.count(tx, said.actor) < MOST:
            await featured.pin(tx, said.actor, said.object)
        effects.append(Tell("featured", said.actor))
    return effects
