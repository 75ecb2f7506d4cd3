"""Passing answers on (ActivityPub §7.1.2): what is said under the owner's posts reaches the owner's followers."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation.handlers.arrived import Arrived, Here
from node.model import Create, Delete, Effect, Forward, Iri, Note, Update, Visibility, origin_of
from node.observe import count
from node.storage import reactions, relations
from node.storage.dialect import Tx

Said = Create | Update | Delete


async def on(tx: Tx, said: Sequence[tuple[Arrived[Said], Note]], here: Here) -> list[Effect]:
    """Forward what was just stored for the first time, byte for byte as it came.

    Each stands beside the note that it brought, changed or deletes. It goes on if that note answers a
    post of the owner's which the followers may read, is addressed to them, and if the activity carries
    its actor's proof: nobody believes it on our signature.
    """
    meant = [(item, note) for item, note in said if item.proven and here.ids.followers in note.audience]
    parents = {note.in_reply_to for _, note in meant if note.in_reply_to is not None}
    if not parents:
        return []
    ours = await reactions.targets(tx, parents)
    effects: list[Effect] = []
    for item, note in meant:
        parent = ours.get(note.in_reply_to) if note.in_reply_to is not None else None
        if parent is None or not parent.own or parent.visibility is Visibility.DIRECT:
            continue
        is_open = note.audience.visibility(None).is_open
        have_it = {origin_of(item.activity.actor), origin_of(item.signed.actor), here.ids.origin}
        inboxes: list[Iri] = await relations.follower_inboxes(tx, shared=is_open)
        others = tuple(inbox for inbox in inboxes if origin_of(inbox) not in have_it)
        if others:
            count("forwarded", len(others))
            effects.append(Forward(item.activity.id, item.activity.actor, item.signed.body, others))
    return effects
