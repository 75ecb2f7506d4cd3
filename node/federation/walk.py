"""How a collection is walked: which page is next, and how far back is far enough. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keys.canonical import JsonValue
from node.errors import Malformed
from node.federation import parse
from node.federation.parse import CollectionPage
from node.model import Iri, origin_of

AWAY = timedelta(hours=1)
"""A node that did not run for so long was away."""

LATE = timedelta(hours=1)
"""How much further back than the absence is looked: what was on its way when the node went."""

QUIET_FACTOR = 3
QUIET_LEAST = timedelta(days=1)
QUIET_MOST = timedelta(days=7)


@dataclass
class Walk:
    """Steps through one collection: on one origin, no page twice, at most `left` more (federation.md §8)."""

    origin: str
    left: int
    seen: set[str] = field(default_factory=set)

    def enter(self, url: str) -> bool:
        """Whether to fetch this page."""
        if self.left <= 0 or url in self.seen or origin_of(url) != self.origin:
            return False
        self.left -= 1
        self.seen.add(url)
        return True

    @staticmethod
    def onward(page: CollectionPage) -> Iri | None:
        """The page after this one; after a collection without items of its own, its first."""
        return page.next if page.next is not None or page.items else page.first


def written_at(item: JsonValue) -> datetime | None:
    """When an item of an outbox says it was published: the activity, or the post in it."""
    if not isinstance(item, dict):
        return None
    inner = item.get("object")
    found = parse.date(item.get("published"))
    return found or (parse.date(inner.get("published")) if isinstance(inner, dict) else None)


def id_in(item: JsonValue) -> Iri | None:
    """The id of the post that an item is about."""
    try:
        if isinstance(item, Mapping) and "object" in item:
            return parse.iri_of(item.get("object"))
        return parse.iri_of(item)
    except Malformed:
        return None


def is_far_enough(dates: Iterable[datetime | None], back_to: datetime | None) -> bool:
    """Whether a page lies wholly before what is looked for; one without dates does not say so."""
    known = [date for date in dates if date is not None]
    return back_to is not None and bool(known) and max(known) < back_to


def usual_gap(posts: int, oldest: datetime | None, newest: datetime | None) -> timedelta | None:
    """The time between two posts of somebody, as a rule."""
    if posts < 2 or oldest is None or newest is None:
        return None
    return (newest - oldest) / (posts - 1)


def is_silent(now: datetime, heard: datetime, gap: timedelta | None) -> bool:
    """Whether somebody has been silent for longer than they usually are; `heard`: of them, or from their outbox."""
    patience = QUIET_MOST if gap is None else min(max(QUIET_FACTOR * gap, QUIET_LEAST), QUIET_MOST)
    return now - heard > patience
