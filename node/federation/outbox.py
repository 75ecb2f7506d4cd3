"""The way out, up to the commit: prove, store, owe to each inbox, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keys import proof
from node.errors import NotAllowed
from node.federation import parse
from node.ids import Ids
from node.keyring import OwnKeys
from node.model import Audience, Iri, Visibility
from node.storage import activities, actors, queue, relations
from node.storage.dialect import Tx
from node.storage.queue import Job


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document of ours in its last form: what is stored is what is served, and what is delivered."""

    document: dict[str, object]
    body: bytes


def to_bytes(document: Mapping[str, object]) -> bytes:
    """UTF-8 JSON without white space. Nothing is added or moved after this (integrity-proofs.md §1)."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Outbox:
    """Signs and owes. `worker` names the deliverer in this process, which then gets the jobs at once;
    None (a command line beside the node) leaves the rows for the node to find."""

    def __init__(
        self,
        keys: OwnKeys,
        *,
        ids: Ids,
        worker: str | None,
        offer: Callable[[Sequence[Job]], None] = lambda _jobs: None,
    ) -> None:
        self._keys = keys
        self._ids = ids
        self._worker = worker
        self._method = ids.identity_key(keys.identity.public.multikey)
        self.offer = offer
        """Called after the commit with the jobs that submit() returned."""

    def prove(self, document: Mapping[str, object], at: datetime) -> Sealed:
        """With the owner's proof, by the identity key."""
        return self.seal(proof.attach(document, self._keys.identity, self._method, at))

    def seal(self, document: Mapping[str, object]) -> Sealed:
        """Without a proof: what goes to one inbox, and is believed on its HTTP signature."""
        return Sealed(dict(document), to_bytes(document))

    async def submit(
        self, tx: Tx, sealed: Sealed, inboxes: Iterable[Iri], at: datetime, *, about: Iri | None = None
    ) -> list[Job]:
        """Record an activity and owe it to inboxes. Hand the result to `offer` after the commit.

        `about` is the object it is logged under, if not the one that the activity names. Raises
        NotAllowed once the owner has left: nothing is said in their name any more.
        """
        if await actors.is_gone(tx, self._ids.actor):
            raise NotAllowed("this account was deleted; nothing can be sent in its name")
        iri, actor = Iri(str(sealed.document["id"])), Iri(str(sealed.document["actor"]))
        entry = activities.Logged(
            iri=iri,
            direction="out",
            actor=actor,
            type=str(sealed.document["type"]),
            object=about or parse.iri_of(sealed.document["object"]),
            at=at,
            body=sealed.body,
        )
        await activities.record_many(tx, [entry])
        ours = self._ids.origin
        elsewhere = [inbox for inbox in inboxes if not inbox.startswith(ours + "/")]
        return await queue.put(tx, iri, actor, sealed.body, elsewhere, at, worker=self._worker)

    async def forward(self, tx: Tx, activity: Iri, body: bytes, inboxes: Iterable[Iri], at: datetime) -> list[Job]:
        """Owe somebody else's logged activity to inboxes, as it came; it is sent in the owner's name (§7.1.2)."""
        return await queue.put(tx, activity, self._ids.actor, body, inboxes, at, worker=self._worker)


async def recipients(tx: Tx, audience: Audience, visibility: Visibility, ids: Ids) -> list[Iri]:
    """The inboxes that an audience means: followers' first, shared ones folded, then people (federation.md §9).

    What is not for everybody goes to people's own inboxes: a shared one says who else is there.
    """
    people = [iri for iri in (*audience.to, *audience.cc) if iri not in (ids.followers, ids.actor)]
    found: list[Iri] = []
    if ids.followers in audience:
        found += await relations.follower_inboxes(tx)
    found += await actors.inboxes(tx, people, shared=visibility.is_open)
    return list(dict.fromkeys(found))
