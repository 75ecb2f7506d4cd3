"""For people: the public pages, and what surrounds every request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from keys import PublicIdentity
from node.ids import Ids
from node.model import Clock, Profile
from node.storage.store import Store
from node.web.middleware import answer_errors, protect
from node.web.pages import Pages

__all__ = ["Pages", "mount"]


def mount(
    app: web.Application,
    *,
    store: Store,
    ids: Ids,
    clock: Clock,
    profile: Callable[[], Awaitable[Profile]],
    own_key: PublicIdentity,
) -> Pages:
    """Add the public pages, the headers and the error pages. Call `invalidate()` of what is returned after changes."""
    pages = Pages(store, ids, clock, profile, own_key)
    app.middlewares.append(answer_errors(pages.error))
    app.on_response_prepare.append(protect)
    app.router.add_routes(
        [
            web.get("/", pages.root),
            web.get("/authorize_interaction", pages.interact),
            web.get(f"/@{ids.handle}", pages.profile),
            web.get(f"/@{ids.handle}/{{id}}.json", pages.signed_post),  # first: the next one would take it too
            web.get(f"/@{ids.handle}/{{id}}", pages.status),
            web.get("/@{handle}", pages.other_spelling),
            web.get("/@{handle}/{id}", pages.other_spelling),
            web.get("/tags/{tag}", pages.tag),
            web.get("/static/{name}", pages.static),
        ]
    )
    return pages
