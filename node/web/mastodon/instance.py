"""What this server is and allows (client-api.md §1, §6)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

from aiohttp import web

from node import __version__, polls, text
from node.interact import MOST_PINNED
from node.media.child import MAX_PIXELS
from node.media.sniff import FORMATS, HEIC
from node.model.media import MAX_DESCRIPTION
from node.storage import actors, notes
from node.web.mastodon import entities, gather
from node.web.mastodon import profile as profiles
from node.web.mastodon.call import Call
from node.web.mastodon.reply import reply
from node.web.mastodon.route import ANYONE, Route

MAX_CHARACTERS = 140
PER_URL = 23
VERSION = f"4.2.0 (compatible; cuicui {__version__})"


_ALIASES = ("image/heif", "audio/mp3", "audio/x-m4a", "audio/wave", "audio/x-wav", "audio/x-flac", "video/x-m4v")
"""Other names of what is taken: browsers call some files by these, and apps offer only what is on the list."""


@cache
def _media_types() -> tuple[str, ...]:
    """HEIC only where its reader is installed."""
    heic = find_spec("pillow_heif") is not None
    taken = [one.media_type for one in FORMATS if heic or one is not HEIC]
    return (*taken, *(name for name in _ALIASES if heic or name != "image/heif"))


async def _owner(call: Call) -> dict[str, Any]:
    rooms = call.rooms
    async with rooms.store.read() as tx:
        known = await actors.get(tx, rooms.ids.actor)
        assert known is not None
        return entities.account(known.actor, await gather.beside(tx, rooms, [], [known.actor], is_owner=False))


def _configuration(call: Call) -> dict[str, Any]:
    settings = call.rooms.settings
    return {
        "urls": {"streaming": call.rooms.ids.base.replace("http", "ws", 1)},
        "accounts": {
            "max_featured_tags": 0,
            "max_profile_fields": profiles.MOST_FIELDS,
            "max_pinned_statuses": MOST_PINNED,
        },
        "statuses": {
            "max_characters": MAX_CHARACTERS,
            "max_media_attachments": 4,
            "characters_reserved_per_url": PER_URL,
        },
        "media_attachments": {
            "supported_mime_types": _media_types(),
            "image_size_limit": settings.image_limit << 20,
            "image_matrix_limit": MAX_PIXELS,
            "video_size_limit": settings.recording_limit << 20,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
            "description_limit": MAX_DESCRIPTION,
        },
        "polls": {
            "max_options": polls.MOST_CHOICES,
            "max_characters_per_option": polls.LONGEST_CHOICE,
            "min_expiration": int(polls.SHORTEST.total_seconds()),
            "max_expiration": int(polls.LONGEST.total_seconds()),
        },
        "translation": {"enabled": False},
        "vapid": {"public_key": call.rooms.push_key()},
    }


async def v2(call: Call) -> web.Response:
    ids = call.rooms.ids
    profile = await call.rooms.profile()
    return reply(
        {
            "domain": ids.host,
            "title": profile.name or ids.handle,
            "version": VERSION,
            "source_url": ids.base,
            "description": profile.summary,
            "usage": {"users": {"active_month": 1}},
            "thumbnail": {"url": f"{ids.base}/static/header.png"},
            "icon": [],
            "languages": ["en"],
            "configuration": _configuration(call),
            "registrations": {"enabled": False, "approval_required": False, "message": None, "url": None},
            "contact": {"email": "", "account": await _owner(call)},
            "rules": [],
            "api_versions": {"mastodon": 2},
        }
    )


async def v1(call: Call) -> web.Response:
    ids = call.rooms.ids
    profile = await call.rooms.profile()
    async with call.rooms.store.read() as tx:
        posts = await notes.count_own(tx)
        hosts = await actors.count_hosts(tx)
    return reply(
        {
            "uri": ids.host,
            "title": profile.name or ids.handle,
            "short_description": profile.summary,
            "description": text.render(profile.summary, mentions={}, tag_url=ids.tag).html,
            "email": "",
            "version": VERSION,
            "urls": {"streaming_api": ids.base.replace("http", "ws", 1)},
            "stats": {"user_count": 1, "status_count": posts, "domain_count": hosts},
            "thumbnail": f"{ids.base}/static/header.png",
            "languages": ["en"],
            "registrations": False,
            "approval_required": False,
            "invites_enabled": False,
            "configuration": _configuration(call),
            "contact_account": await _owner(call),
            "rules": [],
            "max_toot_chars": MAX_CHARACTERS,
        }
    )


ROUTES = (
    Route("GET", "/api/v2/instance", v2, ANYONE),
    Route("GET", "/api/v1/instance", v1, ANYONE),
)
