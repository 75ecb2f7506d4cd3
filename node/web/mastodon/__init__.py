"""The Mastodon client API: the table of everything an app may ask (client-api.md).

Loaded with the first such request; a node that no app speaks to does without. `route.py` says what
a row is, `dispatch.py` how a request finds it, `entities.py` how our types look to an app.
"""

from __future__ import annotations

from node.web.mastodon import (
    accounts,
    acts,
    conversations,
    filters,
    groups,
    instance,
    lists,
    markers,
    media,
    notifications,
    oauth,
    odds,
    profile,
    push,
    relationships,
    search,
    shut_out,
    statuses,
    streaming,
    tags,
    timelines,
    writing,
)
from node.web.mastodon.dispatch import Api
from node.web.mastodon.rooms import Rooms
from node.web.mastodon.route import Route, Table

__all__ = ["ROUTES", "Api", "Rooms", "build"]

ROUTES: tuple[Route, ...] = (
    *oauth.ROUTES,
    *instance.ROUTES,
    *profile.ROUTES,
    *accounts.ROUTES,
    *relationships.ROUTES,
    *search.ROUTES,
    *shut_out.ROUTES,
    *lists.ROUTES,
    *filters.ROUTES,
    *markers.ROUTES,
    *conversations.ROUTES,
    *tags.ROUTES,
    *odds.ROUTES,
    *statuses.ROUTES,
    *writing.ROUTES,
    *acts.ROUTES,
    *media.ROUTES,
    *timelines.ROUTES,
    *notifications.ROUTES,
    *groups.ROUTES,
    *push.ROUTES,
    *streaming.ROUTES,
)


def build(rooms: Rooms) -> Api:
    """The API over these rooms. Raises ValueError for a route without a scope: the API then does not start."""
    return Api(rooms, Table(ROUTES))
