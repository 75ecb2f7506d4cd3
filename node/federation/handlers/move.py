"""Accounts that move: Move, by the account itself (federation.md §7; security.md §2, Move hijack)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from node.federation import compose
from node.federation.handlers.arrived import Arrived, Here, keep_for_later, log
from node.model import Deliver, Effect, Follow, Iri, Move, Tell
from node.observe import count
from node.storage import activities, actors, lookalikes, relations
from node.storage.dialect import Tx
from node.storage.relations import State

COOL_DOWN = timedelta(days=7)
"""An account moves once a week at most, as Mastodon and GoToSocial have it."""


async def move(tx: Tx, arrived: Sequence[Arrived[Move]], here: Here) -> list[Effect]:
    """It waits until the new account was asked whether it names the old one: nobody is led away by one side's word."""
    told: list[Effect] = []
    for item in arrived:
        last = await activities.last_of(tx, item.activity.actor, "Move")
        if last is not None and here.now - last < COOL_DOWN:
            count("move.too_soon")
            continue
        await log(tx, [item], [item.activity.object])
        await keep_for_later(tx, item, here.now)
        told.append(Tell("later", item.activity.actor))
    return told


async def follow_along(tx: Tx, moved: Move, target: Iri, also_known_as: Sequence[Iri], here: Here) -> list[Effect]:
    """The new account was fetched: if it names the old one as its own, ask to follow it instead of that."""
    if moved.object not in also_known_as:
        count("move.unconfirmed")
        return []
    await actors.mark_moved(tx, moved.object, target)
    before = await relations.follow_of(tx, moved.object)
    if before is None or before.state is State.REJECTED or target == here.ids.actor:
        return [Tell("moved", moved.object)]
    effects: list[Effect] = [Tell("moved", moved.object)]
    undone = Follow(before.activity, here.ids.actor, moved.object)
    undo = compose.undo_follow(here.ids.activity(here.snowflake.mint(here.now)), undone)
    effects.append(Deliver(undo, tuple(await actors.inboxes(tx, [moved.object]))))
    await relations.end_follow(tx, moved.object)
    if await relations.follow_of(tx, target) is None:
        wanted = Follow(here.ids.activity(here.snowflake.mint(here.now)), here.ids.actor, target)
        await relations.start_follow(tx, target, wanted.id, here.now)
        effects.append(Deliver(compose.follow(wanted), tuple(await actors.inboxes(tx, [target]))))
    await lookalikes.settle(tx, here.ids.actor)  # compared with the old account, whose name it keeps, it was a stranger
    return effects
