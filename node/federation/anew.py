"""Likes and boosts that somebody did, took back, and did again under the same id.

snac makes the id of a like out of what is liked, so the second like of a post is the first one's
double. The guard against replays must not swallow it, and must not let an old request back in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.federation import httpsig
from node.federation.handlers import Arrived
from node.model import Iri
from node.storage import activities
from node.storage.dialect import Tx


async def done_anew(tx: Tx, repeated: Sequence[Arrived[Any]]) -> set[Iri]:
    """Which of these activities, seen before, were signed after their own actor's last Undo of them.

    Both times are by the signer's clock, so that nothing hangs on ours; where one of them is not to be
    had, it is a repeat. A request that was sent before the Undo, and is sent again, was signed before it.
    """
    undone = await activities.undone(tx, {item.activity.id for item in repeated})
    anew: set[Iri] = set()
    for item in repeated:
        at = [httpsig.signed_at(headers) for headers in undone.get((item.activity.id, item.activity.actor), ())]
        if at and all(moment is not None and moment < item.signed.created for moment in at):
            anew.add(item.activity.id)
    return anew
