"""Nobody stares at an empty page: recent posts on follow, and what was missed while the node was away.

Work is rows in `chores`, so that a node that is killed half-way goes on. What is fetched is trusted
no more than what is delivered (gather.py), and asked for politely (polite.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from node.errors import CuicuiError, Refused, Unreachable
from node.events import Events
from node.federation import parse, walk
from node.federation.actors import Actors
from node.federation.corrections import DOUBTS, Corrections
from node.federation.fetch import Paged
from node.federation.gather import Gatherer, items
from node.federation.handlers import Here, fetched
from node.federation.handlers.fetched import Boost, Found
from node.federation.polite import PoliteFetcher
from node.federation.synchronise import Synchroniser
from node.ids import Ids, Snowflake
from node.model import Clock, Iri, Profile, Tell, host_of, origin_of
from node.observe import count
from node.storage import absences, chores, cursors, relations, threads, timelines
from node.storage.absences import Absence
from node.storage.chores import Chore
from node.storage.cursors import Cursor
from node.storage.dialect import ms, when
from node.storage.relations import State
from node.storage.store import Store
from node.waiting import ended

log = logging.getLogger("cuicui.backfill")

RECENT = 40
"""Posts of somebody just followed."""

PAGES = 50
"""Pages of one followed outbox, when catching up."""

RECENT_PAGES = 5
FETCHES = 1_000
RECENT_FETCHES = 60
"""Posts that are fetched one by one for one outbox: those it only names, and those it boosts."""

HELD_BYTES = 4 << 20
"""Bytes of pages kept of one outbox while it is walked; the others are asked for a second time."""

AT_ONCE = 8
AT_ONCE_PER_HOST = 2
"""Chores under way."""

COMPARED_AT_ONCE = 2
"""Lists of followers among them: anybody may make us ask for one, at a server that hangs."""

RETRIES = (timedelta(minutes=2), timedelta(minutes=20), timedelta(hours=2), timedelta(hours=12))
"""When a server that did not answer is asked again; then it is given up."""

LOOK_EVERY = timedelta(hours=1)
"""How often is looked who has been silent for long."""

RHYTHM = timedelta(days=30)
"""Over what time somebody's habits are told."""

REMEMBER = timedelta(days=7)
"""How long a thread that was completed, and a chore that was given up, are remembered."""

NAP = 30.0
NOT_NOW = ("budget", "held")
"""What Manners say when a request has to wait for long: nobody failed."""


@dataclass
class _Step:
    """One page of an outbox that was passed; `page` None when its bytes were let go."""

    url: str
    page: Paged | None


class Backfill:
    """Does the chores, one process at a time: the node itself."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        fetcher: PoliteFetcher,
        gatherer: Gatherer,
        events: Events,
        synchroniser: Synchroniser,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        owner: Callable[[], Awaitable[Profile]],
    ) -> None:
        self._store = store
        self._actors = actors
        self._fetcher = fetcher
        self._gatherer = gatherer
        self._events = events
        self._synchroniser = synchroniser
        self._corrections = Corrections(store, gatherer, events, ids=ids, snowflake=snowflake, clock=clock, owner=owner)
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._owner = owner
        self._wake = asyncio.Event()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._ended: set[int] = set()
        """Chores that ended since it was last asked what is due: the answer may be of before."""
        self._hosts: Counter[str] = Counter()
        self._comparing = 0
        self._looked_at: datetime | None = None
        self._is_up = False
        """Whether it was found out how long the node was away."""
        events.subscribe(self._hear)

    def _hear(self, tell: Tell) -> None:
        if tell.kind in ("accepted", "foreign", "chore"):
            self._wake.set()

    # ── the loop ─────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        await self.wake_up()
        try:
            while True:
                self._wake.clear()
                await self._look_around()
                await self._wait(await self._begin_what_is_due())
        finally:
            await ended(self._busy.values())
            self._busy.clear()
            self._hosts.clear()
            self._comparing = 0

    async def _wait(self, due: datetime | None) -> None:
        """Until there may be something to do: by `due` at the latest."""
        pause = NAP if due is None else min(max((due - self._clock()).total_seconds(), 0.05), NAP)
        waking = asyncio.ensure_future(self._wake.wait())
        # With work under way, what is due has been taken up as far as there was room: its end is what to wait for.
        try:
            await asyncio.wait(
                {waking, *self._busy.values()},
                timeout=NAP if self._busy else pause,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            waking.cancel()

    async def _begin_what_is_due(self) -> datetime | None:
        """When the next one is due."""
        self._ended.clear()
        async with self._store.read() as tx:
            next_at = await chores.next_at(tx)
            now = self._clock()
            due = [] if next_at is None or next_at > now else await chores.due(tx, now)
        for chore in due:
            if len(self._busy) >= AT_ONCE:
                break
            host = host_of(chore.subject)
            if chore.id in self._busy or chore.id in self._ended or self._hosts[host] >= AT_ONCE_PER_HOST:
                continue
            if chore.kind == chores.FOLLOWERS:
                if self._comparing >= COMPARED_AT_ONCE:
                    continue
                self._comparing += 1
            self._hosts[host] += 1
            task = asyncio.create_task(self._do(chore), name=f"chore {chore.kind}")
            self._busy[chore.id] = task
            task.add_done_callback(lambda _done, chore=chore, host=host: self._over(chore, host))  # type: ignore[misc]
        return next_at

    def _over(self, chore: Chore, host: str) -> None:
        self._busy.pop(chore.id, None)
        self._ended.add(chore.id)
        self._hosts[host] -= 1
        self._comparing -= chore.kind == chores.FOLLOWERS
        self._wake.set()

    async def _do(self, chore: Chore) -> None:
        try:
            await self._attempt(chore)
        except Exception as error:  # what came of it could not be written down: the disk is full, say
            known = isinstance(error, CuicuiError)
            log.error("backfill not settled", extra={"subject": chore.subject, "why": str(error)}, exc_info=not known)
            await asyncio.sleep(NAP)  # it is due all the same: begun again at once, it would never rest

    async def _attempt(self, chore: Chore) -> None:
        state = dict(chore.state)
        try:
            if chore.kind == chores.FOLLOWERS:
                await self._synchroniser.ask(chore)
            else:
                await self._outbox(Iri(chore.subject), chore, state)
        except (Unreachable, Refused) as error:
            await self._failed(chore, state, error)
        except CuicuiError as error:
            log.error("backfill failed", extra={"subject": chore.subject, "why": error.message})
            await self._failed(chore, state, error)
        except Exception as error:  # a defect of ours with one of them must not keep the others waiting
            log.exception("backfill failed", extra={"subject": chore.subject})
            await self._failed(chore, state, error)
        else:
            await self._finished(chore, state)

    async def _finished(self, chore: Chore, state: dict[str, int]) -> None:
        async with self._store.write() as tx:
            await chores.done(tx, chore.id)
            if "absence" in state:
                await absences.reached(tx, state["absence"], chore.subject, answered=True)
        count("backfill.done")
        self._events.publish([Tell("backfilled", chore.subject)])
        await self._end_absence(state)

    async def _failed(self, chore: Chore, state: dict[str, int], error: Exception) -> None:
        wish = error.retry_after if isinstance(error, Unreachable) else None
        not_its_turn = isinstance(error, Unreachable) and error.code in NOT_NOW
        now = self._clock()
        gone = isinstance(error, Refused) or (isinstance(error, Unreachable) and error.status in (401, 403, 404, 410))
        next_at: datetime | None = None
        if not_its_turn or (chore.attempts < len(RETRIES) and not gone):
            pause = RETRIES[min(chore.attempts, len(RETRIES) - 1)].total_seconds()
            next_at = now + timedelta(seconds=min(wish if wish is not None else pause, 86_400.0))
        async with self._store.write() as tx:
            said = f"{type(error).__name__}: {error}"
            await chores.postpone(tx, chore.id, next_at, said, counts=not not_its_turn, state=state)
            if "absence" in state and not not_its_turn:
                await absences.reached(tx, state["absence"], chore.subject, answered=False)
        count("backfill.unreachable")
        log.info("backfill postponed", extra={"subject": chore.subject, "why": str(error)})
        await self._end_absence(state)

    # ── away, and back ───────────────────────────────────────────────────────────────────────

    async def heartbeat(self) -> None:
        """The node is awake; how long it was not is told by this, the next time it starts."""
        if not self._is_up:
            return  # or it would be forgotten how long it was not this time
        async with self._store.write() as tx:
            await cursors.beat(tx, self._ids.actor, self._clock())

    async def wake_up(self) -> Absence | None:
        """Find out whether the node was away; if so, plan to catch up with everybody the owner follows."""
        now = self._clock()
        absence = None
        async with self._store.write() as tx:
            last = await cursors.get(tx, self._ids.actor)
            if last is not None and last.checked_at is not None and now - last.checked_at > walk.AWAY:
                followed = await relations.list_follows(tx)
                if followed:
                    absence = await absences.begin(tx, last.checked_at, now)
                    waiting = {one.subject: one.state for one in await chores.of_kind(tx, chores.CATCH_UP)}
                    since = ms(last.checked_at - walk.LATE)
                    for one in followed:  # who could not be reached after the last absence is owed that one as well
                        earlier = waiting.get(one.actor, {}).get("since", since)
                        state = {"since": min(since, earlier), "absence": absence.id}
                        await chores.put(tx, chores.CATCH_UP, one.actor, now, state)
            await cursors.beat(tx, self._ids.actor, now)
        self._is_up = True
        if absence is not None:
            log.info("was away", extra={"since": absence.since.isoformat()})
        return absence

    async def _end_absence(self, state: dict[str, int]) -> None:
        """Once everybody was asked, the owner is to hear of it."""
        if "absence" not in state:
            return
        async with self._store.write() as tx:
            if await chores.untried(tx, chores.CATCH_UP) or not await absences.end(tx, state["absence"], self._clock()):
                return
            await chores.note_down(tx, chores.TELL, str(state["absence"]), self._clock(), {})
            absence = await absences.get(tx, state["absence"])
        assert absence is not None
        log.info("caught up", extra={"posts": absence.posts, "people": absence.people})
        self._events.publish([Tell("caught_up", str(absence.id))])

    async def _look_around(self) -> None:
        """Plan to ask for those who have been silent for longer than they usually are."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        async with self._store.write() as tx:
            asked = {chore.subject for chore in await chores.of_kind(tx, chores.CATCH_UP)}
            for one in await cursors.rhythms(tx, Snowflake(0).mint(now - RHYTHM)):
                gap = walk.usual_gap(one.posts, one.oldest, one.newest)
                heard = max(at for at in (one.since, one.newest, one.checked_at) if at is not None)
                if one.actor not in asked and walk.is_silent(now, heard, gap):
                    state = {"since": ms((one.newest or one.since) - walk.LATE)}
                    await chores.add_many(tx, chores.OUTBOX, [one.actor], now, state)
            await chores.sweep(tx, now - REMEMBER)

    # ── one outbox ───────────────────────────────────────────────────────────────────────────

    async def recent(self, actor: Iri, most: int = RECENT) -> int:
        """The recent posts of anybody, for a look at their profile; none of it goes to the home timeline.

        How many were new. Raises Unreachable.
        """
        known = await self._actors.get(actor)
        if known.actor.outbox is None:
            return 0
        steps, _ = await self._walk(known.actor.outbox, None, pages=2, most=most, cursor=None)
        return await self._read(actor, steps, most=most, at_home=False, chore=None, state={})

    async def _outbox(self, actor: Iri, chore: Chore, state: dict[str, int]) -> None:
        async with self._store.read() as tx:
            follow = await relations.follow_of(tx, actor)
            cursor = await cursors.get(tx, actor)
        if follow is None or follow.state is not State.ACCEPTED:
            return
        back_to = when(state["since"]) if "since" in state else None
        if back_to is None:  # just followed: what was looked at before is not fetched again
            async with self._store.write() as tx:
                await timelines.come_home(tx, actor, RECENT)
        known = await self._actors.get(actor)
        outbox = known.actor.outbox
        if outbox is None:
            return
        pages, most = (RECENT_PAGES, RECENT) if back_to is None else (PAGES, PAGES * parse.MAX_ITEMS)
        steps, etag = await self._walk(outbox, back_to, pages=pages, most=most, cursor=cursor)
        await self._read(actor, steps, most=most, at_home=True, chore=chore, state=state, back_to=back_to)
        async with self._store.write() as tx:
            await cursors.put(
                tx, Cursor(actor, checked_at=self._clock(), etag=etag or (cursor.etag if cursor else None))
            )

    async def _walk(
        self, outbox: Iri, back_to: datetime | None, *, pages: int, most: int, cursor: Cursor | None
    ) -> tuple[list[_Step], str | None]:
        """The pages of an outbox, newest first, as far back as is asked for; and the entity tag of the first of them.

        No pages when nothing changed since the cursor.
        """
        steps: list[_Step] = []
        held = seen = 0
        tag: str | None = None
        walking = walk.Walk(origin_of(outbox), pages + 1)
        tagged, _, old_tag = (cursor.etag or "").partition(" ") if cursor is not None else ("", "", "")
        url: str | None = outbox
        while url is not None and walking.enter(url):
            page = await self._fetcher.page(url, etag=old_tag if url == tagged and old_tag else None)
            if page is None:
                return [], None
            read = parse.collection_page(page.document)
            if read.items:
                if not steps and page.etag:
                    tag = f"{url} {page.etag}"
                steps.append(_Step(url, page))
                seen, held = seen + len(read.items), held + len(page.body)
                for step in steps:
                    if held <= HELD_BYTES or step is steps[-1]:
                        break
                    if step.page is not None:  # oldest first is read: the newest can wait, and be asked for again
                        held -= len(step.page.body)
                        step.page = None
            if seen >= most or walk.is_far_enough(map(walk.written_at, read.items), back_to):
                break
            url = walking.onward(read)
        return steps, tag

    async def _read(
        self,
        actor: Iri,
        steps: list[_Step],
        *,
        most: int,
        at_home: bool,
        chore: Chore | None,
        state: dict[str, int],
        back_to: datetime | None = None,
    ) -> int:
        """Store what the pages hold, the oldest first, a page at a time. How many posts were new."""
        fetches = RECENT_FETCHES if back_to is None else FETCHES
        stored, doubts, began = 0, DOUBTS, self._clock()
        beyond = most
        room: list[int] = []  # how many items of each page count, the newest page's first
        for step in steps:
            size = len(items(step.page)) if step.page is not None else parse.MAX_ITEMS
            room.append(min(size, beyond))
            beyond -= room[-1]
        for step, size in zip(reversed(steps), reversed(room), strict=True):
            page = step.page or await self._fetcher.page(step.url)
            if page is None:
                continue
            step.page = None
            entries = (await self._gatherer.outbox(page, actor))[:size]
            found, boosts, fetched_now = await self._complete(actor, entries, fetches, boosts=at_home)
            fetches -= fetched_now
            if back_to is not None:
                boosts = [one for one in boosts if one.at is None or one.at >= back_to]
                wanted = {boost.object for boost in boosts}
                older = [one for one in found if one.note.iri not in wanted and not _since(one.note.published, back_to)]
                found = [one for one in found if one not in older]
                await self._corrections.edits(older)
                doubts -= await self._corrections.deletions(actor, page, doubts, began)
            stored += await self._store_page(found[::-1], boosts[::-1], at_home=at_home, chore=chore, state=state)
        return stored

    async def _complete(
        self, actor: Iri, entries: list[Found | Boost | Iri], fetches: int, *, boosts: bool
    ) -> tuple[list[Found], list[Boost], int]:
        """The posts of a page: those that came with it, and those that it only names, from where they live."""
        passed_on = [entry for entry in entries if isinstance(entry, Boost)] if boosts else []
        wanted = [entry for entry in entries if isinstance(entry, str)]
        wanted += [boost.object for boost in passed_on if not self._ids.is_ours(boost.object)]
        async with self._store.read() as tx:
            there = await threads.settled(tx, wanted)
        missing = [iri for iri in dict.fromkeys(wanted) if iri not in there][: max(0, fetches)]
        answers = await asyncio.gather(*(self._bring(iri) for iri in missing), return_exceptions=True)
        brought: list[Found | None] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            brought.append(answer)
        boosted = {boost.object for boost in passed_on}
        by_id = {
            iri: one
            for iri, one in zip(missing, brought, strict=True)
            if one is not None and (one.note.author == actor or iri in boosted)
        }
        found: list[Found] = []
        for entry in entries:
            match entry:
                case Found():
                    found.append(entry)
                case str() if entry in by_id:
                    found.append(by_id[entry])
                case Boost(object=target) if target in by_id:
                    found.append(by_id[target])
                case _:
                    pass
        return found, passed_on, len(missing)

    async def _bring(self, iri: Iri) -> Found | None:
        try:
            return (await self._gatherer.fetch(iri))[0]
        except Refused:
            count("fetched.refused")
        except Unreachable as error:
            if error.code in NOT_NOW:
                raise
            count("fetched.unreachable")
        return None

    async def _store_page(
        self, found: list[Found], boosts: list[Boost], *, at_home: bool, chore: Chore | None, state: dict[str, int]
    ) -> int:
        """One transaction: the posts, and how far the chore got."""
        if not found and not boosts:
            return 0
        here = Here(self._ids, self._snowflake, await self._owner(), self._clock())
        async with self._store.write() as tx:
            boosted = {boost.object for boost in boosts}
            direct = [one for one in found if one.note.iri not in boosted]
            kept = await fetched.store(tx, direct, here, at_home=at_home)
            await fetched.store(tx, [one for one in found if one.note.iri in boosted], here, at_home=False)
            new = len(kept) + len(await fetched.boosts(tx, boosts, here))
            if chore is not None and new:
                if "absence" in state:
                    await absences.recovered(tx, state["absence"], new, first=not state.get("stored"))
                state["stored"] = state.get("stored", 0) + new
                await chores.keep_state(tx, chore.id, state)
        self._events.publish(fetched.due(found))
        count("backfill.posts", new)
        return new


def _since(published: datetime | None, back_to: datetime) -> bool:
    return published is None or published >= back_to
