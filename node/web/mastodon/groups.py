"""Notifications in groups (version 2): who favourited one post, who boosted it, who followed, in half a day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from aiohttp import web

from node.errors import NotFound
from node.model import Iri, Window
from node.notify import Kind, kinds_shown_as
from node.storage import notifications as stored
from node.storage.dialect import Tx
from node.storage.notifications import Notification
from node.web.mastodon import notifications
from node.web.mastodon.call import Call, number
from node.web.mastodon.notifications import GROUPED, key_of
from node.web.mastodon.reply import links, reply
from node.web.mastodon.route import Route

FACES = 8
"""Accounts that a group is shown by."""

ROUNDS = 4
"""Pages of notifications that are read, at most, to fill one of groups."""


LAST_SPAN = 1_000_000
"""Of those that have a date."""


@dataclass(slots=True)
class _Group:
    key: str
    members: list[Notification] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Named:
    """What a group's key says: the one notification, or all of a type, about one post, in one span of time."""

    single: int | None = None
    type: str = ""
    note_id: int | None = None
    span: int = 0


def _named(key: str) -> _Named:
    """Raises NotFound for what is no group's key."""
    type_, *rest = key.split("-")
    numbers = [found for part in rest if (found := number(part)) is not None]
    if len(numbers) == len(rest):
        match type_, numbers:
            case "ungrouped", [identifier]:
                return _Named(single=identifier)
            case Kind.FOLLOW.value, [span] if span < LAST_SPAN:
                return _Named(None, type_, None, span)
            case ((Kind.FAVOURITE.value | Kind.REBLOG.value), [note_id, span]) if span < LAST_SPAN:
                return _Named(None, type_, note_id, span)
    raise NotFound("Record not found")


def _types(call: Call) -> frozenset[str]:
    return GROUPED & frozenset(call.many("grouped_types")) if "grouped_types" in call.params else GROUPED


def _fold(found: Iterable[Notification], types: Collection[str], most: int) -> tuple[list[_Group], list[Notification]]:
    """Groups in the order of their newest members; and what went into them, up to the first that found no room."""
    groups: dict[str, _Group] = {}
    taken: list[Notification] = []
    for item in found:
        key = key_of(item, types)
        if key not in groups and len(groups) == most:
            break
        groups.setdefault(key, _Group(key)).members.append(item)
        taken.append(item)
    return list(groups.values()), taken


async def index(call: Call) -> web.Response:
    """A page of groups, with accounts and posts beside them, each once."""
    rooms, window, types, now = call.rooms, call.window(40, notifications.MOST), _types(call), call.rooms.clock()
    kinds, without = notifications.kinds_asked(call)
    async with rooms.store.read() as tx:
        actor = await notifications.actor_of(tx, call)
        waiting = actor is not None and call.flag("include_filtered")

        async def page(of: Window) -> list[Notification]:
            return await stored.newest(tx, of, now, kinds=kinds, without=without, actor=actor, waiting=waiting)

        # Upwards the page is what is right above, whatever that is; downwards it is read on until groups fill it.
        step = window.limit if window.nearest else notifications.MOST
        found = await page(replace(window, limit=step))
        may_be_more = len(found) == step
        for _ in range(1, 1 if window.nearest else ROUNDS):
            if not may_be_more or len(_fold(found, types, window.limit)[1]) < len(found):
                break
            further = await page(Window(found[-1].id, window.after, limit=step))
            found, may_be_more = found + further, len(further) == step
        groups, taken = _fold(found, types, window.limit)
        counts = await _counts(tx, groups, now, of_one=actor is not None)
        answer = await _answer(tx, call, groups, counts)
    has_more = len(taken) < len(found) or may_be_more
    return reply(answer, headers=links(call, [item.id for item in taken], len(taken) + (not has_more)))


async def _counts(tx: Tx, groups: Sequence[_Group], now: datetime, *, of_one: bool = False) -> dict[str, int]:
    """How many there are in each, on this page and after it; of one account's, on this page."""
    found = {group.key: len(group.members) for group in groups}
    spans = {stored.span_of(group.members[0].at) for group in groups if not group.key.startswith("ungrouped-")}
    if of_one or not spans:
        return found
    whole: dict[str, int] = {}
    for kind, note_id, span, count in await stored.tally(tx, now, kinds_shown_as(GROUPED), min(spans), max(spans)):
        key = key_of(Notification(0, kind, Iri(""), note_id, stored.begin_of(span)))
        whole[key] = whole.get(key, 0) + count
    return {key: max(count, whole.get(key, 0)) for key, count in found.items()}


async def _answer(tx: Tx, call: Call, groups: Sequence[_Group], counts: dict[str, int]) -> dict[str, Any]:
    items = [item for group in groups for item in group.members]
    shown = {int(entity["id"]): entity for entity in await notifications.render(tx, call.rooms, items)}
    accounts: dict[str, Any] = {}
    statuses: dict[int, Any] = {}
    answer = []
    for group in groups:
        members = [item for item in group.members if item.id in shown]
        if not members:
            continue
        newest, faces = members[0], list(dict.fromkeys(shown[item.id]["account"]["id"] for item in members))[:FACES]
        accounts |= {shown[item.id]["account"]["id"]: shown[item.id]["account"] for item in members}
        entry = {
            "group_key": group.key,
            "notifications_count": counts[group.key],
            "type": newest.kind.shown,
            "most_recent_notification_id": str(newest.id),
            "page_min_id": str(members[-1].id),
            "page_max_id": str(newest.id),
            "latest_page_notification_at": shown[newest.id]["created_at"],
            "sample_account_ids": faces,
        }
        if newest.note_id is not None:
            statuses[newest.note_id] = shown[newest.id]["status"]
            entry["status_id"] = str(newest.note_id)
        answer.append(entry)
    used = {face for entry in answer for face in entry["sample_account_ids"]}
    return {
        "accounts": [account for identifier, account in accounts.items() if identifier in used],
        "statuses": list(statuses.values()),
        "notification_groups": answer,
    }


async def _members(tx: Tx, call: Call, limit: int | None) -> list[Notification]:
    """Newest first. Raises NotFound when there are none."""
    named, now = _named(call.named["key"]), call.rooms.clock()
    if named.single is not None:
        one = await stored.get(tx, named.single, now)
        found = [] if one is None else [one]
    else:
        kinds = kinds_shown_as(frozenset([named.type]))
        found = await stored.of_span(tx, now, kinds, named.note_id, named.span, limit)
    if not found:
        raise NotFound("Record not found")
    return found


async def show(call: Call) -> web.Response:
    async with call.rooms.store.read() as tx:
        group = _Group(call.named["key"], await _members(tx, call, notifications.MOST))
        counts = await _counts(tx, [group], call.rooms.clock())
        answer = await _answer(tx, call, [group], counts)
    if not answer["notification_groups"]:
        raise NotFound("Record not found")
    return reply(answer)


async def accounts(call: Call) -> web.Response:
    """Who is in a group, the newest first."""
    async with call.rooms.store.read() as tx:
        shown = await notifications.render(tx, call.rooms, await _members(tx, call, notifications.MOST))
    if not shown:
        raise NotFound("Record not found")
    return reply(list({entity["account"]["id"]: entity["account"] for entity in shown}.values()))


async def dismiss(call: Call) -> web.Response:
    """The whole group, or nothing: it is gone either way."""
    async with call.rooms.store.write() as tx:
        try:
            await stored.dismiss(tx, [item.id for item in await _members(tx, call, None)])
        except NotFound:
            _named(call.named["key"])
    return reply({})


async def unread_count(call: Call) -> web.Response:
    """Groups with something newer than the marker that all apps share."""
    kinds, without = notifications.kinds_asked(call)
    most = call.integer("limit", 100, least=1, most=1_000)
    async with call.rooms.store.read() as tx:
        unread = await stored.unread(tx, call.rooms.clock(), kinds=kinds, without=without)
    types = _types(call)
    return reply({"count": min(most, len({key_of(item, types) for item in unread}))})


_PATH = "/api/v2/notifications"
_READ, _WRITE = "read:notifications", "write:notifications"

ROUTES = (
    Route("GET", _PATH, index, _READ),
    Route("GET", f"{_PATH}/unread_count", unread_count, _READ),
    Route("GET", f"{_PATH}/:key", show, _READ),
    Route("GET", f"{_PATH}/:key/accounts", accounts, _READ),
    Route("POST", f"{_PATH}/:key/dismiss", dismiss, _WRITE),
)
