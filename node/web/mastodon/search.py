"""Search: a handle or an address brings what it names; words find people, posts and hashtags."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from node import text
from node.errors import CuicuiError
from node.model import Post
from node.storage import actors, notes, relationships
from node.storage import search as stored
from node.storage import tags as stored_tags
from node.storage.dialect import Tx
from node.web.mastodon import gather, people, tags
from node.web.mastodon.call import Call, number
from node.web.mastodon.parts import Json
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

KINDS = ("accounts", "statuses", "hashtags")
LONGEST = 500


def _is_address(words: str) -> bool:
    return words.startswith(("https://", "http://"))


def _is_handle(words: str) -> bool:
    """`@user`, `user@host`, `@user@host:port`: somebody is meant, not something said."""
    return " " not in words and "@" in words


async def _post_at(call: Call, address: str) -> Post | None:
    """A post by the address of its page or its id, asking its server if need be."""
    async with call.rooms.store.read() as tx:
        known = await notes.get_by_url(tx, address)
    if known is not None or not call.flag("resolve"):
        return known
    try:
        return (await call.rooms.reading.open_thread(address)).post
    except CuicuiError:
        return None


async def _people(call: Call, tx: Tx, words: str, exact: int | None, limit: int, offset: int) -> list[Json]:
    """Whoever is named exactly comes first."""
    numbers = {} if exact is None else {exact: None}
    if not _is_address(words):
        only_followed = call.flag("following")
        name = words.removeprefix("@")
        more = await relationships.find_people(tx, name, only_followed=only_followed, limit=limit, offset=offset)
        numbers |= dict.fromkeys(more)
    known = await actors.by_ids(tx, list(numbers)[:limit])
    faces = [known[number] for number in numbers if number in known]
    return await gather.accounts(tx, call.rooms, faces, is_owner=True)


async def _hashtags(call: Call, tx: Tx, words: str, limit: int, offset: int) -> list[Json]:
    if _is_address(words) or _is_handle(words) or " " in words:
        return []
    names = await stored.hashtags(tx, text.fold_tag(words), limit=limit, offset=offset)
    followed = {one.name for one in await stored_tags.followed(tx)} if names else set()
    return [tags.tag(call, name, following=name in followed) for name in names]


async def _said(call: Call, tx: Tx, words: str, limit: int, offset: int) -> Sequence[Post]:
    """What was said with these words: by whom the app names, if it does."""
    if _is_address(words) or _is_handle(words):
        return []
    window = call.window(limit, 40)
    author = call.text("account_id")
    wanted = number(author) if author else None
    if author and wanted is None:
        return []
    return await stored.found(tx, words, window, call.rooms.clock(), author=wanted, offset=offset)


async def search(call: Call) -> web.Response:
    words = call.text("q").strip()[:LONGEST]
    only, limit = call.text("type"), call.limit(20, 40)
    offset = call.integer("offset", 0, most=10_000)
    wanted = {only} if only in KINDS else set(KINDS)
    found: dict[str, Sequence[object]] = {kind: [] for kind in KINDS}
    if not words:
        return reply(found)
    post: Post | None = None
    exact: int | None = None
    if _is_address(words) and "statuses" in wanted and offset == 0:
        post = await _post_at(call, words)
    names = _is_address(words) or _is_handle(words)
    if names and post is None and "accounts" in wanted and call.flag("resolve") and offset == 0:
        somebody = await people.sought(call, words)
        exact = None if somebody is None else somebody.id
    if "statuses" in wanted and stored.terms(words):
        await call.api.finder.catch_up()
    async with call.rooms.store.read() as tx:
        if "accounts" in wanted and post is None:
            found["accounts"] = await _people(call, tx, words, exact, limit, offset)
        if "statuses" in wanted:
            posts = [post] if post is not None else await _said(call, tx, words, limit, offset)
            found["statuses"] = await gather.statuses(tx, call.rooms, posts, is_owner=True)
        if "hashtags" in wanted:
            found["hashtags"] = await _hashtags(call, tx, words, limit, offset)
    return reply(found)


ROUTES = (
    Route("GET", "/api/v2/search", search, "read:search"),
    Route("GET", "/api/v1/search", search, "read:search"),
)
