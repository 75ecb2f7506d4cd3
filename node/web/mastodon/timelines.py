"""Timelines, and the owner's lists of posts: newest first, paged upwards and downwards without a gap."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from node.errors import NotFound
from node.model import Post, Window
from node.storage import listings
from node.storage.dialect import Tx
from node.web.mastodon import gather
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Invalid
from node.web.mastodon.reply import links, reply
from node.web.mastodon.route import Route

LONGEST_TAG = 140


async def _page(call: Call, tx: Tx, posts: Sequence[Post], window: Window) -> web.Response:
    readable = [post for post in posts if gather.may_read(post, is_owner=call.is_owner)]
    shown = await gather.statuses(tx, call.rooms, readable, is_owner=call.is_owner)
    return reply(shown, headers=links(call, [gather.entry_of(post) for post in posts], window.limit))


async def home(call: Call) -> web.Response:
    """What those whom the owner follows wrote or boosted."""
    rooms, window = call.rooms, call.window()
    async with rooms.store.read() as tx:
        return await _page(call, tx, await listings.home_page(tx, window, rooms.clock()), window)


def _whose(call: Call) -> bool | None:
    """Everybody's, or only the owner's, or only other people's. Nobody else reads here what others wrote."""
    if not call.is_owner or call.flag("local"):
        return True
    return False if call.flag("remote") else None


async def public(call: Call) -> web.Response:
    """What was said to everybody: here, and what came here from elsewhere."""
    rooms, window = call.rooms, call.window()
    if not call.is_owner and call.flag("remote"):
        return reply([])
    async with rooms.store.read() as tx:
        posts = await listings.public_page(
            tx,
            window,
            rooms.clock(),
            own=_whose(call),
            owner=rooms.ids.actor,
            only_media=call.flag("only_media"),
        )
        return await _page(call, tx, posts, window)


async def tag(call: Call) -> web.Response:
    """Public posts with a hashtag; `any[]`, `all[]` and `none[]` name further ones."""
    rooms, window = call.rooms, call.window()
    name = _folded(call.named["tag"])
    if not call.is_owner and call.flag("remote"):
        return reply([])
    async with rooms.store.read() as tx:
        posts = await listings.tag_page(
            tx,
            window,
            rooms.clock(),
            any_of={name, *_tags(call, "any")},
            all_of=_tags(call, "all"),
            none_of=_tags(call, "none"),
            own=_whose(call),
            only_media=call.flag("only_media"),
        )
        return await _page(call, tx, posts, window)


def _folded(name: str) -> str:
    return name.removeprefix("#").casefold()[:LONGEST_TAG]


def _tags(call: Call, name: str) -> set[str]:
    return {_folded(one) for one in call.many(name)[:4] if one}


async def of_list(call: Call) -> web.Response:
    """What members of a list wrote or boosted, of what came home."""
    rooms, window = call.rooms, call.window()
    async with rooms.store.read() as tx:
        if not await listings.is_list(tx, call.id()):
            raise NotFound("Record not found")
        return await _page(call, tx, await listings.home_page(tx, window, rooms.clock(), of_list=call.id()), window)


async def link(call: Call) -> web.Response:
    """Posts that name a page. Nothing is counted as a trend here, so there is nothing to list."""
    if not call.text("url"):
        raise Invalid("url is missing")
    return reply([])


async def direct(call: Call) -> web.Response:
    rooms, window = call.rooms, call.window()
    async with rooms.store.read() as tx:
        return await _page(call, tx, await listings.direct_page(tx, window, rooms.clock()), window)


async def bookmarks(call: Call) -> web.Response:
    window = call.window()
    async with call.rooms.store.read() as tx:
        return await _page(call, tx, await listings.bookmarked(tx, window), window)


async def favourites(call: Call) -> web.Response:
    window = call.window()
    async with call.rooms.store.read() as tx:
        return await _page(call, tx, await listings.favourites(tx, window, call.rooms.ids.actor), window)


ROUTES = (
    Route("GET", "/api/v1/timelines/home", home, "read:statuses", kept=True),
    Route("GET", "/api/v1/timelines/public", public, "read:statuses", anonymous=True, kept=True),
    Route("GET", "/api/v1/timelines/tag/:tag", tag, "read:statuses", anonymous=True, kept=True),
    Route("GET", "/api/v1/timelines/list/:id", of_list, "read:lists", kept=True),
    Route("GET", "/api/v1/timelines/link", link, "read:statuses", anonymous=True, kept=True),
    Route("GET", "/api/v1/timelines/direct", direct, "read:statuses", kept=True),
    Route("GET", "/api/v1/bookmarks", bookmarks, "read:bookmarks", kept=True),
    Route("GET", "/api/v1/favourites", favourites, "read:favourites", kept=True),
)
