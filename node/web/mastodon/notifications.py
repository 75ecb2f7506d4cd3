"""Notifications, and the request box as Mastodon's notification policy and requests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from node.errors import NotFound
from node.model import Iri
from node.notify import Kind, kinds_shown_as
from node.storage import actors, notifications
from node.storage.dialect import Tx
from node.storage.notifications import Notification, Request
from node.web.mastodon import gather
from node.web.mastodon.call import Call
from node.web.mastodon.errors import Invalid
from node.web.mastodon.parts import time
from node.web.mastodon.reply import dumps, links, reply
from node.web.mastodon.route import Route

if TYPE_CHECKING:
    from node.web.mastodon.rooms import Rooms

MOST = 80


async def render(tx: Tx, rooms: Rooms, found: Sequence[Notification]) -> list[dict[str, Any]]:
    """A page of notifications. One whose account or post is not to be seen any more is left out."""
    people = await actors.many(tx, {item.actor for item in found})
    known = [known.actor for known in people.values()]
    accounts = await gather.accounts(tx, rooms, known, is_owner=True)
    by_iri = {actor.iri: shown for actor, shown in zip(known, accounts, strict=True)}
    posts = list((await notifications.posts_of(tx, found)).values())
    shown = await gather.statuses(tx, rooms, posts, is_owner=True)
    statuses = {post.id: status for post, status in zip(posts, shown, strict=True)}
    return [
        _entity(item, by_iri[item.actor], statuses.get(item.note_id or 0))
        for item in found
        if item.actor in by_iri and (item.note_id is None or item.note_id in statuses)
    ]


GROUPED = frozenset([Kind.FAVOURITE.value, Kind.REBLOG.value, Kind.FOLLOW.value])
"""What is told in groups (groups.py), unless an app wants less of it."""


def key_of(item: Notification, types: Collection[str] = GROUPED) -> str:
    """The group that a notification is in, by what it is alone: the same in every answer and stream."""
    if item.kind.shown not in types:
        return f"ungrouped-{item.id}"
    about = "" if item.note_id is None else f"{item.note_id}-"
    return f"{item.kind.shown}-{about}{notifications.span_of(item.at)}"


def _entity(item: Notification, account: object, status: object) -> dict[str, Any]:
    entity = {
        "id": str(item.id),
        "type": item.kind.shown,
        "created_at": time(item.at),
        "group_key": key_of(item),
        "account": account,
    }
    return entity if status is None else entity | {"status": status}


async def rendered(rooms: Rooms, identifier: int) -> bytes | None:
    """One notification, as streams send it; None when it is not to be seen any more."""
    async with rooms.store.read() as tx:
        found = await notifications.get(tx, identifier, rooms.clock())
        entities = [] if found is None else await render(tx, rooms, [found])
    return dumps(entities[0]) if entities else None


def kinds_asked(call: Call) -> tuple[frozenset[Kind] | None, frozenset[Kind]]:
    """Which types are asked for (None: all), and which are not wanted."""
    wanted = call.many("types")
    return (
        kinds_shown_as(frozenset(wanted)) if wanted else None,
        kinds_shown_as(frozenset(call.many("exclude_types"))),
    )


async def actor_of(tx: Tx, call: Call) -> Iri | None:
    """The account asked for; one that is not known has done nothing."""
    ids = call.ids("account_id")
    if not call.many("account_id"):
        return None
    found = await actors.by_ids(tx, ids)
    return found[ids[0]].iri if ids and ids[0] in found else Iri("")


async def index(call: Call) -> web.Response:
    rooms, window, now = call.rooms, call.window(40, MOST), call.rooms.clock()
    kinds, without = kinds_asked(call)
    async with rooms.store.read() as tx:
        actor = await actor_of(tx, call)
        # An app that shows one stranger's request asks for what that stranger said, which is held back elsewhere.
        waiting = actor is not None and call.flag("include_filtered")
        found = await notifications.newest(tx, window, now, kinds=kinds, without=without, actor=actor, waiting=waiting)
        shown = await render(tx, rooms, found)
    return reply(shown, headers=links(call, [item.id for item in found], window.limit))


async def show(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        found = await notifications.get(tx, call.id(), call.rooms.clock())
        shown = [] if found is None else await render(tx, call.rooms, [found])
    if not shown:
        raise NotFound("Record not found")
    return reply(shown[0])


async def dismiss(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        if not await notifications.dismiss(tx, [call.id()]):
            raise NotFound("Record not found")
    return reply({})


async def clear(call: Call) -> web.Response:
    async with call.rooms.store.write() as tx:
        await notifications.clear(tx)
    return reply({})


async def unread_count(call: Call) -> web.Response:
    kinds, without = kinds_asked(call)
    most = call.integer("limit", 100, least=1, most=1_000)
    async with call.rooms.store.read() as tx:
        count = await notifications.count_unread(tx, call.rooms.clock(), kinds=kinds, without=without, most=most)
    return reply({"count": count})


# ── the request box ──────────────────────────────────────────────────────────────────────────

POLICY = {
    "for_not_following": "filter",
    "for_not_followers": "accept",
    "for_new_accounts": "accept",
    "for_private_mentions": "filter",
    "for_limited_accounts": "accept",
}
"""What this node does: a stranger's mention waits, everything else is told."""

POLICY_V1 = {"filter_" + name.removeprefix("for_"): value == "filter" for name, value in POLICY.items()}


async def policy(call: Call) -> web.Response:
    return await _policy(call, POLICY)


async def policy_v1(call: Call) -> web.Response:
    return await _policy(call, {name: value for name, value in POLICY_V1.items() if name != "filter_limited_accounts"})


async def _policy(call: Call, fields: dict[str, Any]) -> web.Response:
    async with call.rooms.store.read() as tx:
        people, times = await notifications.count_waiting(tx, call.rooms.clock())
    return reply({**fields, "summary": {"pending_requests_count": people, "pending_notifications_count": times}})


async def change_policy(call: Call) -> web.Response:
    """The policy is what the node is: asked for another, it says so instead of pretending. Raises Invalid."""
    for name, value in POLICY.items():
        if name in call.params and call.text(name) != value:
            raise Invalid(f"Validation failed: {name} is always {value} here")
    return await policy(call)


async def change_policy_v1(call: Call) -> web.Response:
    for name, value in POLICY_V1.items():
        if name in call.params and call.flag(name) is not value:
            raise Invalid(f"Validation failed: {name} is always {str(value).lower()} here")
    return await policy_v1(call)


async def requests(call: Call) -> web.Response:
    """Strangers who said something to the owner, who has not decided about them."""
    window = call.window(40, MOST)
    async with call.rooms.store.read() as tx:
        found = await notifications.requests(tx, call.rooms.clock(), before=window.before, limit=window.limit)
        shown = await _requests(tx, call.rooms, found)
    return reply(shown, headers=links(call, [item.id for item in found], window.limit))


async def _requests(tx: Tx, rooms: Rooms, found: Sequence[Request]) -> list[dict[str, Any]]:
    people = await actors.by_ids(tx, [item.id for item in found])
    known = list(people.values())
    accounts = await gather.accounts(tx, rooms, known, is_owner=True)
    by_iri = {actor.iri: shown for actor, shown in zip(known, accounts, strict=True)}
    last = [Notification(0, Kind.MENTION, item.actor, item.last_note_id, item.last_at) for item in found]
    posts = list((await notifications.posts_of(tx, last)).values())
    shown = await gather.statuses(tx, rooms, posts, is_owner=True)
    statuses = {post.id: status for post, status in zip(posts, shown, strict=True)}
    return [
        {
            "id": str(item.id),
            "created_at": time(item.first_at),
            "updated_at": time(item.last_at),
            "notifications_count": str(item.times),
            "account": by_iri[item.actor],
            "last_status": statuses.get(item.last_note_id or 0),
        }
        for item in found
        if item.actor in by_iri
    ]


async def _request(call: Call, identifier: int) -> Request:
    async with call.rooms.store.read() as tx:
        found = await notifications.requests(tx, call.rooms.clock(), actor_id=identifier)
    if not found:
        raise NotFound("Record not found")
    return found[0]


async def request(call: Call) -> web.Response:
    found = await _request(call, call.id())
    async with call.rooms.store.read() as tx:
        return reply((await _requests(tx, call.rooms, [found]))[0])


async def accept(call: Call) -> web.Response:
    """Let a stranger in: what they said is among the notifications, from the first on."""
    await call.rooms.moderation.allow((await _request(call, call.id())).actor)
    return reply({})


async def turn_away(call: Call) -> web.Response:
    """Leave a stranger unanswered; they are not told."""
    await call.rooms.moderation.ignore((await _request(call, call.id())).actor)
    return reply({})


async def accept_many(call: Call) -> web.Response:
    for identifier in call.ids():
        await call.rooms.moderation.allow((await _request(call, identifier)).actor)
    return reply({})


async def turn_away_many(call: Call) -> web.Response:
    for identifier in call.ids():
        await call.rooms.moderation.ignore((await _request(call, identifier)).actor)
    return reply({})


async def merged(call: Call) -> web.Response:
    """Those who are let in appear at once."""
    return reply({"merged": True})


_READ, _WRITE = "read:notifications", "write:notifications"
_V1, _V2 = "/api/v1/notifications", "/api/v2/notifications"

ROUTES = (
    Route("GET", _V1, index, _READ),
    Route("POST", f"{_V1}/clear", clear, _WRITE),
    Route("GET", f"{_V1}/unread_count", unread_count, _READ),
    Route("GET", f"{_V1}/policy", policy_v1, _READ),
    Route("PUT", f"{_V1}/policy", change_policy_v1, _WRITE),
    Route("PATCH", f"{_V1}/policy", change_policy_v1, _WRITE),
    Route("GET", f"{_V1}/requests", requests, _READ),
    Route("GET", f"{_V1}/requests/merged", merged, _READ),
    Route("POST", f"{_V1}/requests/accept", accept_many, _WRITE),
    Route("POST", f"{_V1}/requests/dismiss", turn_away_many, _WRITE),
    Route("GET", f"{_V1}/requests/:id", request, _READ),
    Route("POST", f"{_V1}/requests/:id/accept", accept, _WRITE),
    Route("POST", f"{_V1}/requests/:id/dismiss", turn_away, _WRITE),
    Route("GET", f"{_V1}/:id", show, _READ),
    Route("POST", f"{_V1}/:id/dismiss", dismiss, _WRITE),
    Route("GET", f"{_V2}/policy", policy, _READ),
    Route("PATCH", f"{_V2}/policy", change_policy, _WRITE),
    Route("PUT", f"{_V2}/policy", change_policy, _WRITE),
)
