"""Accounts: the owner's own, and everybody whom this node has met."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from node.errors import NotFound
from node.storage import actors, profiles, relations, relationships
from node.storage.actors import KnownActor
from node.web.mastodon import gather, people
from node.web.mastodon.call import Call
from node.web.mastodon.reply import links, reply
from node.web.mastodon.route import Route


async def _shown(call: Call, known: Sequence[KnownActor], headers: dict[str, str] | None = None) -> web.Response:
    async with call.rooms.store.read() as tx:
        shown = await gather.accounts(tx, call.rooms, [one.actor for one in known], is_owner=call.is_owner)
    return reply(shown, headers=headers)


async def _found(call: Call) -> KnownActor:
    """The account in the path. Nobody but the owner sees others than the owner here."""
    async with call.rooms.store.read() as tx:
        known = await people.by_number(tx, call.id())
    if not call.is_owner and known.actor.iri != call.rooms.ids.actor:
        raise NotFound("Record not found")
    return known


async def _one(call: Call, known: KnownActor | None) -> web.Response:
    if known is None or not (call.is_owner or known.actor.iri == call.rooms.ids.actor):
        raise NotFound("Record not found")
    async with call.rooms.store.read() as tx:
        shown = await gather.accounts(tx, call.rooms, [known.actor], is_owner=call.is_owner)
    return reply(shown[0])


async def show(call: Call) -> web.Response:
    return await _one(call, await _found(call))


async def several(call: Call) -> web.Response:
    """`id[]`: those we have met, in the order asked for."""
    async with call.rooms.store.read() as tx:
        known = [one for wanted in call.ids("id", 40) if (one := await actors.get_by_id(tx, wanted)) is not None]
    return await _shown(call, [one for one in known if call.is_owner or one.actor.iri == call.rooms.ids.actor])


async def lookup(call: Call) -> web.Response:
    """By handle, among those we have met."""
    return await _one(call, await people.by_handle(call, call.text("acct")))


async def search(call: Call) -> web.Response:
    """By words in handle or name; `resolve` asks other servers for a whole handle or an address."""
    words, limit = call.text("q").strip(), call.limit(40, 80)
    found: list[KnownActor] = []
    if words and call.flag("resolve") and call.integer("offset", 0) == 0:
        exact = await people.sought(call, words)
        found = [exact] if exact is not None else []
    async with call.rooms.store.read() as tx:
        numbers = await relationships.find_people(
            tx,
            words.removeprefix("@"),
            only_followed=call.flag("following"),
            limit=limit,
            offset=call.integer("offset", 0, most=10_000),
        )
        more = [await actors.get_by_id(tx, one) for one in numbers if words]
    known = {one.id: one for one in [*found, *more] if one is not None}
    return await _shown(call, list(known.values())[:limit])


async def statuses(call: Call) -> web.Response:
    """What somebody wrote and boosted, as far as it is here; with what to leave out."""
    rooms, window, known = call.rooms, call.window(), await _found(call)
    async with rooms.store.read() as tx:
        if call.flag("pinned"):
            posts = await profiles.pinned(tx, known.actor.iri, limit=window.limit, is_owner=call.is_owner)
        else:
            posts = await profiles.written(
                tx,
                window,
                known.id,
                known.actor.iri,
                is_owner=call.is_owner,
                replies=not call.flag("exclude_replies"),
                boosts=not call.flag("exclude_reblogs"),
                only_media=call.flag("only_media"),
                tag=call.text("tagged").casefold() or None,
            )
        readable = [post for post in posts if gather.may_read(post, is_owner=call.is_owner)]
        shown = await gather.statuses(tx, rooms, readable, is_owner=call.is_owner)
    headers = {} if call.flag("pinned") else links(call, [gather.entry_of(post) for post in posts], window.limit)
    return reply(shown, headers=headers)


async def _circle(call: Call, *, of_followers: bool) -> web.Response:
    """The owner's followers or follows, the newest first; of others nothing is known here."""
    rooms, window, known = call.rooms, call.window(40, 80), await _found(call)
    profile = await rooms.profile()
    if known.actor.iri != rooms.ids.actor or (profile.hides_collections and not call.is_owner):
        return reply([])
    async with rooms.store.read() as tx:
        found = await relations.page(tx, window, of_followers=of_followers)
        listed = await people.listed(tx, [relation.actor for _, relation in found])
        shown = await gather.accounts(tx, rooms, [actor for _, actor in listed], is_owner=call.is_owner)
    return reply(shown, headers=links(call, [number for number, _ in found], window.limit))


async def followers(call: Call) -> web.Response:
    return await _circle(call, of_followers=True)


async def following(call: Call) -> web.Response:
    return await _circle(call, of_followers=False)


async def nothing(call: Call) -> web.Response:
    """Lists that this node does not keep."""
    await _found(call)
    return reply([])


async def familiar(call: Call) -> web.Response:
    """Whom the owner follows that follows them as well: not known here, so nobody, for each."""
    return reply([{"id": str(wanted), "accounts": []} for wanted in call.ids()])


ROUTES = (
    Route("GET", "/api/v1/accounts/lookup", lookup, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/search", search, "read:accounts"),
    Route("GET", "/api/v1/accounts/familiar_followers", familiar, "read:follows"),
    Route("GET", "/api/v1/accounts", several, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/:id", show, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/:id/statuses", statuses, "read:statuses", anonymous=True),
    Route("GET", "/api/v1/accounts/:id/followers", followers, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/:id/following", following, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/:id/featured_tags", nothing, "read:accounts", anonymous=True),
    Route("GET", "/api/v1/accounts/:id/identity_proofs", nothing, "read:accounts", anonymous=True),
)
