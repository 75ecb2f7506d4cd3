"""Whom the owner shuts out, and for whose friends nobody else shall pass; kept in memory, asked for every delivery."""

from __future__ import annotations

from collections.abc import Callable

from node.blocking import BlockList
from node.errors import Reason, Refused, Unreachable
from node.ids import Ids
from node.lookalike import Faces
from node.model import origin_of
from node.storage import blocks, lookalikes
from node.storage.store import Store


class Circle:
    """What is in the store about blocks and look-alikes, as values; read again after it changed."""

    def __init__(self, store: Store, *, ids: Ids) -> None:
        self._store = store
        self._ids = ids
        self._blocks: BlockList | None = None
        self._faces: Faces | None = None
        self._changes = 0

    def forget_cached(self) -> None:
        """The owner blocked, unblocked, followed or unfollowed somebody, here or in another process."""
        self._blocks = self._faces = None
        self._changes += 1

    async def blocks(self) -> BlockList:
        if self._blocks is not None:
            return self._blocks
        before = self._changes
        async with self._store.read() as tx:
            found = await blocks.load(tx)
        if before == self._changes:  # else it changed while we read: the next one asks again
            self._blocks = found
        return found

    async def faces(self) -> Faces:
        if self._faces is not None:
            return self._faces
        before = self._changes
        async with self._store.read() as tx:
            found = await lookalikes.faces(tx, self._ids.actor)
        if before == self._changes:
            self._faces = found
        return found

    async def admit(self, *iris: str) -> None:
        """Raises Refused (blocked) if one of these is a blocked account, or lies on a blocked domain."""
        blocked = await self.blocks()
        if not blocked:
            return
        for iri in iris:
            if blocked.covers(iri):
                raise refusal(iri)

    async def watch(self, start: str) -> Callable[[str, str], dict[str, str]]:
        """For a fetch from `start` that signs nothing, in the place of its signature: asked before each step.

        Raises Refused where a redirect leads to the blocked, and Unreachable where it leads back to ourselves.
        """
        blocked = await self.blocks()

        def step(_method: str, address: str) -> dict[str, str]:
            if address == start:
                return {}
            if origin_of(address) == self._ids.origin:
                raise Unreachable(f"{address} is this node's own address", code="bad_url")
            if blocked.covers(address):
                raise refusal(address)
            return {}

        return step


def refusal(what: str) -> Refused:
    return Refused(Reason.BLOCKED, f"{what} is blocked by the owner of this node")
