"""What to do when an actor shows keys: pin, accept with continuity, or mark as changed (key-history.md §7). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.model import ActorKey, Iri, KeyState, KnownKey, Trust


@dataclass(frozen=True, slots=True)
class Change:
    """Key `key` is from now on `state`; `trust` says how we came to believe it."""

    key: ActorKey
    state: KeyState
    trust: Trust


def decide(known: Sequence[KnownKey], listed: Sequence[ActorKey], *, continuity: bool) -> list[Change]:
    """How the keys we know of an actor change now that its document lists `listed`.

    `continuity`: a key that is pinned already vouches for the new document, by its proof on it or by
    its signature on the Update that brought it. Without that, a key that takes another's place is
    `changed`: used for interoperability, shown to the owner, and pinned only by the owner's word.
    A key no longer listed is retired at once: it may have been replaced because it leaked.
    """
    trust = Trust.CONTINUITY if continuity else Trust.FIRST_USE
    if not known:
        return [Change(key, KeyState.PINNED, Trust.FIRST_USE) for key in listed]
    changes = [
        Change(_listed(key), KeyState.RETIRED, key.trust)
        for key in known
        if key.state is not KeyState.RETIRED and not any(_same(key, other) for other in listed)
    ]
    for key in listed:
        ours = next((other for other in known if _same(other, key)), None)
        if ours is not None and ours.state is KeyState.PINNED:
            continue
        if continuity:
            changes.append(Change(key, KeyState.PINNED, Trust.CONTINUITY))
        elif ours is not None and ours.state is KeyState.CHANGED:
            continue
        elif ours is not None:  # retired, and back: right if nothing was pinned in its place meanwhile
            state = KeyState.CHANGED if _replaced(known, ours) else KeyState.PINNED
            changes.append(Change(key, state, ours.trust))
        else:
            changes.append(Change(key, _newcomer(known, listed, key), trust))
    return changes


def is_rightful(key_id: Iri, owner: Iri, holder: Iri) -> bool:
    """Whether `owner` may have the key id that `holder` of the same origin claimed before.

    An id that begins with somebody's own address is theirs, whoever came first; with any other, the first keeps it.
    """
    return _names(key_id, owner) > _names(key_id, holder)


def _names(key_id: Iri, owner: Iri) -> int:
    """How far an id says by itself whose it is: `https://host/ada#key` and `https://host/ada/key` are ada's."""
    address = owner.rstrip("/")
    is_below = key_id.startswith(address) and key_id[len(address) :][:1] in ("", "#", "/", "?")
    return len(address) if is_below else 0


def _newcomer(known: Sequence[KnownKey], listed: Sequence[ActorKey], key: ActorKey) -> KeyState:
    """A key never seen before. One of a kind the actor never had (a server that learnt to sign) is a first use,
    as long as a key that is pinned still stands beside it."""
    if any(other.kind is key.kind for other in known):
        return KeyState.CHANGED
    still_here = any(other.state is KeyState.PINNED and any(_same(other, item) for item in listed) for other in known)
    return KeyState.PINNED if still_here else KeyState.CHANGED


def _replaced(known: Sequence[KnownKey], key: KnownKey) -> bool:
    """Another key of its kind is pinned, or was made its successor by continuity or by the owner's word,
    also when the actor shows that one no more: a key that was given up for good does not come back by itself."""
    return any(
        other.kind is key.kind
        and other is not key
        and (other.state is KeyState.PINNED or (other.trust is not Trust.FIRST_USE and other.since >= key.since))
        for other in known
    )


def _same(one: KnownKey, other: ActorKey) -> bool:
    return one.id == other.id and one.material == other.material


def _listed(key: KnownKey) -> ActorKey:
    return ActorKey(key.id, key.owner, key.kind, key.material)
