"""What the node says about itself, and who asks it."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web

from node.errors import CuicuiError, Reason, Refused
from node.federation import asking, compose, httpsig
from node.federation.authenticate import Authenticator
from node.federation.httpsig import Incoming
from node.federation.outbox import Outbox
from node.ids import Ids
from node.keyring import OwnKeys
from node.model import Clock, Iri, Profile
from node.storage import actors, profile, quotes
from node.storage.dialect import Tx
from node.storage.store import Store


class OwnDocuments:
    """The owner's profile and the two actor documents, as bytes, kept until they change."""

    def __init__(self, store: Store, keys: OwnKeys, outbox: Outbox, *, ids: Ids, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._outbox = outbox
        self._ids = ids
        self._clock = clock
        self._profile: Profile | None = None
        self._actor: bytes | None = None
        self._server: bytes | None = None
        self._stub: bytes | None = None
        self._left: datetime | None = None
        self._looked = False
        self._changes = 0

    def forget_cached(self) -> None:
        """The profile may have changed."""
        self._profile = self._actor = None
        self._looked = False
        self._changes += 1  # what is being read at this moment may be of before: it is not kept

    async def profile(self, tx: Tx | None = None) -> Profile:
        """The owner's. Who reads already says in which transaction: with one connection in hand, nobody waits for a
        second, since all who do wait for each other."""
        if self._profile is not None:
            return self._profile
        if tx is not None:
            return await _profile_in(tx)  # as it was when that began
        before = self._changes
        async with self._store.read() as tx:
            found = await _profile_in(tx)
        if before == self._changes:
            self._profile = found
        return found

    async def actor(self) -> bytes:
        """The signed actor document (federation.md §4): it binds the transport key to the identity."""
        if self._actor is not None:
            return self._actor
        before = self._changes
        document = compose.actor(
            await self.profile(),
            self._ids,
            transport_pem=self._keys.transport.public.pem,
            multikeys=[self._keys.identity.public.multikey],
        )
        body = self._outbox.prove(document, self._clock()).body
        if before == self._changes:
            self._actor = body
        return body

    async def stamp(self, iri: Iri) -> bytes | None:
        """The owner's leave to quote, signed (FEP-044f); None if there is none, or it was taken back.

        Signed as of when it was given: the same bytes each time.
        """
        async with self._store.read() as tx:
            given = await quotes.granted(tx, iri)
        if given is None or given.revoked_at is not None:
            return None
        return self._outbox.prove(asking.stamp(given, self._ids), given.at).body

    async def stub(self) -> bytes:
        """Of the owner's actor the keys alone, signed like the whole (guard.py)."""
        if self._stub is None:
            keys = {"transport_pem": self._keys.transport.public.pem}
            document = compose.actor_stub(self._ids, multikeys=[self._keys.identity.public.multikey], **keys)
            self._stub = self._outbox.prove(document, self._clock()).body
        return self._stub

    async def left_at(self) -> datetime | None:
        """When the owner left for good; None, as a rule."""
        if self._looked:
            return self._left
        before = self._changes
        async with self._store.read() as tx:
            left = await actors.gone_at(tx, self._ids.actor)
        self._left, self._looked = left, before == self._changes
        return left

    async def server_actor(self) -> bytes:
        if self._server is None:
            self._server = self._outbox.seal(compose.server_actor(self._ids, self._keys.server.public.pem)).body
        return self._server


async def _profile_in(tx: Tx) -> Profile:
    found = await profile.get(tx)
    assert found is not None, "a node does not start without an owner"
    return found[0]


class Gate:
    """Who asks, on the strength of an HTTP signature."""

    def __init__(self, authenticator: Authenticator, *, ids: Ids, clock: Clock) -> None:
        self._authenticator = authenticator
        self._ids = ids
        self._clock = clock

    async def is_shut_out(self, request: web.Request) -> bool:
        """Whether a request says that it is signed by somebody blocked. Not verified: who lies loses by it."""
        try:
            claim = httpsig.read(incoming_of(request, b""), base_url=self._ids.base, now=self._clock())
            await self._authenticator.circle.admit(claim.key_id)
        except Refused as refused:
            return refused.reason is Reason.BLOCKED
        return False

    async def viewer(self, request: web.Request) -> Iri | None:
        """The actor whose key signed this GET; None for a bad signature as for none."""
        incoming = incoming_of(request, b"")
        try:
            claim = httpsig.read(incoming, base_url=self._ids.base, now=self._clock())
            return (await self._authenticator.signature(claim, b"")).actor
        except CuicuiError:
            return None


def incoming_of(request: web.Request, body: bytes) -> Incoming:
    """A request exactly as it came: raw path, raw header order."""
    headers = tuple(
        [
            (name.decode("ascii", "surrogateescape").lower(), value.decode("utf-8", "surrogateescape"))
            for name, value in request.raw_headers
        ]
    )
    return Incoming(request.method, request.raw_path, headers, body)
