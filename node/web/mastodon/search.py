"""Search: a handle or an address brings what it names; words find people, posts and hashtags."""

from __future__ import annotations

from aiohttp import web

from node.errors import CuicuiError
from node.model import Post
from node.storage import actors, notes, relationships
from node.web.mastodon import gather, people
from node.web.mastodon.call import Call
from node.web.mastodon.parts import Json
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

KINDS = ("accounts", "statuses", "hashtags")
LONGEST = 500


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


async def search(call: Call) -> web.Response:
    words = call.text("q").strip()[:LONGEST]
    only, limit = call.text("type"), call.limit(20, 40)
    offset = call.integer("offset", 0, most=10_000)
    wanted = {only} if only in KINDS else set(KINDS)
    found: dict[str, list[Json]] = {kind: [] for kind in KINDS}
    posts: list[Post] = []
    numbers: dict[int, None] = {}
    is_address = words.startswith(("https://", "http://"))
    if not words:
        return reply(found)
    if is_address and "statuses" in wanted and (post := await _post_at(call, words)) is not None:
        posts.append(post)
    elif "accounts" in wanted and call.flag("resolve") and offset == 0 and (is_address or "@" in words):
        exact = await people.sought(call, words)
        numbers |= {} if exact is None else {exact.id: None}
    async with call.rooms.store.read() as tx:
        if "accounts" in wanted and not is_address:
            more = await relationships.find_people(
                tx, words.removeprefix("@"), only_followed=call.flag("following"), limit=limit, offset=offset
            )
            numbers |= dict.fromkeys(more)
        known = [one for number in list(numbers)[:limit] if (one := await actors.get_by_id(tx, number)) is not None]
        accounts = await gather.accounts(tx, call.rooms, [one.actor for one in known], is_owner=True)
        statuses = await gather.statuses(tx, call.rooms, posts[:limit], is_owner=True)
    return reply({**found, "accounts": accounts, "statuses": statuses})


ROUTES = (
    Route("GET", "/api/v2/search", search, "read:search"),
    Route("GET", "/api/v1/search", search, "read:search"),
)
