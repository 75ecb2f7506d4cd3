"""What the owner does about an account: follow, mute, block, note; and who asks to follow."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from node.errors import NotFound
from node.model import Actor
from node.storage import relations, relationships
from node.storage.actors import KnownActor
from node.web.mastodon import gather, people
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Forbidden, Invalid
from node.web.mastodon.reply import paged, reply
from node.web.mastodon.route import Route

LONGEST_REMARK = 2000


async def _other(call: Call) -> KnownActor:
    """The account in the path, which is not the owner's own."""
    async with call.rooms.store.read() as tx:
        known = await people.by_number(tx, call.id())
    if known.actor.iri == call.rooms.ids.actor:
        raise Forbidden("This action is not allowed")
    return known


async def _now(call: Call, known: KnownActor) -> web.Response:
    return reply(await people.relationship_of(call, known))


async def of(call: Call) -> web.Response:
    """In the order asked for; those we have never met are left out."""
    async with call.rooms.store.read() as tx:
        known = []
        for wanted in call.ids():
            try:
                known.append(await people.by_number(tx, wanted))
            except NotFound:
                continue
        found = await relationships.of(tx, [one.actor.iri for one in known], call.rooms.clock())
    return reply([people.relationship(one.id, found[one.actor.iri]) for one in known])


async def follow(call: Call) -> web.Response:
    """Follow, or change what is shown of somebody followed: `reblogs`, `notify`, `languages`."""
    known, rooms = await _other(call), call.rooms
    async with rooms.store.read() as tx:
        before = await relations.follow_of(tx, known.actor.iri)
    if before is None or before.state is relations.State.REJECTED:
        await rooms.owner.follow(known.actor.iri)
    languages = call.many("languages")[:50]
    async with rooms.store.write() as tx:
        await relationships.tune_follow(
            tx,
            known.actor.iri,
            boosts=call.flag("reblogs") if "reblogs" in call.params else None,
            notify=call.flag("notify") if "notify" in call.params else None,
            languages=languages if "languages" in call.params else None,
        )
    return await _now(call, known)


async def unfollow(call: Call) -> web.Response:
    known = await _other(call)
    try:
        await call.rooms.owner.unfollow(known.actor.iri)
    except NotFound:
        pass  # what is asked for is so already
    return await _now(call, known)


async def remove_follower(call: Call) -> web.Response:
    known = await _other(call)
    try:
        await call.rooms.owner.reject(known.actor.iri)
    except NotFound:
        pass
    return await _now(call, known)


async def block(call: Call) -> web.Response:
    known = await _other(call)
    await call.rooms.moderation.block(known.actor.iri)
    return await _now(call, known)


async def unblock(call: Call) -> web.Response:
    known = await _other(call)
    try:
        await call.rooms.moderation.unblock(known.actor.iri)
    except NotFound:
        pass
    return await _now(call, known)


async def mute(call: Call) -> web.Response:
    """`duration` in seconds, 0 for good; `notifications` too unless said otherwise."""
    known = await _other(call)
    seconds = call.integer("duration", 0, most=10 * 365 * 86_400)
    await call.rooms.moderation.mute(known.actor.iri, timedelta(seconds=seconds) if seconds else None)
    async with call.rooms.store.write() as tx:
        await relationships.tune_mute(tx, known.actor.iri, notifications=call.flag("notifications", True))
    return await _now(call, known)


async def unmute(call: Call) -> web.Response:
    known = await _other(call)
    try:
        await call.rooms.moderation.unmute(known.actor.iri)
    except NotFound:
        pass
    return await _now(call, known)


async def note(call: Call) -> web.Response:
    """A remark for the owner's eyes."""
    known, comment = await _other(call), call.text("comment")
    if len(comment) > LONGEST_REMARK:
        raise Invalid(f"Validation failed: Comment is too long (maximum is {LONGEST_REMARK} characters)")
    async with call.rooms.store.write() as tx:
        await relationships.remark(tx, known.actor.iri, comment)
    return await _now(call, known)


# ── who is featured ──────────────────────────────────────────────────────────────────────────


async def endorse(call: Call) -> web.Response:
    """Feature somebody followed: a list of the owner's apps; this node publishes none."""
    known = await _other(call)
    async with call.rooms.store.write() as tx:
        if not await relationships.endorse(tx, known.actor.iri, endorsed=True):
            raise Invalid("Validation failed: You must be already following the person you want to endorse")
    return await _now(call, known)


async def unendorse(call: Call) -> web.Response:
    known = await _other(call)
    async with call.rooms.store.write() as tx:
        await relationships.endorse(tx, known.actor.iri, endorsed=False)
    return await _now(call, known)


async def endorsed(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        listed = await people.listed(tx, await relationships.endorsed(tx))
        shown = await gather.accounts(tx, call.rooms, [actor for _, actor in listed], is_owner=True)
    return paged(call, [identifier for identifier, _ in listed], shown)


async def endorsed_by(call: Call) -> web.Response:
    """Of others nothing is known here, and of the owner nothing is said to others."""
    async with call.rooms.store.read() as tx:
        known = await people.by_number(tx, call.id())
    own = known.actor.iri == call.rooms.ids.actor
    if not own and not call.is_owner:
        raise NotFound("Record not found")
    return await endorsed(call) if own and call.is_owner else reply([])


# ── who asks to follow ───────────────────────────────────────────────────────────────────────


async def requests(call: Call) -> web.Response:
    """By number, the last whom we met first."""
    async with call.rooms.store.read() as tx:
        waiting = await relations.list_followers(tx, relations.State.PENDING)
        listed = sorted(await people.listed(tx, [relation.actor for relation in waiting]), key=_number, reverse=True)
        shown = await gather.accounts(tx, call.rooms, [actor for _, actor in listed], is_owner=True)
    return paged(call, [identifier for identifier, _ in listed], shown)


def _number(entry: tuple[int, Actor]) -> int:
    return entry[0]


async def authorize(call: Call) -> web.Response:
    known = await _other(call)
    await call.rooms.owner.accept(known.actor.iri)
    return await _now(call, known)


async def reject(call: Call) -> web.Response:
    known = await _other(call)
    await call.rooms.owner.reject(known.actor.iri)
    return await _now(call, known)


ROUTES = (
    Route("GET", "/api/v1/accounts/relationships", of, "read:follows"),
    Route("POST", "/api/v1/accounts/:id/follow", follow, "write:follows"),
    Route("POST", "/api/v1/accounts/:id/unfollow", unfollow, "write:follows"),
    Route("POST", "/api/v1/accounts/:id/remove_from_followers", remove_follower, "write:follows"),
    Route("POST", "/api/v1/accounts/:id/block", block, "write:blocks"),
    Route("POST", "/api/v1/accounts/:id/unblock", unblock, "write:blocks"),
    Route("POST", "/api/v1/accounts/:id/mute", mute, "write:mutes"),
    Route("POST", "/api/v1/accounts/:id/unmute", unmute, "write:mutes"),
    Route("POST", "/api/v1/accounts/:id/note", note, "write:accounts"),
    Route("POST", "/api/v1/accounts/:id/endorse", endorse, "write:accounts"),
    Route("POST", "/api/v1/accounts/:id/unendorse", unendorse, "write:accounts"),
    Route("POST", "/api/v1/accounts/:id/pin", endorse, "write:accounts"),
    Route("POST", "/api/v1/accounts/:id/unpin", unendorse, "write:accounts"),
    Route("GET", "/api/v1/accounts/:id/endorsements", endorsed_by, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/endorsements", endorsed, "read:accounts"),
    Route("GET", "/api/v1/follow_requests", requests, "read:follows"),
    Route("POST", "/api/v1/follow_requests/:id/authorize", authorize, "write:follows"),
    Route("POST", "/api/v1/follow_requests/:id/reject", reject, "write:follows"),
)
