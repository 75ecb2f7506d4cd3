"""What the owner opens to read: whole threads, somebody's posts, what came while the node was away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from node.errors import NotFound, Refused, Unreachable
from node.federation import links
from node.federation.actors import Actors
from node.federation.backfill import RECENT, Backfill
from node.federation.threads import Threads
from node.model import Clock, Iri, Post, Tell
from node.storage import absences, chores, notes, threads, timelines
from node.storage import actors as stored
from node.storage.absences import Absence
from node.storage.actors import KnownActor
from node.storage.dialect import Tx
from node.storage.store import Store

MANY = 1_000
"""Answers of a thread that are read at once."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A post in its conversation. `more`: how many further answers its origin knows of."""

    post: Post
    above: tuple[Post, ...]
    below: tuple[Post, ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """An absence, in numbers, and whether it is caught up with."""

    since: datetime
    until: datetime
    posts: int
    people: int
    unreachable: tuple[str, ...]
    over: bool

    @property
    def sentence(self) -> str:
        away = f"You were away {_duration((self.until - self.since).total_seconds())}"
        posts = f"{self.posts} post{'' if self.posts == 1 else 's'}"
        people = f"{self.people} {'person' if self.people == 1 else 'people'}"
        lost = f"; {len(self.unreachable)} could not be reached" if self.unreachable else ""
        return f"{away}: {posts} by {people} recovered{lost}." + ("" if self.over else " Still catching up.")


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}{'' if number == 1 else 's'}"
    return "a moment"


class Reading:
    """Opens things, and fetches first what is missing of them."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        backfill: Backfill,
        conversations: Threads,
        *,
        tell: Callable[[Sequence[Tell]], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._actors = actors
        self._backfill = backfill
        self._threads = conversations
        self._tell = tell
        self._clock = clock

    async def open_thread(self, which: str, *, fetch: bool = True) -> Thread:
        """A post by number, id or address, with everything around it.

        `fetch`: complete it from its origin first, within 15 s; else only what is here. Raises
        NotFound, and for a post that is not here Unreachable and Refused.
        """
        post = await self._find(which)
        if post is None and fetch and which.startswith(("https://", "http://")):
            post = await self._find(await self._threads.bring(Iri(which)))
        if post is None:
            raise NotFound(f"there is no post {which} here", hint="see the numbers and addresses in: cuicui timeline")
        more = await self._threads.complete(post) if fetch else 0
        post = await self._find(post.note.iri)  # its origin may have shown a newer version, or none
        if post is None:
            raise NotFound(f"{which} was deleted by its author")
        async with self._store.read() as tx:
            above = await threads.above(tx, post.note.iri)
            below = await threads.below(tx, post.note.iri, limit=MANY)
        return Thread(post, tuple(above), tuple(below), more)

    async def open_post(self, which: str) -> Post:
        """A post by number, id or address; fetched if it is not here. Raises NotFound, Unreachable, Refused."""
        post = await self._find(which)
        if post is None and which.startswith(("https://", "http://")):
            post = await self._find(await self._threads.bring(Iri(which)))
        if post is None:
            raise NotFound(f"there is no post {which} here", hint="see the numbers and addresses in: cuicui timeline")
        return post

    async def _find(self, which: str) -> Post | None:
        async with self._store.read() as tx:
            if which.isascii() and which.isdigit() and len(which) <= 19:
                return await notes.get_by_id(tx, int(which))
            return await notes.get_by_url(tx, which)

    async def open_profile(self, whom: str, *, limit: int = RECENT) -> tuple[KnownActor, list[Post]]:
        """Somebody, by handle or address, and their recent posts, newest first; fetched if need be.

        Raises NotAllowed when there is nobody of that name, Unreachable when their server does not answer.
        """
        actor = await self._actors.resolve(whom)
        try:
            await self._backfill.recent(actor.actor.iri, limit)
        except (Unreachable, Refused):
            pass  # what is here is shown; the profile itself was to be had
        now = self._clock()
        async with self._store.read() as tx:
            posts = await timelines.of_author(tx, actor.id, limit=limit)
            unchecked = links.wants_check(await stored.checked_at(tx, actor.actor.iri), now)
            current = await stored.get(tx, actor.actor.iri) or actor
        if unchecked:  # in the background: whoever reads does not wait for other people's pages
            async with self._store.write() as tx:
                await chores.add_many(tx, chores.LINKS, [actor.actor.iri], now, {})
            self._tell([Tell("errand", chores.LINKS)])
        return current, posts

    async def last_absence(self, *, once: bool = False) -> Recovered | None:
        """What was recovered after the last absence. `once`: only if the owner has not been told yet."""
        async with self._store.write() as tx:
            absence = await self._untold(tx) if once else await absences.newest(tx)
        return None if absence is None else _recovered(absence)

    async def _untold(self, tx: Tx) -> Absence | None:
        absence = None
        for told in await chores.of_kind(tx, chores.TELL):
            absence = await absences.get(tx, int(told.subject)) or absence
            await chores.done(tx, told.id)
        return absence


def _recovered(absence: Absence) -> Recovered:
    return Recovered(
        absence.since,
        absence.until,
        absence.posts,
        absence.people,
        absence.unreachable,
        absence.ended_at is not None,
    )
