"""The public pages: profile, status, hashtag; readable by anybody, without a script."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web
from markupsafe import Markup

from keys import PublicIdentity
from node import text
from node.answers import PUBLIC, Answer, Shelf
from node.errors import NotFound
from node.ids import Ids
from node.model import Clock, Post, Profile, ProfileField
from node.negotiation import Form, choose
from node.storage import actors, notes, quotes, reactions, relations, timelines
from node.storage.dialect import Tx
from node.storage.store import Store
from node.web import words
from node.web.middleware import Failure
from node.web.show import Parent, Shown, parent_of, show, summary

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = 20
"""Posts on a page."""

ANSWERS = 64
MAX_TAG = 100

_HERE = Path(__file__).parent
_STATIC = {
    "cuicui.css": "text/css; charset=utf-8",
    "bird.svg": "image/svg+xml",
    "avatar.png": "image/png",
    "header.png": "image/png",
}
_LARGEST = 2**63 - 1

_ERRORS = {
    400: ("This cannot be answered", "The address is not one that this node understands."),
    403: ("Not allowed", "This is not for you."),
    404: ("There is nothing here", "No page has this address. Perhaps it was mistyped."),
    405: ("Not in this way", "This address does not take that kind of request."),
    410: ("This post was deleted", "Its author took it back."),
    500: ("Something went wrong here", "It is not your fault, and it has been written down for the owner."),
    503: ("One moment", "The node is busy or cannot reach its database. Try again soon."),
}


class Pages:
    """The handlers, and the pages that are kept.

    A page says how long ago something was, so it is kept for a minute at most.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        clock: Clock,
        profile: Callable[[], Awaitable[Profile]],
        own_key: PublicIdentity,
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._profile = profile
        self._key = own_key
        self._shelf: Shelf[Answer] = Shelf(ANSWERS)

    def invalidate(self) -> None:
        """Something that the pages show changed: none that is kept is given any more."""
        self._shelf.clear()

    # ── pages ────────────────────────────────────────────────────────────────────────────────

    async def root(self, _request: web.Request) -> web.Response:
        return _go(self._ids.profile_page)

    async def profile(self, request: web.Request) -> web.Response:
        """Who writes here, under which key, and the newest public posts."""
        if _wants_json(request):
            return _go(self._ids.actor)
        before = _number(request.query["before"]) if "before" in request.query else None
        if before is None and "before" in request.query:
            raise NotFound("there is no such page")
        page = await self._kept(("profile", before), lambda: self._profile_page(before))
        assert page is not None
        return page.to(request)

    async def _profile_page(self, before: int | None) -> Answer:
        owner = await self._profile()
        async with self._store.read() as tx:
            posts = await timelines.profile_posts(tx, before=before, limit=PAGE + 1)
            followers, following = await relations.count(tx)
            total = await notes.count_own(tx)
            since = await self._key_since(tx, owner)
            shown = await self._show(tx, posts[:PAGE])
        rendered = text.render(owner.summary, mentions={}, tag_url=self._ids.tag)
        name = _name(owner)
        return self._page(
            "profile.html",
            name=name,
            profile=owner,
            fields=[_Field(field, self._ids) for field in owner.fields],
            bio=Markup(rendered.html),  # noqa: S704 - render() escapes what it does not write itself
            description=" ".join(owner.summary.split())[:200] or f"What {name} writes, 140 characters at a time.",
            counts={"posts": total, "followers": followers, "following": following},
            key=_Key(self._key, since),
            posts=shown,
            older_than=before,
            next=_earlier(self._ids.profile_page, posts),
        )

    async def interact(self, request: web.Request) -> web.Response:
        """Where other servers send the owner to follow somebody (the `subscribe` link of WebFinger).

        Whoever looks at it may be anybody, so it only says what the owner has to type. What is to be
        followed is shown, never visited, and only if it can be pasted into a shell as it stands.
        """
        named = request.query.get("uri", "").removeprefix("acct:")
        page = self._page("interact.html", target=named if _TYPABLE.fullmatch(named) else None)
        return page.to(request)

    async def status(self, request: web.Request) -> web.Response:
        """One post, who stands for it, and the answers to it."""
        number = _number(request.match_info["id"])
        if number is None:
            raise NotFound("there is no such post")
        if _wants_json(request):
            return _go(self._ids.note(number))  # said without looking whether it is there
        page = await self._kept(("status", number), lambda: self._status_page(number))
        if page is not None:
            return page.to(request)
        async with self._store.read() as tx:
            gone = await notes.tombstone(tx, self._ids.note(number))
        if gone is None or not gone.public:
            raise NotFound("there is no such post")
        hint = f"It was deleted on {words.date(gone.deleted_at)}."
        body = self.error(Failure(410, "gone", "the post was deleted", hint))
        headers = {"Cache-Control": PUBLIC, "Vary": "Accept"}
        return web.Response(status=410, text=body, content_type="text/html", headers=headers)

    async def _status_page(self, number: int) -> Answer | None:
        now = self._clock()
        async with self._store.read() as tx:
            post = await self._open_post(tx, number)
            if post is None:
                return None
            parent = await parent_of(tx, post, self._ids)
            below = await timelines.thread(tx, post.note.iri)
            counts = (await reactions.counts(tx, [post.note.iri]))[post.note.iri]
            quoted = await quotes.shown(tx, [post, *below])
        named = {reply.note.iri: Parent(words.name_of(reply.author), f"#post-{reply.id}", "") for reply in below}
        owner = await self._profile()
        return self._page(
            "status.html",
            name=_name(owner),
            shown=show(post, self._ids, now, parent, quoted),
            edited=words.moment(post.note.updated, now) if post.note.updated else None,
            seen=words.counted(replace(counts, replies=0)),
            headline=summary(post, 70),
            description=summary(post, 200),
            replies=[
                show(reply, self._ids, now, named.get(reply.note.in_reply_to or reply.note.iri), quoted)
                for reply in below
            ],
        )

    async def signed_post(self, request: web.Request) -> web.Response:
        """The exact bytes of a post with its proof, to save and to check anywhere."""
        number = _number(request.match_info["id"])
        if number is None:
            raise NotFound("there is no such post")
        async with self._store.read() as tx:
            post = await self._open_post(tx, number)
            body = await notes.document(tx, number) if post is not None else None
        if body is None:
            raise NotFound("there is no such post")
        headers = {
            "Content-Type": "application/activity+json; charset=utf-8",
            "Content-Disposition": f'attachment; filename="cuicui-{number}.json"',
            "Cache-Control": PUBLIC,
        }
        return Answer(body, headers).to(request)

    async def tag(self, request: web.Request) -> web.Response:
        """The owner's public posts with a hashtag."""
        name = request.match_info["tag"].casefold()
        before = _number(request.query["before"]) if "before" in request.query else None
        if len(name) > MAX_TAG or (before is None and "before" in request.query):
            raise NotFound("there is no such page")
        page = await self._kept(("tag", name, before), lambda: self._tag_page(name, before))
        assert page is not None
        return page.to(request)

    async def _tag_page(self, name: str, before: int | None) -> Answer:
        owner = await self._profile()
        async with self._store.read() as tx:
            posts = await timelines.profile_posts(tx, before=before, limit=PAGE + 1, tag=name)
            shown = await self._show(tx, posts[:PAGE])
        here = f"{self._ids.base}/tags/{quote(name, safe='')}"
        return self._page("tag.html", name=_name(owner), tag=name, posts=shown, next=_earlier(here, posts))

    async def other_spelling(self, request: web.Request) -> web.Response:
        """`/@Alice` means `/@alice`; anybody else is not here."""
        if request.match_info["handle"].casefold() != self._ids.handle:
            raise NotFound("there is nobody of that name here")
        tail = request.match_info.get("id")
        return _go(self._ids.profile_page + (f"/{quote(tail, safe='')}" if tail else ""))

    async def static(self, request: web.Request) -> web.Response:
        answer = self._files.get(request.match_info["name"])
        if answer is None:
            raise NotFound("there is no such file")
        return answer.to(request)

    def error(self, failure: Failure) -> str:
        title, said = _ERRORS.get(failure.status, ("This did not work", failure.message))
        return self.render("error.html", failure=failure, title=title, text=said)

    # ── how they are made ────────────────────────────────────────────────────────────────────

    async def _kept(self, key: tuple[object, ...], make: Callable[[], Awaitable[Answer | None]]) -> Answer | None:
        return await self._shelf.get_or_make((*key, int(self._clock().timestamp()) // 60), make)

    def render(self, template: str, **values: object) -> str:
        """A page of ours, as HTML; for other rooms that have pages."""
        return _templates().get_template(template).render(ids=self._ids, stylesheet=self._stylesheet, **values)

    def _page(self, template: str, **values: object) -> Answer:
        body = self.render(template, **values).encode()
        headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": PUBLIC, "Vary": "Accept"}
        return Answer(body, headers)

    async def _open_post(self, tx: Tx, number: int) -> Post | None:
        """A post of the owner's that anybody may read; the only kind there are pages for."""
        post = await notes.get_by_id(tx, number)
        return post if post is not None and post.own and post.visibility.is_open else None

    async def _show(self, tx: Tx, posts: list[Post]) -> list[Shown]:
        now = self._clock()
        quoted = await quotes.shown(tx, posts)
        return [show(post, self._ids, now, await parent_of(tx, post, self._ids), quoted) for post in posts]

    async def _key_since(self, tx: Tx, owner: Profile) -> words.Moment:
        known = await actors.keys_of(tx, self._ids.actor)
        since = next((key.since for key in known if key.material == self._key.multikey), owner.created_at)
        return words.moment(since, self._clock())

    @cached_property
    def _files(self) -> dict[str, Answer]:
        """The few files there are, read once: no address ever becomes a path."""
        return {
            name: Answer(
                (_HERE / "static" / name).read_bytes(),
                # Apps in browsers draw the default face and banner on canvases, as they do those that are uploaded.
                {
                    "Content-Type": content_type,
                    "Cache-Control": "public, max-age=86400",
                    "Access-Control-Allow-Origin": "*",
                },
            )
            for name, content_type in _STATIC.items()
        }

    @cached_property
    def _stylesheet(self) -> str:
        version = hashlib.blake2b(self._files["cuicui.css"].body, digest_size=6).hexdigest()
        return f"/static/cuicui.css?{version}"


@cache
def _templates() -> Environment:
    """The same for all nodes of a process: to compile a template takes 20 ms."""
    # Imported with the first page: 2 MB and 15 ms that a node nobody looks at does not spend.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(hue=words.hue, initial=words.initial)
    return environment


_TYPABLE = re.compile(r"@?[A-Za-z0-9_.-]{1,128}@[A-Za-z0-9.:-]{1,253}|https?://[A-Za-z0-9._~:/@%-]{1,500}")


class _Key:
    """The owner's key as the profile shows it."""

    def __init__(self, key: PublicIdentity, since: words.Moment) -> None:
        self.multikey = key.multikey
        self.groups = key.fingerprint.split()
        self.since = since.day
        self.since_machine = since.machine


class _Field:
    """A row of the profile; its links say rel=me, so that the pages they lead to can be verified by others."""

    def __init__(self, field: ProfileField, ids: Ids) -> None:
        self.name = field.name
        self.html = Markup(text.render_field(field.value, tag_url=ids.tag))  # noqa: S704 - render_field() escapes
        self.verified = words.date(field.verified_at) if field.verified_at else None


def _name(owner: Profile) -> str:
    return owner.name.strip() or owner.handle


def _earlier(here: str, posts: list[Post]) -> str | None:
    """The page after one, when there was one post more than it shows."""
    return f"{here}?before={posts[PAGE - 1].id}" if len(posts) > PAGE else None


def _number(written: str) -> int | None:
    if not (written.isascii() and written.isdigit() and len(written) <= 19) or written.startswith("0"):
        return None
    number = int(written)
    return number if number <= _LARGEST else None


def _wants_json(request: web.Request) -> bool:
    return choose(request.headers.get("Accept"), default=Form.HTML).is_json


def _go(address: str) -> web.Response:
    return web.Response(status=302, headers={"Location": address, "Vary": "Accept", "Cache-Control": PUBLIC})
