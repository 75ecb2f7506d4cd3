"""What the owner does with a post: favourite, boost, bookmark, pin, mute its thread, vote in its poll."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from node.errors import NotAllowed, NotFound
from node.model import Iri, Post, ReactionKind, Tell
from node.storage import bookmarks, listings, reactions
from node.web.mastodon import entities, gather, parts
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Forbidden, Invalid
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Handler, Route
from node.web.mastodon.statuses import found, shown

Act = Callable[[Call, Post], Awaitable[None]]


def _route(name: str, act: Act, scope: str) -> Route:
    return Route("POST", f"/api/v1/statuses/:id/{name}", _answered(act), scope)


def _answered(act: Act) -> Handler:
    async def handler(call: Call) -> web.Response:
        post = gather.alone(await found(call))
        await act(call, post)
        return reply(await shown(call, post))

    return handler


async def _like(call: Call, post: Post) -> None:
    await call.rooms.interactions.like(post.note.iri)


async def _unlike(call: Call, post: Post) -> None:
    try:
        await call.rooms.interactions.unlike(post.note.iri)
    except NotFound:
        pass  # it was not liked: that is how it is to be


async def reblog(call: Call) -> web.Response:
    """Answers with the Status that the boost is, around the post. `visibility`: boosts are for everybody here."""
    if call.text("visibility") not in ("", "public", "unlisted"):
        raise Invalid("Validation failed: Visibility: boosts are for everybody here", hint="bookmark it, or quote it")
    rooms, post = call.rooms, gather.alone(await found(call))
    try:
        await rooms.interactions.boost(post.note.iri)
    except NotAllowed as error:
        raise Forbidden("This action is not allowed", hint=error.message) from None
    async with rooms.store.read() as tx:
        done = await reactions.by(tx, post.note.iri, rooms.ids.actor, [ReactionKind.BOOST])
        boost = await listings.boost_by_id(tx, done[-1].id) if done else None
        return reply(await gather.status(tx, rooms, boost or post, is_owner=True))


async def _unboost(call: Call, post: Post) -> None:
    try:
        await call.rooms.interactions.unboost(post.note.iri)
    except NotFound:
        pass


async def _bookmark(call: Call, post: Post) -> None:
    rooms = call.rooms
    async with rooms.store.write() as tx:
        await bookmarks.add(tx, rooms.snowflake.mint(rooms.clock()), post.id)
    rooms.events.publish([Tell("bookmark", str(post.id))])


async def _unbookmark(call: Call, post: Post) -> None:
    async with call.rooms.store.write() as tx:
        await bookmarks.remove(tx, post.id)
    call.rooms.events.publish([Tell("bookmark", str(post.id))])


async def _pin(call: Call, post: Post) -> None:
    if not post.own:
        raise Invalid("Validation failed: Someone else's post cannot be pinned")
    await call.rooms.interactions.pin(post.note.iri)


async def _unpin(call: Call, post: Post) -> None:
    try:
        await call.rooms.interactions.unpin(post.note.iri)
    except NotFound:
        pass


async def _mute(call: Call, post: Post) -> None:
    """No more notifications out of this thread."""
    rooms = call.rooms
    async with rooms.store.write() as tx:
        await bookmarks.mute_thread(tx, entities.roots_of(post)[0], rooms.clock())
    rooms.events.publish([Tell("muted_thread", str(post.id))])


async def _unmute(call: Call, post: Post) -> None:
    async with call.rooms.store.write() as tx:
        await bookmarks.unmute_thread(tx, entities.roots_of(post))
    call.rooms.events.publish([Tell("muted_thread", str(post.id))])


# ── polls ────────────────────────────────────────────────────────────────────────────────────


async def poll(call: Call) -> web.Response:
    """A poll has the number of the post that asks it."""
    post = await found(call)
    if call.is_owner:
        post = await call.rooms.polls.opened(post)
    return await _poll(call, post.note.iri, post)


async def vote(call: Call) -> web.Response:
    """`choices[]`: numbers from 0."""
    post = await found(call)
    asked = post.note.poll
    if asked is None:
        raise NotFound("Record not found")
    chosen = call.many("choices")
    numbers = [int(one) for one in chosen if one.isascii() and one.isdigit() and len(one) < 3]
    if len(numbers) != len(chosen) or not numbers or max(numbers) >= len(asked.choices):
        raise Invalid("Validation failed: The chosen vote option does not exist")
    if not asked.multiple and len(set(numbers)) > 1:
        raise Invalid("Validation failed: Only one option can be chosen")
    voted = await call.rooms.polls.vote(
        post.note.iri, [asked.choices[number].name for number in dict.fromkeys(numbers)]
    )
    return await _poll(call, voted.note.iri, voted)


async def _poll(call: Call, iri: Iri, post: Post) -> web.Response:
    asked = post.note.poll
    if asked is None:
        raise NotFound("Record not found")
    mine = (await call.rooms.polls.votes_of_owner([iri])).get(iri, ()) if call.is_owner else None
    over = asked.is_over(call.rooms.clock())
    return reply(parts.poll(post.id, asked, over=over, chosen=mine, own=post.own, emojis=[]))


ROUTES = (
    _route("favourite", _like, "write:favourites"),
    _route("unfavourite", _unlike, "write:favourites"),
    Route("POST", "/api/v1/statuses/:id/reblog", reblog, "write:statuses"),
    _route("unreblog", _unboost, "write:statuses"),
    _route("bookmark", _bookmark, "write:bookmarks"),
    _route("unbookmark", _unbookmark, "write:bookmarks"),
    _route("pin", _pin, "write:accounts"),
    _route("unpin", _unpin, "write:accounts"),
    _route("mute", _mute, "write:mutes"),
    _route("unmute", _unmute, "write:mutes"),
    Route("GET", "/api/v1/polls/:id", poll, "read:statuses", anonymous=True),
    Route("POST", "/api/v1/polls/:id/votes", vote, "write:statuses"),
)
