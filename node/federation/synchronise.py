"""Followers synchronisation (FEP-8fcf): two servers notice that they disagree about who follows whom, and mend it."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from node.errors import Malformed
from node.events import Events
from node.federation import compose, parse
from node.federation.allowance import Allowance
from node.federation.outbox import Outbox
from node.federation.polite import PoliteFetcher
from node.ids import Ids, Snowflake
from node.model import Clock, Follow, Iri, Signed, Tell, origin_of
from node.observe import count
from node.storage import actors, chores, lookalikes, relations
from node.storage.chores import Chore
from node.storage.dialect import Tx
from node.storage.queue import Job
from node.storage.relations import Relation, State
from node.storage.store import Store

log = logging.getLogger("cuicui.followers")

HEADER = "Collection-Synchronization"
_FIELD = HEADER.lower()
PAUSE = timedelta(hours=1)
"""One account's list is asked for this often at most, however often it says that we disagree."""

_PART = re.compile(r'([A-Za-z]+)="([^"\\\x00-\x1f]{1,2048})"')
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a delivery says of its sender's followers at our address."""

    collection: Iri
    url: Iri
    digest: str


def digest(followers: Iterable[str]) -> str:
    """The ids as one number: each one's SHA-256, XORed; 64 hexadecimal digits, all zero for nobody."""
    total = 0
    for iri in set(followers):
        total ^= int.from_bytes(hashlib.sha256(iri.encode()).digest(), "big")
    return f"{total:064x}"


NOBODY = digest(())


def written(collection: str, url: str, of_followers: str) -> str:
    """The header's value."""
    return f'collectionId="{collection}", url="{url}", digest="{of_followers}"'


def read(value: str) -> Claimed | None:
    """What the header says; None when it cannot be read. Its parts may stand in any order."""
    parts: dict[str, str] = {}
    rest = value.strip()
    while rest:
        match = _PART.match(rest)
        if match is None or match[1] in parts:
            return None
        parts[match[1]] = match[2]
        rest = rest[match.end() :].lstrip()
        if rest and not rest.startswith(","):
            return None
        rest = rest[1:].lstrip()
    try:
        claimed = Claimed(parse.iri(parts.get("collectionId")), parse.iri(parts.get("url")), parts.get("digest", ""))
    except Malformed:
        return None
    return claimed if _DIGEST.fullmatch(claimed.digest) else None


class Synchroniser:
    """Listens for disagreement, and asks who is right: about the owner alone, nobody else lives here."""

    def __init__(
        self,
        store: Store,
        fetcher: PoliteFetcher,
        outbox: Outbox,
        events: Events,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
    ) -> None:
        self._store = store
        self._fetcher = fetcher
        self._outbox = outbox
        self._events = events
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._pauses = Allowance(1, PAUSE)

    async def hear(self, signed: Signed) -> None:
        """A delivery that was believed. Only what its signature covers counts, and only about its sender's own list."""
        value = next((value for name, value in signed.headers if name == _FIELD), None)
        if value is None:
            return
        claimed = read(value)
        if claimed is None or origin_of(claimed.url) != origin_of(signed.actor):
            count("followers.not_read")
            return
        async with self._store.read() as tx:
            known = await actors.get(tx, signed.actor)
            follow = await relations.follow_of(tx, signed.actor)
        if known is None or known.actor.followers != claimed.collection:
            count("followers.not_theirs")
            return
        if claimed.digest == digest([self._ids.actor] if _stands(follow) else []):
            return
        now = self._clock()
        if not self._pauses.take(signed.actor, now):
            return
        async with self._store.write() as tx:
            state = {"url": claimed.url, "digest": claimed.digest}
            await chores.put(tx, chores.FOLLOWERS, signed.actor, now, state)
        self._events.publish([Tell("chore", signed.actor)])

    async def ask(self, chore: Chore) -> None:
        """Fetch the list of their followers who live here, and come to terms with it. Raises Unreachable, Refused."""
        page = await self._fetcher.page(chore.state["url"])
        if page is None:
            return
        listed = {iri for item in parse.collection_page(page.document).items for iri in parse.iris_of(item)}
        whose, now = Iri(chore.subject), self._clock()
        jobs: list[Job] = []
        tell: Tell | None = None
        async with self._store.write() as tx:
            follow = await relations.follow_of(tx, whose)
            if self._ids.actor in listed:
                if follow is not None and follow.state is State.PENDING:
                    await relations.settle_follow(tx, whose, State.ACCEPTED)
                    await chores.put(tx, chores.OUTBOX, whose, now)
                    tell = Tell("accepted", whose)
                elif not _stands(follow):
                    jobs = await self._undo(tx, whose, follow, now)
            elif _stands(follow) and digest(iri for iri in listed if self._ids.is_ours(iri)) == chore.state["digest"]:
                # The list is the one that was spoken of, and whole: they do not count us among their followers.
                await relations.settle_follow(tx, whose, State.REJECTED)
                await lookalikes.settle(tx, self._ids.actor)
                tell = Tell("rejected", whose)
        if jobs or tell:
            count("followers.mended")
            log.info("followers synchronised", extra={"actor": whose, "listed": self._ids.actor in listed})
        self._outbox.offer(jobs)
        self._events.publish([tell] if tell else [])

    async def _undo(self, tx: Tx, whose: Iri, before: Relation | None, now: datetime) -> list[Job]:
        """They send us what their followers read, and we follow them no more: say so again."""
        new = self._ids.activity(self._snowflake.mint(now))
        undone = Follow(before.activity if before else new, self._ids.actor, whose)
        undo = compose.undo_follow(self._ids.activity(self._snowflake.mint(now)), undone)
        return await self._outbox.submit(tx, self._outbox.seal(undo), await actors.inboxes(tx, [whose]), now)


def _stands(follow: Relation | None) -> bool:
    return follow is not None and follow.state is State.ACCEPTED
