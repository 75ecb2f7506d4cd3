"""Which deliveries say whom we believe to follow the owner from there (FEP-8fcf), and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from node.federation import parse, synchronise
from node.ids import Ids
from node.model import PUBLIC, Iri
from node.storage import relations
from node.storage.queue import Job
from node.storage.store import Store

MOST = 64
"""Activities of which is remembered whether they are for followers alone."""


class Compared:
    """The header of each delivery under way that has one."""

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids
        self._for_followers: dict[Iri, bool] = {}
        self._headers: dict[int, dict[str, str]] = {}

    async def look(self, jobs: Sequence[Job]) -> None:
        """Work it out for those that are for followers alone, as of now; one question for all of them."""
        wanted = [job for job in jobs if self._is_for_followers(job)]
        if not wanted:
            return
        async with self._store.read() as tx:
            living = await relations.followers_at(tx, {job.origin for job in wanted})
        for job in wanted:
            there = synchronise.digest(living[job.origin])
            value = synchronise.written(self._ids.followers, self._ids.followers_synchronization, there)
            self._headers[job.id] = {synchronise.HEADER: value}

    def headers(self, job: Job) -> Mapping[str, str] | None:
        """To be sent and signed with a delivery."""
        return self._headers.get(job.id)

    def forget(self, job: Job) -> None:
        """It is over."""
        self._headers.pop(job.id, None)

    def _is_for_followers(self, job: Job) -> bool:
        known = self._for_followers.get(job.activity)
        if known is None:
            if len(self._for_followers) >= MOST:
                self._for_followers.clear()
            readers = _readers(job.body) if job.actor == self._ids.actor else set[str]()
            known = self._ids.followers in readers and PUBLIC not in readers
            self._for_followers[job.activity] = known
        return known


def _readers(body: bytes) -> set[str]:
    """Whom an activity is addressed to. What is passed on is written as others write: a string, nothing, a number."""
    document = json.loads(body)
    return {iri for name in ("to", "cc") for iri in parse.iris_of(document.get(name))}
