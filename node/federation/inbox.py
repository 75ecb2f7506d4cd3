"""The way in: verify, parse, admit, record and apply, answer 202; then announce (house.md, The walk in)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from keys.canonical import JsonValue
from node.errors import CuicuiError, Malformed, NotFound, Refused, Unreachable
from node.events import Events
from node.federation import httpsig, parse, policy
from node.federation.actors import Actors
from node.federation.allowance import Allowance
from node.federation.authenticate import Authenticator, Outcome, read_json
from node.federation.batch import Batcher
from node.federation.handlers import TABLE, Arrived, Here, fetched, move
from node.federation.handlers.anew import UNDOABLE, UNDOS, at_its_time, done_anew, in_turn
from node.federation.handlers.arrived import keep_for_later
from node.federation.httpsig import Incoming
from node.federation.originals import Originals
from node.federation.outbox import Outbox
from node.federation.policy import Facts, ProofHolds
from node.federation.recent import Recent
from node.ids import Ids, Snowflake
from node.model import (
    Activity,
    Announce,
    Authorship,
    Clock,
    Create,
    Delete,
    Deliver,
    Effect,
    Follow,
    Forward,
    Ignored,
    Iri,
    Move,
    Notify,
    Profile,
    Signed,
    Tell,
    Update,
    UpdateActor,
    host_of,
    origin_of,
)
from node.observe import count
from node.storage import activities, arrivals, notifications, reactions
from node.storage.dialect import Tx
from node.storage.queue import Job
from node.storage.store import Store, is_trouble

log = logging.getLogger("cuicui.inbox")

TRIES = (timedelta(seconds=5), timedelta(minutes=2), timedelta(minutes=30))
"""When an activity that could not be applied is tried again; after that it is parked for the owner to see."""

_WITH_NOTE = (Create, Update)
_MAY_BE_PROVEN = (Create, Update, Delete)
_MAY_COME_AGAIN = (*UNDOABLE, *UNDOS)
"""What may come again under the same id and mean something (anew.py)."""

FORWARDED = 60
"""Answers of people of one host that are passed on to the owner's followers within an hour."""

FETCHED_FROM_AT_ONCE = 8
"""Servers that are asked side by side for what waits; each of them for one thing after the other."""

SLOW = 5.0
"""Seconds that a server may keep us waiting for one thing. What else waits for it is put off then,"""
REST = timedelta(minutes=5)
"""for so long, and counts no try: those who are next are waiting too."""
MOST_SECONDS = 20.0
"""for one thing, with all requests that it takes."""


class Inbox:
    """Takes one signed request at a time, and writes many together."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        authenticator: Authenticator,
        outbox: Outbox,
        events: Events,
        originals: Originals,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        owner: Callable[[], Awaitable[Profile]],
    ) -> None:
        self._store = store
        self._actors = actors
        self._authenticator = authenticator
        self._outbox = outbox
        self._events = events
        self._originals = originals
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._owner = owner
        self.heard: tuple[Callable[[Signed], Awaitable[None]], ...] = ()
        """Called, one after the other, with each delivery that was believed, after it was written."""
        self._resting: Recent[str, datetime] = Recent(1_000)
        self._forwards = Allowance(FORWARDED, timedelta(hours=1))
        self._batcher: Batcher[Arrived[Activity]] = Batcher(self._write)

    async def receive(self, request: Incoming) -> None:
        """One delivery. When this returns, what it says is on disk. Raises Refused, StoreError."""
        delivered = await self._authenticator.delivery(request)
        if delivered.signed is None:
            count("dropped.unknown_actor")
            return
        activity = parse.activity(delivered.document)
        arrived = await self._admitted(activity, delivered.document, delivered.signed)
        if isinstance(activity, Ignored):
            count(f"ignored.{activity.type}")
            return
        deletes = isinstance(activity, Delete)
        await self._actors.quota.take(delivered.signed.actor, len(request.body), deletes=deletes)
        await self._batcher.put(arrived, host_of(delivered.signed.actor))
        for hear in self.heard:
            await hear(delivered.signed)

    async def _admitted(
        self, activity: Activity, document: Mapping[str, JsonValue], signed: Signed
    ) -> Arrived[Activity]:
        """Steps 5 and 6: who may say this, and, for a post, who wrote it."""
        outcome: Outcome = None
        if isinstance(activity, _MAY_BE_PROVEN):
            outcome = await self._authenticator.proof(document, activity.actor)
        holds = isinstance(outcome, ProofHolds) and not policy.is_late(activity, outcome.created, self._clock())
        proven_by = activity.actor if holds else None
        policy.admit(activity, signed.actor, ids=self._ids, proven_by=proven_by)
        await self._actors.circle.admit(activity.actor)
        if signed.actor != activity.actor:
            # Brought by somebody else: its author may be new to us.
            await self._actors.get(activity.actor)
        authorship: Authorship | None = None
        if isinstance(activity, _WITH_NOTE):
            authorship = await self._judged(activity, document, signed, outcome)
        elif isinstance(outcome, policy.ProofBroken):
            await self._judge(activity.actor, outcome, signed)  # a broken proof refuses a Delete as well
        return Arrived(activity, signed, self._clock(), authorship, proven=proven_by is not None)

    async def _judged(
        self, activity: Create | Update, document: Mapping[str, JsonValue], signed: Signed, whole: Outcome
    ) -> Authorship:
        """The note's own proof decides; without one, that of the activity around it (FEP-8b32).

        A proof that is there and broken counts, on whichever of the two it is.
        """
        embedded = document.get("object")
        if not isinstance(embedded, dict):
            raise Malformed("expected the note itself", got=embedded)
        inner = await self._authenticator.proof(embedded, activity.actor)
        if isinstance(whole, policy.ProofBroken) and not isinstance(inner, policy.ProofBroken):
            await self._judge(activity.actor, whole, signed)
        return await self._judge(activity.actor, inner or whole, signed)

    async def _judge(self, author: Iri, outcome: Outcome, signed: Signed) -> Authorship:
        pinned = isinstance(outcome, policy.ProofBroken) and await self._actors.has_pinned_identity(author)
        return policy.judge(Facts(author, outcome, transport=signed.key, has_pinned_identity=pinned))

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    async def _write(self, batch: Sequence[Arrived[Activity]]) -> None:
        """Apply a batch in one transaction; if one of them cannot be applied, again with a net under each."""
        try:
            await self._write_once(batch, careful=False)
        except Exception as error:
            if is_trouble(error):  # a full disk is no activity's fault: the batch is refused, to be sent again
                raise
            await self._write_once(batch, careful=True)

    async def _write_once(self, batch: Sequence[Arrived[Activity]], *, careful: bool) -> None:
        owner = await self._owner()
        tells: list[Tell] = []
        jobs: list[Job] = []
        applied = 0
        async with self._store.write() as tx:
            here = Here(self._ids, self._snowflake, owner, self._clock())
            for part in in_turn(batch):
                fresh = await self._new_ones(tx, part)
                for _kind, group in groupby(fresh, key=lambda item: type(item.activity)):
                    apply = self._apply_one_by_one if careful else self._apply
                    owed, said = await apply(tx, list(group), here)
                    jobs += owed
                    tells += said
                applied += len(fresh)
        count("applied", applied)
        self._outbox.offer(jobs)
        self._tell(tells)

    async def _new_ones(self, tx: Tx, batch: Sequence[Arrived[Activity]]) -> list[Arrived[Activity]]:
        """Drop what this actor sent before, as the log or this batch has it. A Follow decides for itself."""
        asked = {item.activity.id for item in batch}
        asked |= {_mark(item) for item in batch if isinstance(item.activity, UNDOABLE)}
        seen = await activities.senders(tx, asked)
        repeated = [one for one in batch if isinstance(one.activity, _MAY_COME_AGAIN) and one.activity.id in seen]
        anew = await done_anew(tx, repeated) if repeated else set()
        fresh: list[Arrived[Activity]] = []
        for item in batch:
            if item.activity.id and not isinstance(item.activity, Follow):
                if seen.get(item.activity.id, item.activity.actor) != item.activity.actor:
                    item = _told_apart(item)
                    seen |= await activities.senders(tx, [item.activity.id])
                undone_before = isinstance(item.activity, UNDOABLE) and _mark(item) in seen
                if (item.activity.id in seen and item.activity.id not in anew) or undone_before:
                    count("repeated")
                    continue
                if item.activity.id in anew and isinstance(item.activity, UNDOS):
                    item = at_its_time(item)
            seen[item.activity.id] = item.activity.actor
            fresh.append(item)
        return fresh

    async def _apply(self, tx: Tx, group: Sequence[Arrived[Any]], here: Here) -> tuple[list[Job], list[Tell]]:
        """What activities of one kind do, and what follows from them."""
        effects = await TABLE[type(group[0].activity)](tx, group, here)
        return await self._follow_up(tx, effects, here), await self._told(tx, effects, here)

    async def _apply_one_by_one(
        self, tx: Tx, group: Sequence[Arrived[Any]], here: Here
    ) -> tuple[list[Job], list[Tell]]:
        """One that cannot be applied is taken out and kept for later; its neighbours never notice."""
        jobs: list[Job] = []
        tells: list[Tell] = []
        for item in group:
            try:
                async with tx.begin_nested():
                    owed, said = await self._apply(tx, [item], here)
            except Exception as error:
                if is_trouble(error):
                    raise
                log.exception("could not apply", extra={"activity": item.activity.id, "actor": item.activity.actor})
                count("unapplied")
                later = self._clock() + TRIES[0]
                await keep_for_later(tx, item, later, f"{type(error).__name__}: {error}")
                owed, said = [], [Tell("later", item.activity.id)]
            jobs += owed
            tells += said
        return jobs, tells

    async def _follow_up(self, tx: Tx, effects: Sequence[Effect], here: Here) -> list[Job]:
        jobs: list[Job] = []
        for effect in effects:
            match effect:
                case Deliver(activity, inboxes):
                    jobs += await self._outbox.submit(tx, self._outbox.seal(activity), inboxes, here.now)
                case Forward(activity_id, author, body, inboxes):
                    if self._forwards.take(host_of(author), here.now):
                        jobs += await self._outbox.forward(tx, activity_id, body, inboxes, here.now)
                case Tell() | Notify():
                    pass
        return jobs

    async def _told(self, tx: Tx, effects: Sequence[Effect], here: Here) -> list[Tell]:
        """What to say after the commit, the owner's notifications among it."""
        new = [effect for effect in effects if isinstance(effect, Notify)]
        tells = [effect for effect in effects if isinstance(effect, Tell)]
        return tells + await notifications.add_many(tx, new, self._snowflake, here.now)

    def _tell(self, tells: Sequence[Tell]) -> None:
        for tell in tells:
            if tell.kind == "gone":
                self._actors.changed(Iri(tell.subject))
            elif tell.kind == "moved":
                self._actors.forget_cached()  # whom the owner follows, and so whom nobody may resemble
        self._events.publish(tells)

    # ── later ────────────────────────────────────────────────────────────────────────────────

    async def retry(self) -> int:
        """Try again what could not be applied. How many were tried."""
        async with self._store.read() as tx:
            due = await arrivals.due(tx, self._clock())
        by_server: dict[str, list[arrivals.Arrival]] = {}
        for arrival in due:
            by_server.setdefault(_asks(arrival), []).append(arrival)
        gate = asyncio.Semaphore(FETCHED_FROM_AT_ONCE)
        await asyncio.gather(*(self._retry_in_order(server, group, gate) for server, group in by_server.items()))
        return len(due)

    async def _retry_in_order(self, server: str, group: Sequence[arrivals.Arrival], gate: asyncio.Semaphore) -> None:
        loop = asyncio.get_running_loop()
        async with gate:
            for position, arrival in enumerate(group):
                until = self._resting.get(server)
                if until is not None and self._clock() < until:
                    async with self._store.write() as tx:
                        await arrivals.put_off(tx, [one.id for one in group[position:]], until)
                    return
                began = loop.time()
                try:
                    async with asyncio.timeout(MOST_SECONDS):
                        await self._retry(arrival)
                except Exception as error:  # a defect of ours with one of them must not keep the others waiting
                    if not isinstance(error, CuicuiError | TimeoutError):
                        log.exception("could not apply", extra={"activity": arrival.activity, "actor": arrival.actor})
                    await self._postpone(arrival, error)
                if loop.time() - began > SLOW:
                    self._resting.put(server, self._clock() + REST)

    async def _retry(self, arrival: arrivals.Arrival) -> None:
        document = read_json(arrival.body)
        activity = parse.activity(document)
        if isinstance(activity, Announce):
            brought = await self._bring(activity, last=arrival.attempts + 1 >= len(TRIES))
            if brought is None:
                async with self._store.write() as tx:
                    await arrivals.done(tx, arrival.id)
                return
            activity = replace(activity, object=brought)
        await self._actors.get(arrival.actor)  # who may have been forgotten here just before they spoke
        keys = await self._actors.stored_keys(arrival.key_id)
        if isinstance(activity, UpdateActor):
            async with self._store.read() as tx:
                logged = await activities.get(tx, arrival.activity)
            by = next((key for key in keys if logged is not None and key.material == logged.key), None)
            await self._actors.refresh(activity.actor, continuity_by=by)
            async with self._store.write() as tx:
                await arrivals.done(tx, arrival.id)
            return
        if not keys:
            raise NotFound(f"the key {arrival.key_id} is not known any more")
        if isinstance(activity, Move):
            await self._follow_along(activity, arrival)
            return
        signed = httpsig.recall(keys[0], arrival.body, arrival.headers, arrival.received_at)
        arrived = await self._admitted(activity, document, signed)
        owner = await self._owner()
        async with self._store.write() as tx:
            here = Here(self._ids, self._snowflake, owner, self._clock())
            effects = await TABLE[type(activity)](tx, [arrived], here)
            jobs = await self._follow_up(tx, effects, here)
            tells = await self._told(tx, effects, here)
            await arrivals.done(tx, arrival.id)
        self._outbox.offer(jobs)
        self._tell(tells)

    async def _follow_along(self, moved: Move, arrival: arrivals.Arrival) -> None:
        """Ask the new account whether it is the old one, and go with it if so."""
        target = (await self._actors.refresh(moved.target)).actor
        owner = await self._owner()
        async with self._store.write() as tx:
            here = Here(self._ids, self._snowflake, owner, self._clock())
            effects = await move.follow_along(tx, moved, target.iri, target.also_known_as, here)
            jobs = await self._follow_up(tx, effects, here)
            await arrivals.done(tx, arrival.id)
        self._outbox.offer(jobs)
        self._tell([effect for effect in effects if isinstance(effect, Tell)])

    async def _bring(self, boost: Announce, *, last: bool) -> Iri | None:
        """Fetch what is boosted from where it lives, and store it. Its id; None if it is not to be had.

        Raises Unreachable when it is worth another try.
        """
        async with self._store.read() as tx:
            if await reactions.targets(tx, [boost.object]):
                return boost.object
        try:
            original = await self._originals.get(boost.object)
        except Refused as refused:
            log.info("boosted post refused", extra={"object": boost.object, "why": refused.message})
            count("announce.refused")
            return None
        except Unreachable as error:
            if not last and error.status not in (401, 403, 404, 410):
                raise
            count("announce.unreachable")
            return None
        note, got = original.note, original.fetched
        if not note.audience.visibility(original.author.followers).is_open:
            count("announce.not_open")
            return None
        found = fetched.Found(note, original.authorship, got.body, got.iri, note.type)
        owner = await self._owner()
        async with self._store.write() as tx:
            here = Here(self._ids, self._snowflake, owner, self._clock())
            await fetched.store(tx, [found], here, at_home=False)
            stored = await reactions.targets(tx, [note.iri])
        self._events.publish(fetched.due([found]))
        return note.iri if stored else None

    async def _postpone(self, arrival: arrivals.Arrival, error: Exception) -> None:
        tried = arrival.attempts + 1
        next_at = self._clock() + TRIES[tried] if tried < len(TRIES) else None
        if next_at is None:
            log.error("parked", extra={"activity": arrival.activity, "error": str(error)})
        async with self._store.write() as tx:
            await arrivals.postpone(tx, arrival.id, next_at, f"{type(error).__name__}: {error}")

    async def drain(self) -> None:
        await self._batcher.drain()


def _told_apart(item: Arrived[Activity]) -> Arrived[Activity]:
    """The same activity under an id that a neighbour did not take: theirs, with its actor's mark."""
    return replace(item, activity=replace(item.activity, id=_mark(item)))


def _mark(item: Arrived[Activity]) -> Iri:
    return activities.apart(item.activity.id, item.activity.actor)


def _asks(arrival: arrivals.Arrival) -> str:
    """Which server has to be asked for this one: that of what is boosted, of the new account, of its sender."""
    try:
        activity = parse.activity(read_json(arrival.body))
    except Refused:
        return ""
    match activity:
        case Announce(object=asked) | Move(target=asked):
            return origin_of(asked)
        case _:
            return origin_of(arrival.actor)
