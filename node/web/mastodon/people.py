"""Whom a request is about: an account by its number, by its handle, or by its address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.errors import CuicuiError, NotFound
from node.model import Actor, Iri
from node.storage import actors, relationships
from node.storage.actors import KnownActor
from node.storage.dialect import Tx
from node.storage.relationships import Relationship
from node.web.mastodon.call import Call
from node.web.mastodon.parts import Json


async def by_number(tx: Tx, number: int) -> KnownActor:
    """Raises NotFound for nobody we have met."""
    known = await actors.get_by_id(tx, number)
    if known is None:
        raise NotFound("Record not found")
    return known


async def by_handle(call: Call, handle: str) -> KnownActor | None:
    """`name`, `name@host` or `name@host:port`, with or without an @ before it; only those we have met."""
    name, _, host = handle.strip().removeprefix("@").partition("@")
    ids = call.rooms.ids
    async with call.rooms.store.read() as tx:
        if not host or host.lower() == ids.host.lower():
            return await actors.get(tx, ids.actor) if name.lower() == ids.handle else None
        return await actors.find_handle(tx, name, host) if name else None


async def sought(call: Call, words: str) -> KnownActor | None:
    """By handle or address, asking other servers if need be; None when there is nobody to be had."""
    wanted = words.strip()
    is_address = wanted.startswith(("https://", "http://"))
    if not is_address:
        known = await by_handle(call, wanted)
        if known is not None or "@" not in wanted.removeprefix("@"):
            return known
        wanted = "@" + wanted.removeprefix("@")
    try:
        known, _posts = await call.rooms.reading.open_profile(wanted)
    except CuicuiError:
        return None
    return known


def relationship(number: int, how: Relationship) -> Json:
    """Every field, none of them null: Tusky reads nine booleans."""
    return {
        "id": str(number),
        "following": how.following,
        "showing_reblogs": how.showing_boosts and how.following,
        "notifying": how.notifying,
        "languages": list(how.languages) or None,
        "followed_by": how.followed_by,
        "blocking": how.blocking,
        "blocked_by": False,
        "muting": how.muting,
        "muting_notifications": how.muting_notifications,
        "requested": how.requested,
        "requested_by": how.requested_by,
        "domain_blocking": how.domain_blocking,
        "endorsed": how.endorsed,
        "note": how.remark,
    }


async def relationship_of(call: Call, actor: KnownActor) -> Json:
    async with call.rooms.store.read() as tx:
        found = await relationships.of(tx, [actor.actor.iri], call.rooms.clock())
    return relationship(actor.id, found[actor.actor.iri])


async def listed(tx: Tx, people: Iterable[Iri]) -> Sequence[tuple[int, Actor]]:
    """Those of these we have met, in this order, each with its number."""
    order = list(people)
    known = await actors.many(tx, set(order))
    return [(known[iri].id, known[iri].actor) for iri in order if iri in known]
