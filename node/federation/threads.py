"""Whole conversations: what a post answers and what answers it, fetched where they live when the owner opens one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from keys.canonical import JsonValue
from node.errors import CuicuiError, Refused, Unreachable
from node.federation import parse, walk
from node.federation.fetch import Paged
from node.federation.gather import Gatherer, with_bytes
from node.federation.handlers import Here, fetched
from node.federation.handlers.fetched import Found
from node.federation.polite import PoliteFetcher
from node.ids import Ids, Snowflake
from node.model import Clock, Iri, Note, Post, Profile, Tell, origin_of
from node.observe import count
from node.storage import chores, notes, threads
from node.storage.store import Store

log = logging.getLogger("cuicui.threads")

ANCESTORS = 40
FETCHES = 50
"""Documents fetched for one opened thread, collections and authors' posts together (security.md §5)."""

PAGES = 3
"""Pages of one collection of a stranger's."""

NAMED = 400
"""Posts that an origin may name for one thread."""

SECONDS = 15.0
"""How long an opened thread is worked on."""

FRESH = timedelta(minutes=10)
"""How long a thread that was completed is not asked for again."""

TOGETHER = 8
"""Posts fetched side by side; the hosts' own limits hold besides."""


@dataclass
class _Tour:
    """One thread being completed: what it may still cost, and what was seen of it."""

    context: str | None
    left: int = FETCHES
    inside: set[Iri] = field(default_factory=set)
    """Posts that belong to the thread."""
    named: set[Iri] = field(default_factory=set)
    """Posts that the origin names."""
    total: int = 0
    """How many answers the origin counts."""
    asked: set[str] = field(default_factory=set)

    def spend(self) -> bool:
        self.left -= 1
        return self.left >= 0

    def belongs(self, note: Note) -> bool:
        """A post gets in by answering one that is in, or by naming the same conversation: not by being listed."""
        return note.in_reply_to in self.inside or (self.context is not None and note.context == self.context)


class Threads:
    """Completes threads on demand, bounded in depth, count and time."""

    def __init__(
        self,
        store: Store,
        fetcher: PoliteFetcher,
        gatherer: Gatherer,
        publish: Callable[[list[Tell]], None],
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        owner: Callable[[], Awaitable[Profile]],
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._gatherer = gatherer
        self._publish = publish
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._owner = owner

    async def bring(self, iri: Iri, *, quotes: bool = True) -> Iri:
        """A post by its address, to be read here. Its id. `quotes`: and what it quotes. Raises Unreachable, Refused."""
        found, _ = await self._gatherer.fetch(iri)
        await self._keep([found], quotes=quotes)
        return found.note.iri

    async def complete(self, post: Post) -> int:
        """Fetch what is missing of a thread; how many more answers its origin knows. Never raises."""
        async with self._store.read() as tx:
            before = await chores.get(tx, chores.THREAD, post.note.iri)
        now = self._clock()
        if before is not None and now.timestamp() - float(before.state.get("at", 0)) < FRESH.total_seconds():
            return int(before.state.get("more", 0))
        tour = _Tour(post.note.context, inside={post.note.iri})
        try:
            async with asyncio.timeout(SECONDS):
                await self._ancestors(post.note, tour)
                if not post.own:
                    await self._answers(post.note.iri, tour)
        except TimeoutError:
            count("thread.out_of_time")
        more = await self._beyond(post.note.iri, tour)
        async with self._store.write() as tx:
            state = {"at": now.timestamp(), "more": more}
            await chores.note_down(tx, chores.THREAD, post.note.iri, now, state)
        self._publish([Tell("thread", str(post.id))])
        return more

    async def _beyond(self, iri: Iri, tour: _Tour) -> int:
        async with self._store.read() as tx:
            here = len(await threads.below(tx, iri))
            missing = tour.named - await threads.settled(tx, tour.named)
        return max(tour.total - here, len(missing), 0)

    # ── upwards ──────────────────────────────────────────────────────────────────────────────

    async def _ancestors(self, note: Note, tour: _Tour) -> None:
        seen = {note.iri}
        parent = note.in_reply_to
        for _ in range(ANCESTORS):
            if parent is None or parent in seen:
                return
            seen.add(parent)
            tour.inside.add(parent)
            async with self._store.read() as tx:
                known = await notes.get(tx, parent)
                settled = parent in await threads.settled(tx, [parent])
            if known is not None:
                parent = known.note.in_reply_to
                continue
            if settled or self._ids.is_ours(parent) or not tour.spend():
                return
            got = await self._get(parent)
            if got is None:
                return
            found, _ = got
            await self._keep([found])
            seen.add(found.note.iri)
            tour.inside.add(found.note.iri)
            parent = found.note.in_reply_to

    # ── downwards ────────────────────────────────────────────────────────────────────────────

    async def _answers(self, root: Iri, tour: _Tour) -> None:
        """The answers that the origin of a post lists, and those that their origins list, level by level."""
        if not tour.spend():
            return
        try:
            top, document = await self._gatherer.fetch(root)
        except CuicuiError as error:
            log.info("thread not readable", extra={"post": root, "why": error.message})
            is_lost = isinstance(error, Unreachable) and error.status in (404, 410)
            if is_lost or (isinstance(error, Refused) and await self._gatherer.is_gone(root)):
                await self._lose(root)
            return
        await self._keep([top])  # it may have been edited since
        waiting = deque([(top.note.iri, document, True)])
        while waiting and tour.left > 0:
            iri, document, first = waiting.popleft()
            found = await self._collection(document.get("replies"), iri, tour, counts=first)
            if first and isinstance(context := document.get("context"), str) and context.startswith("http"):
                found += await self._collection(context, iri, tour, counts=False)
            waiting += [(one, inner, False) for one, inner in found]

    async def _lose(self, iri: Iri) -> None:
        """The post that is looked at is no more, and we did not hear of it."""
        here = Here(self._ids, self._snowflake, await self._owner(), self._clock())
        async with self._store.write() as tx:
            post = await notes.get(tx, iri)
            went = post is not None and await fetched.gone(tx, post, here)
        if went and post is not None:
            self._publish([Tell("delete", str(post.id))])

    async def _collection(
        self, named: JsonValue, by: Iri, tour: _Tour, *, counts: bool
    ) -> list[tuple[Iri, dict[str, JsonValue]]]:
        """Walk a collection of answers, given by its address or embedded; the new posts with their documents."""
        brought: list[tuple[Iri, dict[str, JsonValue]]] = []
        walking = walk.Walk(origin_of(by), PAGES)
        try:
            page = Paged(by, named, b"", None) if isinstance(named, dict) else await self._page(named, walking, tour)
            while page is not None:
                read = parse.collection_page(page.document)
                if counts and read.total is not None:
                    tour.total = max(tour.total, read.total)
                brought += await self._take(page, tour)
                page = await self._page(walking.onward(read), walking, tour)
        except CuicuiError as error:
            log.info("answers not readable", extra={"post": by, "why": error.message})
        return brought

    async def _page(self, url: JsonValue, walking: walk.Walk, tour: _Tour) -> Paged | None:
        if not isinstance(url, str) or url in tour.asked or self._ids.is_ours(url):
            return None
        if not walking.enter(url) or not tour.spend():
            return None
        tour.asked.add(url)
        return await self._fetcher.page(url)

    async def _take(self, page: Paged, tour: _Tour) -> list[tuple[Iri, dict[str, JsonValue]]]:
        """The posts of a page that are not here: believed where the page may speak for them, fetched otherwise."""
        embedded: list[tuple[Found, dict[str, JsonValue]]] = []
        wanted: list[Iri] = []
        for item, raw in _items(page):
            iri = walk.id_in(item)
            if iri is None or self._ids.is_ours(iri) or len(tour.named) >= NAMED:
                continue
            tour.named.add(iri)
            found = await self._embedded(item, raw, page.url)
            if found is not None and isinstance(item, dict):
                embedded.append((found, item))
            else:
                wanted.append(iri)
        async with self._store.read() as tx:
            settled = await threads.settled(tx, [*wanted, *(found.note.iri for found, _ in embedded)])
        tour.inside |= settled & set(wanted)
        got = [pair for pair in embedded if pair[0].note.iri not in settled]
        missing = [iri for iri in dict.fromkeys(wanted) if iri not in settled]
        kept = await self._accept(got, tour)
        while missing and tour.left > 0:
            some, missing = missing[: min(TOGETHER, tour.left)], missing[min(TOGETHER, tour.left) :]
            tour.left -= len(some)
            answers = await asyncio.gather(*(self._get(iri) for iri in some))
            kept += await self._accept([answer for answer in answers if answer is not None], tour)
        return kept

    async def _embedded(self, item: JsonValue, raw: bytes, url: str) -> Found | None:
        """A post that its own origin embedded; None for all else. Without its bytes there is no evidence: fetched."""
        if not isinstance(item, dict) or not raw or "object" in item:
            return None
        try:
            return await self._gatherer.post(item, raw, url)
        except Refused:
            return None

    async def _accept(
        self, got: list[tuple[Found, dict[str, JsonValue]]], tour: _Tour
    ) -> list[tuple[Iri, dict[str, JsonValue]]]:
        """Store those that belong to the thread; an answer may come before what it answers."""
        accepted: list[tuple[Found, dict[str, JsonValue]]] = []
        rest = got
        while rest:
            inside = [pair for pair in rest if tour.belongs(pair[0].note)]
            if not inside:
                break
            tour.inside |= {found.note.iri for found, _ in inside}
            accepted += inside
            rest = [pair for pair in rest if pair not in inside]
        count("thread.not_of_it", len(rest))
        await self._keep([found for found, _ in accepted])
        return [(found.note.iri, document) for found, document in accepted]

    async def _get(self, iri: Iri) -> tuple[Found, dict[str, JsonValue]] | None:
        try:
            return await self._gatherer.fetch(iri)
        except CuicuiError as error:
            log.info("post of a thread not to be had", extra={"post": iri, "why": error.message})
            return None

    async def _keep(self, found: list[Found], *, quotes: bool = True) -> None:
        if not found:
            return
        here = Here(self._ids, self._snowflake, await self._owner(), self._clock())
        async with self._store.write() as tx:
            await fetched.store(tx, found, here, at_home=False, quotes=quotes)
        if quotes:
            self._publish(fetched.due(found))


def _items(page: Paged) -> list[tuple[JsonValue, bytes]]:
    if page.body:
        return with_bytes(page)
    return [(item, b"") for item in parse.collection_page(page.document).items]
