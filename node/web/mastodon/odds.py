"""What every app asks at its start and this node has nothing of: answered all the same (client-api.md §2)."""

from __future__ import annotations

from aiohttp import web

from node.web.mastodon.call import Call
from node.web.mastodon.entities import VISIBILITY
from node.web.mastodon.reply import reply
from node.web.mastodon.route import ANYONE, Handler, Route


def always(value: object) -> Handler:
    async def answer(call: Call) -> web.Response:
        return reply(value)

    return answer


async def preferences(call: Call) -> web.Response:
    chosen = (await call.rooms.profile()).preferences
    return reply(
        {
            "posting:default:visibility": VISIBILITY[chosen.visibility],
            "posting:default:sensitive": chosen.sensitive,
            "posting:default:language": chosen.language,
            "posting:default:quote_policy": "public",
            "reading:expand:media": "default",
            "reading:expand:spoilers": False,
            "reading:autoplay:gifs": False,
        }
    )


ROUTES = (
    Route("GET", "/api/v1/preferences", preferences, "read:accounts"),
    Route("GET", "/api/v1/custom_emojis", always([]), ANYONE),
    Route("GET", "/api/v1/announcements", always([]), "read"),
    Route("GET", "/api/v1/trends", always([]), ANYONE),
    Route("GET", "/api/v1/trends/tags", always([]), ANYONE),
    Route("GET", "/api/v1/trends/statuses", always([]), ANYONE),
    Route("GET", "/api/v1/trends/links", always([]), ANYONE),
    Route("GET", "/api/v2/suggestions", always([]), "read"),
    Route("GET", "/api/v1/suggestions", always([]), "read"),
    Route("GET", "/api/v1/directory", always([]), ANYONE),
    Route("GET", "/api/v1/endorsements", always([]), "read:accounts"),
    Route("GET", "/api/v1/instance/peers", always([]), ANYONE),
    Route("GET", "/api/v1/instance/rules", always([]), ANYONE),
    Route("GET", "/api/v1/instance/activity", always([]), ANYONE),
    Route("GET", "/api/v1/instance/domain_blocks", always([]), ANYONE),
    Route("GET", "/api/v1/instance/translation_languages", always({}), ANYONE),
)
