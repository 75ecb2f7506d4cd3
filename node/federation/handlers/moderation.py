"""What others say against the owner: Block and Flag."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation.handlers.arrived import Arrived, Here, log
from node.model import Block, Effect, Flag, Tell
from node.storage import relations, reports, timelines
from node.storage.dialect import Tx
from node.storage.reports import Report


async def block(tx: Tx, arrived: Sequence[Arrived[Block]], here: Here) -> list[Effect]:
    """They want nothing to do with the owner: following ends, both ways, and what they wrote leaves home."""
    await log(tx, arrived, [item.activity.object for item in arrived])
    for item in arrived:
        await relations.forget(tx, item.activity.actor)
        await timelines.leave_home(tx, item.activity.actor)
    return [Tell("blocked_by", item.activity.actor) for item in arrived]


async def flag(tx: Tx, arrived: Sequence[Arrived[Flag]], here: Here) -> list[Effect]:
    """A report waits for the owner to read it; it is never published."""
    await reports.add_many(
        tx,
        [
            Report(item.activity.actor, item.activity.objects, item.activity.comment, item.received_at)
            for item in arrived
        ],
    )
    await log(tx, arrived, [None] * len(arrived))
    return [Tell("report", item.activity.actor) for item in arrived]
