"""What every app asks at its start and this node has nothing of: answered all the same (client-api.md §2)."""

from __future__ import annotations

from aiohttp import web

from node import text
from node.web.mastodon.call import Call
from node.web.mastodon.entities import time
from node.web.mastodon.reply import reply
from node.web.mastodon.route import ANYONE, Handler, Route


def always(value: object) -> Handler:
    async def answer(call: Call) -> web.Response:
        return reply(value)

    return answer


async def extended(call: Call) -> web.Response:
    """What the owner says about the node: the profile's text."""
    profile = await call.rooms.profile()
    shown = text.render(profile.summary, mentions={}, tag_url=call.rooms.ids.tag).html
    return reply({"updated_at": time(profile.created_at), "content": shown})


async def policy(call: Call) -> web.Response:
    profile = await call.rooms.profile()
    said = "<p>This node serves one person, who runs it. It keeps what they read and write, and tells nobody.</p>"
    return reply({"updated_at": time(profile.created_at), "content": said})


ROUTES = (
    Route("GET", "/api/v1/instance/extended_description", extended, ANYONE),
    Route("GET", "/api/v1/instance/privacy_policy", policy, ANYONE),
    Route("GET", "/api/v1/instance/terms_of_service", policy, ANYONE),
    Route("GET", "/api/v1/custom_emojis", always([]), ANYONE),
    Route("GET", "/api/v1/announcements", always([]), "read"),
    Route("GET", "/api/v1/trends", always([]), ANYONE),
    Route("GET", "/api/v1/trends/tags", always([]), ANYONE),
    Route("GET", "/api/v1/trends/statuses", always([]), ANYONE),
    Route("GET", "/api/v1/trends/links", always([]), ANYONE),
    Route("GET", "/api/v2/suggestions", always([]), "read"),
    Route("GET", "/api/v1/suggestions", always([]), "read"),
    Route("GET", "/api/v1/directory", always([]), ANYONE),
    Route("GET", "/api/v1/instance/peers", always([]), ANYONE),
    Route("GET", "/api/v1/instance/rules", always([]), ANYONE),
    Route("GET", "/api/v1/instance/activity", always([]), ANYONE),
    Route("GET", "/api/v1/instance/domain_blocks", always([]), ANYONE),
    Route("GET", "/api/v1/instance/languages", always([]), ANYONE),
    Route("GET", "/api/v1/instance/translation_languages", always({}), ANYONE),
)
