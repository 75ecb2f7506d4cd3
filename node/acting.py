"""What every act of the owner's stands on: who is met, and what is done after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from node.events import Events
from node.federation.actors import Actors
from node.federation.lookup import parse_handle
from node.federation.outbox import Outbox
from node.federation.own import OwnDocuments
from node.ids import Ids, Snowflake
from node.keyring import OwnKeys
from node.model import (
    Actor,
    Clock,
    Iri,
    QuotePolicy,
    Tell,
)
from node.storage import actors as stored
from node.storage.queue import Job
from node.storage.store import Store


class Acting:
    """The owner's means: the store, people, the outbox. What is done with them is in owner, befriend, account."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        outbox: Outbox,
        documents: OwnDocuments,
        events: Events,
        keys: OwnKeys,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        sign_private_posts: bool = True,
        quotes: QuotePolicy = QuotePolicy.PUBLIC,
    ) -> None:
        self._store = store
        self._actors = actors
        self._outbox = outbox
        self._documents = documents
        self._events = events
        self._keys = keys
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._sign_private_posts = sign_private_posts
        self._checking = asyncio.Semaphore(1)
        """One password at a time: argon2 takes 64 MiB for each."""
        self._quotes = quotes

    async def _known(self, whom: str) -> Actor:
        """Somebody we have met; their server is asked only if we have not."""
        async with self._store.read() as tx:
            found = await stored.get(tx, Iri(whom))
            handle = parse_handle(whom)
            if found is None and handle is not None:
                found = await stored.find_handle(tx, handle.name, handle.host)
        return (found or await self._actors.resolve(whom)).actor

    def _done(self, jobs: Sequence[Job], *tells: Tell) -> None:
        """After the commit."""
        if any(tell.kind in ("following", "unfollowing", "profile") for tell in tells):
            self._actors.forget_cached()  # whom nobody may resemble has changed, and who does
        self._outbox.offer(jobs)
        self._events.publish(tells)
