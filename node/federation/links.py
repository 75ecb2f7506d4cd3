"""rel=me: whether the page that a profile links to links back, so that both are one person's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from node import text
from node.errors import CuicuiError, Unreachable
from node.events import Events
from node.federation.circle import Circle
from node.federation.client import Client
from node.federation.polite import Manners
from node.ids import Ids
from node.model import Actor, Clock, Iri, Profile, Tell, origin_of
from node.observe import count
from node.storage import actors, profile
from node.storage.dialect import Tx
from node.storage.store import Store

log = logging.getLogger("cuicui.links")

STALE = timedelta(days=7)
"""How long a check counts; then it is made again when somebody looks at the profile."""

LARGEST = 1 << 20
"""Bytes of a page that are read; what is longer is not verified."""

MOST = 8
"""Links of one profile that are checked."""

_ACCEPT = "text/html, application/xhtml+xml;q=0.9"
_PAGES = ("text/html", "application/xhtml+xml")
_CHUNK = 1 << 18
"""Characters of a page that are read at once. What has no end yet is looked at again with each of them: the worst
page takes 0.4 s, in pieces of a quarter of that 1.3 s."""


# ── what is decided ──────────────────────────────────────────────────────────────────────────


def link_in(value: str) -> str | None:
    """The address that the value of a field (sanitised HTML) consists of; None if it says anything else.

    What is shown must be what is linked, up to the scheme: else a check mark would stand beside another name.
    """
    reader = _Field()
    reader.feed(value)
    if len(reader.links) != 1 or reader.beside.strip():
        return None
    href, shown = reader.links[0].strip(), reader.shown.strip()
    if not href.startswith(("https://", "http://")):
        return None
    return href if _bare(shown) == _bare(href) else None


def _bare(address: str) -> str:
    return address.partition("://")[2].rstrip("/") if "://" in address[:8] else address.rstrip("/")


class _Field(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.shown = self.beside = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs).get("href") or "")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.shown += data
        else:
            self.beside += data


def points_back(page: str, address: str, to: Iterable[str]) -> bool:
    """Whether a page has an `a` or `link` element with rel=me to one of these (microformats.org/wiki/rel-me).

    `address` is where the page was found, for relative links. What a page leaves unfinished at its end
    is not read: that, and reading piece by piece, keeps the worst page as cheap as any.
    """
    reader = _Page(address, {_spelled(one) for one in to})
    try:
        for start in range(0, len(page), _CHUNK):
            reader.feed(page[start : start + _CHUNK])
            if reader.found:
                return True
    except (AssertionError, ValueError):  # what HTMLParser cannot get through: `<![x[`, or a `&#` of 5,000 digits
        pass
    return reader.found


class _Page(HTMLParser):
    def __init__(self, address: str, wanted: set[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.found = False
        self._address = address
        self._wanted = wanted

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("a", "link") or self.found:
            return
        given: dict[str, str] = {}
        for name, value in attrs:
            given.setdefault(name, value or "")  # of two attributes of one name, the first counts
        if "me" not in given.get("rel", "").lower().split():
            return
        try:
            self.found = _spelled(urljoin(self._address, given.get("href", "").strip())) in self._wanted
        except ValueError:
            return


def _spelled(address: str) -> str:
    """An address in the one spelling in which it is compared: host in lower case, no `/` at its end, no fragment."""
    parts = urlsplit(address)
    query = f"?{parts.query}" if parts.query else ""
    return f"{origin_of(address)}{parts.path.rstrip('/')}{query}"


# ── what is done ─────────────────────────────────────────────────────────────────────────────


class Links:
    """Checks the links of profiles, one page after another: it may take a while, and nobody waits for it."""

    def __init__(
        self,
        store: Store,
        client: Client,
        manners: Manners,
        circle: Circle,
        events: Events,
        *,
        ids: Ids,
        clock: Clock,
        forget: Callable[[], None],
    ) -> None:
        self._store = store
        self._client = client
        self._manners = manners
        self._circle = circle
        self._events = events
        self._ids = ids
        self._clock = clock
        self._forget = forget

    async def errand(self, iri: Iri, _last: bool) -> None:
        """The same, as something that is done in the background."""
        await self.check(iri)

    async def check(self, iri: Iri) -> dict[str, bool | None]:
        """Look at the page behind each link in somebody's profile: value of the field → whether it links back.

        None where the page could not be had: what was known of it stays.
        """
        async with self._store.read() as tx:
            known = await actors.get(tx, iri)
        if known is None:
            return {}
        outcome: dict[str, bool | None] = {}
        for field in known.actor.fields:
            if len(outcome) < MOST and field.value not in outcome and (url := link_in(field.value)) is not None:
                outcome[field.value] = await self._links_back(url, self._names(known.actor))
        now = self._clock()
        async with self._store.write() as tx:
            await actors.verify_fields(tx, iri, outcome, now)
            if iri == self._ids.actor:
                await self._settle_own(tx, iri)
        self._forget()
        count("links.checked", len(outcome))
        self._events.publish([Tell("profile" if iri == self._ids.actor else "person", iri)])
        return outcome

    def _names(self, actor: Actor) -> tuple[str, ...]:
        """What counts as a link to an account: its page and its id, on its own origin."""
        pages = (actor.url or actor.iri, actor.iri)
        return tuple(page for page in pages if origin_of(page) == origin_of(actor.iri))

    async def _links_back(self, url: str, to: tuple[str, ...]) -> bool | None:
        if origin_of(url) == self._ids.origin:
            return None  # nothing that somebody writes sends the node to itself
        try:
            await self._circle.admit(url)
            async with self._manners.turn(url):
                watch = await self._circle.watch(url)
                answer = await self._client.get(url, accept=_ACCEPT, sign=watch, limit=LARGEST)
        except CuicuiError as error:
            log.info("link not checked", extra={"url": url, "why": error.message})
            gone = isinstance(error, Unreachable) and error.status in (404, 410)
            return False if gone else None
        if answer.status in (404, 410):
            return False
        if answer.status != 200:
            return None
        if answer.media_type not in _PAGES:
            return False
        page = answer.body.decode("utf-8", "replace")
        return await asyncio.to_thread(points_back, page, answer.url, to)

    async def _settle_own(self, tx: Tx, iri: Iri) -> None:
        """The owner's profile keeps fields as they were typed: beside each, what was found out of its HTML."""
        shown, own = await actors.get(tx, iri), await profile.get(tx)
        assert shown is not None
        assert own is not None
        await profile.save(tx, settled(own[0], shown.actor, self._ids))


def settled(owner: Profile, shown: Actor, ids: Ids) -> Profile:
    """The owner with the times at which the fields, as others see them, were verified."""
    times = {field.value: field.verified_at for field in shown.fields}

    def verified_at(value: str) -> datetime | None:
        return times.get(text.sanitise(text.render_field(value, tag_url=ids.tag)))

    return replace(owner, fields=tuple(replace(field, verified_at=verified_at(field.value)) for field in owner.fields))


def wants_check(checked: dict[str, datetime | None], now: datetime) -> bool:
    """Whether a profile has a link that was never looked at, or not lately."""
    return any(link_in(value) is not None and (when is None or now - when > STALE) for value, when in checked.items())
