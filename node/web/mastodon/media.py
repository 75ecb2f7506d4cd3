"""Files: upload, describe, take back. What becomes of them is decided in node/media."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from node.errors import NotFound
from node.model.media import Media
from node.web.mastodon.call import Call
from node.web.mastodon.entities import Json
from node.web.mastodon.errors import Invalid
from node.web.mastodon.reply import reply
from node.web.mastodon.route import Route

if TYPE_CHECKING:
    from node.web.mastodon.rooms import Rooms


def attachment(one: Media, rooms: Rooms) -> Json:
    """A file of the owner's as apps see it, on a post or before (client-api.md §6)."""
    address = rooms.ids.media(one.file)
    meta: Json = {}
    if one.width and one.height:
        meta["original"] = _size(one.width, one.height)
    if one.duration is not None:
        meta.setdefault("original", {})["duration"] = one.duration
    if one.preview_width and one.preview_height:
        meta["small"] = _size(one.preview_width, one.preview_height)
    if one.kind in ("image", "gifv"):
        x, y = one.focus or (0.0, 0.0)
        meta["focus"] = {"x": x, "y": y}
    return {
        "id": str(one.id),
        "type": kind(one.kind, one.media_type),
        "url": address,
        "preview_url": rooms.ids.media(one.preview) if one.preview else address,
        "remote_url": None,
        "preview_remote_url": None,
        "text_url": None,
        "meta": meta,
        "description": one.alt or None,
        "blurhash": one.blurhash,
    }


def kind(ours: str, media_type: str) -> str:
    """Mastodon's `gifv` is a silent film: a picture that moves stays an image to apps."""
    return "image" if ours == "gifv" and media_type.startswith("image/") else ours


def _size(width: int, height: int) -> Json:
    return {"width": width, "height": height, "size": f"{width}x{height}", "aspect": round(width / height, 4)}


async def uploads(rooms: Rooms, identifiers: Sequence[int]) -> list[Json]:
    """Those of these files that are there."""
    found = []
    for identifier in identifiers:
        try:
            found.append(attachment(await rooms.media.get(identifier), rooms))
        except NotFound:
            continue
    return found


def focus_of(written: str) -> tuple[float, float] | None:
    """Where to look: "x,y", each from -1 to 1. Raises Invalid."""
    if not written:
        return None
    try:
        x, y = (float(part) for part in written.split(","))
    except ValueError:
        raise Invalid("Validation failed: Focus is not two numbers") from None
    if not (-1 <= x <= 1 and -1 <= y <= 1):
        raise Invalid("Validation failed: Focus is not between -1 and 1")
    return x, y


async def upload(call: Call) -> web.Response:
    """Ready when this answers, so both versions of the call give 200."""
    file = call.file("file")
    if file is None:
        raise Invalid("Validation failed: File can't be blank")
    made = await call.rooms.media.upload(
        file.chunks(), alt=call.text("description"), focus=focus_of(call.text("focus"))
    )
    return reply(attachment(made, call.rooms))


async def show(call: Call) -> web.Response:
    return reply(attachment(await _waiting(call), call.rooms))


async def _waiting(call: Call) -> Media:
    """A file that hangs on no post yet: others are seen on their posts. Raises NotFound."""
    found = await call.rooms.media.get(call.id())
    if found.purpose != "post":
        raise NotFound("Record not found")
    return found


async def describe(call: Call) -> web.Response:
    await _waiting(call)
    alt = call.text("description") if "description" in call.params else None
    return reply(
        attachment(await call.rooms.media.describe(call.id(), alt=alt, focus=focus_of(call.text("focus"))), call.rooms)
    )


async def delete(call: Call) -> web.Response:
    await _waiting(call)
    await call.rooms.media.delete(call.id())
    return reply({})


ROUTES = (
    Route("POST", "/api/v1/media", upload, "write:media", files=True),
    Route("POST", "/api/v2/media", upload, "write:media", files=True),
    Route("GET", "/api/v1/media/:id", show, "write:media"),
    Route("PUT", "/api/v1/media/:id", describe, "write:media", files=True),
    Route("DELETE", "/api/v1/media/:id", delete, "write:media"),
)
