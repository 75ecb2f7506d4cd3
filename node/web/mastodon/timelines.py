"""Timelines: lists of statuses, newest first."""

from __future__ import annotations

from aiohttp import web

from node.storage import timelines
from node.web.mastodon import gather
from node.web.mastodon.call import Call
from node.web.mastodon.reply import links, reply
from node.web.mastodon.route import Route


async def home(call: Call) -> web.Response:
    """What those whom the owner follows wrote or boosted."""
    rooms, window = call.rooms, call.window()
    async with rooms.store.read() as tx:
        posts = await timelines.home_posts(
            tx, before=window.before, after=window.after, limit=window.limit, now=rooms.clock()
        )
        shown = await gather.statuses(tx, rooms, posts, is_owner=True)
    return reply(shown, headers=links(call, [gather.entry_of(post) for post in posts], window.limit))


ROUTES = (Route("GET", "/api/v1/timelines/home", home, "read:statuses"),)
