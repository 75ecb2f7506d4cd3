"""Accounts: the owner's own, and everybody whom this node has met."""

from __future__ import annotations

from aiohttp import web

from node.storage import actors, relations
from node.web.mastodon import entities, gather
from node.web.mastodon.call import Call
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route


async def verify(call: Call) -> web.Response:
    """Who the token speaks for."""
    rooms = call.rooms
    profile = await rooms.profile()
    async with rooms.store.read() as tx:
        known = await actors.get(tx, rooms.ids.actor)
        assert known is not None
        around = await gather.beside(tx, rooms, [], [known.actor], is_owner=True)
        waiting = len(await relations.list_followers(tx, relations.State.PENDING))
    return reply(entities.credential_account(known.actor, profile, around, waiting))


ROUTES = (Route("GET", "/api/v1/accounts/verify_credentials", verify, "read:accounts"),)
