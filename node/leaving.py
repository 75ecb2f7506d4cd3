"""The owner leaves for good: everybody is told that the account is deleted (federation.md §12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import NotAllowed
from node.federation import compose
from node.model import Tell
from node.storage import actors, queue

if TYPE_CHECKING:
    from node.app import Node


async def leave(node: Node) -> int:
    """Send Delete of the owner's actor to every server that is remembered. How many inboxes are owed it.

    What else was waiting to be sent is dropped. From now on the node answers 410, but for its keys.
    Raises NotAllowed when it was done before.
    """
    now = node.clock()
    async with node.store.write() as tx:
        if await actors.is_gone(tx, node.ids.actor):
            raise NotAllowed("this account was deleted already")
        await queue.drop_all(tx)
        sealed = node.outbox.prove(compose.delete_actor(node.ids), now)
        inboxes = [iri for iri in await actors.everybodys_inboxes(tx) if not node.ids.is_ours(iri)]
        jobs = await node.outbox.submit(tx, sealed, inboxes, now)
        await actors.mark_gone(tx, node.ids.actor, now)
    node.forget_cached()
    node.outbox.offer(jobs)
    node.events.publish([Tell("left", node.ids.actor)])
    return len(inboxes)
