"""Markers: where each timeline was read to, kept for all of the owner's apps."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from node.storage import markers as stored
from node.storage.markers import TIMELINES, Marker
from node.web.mastodon.call import Call, number
from node.web.mastodon.errors import Invalid
from node.web.mastodon.parts import Json, time
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route


def _shown(found: Mapping[str, Marker]) -> Json:
    return {
        timeline: {
            "last_read_id": str(marker.last_read_id),
            "version": marker.version,
            "updated_at": time(marker.updated_at),
        }
        for timeline, marker in found.items()
    }


async def show(call: Call) -> web.Response:
    """Those asked for that were ever set; and of notifications, else, that none was read: Elk counts on it."""
    asked = call.many("timeline")
    async with call.rooms.store.read() as tx:
        found = await stored.get(tx, asked)
    if "notifications" in asked and "notifications" not in found:
        found["notifications"] = Marker(0, 0, (await call.rooms.profile()).created_at)
    return reply(_shown(found))


async def put(call: Call) -> web.Response:
    """`home[last_read_id]`, `notifications[last_read_id]`."""
    read: dict[str, int] = {}
    for timeline in TIMELINES:
        given = call.params.get(timeline)
        if given is None:
            continue
        written = given.get("last_read_id") if isinstance(given, Mapping) else None
        found = number(str(written)) if isinstance(written, str | int) and not isinstance(written, bool) else None
        if found is None:
            raise Invalid(f"Validation failed: {timeline} last_read_id is not an id")
        read[timeline] = found
    if not read:
        return reply({})
    async with call.rooms.store.write() as tx:
        return reply(_shown(await stored.put(tx, read, call.rooms.clock())))


ROUTES = (
    Route("GET", "/api/v1/markers", show, "read:statuses"),
    Route("POST", "/api/v1/markers", put, "write:statuses"),
)
