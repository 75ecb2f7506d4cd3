"""What happened to posts that are here while we did not hear of it: edits, and deletions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from node.events import Events
from node.federation import walk
from node.federation.fetch import Paged
from node.federation.gather import Gatherer, items
from node.federation.handlers import Here, fetched
from node.federation.handlers.fetched import Found
from node.ids import Ids, Snowflake
from node.model import Clock, Iri, Profile, Tell, origin_of
from node.storage import notes
from node.storage.store import Store

DOUBTS = 20
"""Posts that are missing from one outbox and are asked for one by one, whether they were deleted meanwhile."""


class Corrections:
    """Compares pages of somebody's outbox with what is here of theirs."""

    def __init__(
        self,
        store: Store,
        gatherer: Gatherer,
        events: Events,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        owner: Callable[[], Awaitable[Profile]],
    ) -> None:
        self._store = store
        self._gatherer = gatherer
        self._events = events
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._owner = owner

    async def edits(self, older: list[Found]) -> None:
        """What was written before the absence may have been edited during it; what is not here is not wanted now."""
        if any(one.note.updated is not None for one in older):
            here = Here(self._ids, self._snowflake, await self._owner(), self._clock())
            async with self._store.write() as tx:
                await fetched.edits(tx, older, here)

    async def deletions(self, actor: Iri, page: Paged, most: int, began: datetime) -> int:
        """Posts that were here, of the time that a page covers, and that it does not list: is each still there?

        What came after the walk `began` is on another of its pages. How many were asked for, at most `most`.
        """
        written = [at for at in map(walk.written_at, items(page)) if at is not None]
        if most <= 0 or len(written) < 2 or origin_of(page.url) != origin_of(actor):
            return 0
        listed = {walk.id_in(item) for item in items(page)}
        async with self._store.read() as tx:
            known = await notes.open_between(
                tx, actor, min(written), max(written), received_before=began, limit=10 * DOUBTS
            )
        doubtful = [iri for iri in known if iri not in listed][:most]
        for iri in doubtful:
            if not await self._gatherer.is_gone(iri):
                continue
            here = Here(self._ids, self._snowflake, await self._owner(), self._clock())
            async with self._store.write() as tx:
                post = await notes.get(tx, iri)
                went = post is not None and await fetched.gone(tx, post, here)
            if went and post is not None:
                self._events.publish([Tell("delete", str(post.id))])
        return len(doubtful)
