"""Who is who: a handle or an IRI → Actor, a key id → keys; fetched once, pinned, remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from node.errors import BadKey, NotAllowed, Reason, Refused, Unreachable
from node.federation import continuity, links, parse, pins
from node.federation.circle import Circle, refusal
from node.federation.fetch import Fetched, Fetcher
from node.federation.httpsig import ED25519_HREF, RFC9421_HREF
from node.federation.lookup import Handle, Lookup, parse_handle
from node.federation.patience import PAUSE, Patience
from node.federation.quota import Quota
from node.federation.recent import Recent
from node.ids import Ids, Snowflake
from node.model import Actor, ActorKey, Clock, Iri, KeyKind, KeyState, KnownKey, host_of, origin_of
from node.observe import count
from node.storage import actors as stored
from node.storage import blocks, chores, hosts, lookalikes, relations
from node.storage.actors import KnownActor
from node.storage.dialect import Tx
from node.storage.store import Store

log = logging.getLogger("cuicui.actors")

FRESH = timedelta(hours=24)
"""How long a stored actor answers for itself when the owner looks somebody up."""

MOST_RETIRED = 50
"""Keys of one account that are remembered although it lists them no more; the oldest go."""

REFETCH_PAUSE = timedelta(minutes=5)
"""A failed verification may make us ask for the same key again this often, not more."""

FORGET_FAILURE = timedelta(minutes=5)
FORGET_ABSENCE = timedelta(hours=1)
FORGET_GONE = timedelta(days=7)

V = TypeVar("V")


class Actors:
    """The address book. Everything it knows is in the store; what is asked often is kept in memory."""

    def __init__(
        self,
        store: Store,
        fetcher: Fetcher,
        lookup: Lookup,
        circle: Circle,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
    ) -> None:
        self._store = store
        self.circle = circle
        self.quota = Quota(store, circle, clock=clock)
        self._fetcher = fetcher
        self._lookup = lookup
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._keys: Recent[Iri, tuple[KnownKey, ...]] = Recent(5_000)
        self._known: Recent[Iri, KnownActor] = Recent(5_000)
        self._absent: Recent[Iri, tuple[datetime, Refused]] = Recent(10_000)
        self._patience = Patience()
        self._untried: Recent[Iri, datetime] = Recent(1_000)
        self._refetched: Recent[Iri, datetime] = Recent(5_000)
        self._under_way: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._changes = 0
        """Counts what was dropped from memory: what was read before is not put there afterwards."""

    def forget_cached(self) -> None:
        """Another process wrote: what is in memory may be old."""
        self._keys.clear()
        self._known.clear()
        self._changes += 1
        self.circle.forget_cached()

    def changed(self, iri: Iri) -> None:
        """What is stored of somebody was changed by what they sent: they moved, or deleted their account."""
        self._known.drop(iri)
        self._changes += 1

    # ── actors ───────────────────────────────────────────────────────────────────────────────

    async def known(self, iri: Iri) -> KnownActor | None:
        """Somebody we have met, without asking anybody."""
        found = self._known.get(iri)
        if found is None:
            before = self._changes
            async with self._store.read() as tx:
                found = await stored.get(tx, iri)
            if found is not None and before == self._changes:  # else it may be old by now
                self._known.put(iri, found)
        return found

    async def get(self, iri: Iri) -> KnownActor:
        """Somebody we have met, or meet now. Raises Unreachable, Refused."""
        return await self.known(iri) or await self.refresh(iri)

    async def refresh(self, iri: Iri, *, continuity_by: KnownKey | None = None) -> KnownActor:
        """Fetch an actor from its origin, store it, and settle what its keys are to us.

        `continuity_by`: a pinned key that signed the Update because of which we ask.
        """

        async def fetch() -> KnownActor:
            fetched = await self._fetcher.document(iri)
            return await self._remember(fetched, confirmed=None, continuity_by=continuity_by)

        # A fetch that carries continuity must not be answered by one that does not.
        return await self._once("actor" if continuity_by is None else "announced", iri, fetch)

    async def resolve(self, text: str) -> KnownActor:
        """`@name@host`, or the address of an actor or of its page → the actor, fetched if we do not know it well.

        Raises NotAllowed when it is neither, or nobody; Unreachable when its server does not answer.
        """
        handle = parse_handle(text)
        if handle is not None:
            return await self._by_handle(handle)
        if not text.startswith(("https://", "http://")):
            raise NotAllowed(
                f"{text!r} is neither a handle nor an address", hint="a handle looks like @ada@example.org"
            )
        known = await self.known(Iri(text))
        if known is not None and known.gone_at is None and self._clock() - known.fetched_at < FRESH:
            return known
        return await self._remember(await self._fetcher.document(text), confirmed=None)

    async def _by_handle(self, handle: Handle) -> KnownActor:
        if handle.host == self._ids.host and handle.name.lower() == self._ids.handle:
            own = await self.known(self._ids.actor)
            assert own is not None
            return own
        if (blocked := await self.circle.blocks()).covers_host(handle.host) or blocked.names(str(handle)):
            raise refusal(str(handle))
        async with self._store.read() as tx:
            known = await stored.find_handle(tx, handle.name, handle.host)
        if known is not None and known.gone_at is None and self._clock() - known.fetched_at < FRESH:
            return known
        iri, subject = await self._lookup.actor_of(handle)
        fetched = await self._fetcher.document(iri)
        # The domain of the handle points to this actor; that confirms a handle of another host than the id's.
        confirmed = f"{subject.name}@{subject.host}" if subject.host != host_of(fetched.iri) else None
        actor = await self._remember(fetched, confirmed=confirmed)
        if actor.actor.username.lower() != subject.name.lower():
            raise Unreachable(f"{subject} leads to {actor.actor.handle}, who has another name", code="broken_answer")
        return actor

    async def _remember(
        self, fetched: Fetched, *, confirmed: str | None, continuity_by: KnownKey | None = None
    ) -> KnownActor:
        actor = parse.actor(fetched.document)
        if actor.iri != fetched.iri:
            raise Unreachable(f"{fetched.iri} is not the actor it says it is", code="broken_answer")
        await self._not_blocked(actor, confirmed)
        faces = await self.circle.faces()
        resembled = faces.resembled_by(actor.iri, actor.username, actor.name)
        now = self._clock()
        loadable = tuple(key for key in actor.keys if _loads(key))
        async with self._store.write() as tx:
            resembled = resembled or faces.portrayed_by(actor.iri, await lookalikes.portrait_at(tx, actor.icon))
            known = await stored.keys_of(tx, actor.iri)
            loadable = await _rightful(tx, actor.iri, loadable)
            follows_on = (
                continuity.vouches(continuity_by, known)
                or continuity.proven_by_pinned(fetched, actor, known, now)
                or await continuity.announced(tx, actor, known)
            )
            changes = pins.decide(known, loadable, continuity=follows_on)
            for change in changes:
                await stored.add_key(tx, change.key, since=now, trust=change.trust, state=change.state)
                if known:
                    log.warning(
                        "key " + change.state.value,
                        extra={"actor": actor.iri, "key": change.key.id, "trust": change.trust.value},
                    )
                    count(f"key.{change.state.value}")
            if len(known) + len(changes) > MOST_RETIRED:
                await stored.thin_keys(tx, actor.iri, MOST_RETIRED)
            await stored.put(
                tx,
                actor,
                id=self._snowflake.mint(now),
                at=now,
                document=fetched.body,
                confirmed=confirmed,
            )
            await stored.set_resembled(tx, actor.iri, resembled)
            await _learn_dialect(tx, actor, now)
            if actor.fields and links.wants_check(await stored.checked_at(tx, actor.iri), now):
                followed = await relations.follow_of(tx, actor.iri)
                if followed is not None:
                    await chores.add_many(tx, chores.LINKS, [actor.iri], now, {})
            stored_now = await stored.get(tx, actor.iri)
        assert stored_now is not None
        for key_id in {key.id for key in known} | {key.id for key in actor.keys}:
            self._keys.drop(key_id)
            self._absent.drop(key_id)
        if faces.knows(actor.iri):
            self.circle.forget_cached()  # what a friend is called may have changed, and who may not be called so
        self._changes += 1
        self._known.put(actor.iri, stored_now)
        return stored_now

    async def _not_blocked(self, actor: Actor, confirmed: str | None) -> None:
        """An account that was blocked by its handle before we met it is blocked by its id from now on."""
        await self.circle.admit(actor.iri)
        if not (await self.circle.blocks()).names(actor.handle, actor.webfinger, confirmed):
            return
        async with self._store.write() as tx:
            await blocks.add(tx, [blocks.Block("account", actor.iri, self._clock(), actor.handle)])
        self.circle.forget_cached()
        raise refusal(actor.handle)

    async def check_gone(self, inbox: Iri) -> None:
        """An inbox answered 410, or 404 again and again: ask for each actor behind it, and forget those that are gone
        (federation.md §9)."""
        async with self._store.read() as tx:
            behind = await stored.behind(tx, inbox)
        for iri in behind:
            try:
                await self.refresh(iri)
            except Unreachable as error:
                if error.status in (404, 410):
                    async with self._store.write() as tx:
                        await relations.forget(tx, iri)
                        await stored.mark_gone(tx, iri, self._clock())
                    self.changed(iri)
                    log.info("gone", extra={"actor": iri})
            except Refused as refused:
                log.info("actor not readable", extra={"actor": iri, "why": refused.message})

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    async def keys_for(self, key_id: Iri) -> tuple[KnownKey, ...]:
        """The keys that `key_id` names, the pinned one first: from memory, the store, or once from its origin.

        Raises Refused: UNKNOWN_KEY when there is none, KEY_UNREACHABLE when its host does not answer.
        """
        keys = await self.stored_keys(key_id)
        if keys:
            return keys
        now = self._clock()
        absent = self._absent.get(key_id)
        if absent is not None and absent[0] > now:
            raise absent[1]
        self._be_patient(key_id)
        return await self._once("key", key_id, lambda: self._ask_for_key(key_id))

    def _be_patient(self, key_id: Iri) -> None:
        host, now = host_of(key_id), self._clock()
        if self._patience.is_spent(host, now):
            self._patience.wait(host, key_id, now)
            raise Refused(
                Reason.KEY_UNREACHABLE,
                f"a key of {host} could not be had a moment ago, and this one waits in line",
                hint="try again in a minute",
            )

    async def _ask_for_key(self, key_id: Iri) -> tuple[KnownKey, ...]:
        """After all others of the same host who came before, and not at all once one of them is in vain."""
        host = host_of(key_id)
        async with self._patience.gate(host):
            while True:
                keys = await self.stored_keys(key_id)
                if keys:
                    return keys
                self._be_patient(key_id)
                turn = self._patience.turn(host, key_id, self._clock())
                if turn != key_id and await self.stored_keys(turn):
                    continue
                try:
                    keys = await self._find_key(turn)
                except Refused as refused:
                    if refused.reason not in (Reason.BLOCKED, Reason.BUSY):
                        self._patience.miss(host, self._clock())
                    if turn == key_id:
                        raise
                    continue
                self._untried.put(turn, self._clock())
                if turn == key_id:
                    return keys

    def tried(self, key_id: Iri, *, holds: bool) -> bool:
        """A signature was checked under a key. True when the key was fetched for it, and it does not hold.

        Then the look-up was in vain as well: known accounts are no other way to make us ask.
        """
        now, fetched_at = self._clock(), self._untried.pop(key_id)
        if holds or fetched_at is None or now - fetched_at >= PAUSE:
            return False
        self._patience.miss(host_of(key_id), now)
        return True

    async def stored_keys(self, key_id: Iri) -> tuple[KnownKey, ...]:
        """The keys of that id that we know already; empty when there is none."""
        keys = self._keys.get(key_id)
        if keys is None:
            before = self._changes
            async with self._store.read() as tx:
                keys = await stored.keys_by_id(tx, key_id)
            if keys and before == self._changes:  # else a key may have been retired since
                self._keys.put(key_id, keys)
        return keys

    async def renewed_keys(self, key_id: Iri, owner: Iri) -> tuple[KnownKey, ...]:
        """Ask the origin again after a signature failed under the keys we have; at most every five minutes.

        Empty when it was asked lately, or does not answer.
        """
        now = self._clock()
        last = self._refetched.get(key_id)
        if last is not None and now - last < REFETCH_PAUSE:
            return ()
        self._refetched.put(key_id, now)
        try:
            await self.refresh(owner)
        except (Unreachable, Refused):
            return ()
        return await self.stored_keys(key_id)

    async def has_pinned_identity(self, actor: Iri) -> bool:
        """Whether an Ed25519 key of this actor's is pinned."""
        async with self._store.read() as tx:
            keys = await stored.keys_of(tx, actor)
        return any(key.kind is KeyKind.ED25519 and key.state is KeyState.PINNED for key in keys)

    async def _find_key(self, key_id: Iri) -> tuple[KnownKey, ...]:
        """Step 3 and 4 of http-signatures.md §6: key → owner → the owner lists this key."""
        try:
            fetched = await self._fetcher.document(key_id.partition("#")[0])
            owner = _owner_of(fetched)
            if origin_of(owner) != origin_of(key_id):
                raise self._absence(key_id, f"{key_id} claims an owner on another server", FORGET_ABSENCE)
            if owner != fetched.iri:
                fetched = await self._fetcher.document(owner)
            await self.quota.take(owner, len(fetched.body))
            await self._remember(fetched, confirmed=None)
        except Unreachable as error:
            if error.status in (401, 403, 404, 410):
                lasts = FORGET_GONE if error.status == 410 else FORGET_ABSENCE
                raise self._absence(key_id, f"there is no key {key_id}: {error.message}", lasts) from None
            raise self._absence(
                key_id, f"the key {key_id} cannot be had: {error.message}", FORGET_FAILURE, Reason.KEY_UNREACHABLE
            ) from error
        except Refused as error:
            if error.reason in (Reason.BLOCKED, Reason.BUSY):
                raise
            raise self._absence(key_id, f"there is no key {key_id}: {error.message}", FORGET_ABSENCE) from None
        keys = await self.stored_keys(key_id)
        if not keys:
            raise self._absence(key_id, f"{owner} does not list the key {key_id}", FORGET_ABSENCE)
        return keys

    def _absence(self, key_id: Iri, message: str, for_: timedelta, reason: Reason = Reason.UNKNOWN_KEY) -> Refused:
        refused = Refused(reason, message)
        self._absent.put(key_id, (self._clock() + for_, refused))
        return refused

    async def _once(self, kind: str, name: str, work: Callable[[], Awaitable[V]]) -> V:
        """Many who want the same thing at once wait for one fetch; none of them can cancel it for the others."""
        task = self._under_way.get((kind, name))
        if task is None:

            async def run() -> V:
                try:
                    return await work()
                finally:
                    del self._under_way[(kind, name)]

            task = asyncio.ensure_future(run())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._under_way[(kind, name)] = task
        result: V = await asyncio.shield(task)
        return result


def _loads(key: ActorKey) -> bool:
    try:
        stored.load(key.kind, key.material)
    except BadKey:
        return False
    return True


async def _rightful(tx: Tx, owner: Iri, listed: tuple[ActorKey, ...]) -> tuple[ActorKey, ...]:
    """Without the keys that are somebody else's: what neighbours say of themselves changes nobody's pins."""
    holders = await stored.other_holders(tx, [key.id for key in listed], owner) if listed else {}
    if not holders:
        return listed
    kept = []
    for key in listed:
        held_by = holders.get(key.id, set())
        if not all(pins.is_rightful(key.id, owner, holder) for holder in held_by):
            log.warning("key of another", extra={"actor": owner, "key": key.id})
            continue
        if held_by:
            await stored.take_key_id(tx, key.id, owner)
        kept.append(key)
    return tuple(kept)


def _owner_of(fetched: Fetched) -> Iri:
    """Whose key a document is: an actor's own, or the `owner`/`controller` a key document names."""
    for name in ("owner", "controller"):
        claimed = fetched.document.get(name)
        if isinstance(claimed, str):
            return parse.iri(claimed)
    return fetched.iri


async def _learn_dialect(tx: Tx, actor: Actor, now: datetime) -> None:
    """FEP-844e: an actor that says what its server can do spares us the knocking."""
    if RFC9421_HREF not in actor.implements and ED25519_HREF not in actor.implements:
        return
    origin = origin_of(actor.inbox)
    known = (await hosts.get_many(tx, [origin])).get(origin, hosts.Host(origin))
    if known.how == "worked" and known.learned_at is not None and now - known.learned_at < timedelta(days=30):
        return
    kind = KeyKind.ED25519 if ED25519_HREF in actor.implements else KeyKind.RSA
    await hosts.learn(tx, origin, "rfc9421", kind.value, "advertised", now)
