"""The way out, from the queue to the other server: claim, sign, send side by side, settle together."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from node.errors import CuicuiError, StoreError, Unreachable
from node.federation import httpsig
from node.federation.allowance import Allowance
from node.federation.client import Client
from node.federation.compared import Compared
from node.federation.httpsig import Dialect, Memory, Signer
from node.federation.outcomes import Outcomes
from node.federation.schedule import PROBE_EVERY, Failures, Fate, fate_of, next_attempt, retry_after, wished
from node.ids import Ids
from node.keyring import OwnKeys
from node.model import Clock, Iri, KeyKind, Tell, host_of
from node.observe import count
from node.storage import hosts, queue
from node.storage.hosts import Host
from node.storage.queue import Job, Retry
from node.storage.store import Store
from node.waiting import told

log = logging.getLogger("cuicui.delivery")

CONTENT_TYPE = "application/activity+json"
PER_HOST = 2
"""Deliveries to one host under way at a time."""

SLOW_AFTER = 1.0
"""Seconds after which a delivery gives its place to the next one, and goes on beside the rest."""

SLOW_AT_ONCE = 1_500
"""Deliveries that may hang at one time before new ones must wait for them."""

CLAIM = 512
LANE = 100
"""Deliveries that wait for one host in memory, when others wait as well; the rest of them stays in the store."""

SIGN_TOGETHER = 8
"""Signed by one thread at a time, one after the other, while there is little to do."""

MANY = 32
"""With more under way than this, those that hang not counted, as many are signed together, and what becomes free is
gathered for GATHER seconds: to hand a few to a thread and back costs as much as to sign a quarter of one."""
GATHER = 0.006
TIMEOUT = 30.0

MISSED, MISSED_WITHIN = 3, timedelta(days=7)
"""So many 404s of an inbox within so long are a reason to ask whether its people are elsewhere, or gone."""


@dataclass(slots=True)
class _Lane:
    """What is on its way to one origin."""

    host: Host
    waiting: deque[Job] = field(default_factory=deque)
    active: int = 0
    slow: int = 0
    """Of those under way: how many have given their place to the next."""
    last_knock: datetime | None = None


class Delivery:
    """Sends what is owed. One per process; `worker` is its name on the rows it holds.

    Each host has its own lane, with two deliveries at a time; a delivery that takes longer than
    a second no longer counts against the others. So a dead host delays only what is meant for it.
    """

    def __init__(
        self,
        store: Store,
        client: Client,
        keys: OwnKeys,
        *,
        ids: Ids,
        clock: Clock,
        worker: str,
        at_once: int,
        on_gone: Callable[[Iri], Awaitable[None]],
    ) -> None:
        self._store = store
        self._client = client
        self._ids = ids
        self._clock = clock
        self._worker = worker
        self._at_once = at_once
        self._on_gone = on_gone
        self._signers = {
            (ids.actor, KeyKind.RSA): Signer(ids.main_key, keys.transport),
            (ids.actor, KeyKind.ED25519): Signer(ids.identity_key(keys.identity.public.multikey), keys.identity),
            (ids.server_actor, KeyKind.RSA): Signer(ids.server_key, keys.server),
        }
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sign")
        self._lanes: dict[str, _Lane] = {}
        self._crowded: set[str] = set()
        self._ready: deque[str] = deque()
        self._offered: deque[Job] = deque()
        self._held: set[int] = set()
        self._digests: dict[Iri, str] = {}
        self._compared = Compared(store, ids)
        self._missed = Allowance(MISSED - 1, MISSED_WITHIN)
        self._asked = Allowance(1, MISSED_WITHIN)
        self._running = 0
        self._slow = 0
        self._outcomes = Outcomes(store, written=self._let_go, busy=lambda: self._running > PER_HOST)
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._took_over = False
        self._look = True
        self._more = False
        self._dispatching = False
        self._checking = 0
        self._stopping = False

    # ── the loop ─────────────────────────────────────────────────────────────────────────────

    def offer(self, jobs: Sequence[Job]) -> None:
        """Jobs that were just committed, leased to this worker."""
        if jobs:
            self._offered.extend(jobs)
            self._held.update(job.id for job in jobs)
            self._wake.set()

    def hear(self, tell: Tell) -> None:
        """After a block, what waits in memory for those who are blocked is owed no more (nor after others wrote)."""
        if tell.kind in ("block", "left", "foreign") and self._held:
            self._checking += 1  # nothing more is begun until it is known
            self._spawn(self._drop_what_is_not_owed())

    async def _drop_what_is_not_owed(self) -> None:
        try:
            held = set(self._held)
            async with self._store.read() as tx:
                owed = await queue.still_owed(tx, list(held))
        finally:
            self._checking -= 1
            self._dispatch_soon()
        gone = held - owed
        for lane in self._lanes.values():
            lane.waiting = deque(job for job in lane.waiting if job.id not in gone)
        self._leave_empty(self._lanes)
        self._held.difference_update(gone)  # so that what is on its way to its lane does not get there

    def wake(self) -> None:
        """There may be rows in the queue that nobody offered."""
        self._look = True
        self._wake.set()

    async def run(self) -> None:
        """Until stop(). Rows that a dead predecessor of the same name held are free again first."""
        while not self._stopping:
            self._wake.clear()
            await self._take_offered()
            if self._look and self._room() > 0:
                await self._claim()
            self._dispatch()
            if not (self._wake.is_set() or (self._more and self._room() > 0)):
                await self._sleep()

    async def _sleep(self) -> None:
        pause = 1.0
        if self._running == 0 and not self._ready:
            async with self._store.read() as tx:
                due = await queue.next_due(tx, self._clock())
            pause = 60.0 if due is None else min(60.0, max(0.05, (due - self._clock()).total_seconds()))
        if not await told(self._wake, pause):
            self._look = True

    def _room(self) -> int:
        """How many more jobs it is worth holding in memory, of hosts that are not crowded: those that hang, or for
        which many jobs wait. What waits there counts no further, or one host would keep all others out."""
        lanes = [lane for origin in self._crowded if (lane := self._lanes.get(origin)) is not None]
        lanes = [lane for lane in lanes if lane.slow or len(lane.waiting) >= LANE]
        self._crowded = {lane.host.origin for lane in lanes}
        beside = sum(len(lane.waiting) - (0 if lane.slow else LANE) for lane in lanes)
        return self._at_once * 4 - len(self._held) + self._slow + beside

    async def _take_offered(self) -> None:
        if self._offered:
            jobs, self._offered = list(self._offered), deque()
            await self._line_up(jobs)

    async def _claim(self) -> None:
        limit = min(CLAIM, self._room())
        async with self._store.write() as tx:
            freed = 0 if self._took_over else await queue.release(tx, self._worker)
            jobs = await queue.claim(tx, self._worker, self._clock(), limit=limit, without=self._crowded)
        self._took_over = True
        if freed:
            log.info("deliveries taken up again", extra={"count": freed})
        self._more = len(jobs) == limit
        self._look = self._more
        fresh = [job for job in jobs if job.id not in self._held]
        self._held.update(job.id for job in fresh)
        await self._line_up(fresh)

    async def _line_up(self, jobs: Sequence[Job]) -> None:
        # Again until all are there: while it reads, a lane that was there may end.
        while strangers := {job.origin for job in jobs if job.origin not in self._lanes}:
            try:
                async with self._store.read() as tx:
                    known = await hosts.get_many(tx, strangers)
            except BaseException:
                self._offered.extend(jobs)  # they are held, so nobody else takes them up
                raise
            for origin in strangers:
                # What is not written yet is newer than what was read.
                host = self._outcomes.unwritten(origin) or known.get(origin) or Host(origin)
                self._lanes.setdefault(origin, _Lane(host))
        now = self._clock()
        for job in jobs:
            lane = self._lanes[job.origin]
            if job.id not in self._held:
                continue
            if lane.host.next_at is not None and lane.host.next_at > now:
                self._wait_for(lane.host, job)
                continue
            lane.waiting.append(job)
            if len(lane.waiting) >= LANE:
                self._crowded.add(job.origin)
            if lane.active < PER_HOST:
                self._ready.append(job.origin)
        self._leave_empty(job.origin for job in jobs)

    def _leave_empty(self, origins: Iterable[str]) -> None:
        """Where nothing waits what is known of the host may be other by the next time, and is read again then."""
        for origin in set(origins):
            lane = self._lanes.get(origin)
            if lane is not None and not (lane.waiting or lane.active):
                del self._lanes[origin]

    def _dispatch(self) -> None:
        self._dispatching = False
        if self._checking:
            return
        if self._stopping:
            return  # what was claimed at the last moment stays a row, for the successor
        batch: list[tuple[_Lane, Job]] = []
        while self._ready and self._running - self._slow < self._at_once and self._slow < SLOW_AT_ONCE:
            lane = self._lanes.get(self._ready.popleft())
            if lane is None or not lane.waiting or lane.active >= PER_HOST:
                continue
            lane.active += 1
            self._running += 1
            batch.append((lane, lane.waiting.popleft()))
            if len(batch) >= (MANY if self._running - self._slow > MANY else SIGN_TOGETHER):
                self._start(batch)
                batch = []
        if batch:
            self._start(batch)

    def _start(self, batch: list[tuple[_Lane, Job]]) -> None:
        self._spawn(self._send_batch(batch))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── one delivery ─────────────────────────────────────────────────────────────────────────

    async def _send_batch(self, batch: list[tuple[_Lane, Job]]) -> None:
        """Sign a few together in a thread (the GIL is released there), then send each by itself."""
        orders = [(job, *self._choose(lane, job)) for lane, job in batch]
        now = self._clock()
        try:
            await self._compared.look([job for _, job in batch])
        except StoreError as error:  # the header is a courtesy: what is owed goes out without it
            log.warning("followers not compared", extra={"why": error.message})
        signed = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: [self._sign_or_tell(job, dialect, kind, now) for job, dialect, kind in orders]
        )
        for (lane, job), (_, dialect, kind), headers in zip(batch, orders, signed, strict=True):
            if headers is None:
                self._finish(lane, job, Fate.DROPPED, "could not sign")
                self._leave(lane, slow=False)
            else:
                self._spawn(self._attempt(lane, job, dialect, kind, headers))

    def _choose(self, lane: _Lane, job: Job) -> tuple[Dialect, KeyKind]:
        dialect, kind = httpsig.choose(_memory(lane.host), (), False, self._clock())
        return (dialect, kind) if (self._sender(job), kind) in self._signers else (dialect, KeyKind.RSA)

    def _sender(self, job: Job) -> Iri:
        """What others said is passed on in the owner's name; its own proof speaks for it."""
        return job.actor if job.actor == self._ids.server_actor else self._ids.actor

    def _sign_or_tell(self, job: Job, dialect: Dialect, kind: KeyKind, now: datetime) -> dict[str, str] | None:
        try:
            return self._sign(job, dialect, kind, now)
        except Unreachable as failure:  # an inbox that a stranger wrote, and nothing can be sent to
            log.warning("could not sign", extra={"activity": job.activity, "inbox": job.inbox, "why": failure.message})
        except Exception:  # a defect of ours: it would fail again, and its neighbours are to be sent
            log.exception("could not sign", extra={"activity": job.activity, "inbox": job.inbox})
        return None

    def _sign(self, job: Job, dialect: Dialect, kind: KeyKind, now: datetime) -> dict[str, str]:
        digest = self._digests.get(job.activity)
        if digest is None:
            if len(self._digests) > 64:
                self._digests.clear()
            digest = self._digests[job.activity] = httpsig.body_digest(job.body)
        return httpsig.sign(
            dialect,
            self._signers[self._sender(job), kind],
            "POST",
            job.inbox,
            body=job.body,
            now=now,
            content_type=CONTENT_TYPE,
            digest=digest,
            more=self._compared.headers(job),
        )

    async def _attempt(self, lane: _Lane, job: Job, dialect: Dialect, kind: KeyKind, headers: dict[str, str]) -> None:
        aside: list[bool] = []
        timer = asyncio.get_running_loop().call_later(SLOW_AFTER, self._step_aside, lane, aside)
        try:
            answer = await self._client.post(job.inbox, job.body, headers, timeout=TIMEOUT)
            fate, wish = fate_of(answer.status), wished(answer.headers.get("Retry-After"), self._clock())
            error = f"answered {answer.status}"
            if httpsig.may_knock_again(answer.status, _memory(lane.host), lane.last_knock, self._clock()):
                lane.last_knock = self._clock()
                second, its_kind = httpsig.other(dialect)
                again = self._sign(job, second, its_kind, self._clock())
                answer = await self._client.post(job.inbox, job.body, again, timeout=TIMEOUT)
                if answer.status not in (400, 401):
                    fate, error = fate_of(answer.status), f"answered {answer.status}"
                    dialect, kind = second, its_kind
                    if fate is not Fate.RETRY:
                        self._learn(lane, dialect, kind)
            if answer.status == 404:
                self._miss(job)
        except Unreachable as failure:
            fate, wish, error = Fate.RETRY, failure.retry_after, failure.message
            if not self._client.may_ask(job.inbox):  # else its name led astray, which may mend itself
                fate = Fate.DROPPED
        except Exception as failure:  # a defect of ours must not stop the loop, nor lose the row
            log.exception("delivery failed", extra={"activity": job.activity, "inbox": job.inbox})
            fate, wish, error = Fate.RETRY, None, f"{type(failure).__name__}: {failure}"
        finally:
            timer.cancel()
        self._finish(lane, job, fate, error, wish)
        self._leave(lane, slow=bool(aside))

    def _miss(self, job: Job) -> None:
        """Nothing is there. The third time within a week its people are asked where they are (federation.md §9)."""
        now = self._clock()
        if not self._missed.take(job.inbox, now) and self._asked.take(job.inbox, now):
            self._spawn(self._on_gone(job.inbox))

    def _step_aside(self, lane: _Lane, aside: list[bool]) -> None:
        aside.append(True)
        self._slow += 1
        lane.slow += 1
        self._crowded.add(lane.host.origin)
        self._dispatch_soon()

    def _dispatch_soon(self) -> None:
        """Once per turn of the loop, or less often, so that what becomes free together is signed together."""
        if not self._dispatching:
            self._dispatching = True
            loop = asyncio.get_running_loop()
            if self._running - self._slow > MANY:
                loop.call_later(GATHER, self._dispatch)
            else:
                loop.call_soon(self._dispatch)

    def _leave(self, lane: _Lane, *, slow: bool) -> None:
        lane.active -= 1
        self._running -= 1
        if slow:
            self._slow -= 1
            lane.slow -= 1
        if lane.waiting:
            self._ready.append(lane.host.origin)
        elif lane.active == 0:
            self._lanes.pop(lane.host.origin, None)
        if self._ready:
            self._dispatch_soon()
        if self._more or not self._running:
            self._wake.set()

    # ── afterwards ───────────────────────────────────────────────────────────────────────────

    def _finish(self, lane: _Lane, job: Job, fate: Fate, error: str, wish: float | None = None) -> None:
        now = self._clock()
        self._compared.forget(job)
        count(fate.value)
        level = logging.DEBUG if fate is Fate.DONE else logging.INFO
        if log.isEnabledFor(level):
            log.log(
                level,
                fate.value,
                extra={"activity": job.activity, "inbox": host_of(job.inbox), "attempt": job.attempts + 1}
                | ({} if fate is Fate.DONE else {"why": error}),
            )
        match fate:
            case Fate.DONE | Fate.DROPPED:
                self._outcomes.done([job.id])
                self._recover(lane)
            case Fate.GONE:
                self._outcomes.done([job.id])
                self._spawn(self._gone(job))
            case Fate.RETRY:
                self._fail(lane, job, error, wish, now)

    def _recover(self, lane: _Lane) -> None:
        host = lane.host
        if host.failures or host.failing_since or host.dormant or host.next_at:
            lane.host = replace(host, failures=0, failing_since=None, next_at=None, dormant=False)
            self._outcomes.learned(lane.host)

    def _fail(self, lane: _Lane, job: Job, error: str, wish: float | None, now: datetime) -> None:
        """The host failed, not this delivery alone: what else is meant for it waits too."""
        host = lane.host
        failures = host.failures
        if host.next_at is None or host.next_at <= now:  # several under way at once fail as one
            failures += 1
        since = host.failing_since or now
        due = next_attempt(Failures(failures, since), now, chance=_chance())
        dormant = due is None
        own_wish = retry_after(wish)
        next_at = now + PROBE_EVERY if due is None else (now + own_wish if own_wish else due)
        lane.host = replace(host, failures=failures, failing_since=since, next_at=next_at, dormant=dormant)
        self._outcomes.learned(lane.host)
        if dormant:
            log.warning("host is dormant", extra={"host": host.origin, "since": since.isoformat(), "why": error})
            self._outcomes.done([job.id, *(waiting.id for waiting in lane.waiting)])
            lane.waiting.clear()
            self._spawn(self._drop(host.origin))
            return
        self._outcomes.retry(Retry(job.id, next_at, error))
        for waiting in lane.waiting:
            self._wait_for(lane.host, waiting)
        lane.waiting.clear()

    def _wait_for(self, host: Host, job: Job) -> None:
        """Not now: the host failed and its time has not come. To a dormant one nothing is kept (federation.md §9)."""
        if host.dormant or host.next_at is None:
            count("dropped.dormant")
            self._outcomes.done([job.id])
        else:
            self._outcomes.retry(Retry(job.id, host.next_at, "its host did not answer a moment ago", tried=False))

    def _learn(self, lane: _Lane, dialect: Dialect, kind: KeyKind) -> None:
        lane.host = replace(lane.host, dialect=dialect, algorithm=kind.value, learned_at=self._clock(), how="worked")
        self._outcomes.learned(lane.host)

    async def _gone(self, job: Job) -> None:
        async with self._store.write() as tx:
            await queue.drop_inbox(tx, job.inbox)
        await self._on_gone(job.inbox)

    async def _drop(self, origin: str) -> None:
        async with self._store.write() as tx:
            await queue.drop_origin(tx, origin)

    def _let_go(self, ids: Iterable[int]) -> None:
        """Not before their outcome is written: what is sent and not written down looks like a row that nobody has."""
        self._held.difference_update(ids)
        if self._more or not self._running:  # who sleeps looked when the next is due before this was written
            self._wake.set()

    async def renew(self) -> None:
        """Keep the leases of what is still under way. Called now and then."""
        held = list(self._held)
        if held:
            async with self._store.write() as tx:
                await queue.renew(tx, held, self._clock())

    async def stop(self, patience: float = 10.0) -> None:
        """Finish what is under way, give back the rest, write everything down."""
        self._stopping = True
        self._wake.set()
        unsent = [job.id for lane in self._lanes.values() for job in lane.waiting] + [job.id for job in self._offered]
        for lane in self._lanes.values():
            lane.waiting.clear()
        self._ready.clear()
        self._offered.clear()
        deadline = asyncio.get_running_loop().time() + patience
        while self._tasks and asyncio.get_running_loop().time() < deadline:
            await asyncio.wait(set(self._tasks), timeout=deadline - asyncio.get_running_loop().time())
        for task in set(self._tasks):
            task.cancel()
        await self._outcomes.finish()
        try:
            async with self._store.write() as tx:
                await self._outcomes.write(tx)
                await queue.release_ids(tx, unsent)
                await queue.release(tx, self._worker)
        except CuicuiError as error:
            log.error("could not settle", extra={"why": error.message})
        self._threads.shutdown(wait=True)


def _chance() -> float:
    return random.random()  # noqa: S311 (to spread retries, not to keep a secret)


def _memory(host: Host) -> Memory | None:
    if host.dialect is None or host.learned_at is None or host.how is None:
        return None
    dialect: Dialect = "rfc9421" if host.dialect == "rfc9421" else "cavage"
    return Memory(dialect, KeyKind(host.algorithm or KeyKind.RSA), host.learned_at, host.how)
