"""Conversations: direct posts, thread by thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from node.errors import NotFound
from node.model import Window
from node.storage import actors, listings
from node.storage import conversations as stored
from node.storage.conversations import Conversation
from node.storage.dialect import Tx
from node.web.mastodon import gather
from node.web.mastodon.call import Call
from node.web.mastodon.parts import Json
from node.web.mastodon.reply import dumps, links, reply
from node.web.mastodon.route import Route

if TYPE_CHECKING:
    from node.web.mastodon.rooms import Rooms


async def _load(rooms: Rooms) -> list[Conversation]:
    """Written to only when there is something new."""
    now, owner = rooms.clock(), rooms.ids.actor
    async with rooms.store.read() as tx:
        found = await stored.load(tx, now, owner, lambda: rooms.snowflake.mint(now), write=False)
    if found is None:
        async with rooms.store.write() as tx:
            found = await stored.load(tx, now, owner, lambda: rooms.snowflake.mint(now), write=True)
    assert found is not None
    return found


async def _shown(tx: Tx, rooms: Rooms, page: Sequence[Conversation]) -> list[Json]:
    known = await actors.many(tx, {rooms.ids.actor, *(iri for one in page for iri in one.people)})
    order = list(known)
    accounts = await gather.accounts(tx, rooms, [known[iri].actor for iri in order], is_owner=True)
    faces = dict(zip(order, accounts, strict=True))
    posts = list((await listings.many(tx, [one.last for one in page])).values())
    statuses = await gather.statuses(tx, rooms, posts, is_owner=True)
    said = {post.id: status for post, status in zip(posts, statuses, strict=True)}
    return [
        {
            "id": str(one.id),
            "unread": one.unread,
            # With nobody else it is with oneself: Ice Cubes takes the first without looking.
            "accounts": [faces[iri] for iri in one.people if iri in faces] or [faces[rooms.ids.actor]],
            "last_status": said.get(one.last),
        }
        for one in page
    ]


def _page(found: Sequence[Conversation], window: Window) -> list[Conversation]:
    fitting = [
        one
        for one in found
        if (window.before is None or one.last < window.before) and (window.after is None or one.last > window.after)
    ]
    return fitting[-window.limit :] if window.nearest else fitting[: window.limit]


async def index(call: Call) -> web.Response:
    """Pages go on by the number of the last post, as in Mastodon."""
    window = call.window(20, 40)
    page = _page(await _load(call.rooms), window)
    async with call.rooms.store.read() as tx:
        shown = await _shown(tx, call.rooms, page)
    return reply(shown, headers=links(call, [one.last for one in page], window.limit))


async def read(call: Call) -> web.Response:
    return await _marked(call, unread=False)


async def unread(call: Call) -> web.Response:
    """To be read again."""
    return await _marked(call, unread=True)


async def _marked(call: Call, *, unread: bool) -> web.Response:
    async with call.rooms.store.write() as tx:
        if not await stored.mark_read(tx, call.id(), unread=unread):
            raise NotFound("Record not found")
    found = [one for one in await _load(call.rooms) if one.id == call.id()]
    if not found:
        raise NotFound("Record not found")
    async with call.rooms.store.read() as tx:
        return reply((await _shown(tx, call.rooms, found))[0])


async def delete(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        if not await stored.take_off(tx, call.id()):
            raise NotFound("Record not found")
    return reply({})


async def rendered(rooms: Rooms, post: int) -> bytes | None:
    """The conversation that a direct post belongs to, as streams send it; None when it is on no list."""
    found = [one for one in await _load(rooms) if post in one.posts]
    if not found:
        return None
    async with rooms.store.read() as tx:
        return dumps((await _shown(tx, rooms, found))[0])


ROUTES = (
    Route("GET", "/api/v1/conversations", index, "read:statuses"),
    Route("POST", "/api/v1/conversations/:id/read", read, "write:conversations"),
    Route("POST", "/api/v1/conversations/:id/unread", unread, "write:conversations"),
    Route("DELETE", "/api/v1/conversations/:id", delete, "write:conversations"),
)
