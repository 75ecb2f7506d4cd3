"""Hashtags: look at one, follow it."""

from __future__ import annotations

from aiohttp import web

from node import text
from node.errors import NotFound
from node.web.mastodon.call import Call
from node.web.mastodon.entities import Json
from node.web.mastodon.errors import Invalid
from node.web.mastodon.reply import paged, reply
from node.web.mastodon.route import Route


def tag(call: Call, name: str, *, following: bool) -> Json:
    return {
        "id": name,
        "name": name,
        "url": call.rooms.ids.tag(name),
        "history": [],
        "following": following,
        "featuring": False,
    }


def _name(call: Call) -> str:
    written = call.named["name"].removeprefix("#")
    if text.find_hashtags(f"#{written}") != [written]:
        raise NotFound("Record not found")
    return text.fold_tag(written)


async def _is_followed(call: Call, name: str) -> bool:
    return any(one.name == name for one in await call.rooms.owner.followed_tags())


async def show(call: Call) -> web.Response:
    name = _name(call)
    return reply(tag(call, name, following=call.is_owner and await _is_followed(call, name)))


async def follow(call: Call) -> web.Response:
    name = _name(call)
    if not await _is_followed(call, name):
        await call.rooms.owner.follow_tag(name)
    return reply(tag(call, name, following=True))


async def unfollow(call: Call) -> web.Response:
    name = _name(call)
    if await _is_followed(call, name):
        await call.rooms.owner.unfollow_tag(name)
    return reply(tag(call, name, following=False))


async def followed(call: Call) -> web.Response:
    names = [one.name for one in await call.rooms.owner.followed_tags()]
    shown = [tag(call, name, following=True) for name in names]
    return paged(call, range(1, len(names) + 1), shown, 100, 200)


async def featured(call: Call) -> web.Response:
    """This node features none."""
    return reply([])


async def feature(call: Call) -> web.Response:
    raise Invalid("Validation failed: this node features no hashtags")


ROUTES = (
    Route("GET", "/api/v1/tags/:name", show, "read:follows", anonymous=True),
    Route("POST", "/api/v1/tags/:name/follow", follow, "write:follows"),
    Route("POST", "/api/v1/tags/:name/unfollow", unfollow, "write:follows"),
    Route("GET", "/api/v1/followed_tags", followed, "read:follows"),
    Route("GET", "/api/v1/featured_tags", featured, "read:accounts"),
    Route("GET", "/api/v1/featured_tags/suggestions", featured, "read:accounts"),
    Route("POST", "/api/v1/featured_tags", feature, "write:accounts"),
)
