"""Whether somebody who shows other keys is still the one we know: what a pinned key said of the new ones."""

from __future__ import annotations

from datetime import datetime

from keys import PublicIdentity, proof
from node.errors import BadProof
from node.federation.fetch import Fetched
from node.model import Actor, KeyState, KnownKey
from node.storage import arrivals
from node.storage.dialect import Tx


def vouches(key: KnownKey | None, known: tuple[KnownKey, ...]) -> bool:
    """Whether `key`, which signed what made us ask, is one of the actor's that is pinned."""
    return key is not None and any(
        other.id == key.id and other.material == key.material and other.state is KeyState.PINNED for other in known
    )


async def announced(tx: Tx, actor: Actor, known: tuple[KnownKey, ...]) -> bool:
    """A pinned key signed an Update of the account that waits to be fetched: whoever asks first sees what it announced.

    Asked in the transaction that would retire that key, so the order of the two fetches does not matter.
    """
    if not known or {(key.id, key.material) for key in actor.keys} <= {(key.id, key.material) for key in known}:
        return False
    waiting = await arrivals.announced_by(tx, actor.iri)
    return any(key.state is KeyState.PINNED and (key.id, key.material) in waiting for key in known)


def proven_by_pinned(fetched: Fetched, actor: Actor, known: tuple[KnownKey, ...], now: datetime) -> bool:
    """The document carries a valid proof by a key of the actor's that is pinned already (and still listed)."""
    try:
        claim = proof.read(fetched.document, now)
    except BadProof:
        return False
    if claim is None:
        return False
    for key in known:
        listed = any(other.id == key.id and other.material == key.material for other in actor.keys)
        if key.id == claim.method and key.state is KeyState.PINNED and listed:
            assert isinstance(key.public, PublicIdentity)
            try:
                proof.verify(claim, key.public)
            except BadProof:
                return False
            return True
    return False
