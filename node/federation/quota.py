"""How much strangers may make this node keep in a day, by server and all together (security.md §10)."""

from __future__ import annotations

from datetime import timedelta

from node.errors import Reason, Refused
from node.federation.allowance import Allowance
from node.federation.circle import Circle
from node.ids import Snowflake
from node.model import Clock, Iri, host_of
from node.storage import activities
from node.storage.store import Store

ROOM = 64 * 1024 * 1024
"""Bytes a day that are kept of what people of one host say and show whom the owner does not follow."""

ROOM_FOR_DELETIONS = 4 * 1024 * 1024
"""Bytes a day of what they delete: each is remembered, so that what is deleted does not come back."""

ALL = 8
"""So many times as much room is there for all servers together on which the owner follows nobody: names cost nothing,
so somebody may have thousands of servers."""

DAY = timedelta(days=1)


class Quota:
    """Nobody can fill the disk: whom the owner follows is heard, however much others there say."""

    def __init__(self, store: Store, circle: Circle, *, clock: Clock) -> None:
        self._store = store
        self._circle = circle
        self._clock = clock
        self._each = Allowance(ROOM, DAY)
        self._all = Allowance(ALL * ROOM, DAY)
        self._deletions_each = Allowance(ROOM_FOR_DELETIONS, DAY)
        self._deletions_of_all = Allowance(ALL * ROOM_FOR_DELETIONS, DAY)

    async def take(self, who: Iri, size: int, *, deletes: bool = False) -> None:
        """Somebody says something of `size` bytes. Raises Refused (busy) when their host has said enough for a day.

        What is deleted has a measure of its own, so that it can be deleted when there is no room for more.
        """
        faces, now = await self._circle.faces(), self._clock()
        if faces.knows(who):
            return
        host = host_of(who)
        each, all_ = (self._deletions_each, self._deletions_of_all) if deletes else (self._each, self._all)
        if not each.take(host, now, size):
            raise Refused(
                Reason.BUSY, f"there is no more room today for what people on {host} say", hint="try again later"
            )
        if not faces.lives_at(host) and not all_.take("", now, size):
            raise Refused(Reason.BUSY, "there is no more room today for what strangers say", hint="try again later")

    async def recount(self) -> None:
        """What is here of the posts of strangers of the last day counts as said today: once, when the node has started.

        A restart makes no new room, and no delivery pays for that.
        """
        faces, now = await self._circle.faces(), self._clock()
        async with self._store.read() as tx:
            for who, size in await activities.octets_since(tx, Snowflake(0).mint(now - DAY)):
                if not faces.knows(who):
                    host = host_of(who)
                    self._each.count(host, now, size)
                    if not faces.lives_at(host):
                        self._all.count("", now, size)
