"""Who says this? Requests are believed on their HTTP signature, documents on their proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keys import PublicIdentity, canonical, proof
from keys.canonical import JsonValue
from node.errors import BadDocument, BadProof, Reason, Refused
from node.federation import httpsig, parse
from node.federation.actors import Actors
from node.federation.httpsig import Claim, Incoming
from node.federation.policy import ProofBroken, ProofHolds
from node.ids import Ids
from node.model import Clock, Iri, KeyState, KnownKey, Signed, origin_of

Outcome = ProofHolds | ProofBroken | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A signed request with its document, read once and strictly. `signed` is None for what we drop unread:
    somebody we never met deletes or changes their account (federation.md §11.3)."""

    document: dict[str, JsonValue]
    signed: Signed | None


class Authenticator:
    """Turns a request into Signed, and a document's proof into an outcome. Nothing here is stored."""

    def __init__(self, actors: Actors, *, ids: Ids, clock: Clock) -> None:
        self._actors = actors
        self.circle = actors.circle
        self._ids = ids
        self._clock = clock

    async def delivery(self, request: Incoming) -> Delivered:
        """A POST to the inbox. Raises Refused, in the order of federation.md §11."""
        claim = httpsig.read(request, base_url=self._ids.base, now=self._clock())
        document = read_json(request.body)
        if _about_itself(document) and not await self._is_known(claim, document):
            return Delivered(document, None)
        return Delivered(document, await self.signature(claim, request.body))

    async def signature(self, claim: Claim, body: bytes) -> Signed:
        """Look the key up and verify; if it fails, ask its origin once whether the key is new."""
        if self._ids.is_ours(claim.key_id):
            raise Refused(Reason.OWN_ORIGIN, f"the key {claim.key_id} is ours; the request comes from outside")
        await self._actors.circle.admit(claim.key_id)  # before anything is fetched
        keys = await self._actors.keys_for(claim.key_id)
        await self._actors.circle.admit(*(key.owner for key in keys))
        try:
            signed = _verified(claim, keys, body)
        except Refused as refused:
            if self._actors.tried(claim.key_id, holds=False):
                raise
            renewed = await self._actors.renewed_keys(claim.key_id, keys[0].owner)
            if not renewed or renewed == keys:
                raise refused from None
            return _verified(claim, renewed, body)
        self._actors.tried(claim.key_id, holds=True)
        return signed

    async def proof(self, document: Mapping[str, JsonValue], author: Iri) -> Outcome:
        """What the integrity proof on a document is worth as a word of `author` (integrity-proofs.md §5).

        None: there is none that we can use.
        """
        try:
            claim = proof.read(document, self._clock())
        except BadProof as error:
            return ProofBroken(error.code)
        if claim is None:
            return None
        iri = document.get("id")
        if not isinstance(iri, str) or origin_of(claim.method) != origin_of(iri) or origin_of(iri) != origin_of(author):
            return ProofBroken("wrong_origin")
        try:
            method = parse.iri(claim.method)  # it is asked for in the store, and remembered where it is not there
        except Refused:
            return ProofBroken("bad_method")
        try:
            keys = await self._actors.keys_for(method)
        except Refused as refused:
            return ProofBroken(refused.code)
        outcome = _proof_under(claim, keys, author)
        if isinstance(outcome, ProofBroken):
            renewed = await self._actors.renewed_keys(method, author)
            if renewed and renewed != keys:
                return _proof_under(claim, renewed, author)
        return outcome

    async def _is_known(self, claim: Claim, document: Mapping[str, JsonValue]) -> bool:
        if await self._actors.stored_keys(claim.key_id):
            return True
        return await self._actors.known(parse.actor_id_of(document)) is not None


def read_json(body: bytes) -> dict[str, JsonValue]:
    """The strict reader's word, as a refusal."""
    try:
        return canonical.load_object(body)
    except BadDocument as error:
        reason = next((reason for reason in Reason if reason.code == error.code), Reason.BROKEN_JSON)
        raise Refused(reason, error.message) from None


def _verified(claim: Claim, keys: tuple[KnownKey, ...], body: bytes) -> Signed:
    """Under the pinned key if it holds there, else under one that turned up later."""
    failure: Refused | None = None
    for key in keys:
        try:
            return httpsig.verify(claim, key, body)
        except Refused as refused:
            failure = failure or refused
    raise failure or Refused(Reason.UNKNOWN_KEY, f"there is no key {claim.key_id}")


def _proof_under(claim: proof.Claim, keys: tuple[KnownKey, ...], author: Iri) -> Outcome:
    for key in keys:
        if key.owner != author:
            return ProofBroken("wrong_owner")
        if not isinstance(key.public, PublicIdentity) or key.state is KeyState.RETIRED:
            continue
        try:
            proven = proof.verify(claim, key.public)
        except BadProof:
            continue
        return ProofHolds(key, proven.created)
    return ProofBroken("wrong_proof")


def _about_itself(document: Mapping[str, JsonValue]) -> bool:
    """`Delete` or `Update` of the actor by itself: sent to everybody, by servers that may be gone already."""
    if parse.type_of(document) not in ("Delete", "Update"):
        return False
    try:
        return parse.iri_of(document.get("object")) == parse.actor_id_of(document)
    except Refused:
        return False
