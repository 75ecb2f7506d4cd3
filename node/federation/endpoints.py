"""What other servers may read: every GET of theirs, and the door that their POSTs come in by."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from aiohttp import web

from keys.canonical import load
from node import __version__
from node.answers import PRIVATE, PUBLIC, Answer, Shelf
from node.errors import BadDocument
from node.federation import compose, discovery
from node.federation.guard import Guard
from node.federation.partial import PartialFollowers
from node.federation.policy import may_read
from node.ids import Ids
from node.model import PUBLIC as EVERYBODY
from node.model import Clock, Iri, Post, Profile
from node.negotiation import Form, choose
from node.storage import activities, featured, notes, relations, timelines
from node.storage.dialect import Tx, ms, when
from node.storage.relations import Mark, Relation
from node.storage.store import Store

Receive = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = 20
"""Items on a page of activities or replies."""

RELATIONS = 40
"""Ids on a page of followers or following."""

ANSWERS = 512
"""Answers that are kept in memory."""

_CORS = {"Access-Control-Allow-Origin": "*"}
_GUARDED = "Accept, Signature, Signature-Input"
_LARGEST = 2**63 - 1
_MONTH, _HALF_YEAR = timedelta(days=30), timedelta(days=182)


class OwnDocuments(Protocol):
    """What the node says about itself, as bytes that stay the same object until they change."""

    async def actor(self) -> bytes: ...
    async def server_actor(self) -> bytes: ...
    async def profile(self, tx: Tx | None = None) -> Profile: ...
    async def stamp(self, iri: Iri) -> bytes | None: ...


class Gate(Protocol):
    """Who asks, on the strength of an HTTP signature; None when it is nobody we know."""

    async def viewer(self, request: web.Request) -> Iri | None: ...


def mount(
    app: web.Application,
    *,
    store: Store,
    ids: Ids,
    documents: OwnDocuments,
    gate: Gate,
    clock: Clock,
    receive: Receive,
    guard: Guard | None = None,
) -> Endpoints:
    """Add every server-to-server route. Call `invalidate()` of what is returned after each change of the owner's."""
    own = Endpoints(store, ids, documents, gate, clock)
    keys, read = (guard.actor, guard.reading) if guard is not None else (_as_it_is, _as_it_is)
    app.router.add_routes(
        [
            web.get("/actor", keys(own.actor)),
            web.get("/server-actor", own.server_actor),
            web.get("/inbox", own.inbox),
            web.post("/inbox", receive),
            web.get("/outbox", read(own.outbox)),
            web.get("/followers", read(own.followers)),
            web.get("/followers_synchronization", PartialFollowers(store, ids, gate).answer),
            web.get("/following", read(own.following)),
            web.get("/featured", read(own.featured)),
            web.get("/notes/{id}", read(own.note)),
            web.get("/notes/{id}/activity", read(own.create)),
            web.get("/notes/{id}/replies", read(own.replies)),
            web.get("/contexts/{id}", read(own.context)),
            web.get("/activities/{id}", read(own.activity)),
            web.get("/stamps/{id}", own.stamp),
            web.get("/.well-known/webfinger", own.webfinger),
            web.get("/.well-known/host-meta", own.host_meta),
            web.get("/.well-known/nodeinfo", own.nodeinfo_links),
            web.get("/nodeinfo/{version}", own.nodeinfo),
        ]
    )
    return own


def _as_it_is(answer: Receive) -> Receive:
    return answer


class Endpoints:
    """The answers, and what of them is kept."""

    def __init__(self, store: Store, ids: Ids, documents: OwnDocuments, gate: Gate, clock: Clock) -> None:
        self._store = store
        self._ids = ids
        self._documents = documents
        self._gate = gate
        self._clock = clock
        self._shelf: Shelf[Answer] = Shelf(ANSWERS)
        self._actors: dict[tuple[str, Form], tuple[bytes, Answer]] = {}

    def invalidate(self) -> None:
        """Something that is served here changed: nothing kept is given any more."""
        self._shelf.clear()

    # ── who we are ───────────────────────────────────────────────────────────────────────────

    async def actor(self, request: web.Request) -> web.Response:
        """The owner's actor document: readable by all, signed or not (federation.md §4)."""
        form = _form(request)
        if form is Form.HTML:
            return _see(self._ids.profile_page)
        return self._same(request, "actor", form, await self._documents.actor())

    async def server_actor(self, request: web.Request) -> web.Response:
        form = _form(request)
        if form is Form.HTML:
            return _see(self._ids.profile_page)
        return self._same(request, "server", form, await self._documents.server_actor())

    def _same(self, request: web.Request, which: str, form: Form, body: bytes) -> web.Response:
        kept = self._actors.get((which, form))
        if kept is None or kept[0] is not body:
            kept = self._actors[which, form] = (body, _open(body, form))
        return kept[1].to(request)

    async def webfinger(self, request: web.Request) -> web.Response:
        """RFC 7033 §4.2: exactly one `resource`, any number of `rel`."""
        kept = await self._shelf.get_or_make(("webfinger", request.query_string), lambda: self._jrd(request))
        if kept is not None:
            return kept.to(request)
        resources = request.query.getall("resource", [])
        if len(resources) != 1 or not resources[0]:
            return _refuse(400, "bad_request", "webfinger wants exactly one resource", hint=f"acct:{self._ids.acct}")
        return _refuse(404, "not_found", "there is nobody of that name here")

    async def _jrd(self, request: web.Request) -> Answer | None:
        resources = request.query.getall("resource", [])
        if len(resources) != 1:
            return None
        if discovery.is_owner(resources[0], self._ids):
            document = discovery.webfinger(self._ids, await self._documents.profile())
        elif discovery.is_server(resources[0], self._ids):
            document = discovery.server_webfinger(self._ids)
        else:
            return None
        if rels := request.query.getall("rel", []):
            links = document["links"]
            assert isinstance(links, list)
            document = {**document, "links": [link for link in links if link["rel"] in rels]}
        return _plain(_json(document), "application/jrd+json")

    async def host_meta(self, request: web.Request) -> web.Response:
        return _plain(discovery.host_meta(self._ids).encode(), "application/xrd+xml; charset=utf-8").to(request)

    async def nodeinfo_links(self, request: web.Request) -> web.Response:
        return _plain(_json(discovery.nodeinfo_links(self._ids)), "application/json").to(request)

    async def nodeinfo(self, request: web.Request) -> web.Response:
        version = request.match_info["version"]
        if version not in discovery.NODEINFO_VERSIONS:
            return _refuse(404, "not_found", "NodeInfo is served in the versions 2.0 and 2.1")
        key = ("nodeinfo", version, self._clock().date())
        kept = await self._shelf.get_or_make(key, lambda: self._nodeinfo(version))
        assert kept is not None
        return kept.to(request)

    async def _nodeinfo(self, version: str) -> Answer:
        async with self._store.read() as tx:
            total = await notes.count_own(tx)
            newest = await timelines.own_posts(tx, limit=1)
        silent = self._clock() - newest[0].received_at if newest else timedelta.max
        counts = discovery.Counts(total, silent <= _MONTH, silent <= _HALF_YEAR)
        document = discovery.nodeinfo(version, await self._documents.profile(), counts, __version__)
        return _plain(_json(document), discovery.nodeinfo_type(version))

    # ── notes and activities ─────────────────────────────────────────────────────────────────

    async def note(self, request: web.Request) -> web.Response:
        """A note of the owner's, byte for byte as it was signed."""
        form, number = _form(request), _number(request)
        if form is Form.HTML and number is not None:
            return _see(self._ids.note_page(number))
        kept = await self._shelf.get_or_make(("note", number, form), lambda: self._open_note(number, form))
        if kept is not None:
            return kept.to(request)
        found = await self._readable(request, number, "Note")
        if isinstance(found, web.Response):
            return found
        async with self._store.read() as tx:
            body = await notes.document(tx, found.id)
        return _missing() if body is None else _for(found, body, form).to(request)

    async def _open_note(self, number: int | None, form: Form) -> Answer | None:
        if number is None:
            return None
        async with self._store.read() as tx:
            post = await notes.get_by_id(tx, number)
            if post is None or not post.own or not post.visibility.is_open:
                return None
            body = await notes.document(tx, number)
        return None if body is None else _open(body, form)

    async def create(self, request: web.Request) -> web.Response:
        """The activity that published a note, byte for byte as it was delivered."""
        form, number = _form(request), _number(request)
        if form is Form.HTML and number is not None:
            return _see(self._ids.note_page(number))
        found = await self._readable(request, number, "Create")
        if isinstance(found, web.Response):
            return found
        async with self._store.read() as tx:
            logged = await activities.get(tx, self._ids.create(found.note.iri))
        if logged is None or logged.direction != "out":
            return _missing()
        return _for(found, logged.body, form).to(request)

    async def replies(self, request: web.Request) -> web.Response:
        """The open answers that are known here, as ids, oldest first: a conversation in its order."""
        form, number = _form(request), _number(request)
        if form is Form.HTML and number is not None:
            return _see(self._ids.note_page(number))
        found = await self._readable(request, number, "OrderedCollection")
        if isinstance(found, web.Response):
            return found
        own = self._ids.replies(found.note.iri)
        async with self._store.read() as tx:
            total = await notes.count_replies(tx, found.note.iri)
            if "page" not in request.query:
                return _for(found, _json(compose.collection(own, total, _page_of(own))), form).to(request)
            asked = _bounds(request, "min_id")
            if asked is None:
                return _bad_page()
            posts = await notes.replies(tx, found.note.iri, after=asked.get("min_id", 0), limit=PAGE)
        following = _page_of(own, min_id=posts[-1].id) if len(posts) == PAGE else None
        items = [post.note.iri for post in posts]
        page = compose.collection_page(_page_of(own, **asked), own, items, next=following, total=total)
        return _for(found, _json(page), form).to(request)

    async def context(self, request: web.Request) -> web.Response:
        """A conversation that the owner began: every open post of it that is known here."""
        form, number = _form(request), _number(request)
        if number is None:
            return _missing()
        if form is Form.HTML:
            return _see(self._ids.note_page(number))
        async with self._store.read() as tx:
            root = await notes.get_by_id(tx, number)
            if root is None or not root.own or not root.visibility.is_open or root.note.in_reply_to is not None:
                return _missing()
            below = await timelines.thread(tx, root.note.iri)
        items = [root.note.iri, *(post.note.iri for post in below)]
        return _open(_json(compose.full_collection(self._ids.context(number), items)), form).to(request)

    async def activity(self, request: web.Request) -> web.Response:
        """An activity of the owner's that was addressed to everybody; all others are between two people."""
        form, number = _form(request), _number(request)
        if number is None:
            return _missing()
        async with self._store.read() as tx:
            logged = await activities.get(tx, self._ids.activity(number))
        if logged is None or logged.direction != "out" or not _is_public(logged.body):
            return _missing()
        return _open(logged.body, Form.ACTIVITY if form is Form.HTML else form).to(request)

    async def stamp(self, request: web.Request) -> web.Response:
        """A QuoteAuthorization of the owner's: for anybody who sees the quote that it allows (FEP-044f)."""
        form, number = _form(request), _number(request)
        body = None if number is None else await self._documents.stamp(self._ids.stamp(number))
        if body is None:
            return _missing()
        return _open(body, Form.ACTIVITY if form is Form.HTML else form).to(request)

    async def _readable(self, request: web.Request, number: int | None, kind: str) -> Post | web.Response:
        """A note that the one who asks may read, or the refusal.

        A note that is not for them is answered like one that never was, and after the same steps:
        the signature is looked at before the note is (security.md §9).
        """
        if number is None:
            return _missing()
        iri = self._ids.note(number)
        async with self._store.read() as tx:
            post = await notes.get_by_id(tx, number)
            gone = await notes.tombstone(tx, iri) if post is None else None
        if post is not None and post.own and post.visibility.is_open:
            return post
        if gone is not None and gone.public:
            stone = compose.tombstone(iri, gone.deleted_at)
            if kind != "Note":
                stone |= {"id": f"{self._ids.base}{request.path}", "formerType": kind}
            headers = {"Content-Type": Form.ACTIVITY.value, "Cache-Control": PUBLIC, "Vary": "Accept", **_CORS}
            return web.Response(status=410, body=_json(stone), headers=headers)
        viewer = await self._gate.viewer(request)
        is_follower = viewer is not None and await self._follows(viewer)
        if post is None or not post.own:
            return _missing()
        allowed = may_read(viewer, post.visibility, post.note.author, post.note.audience, is_follower=is_follower)
        return post if allowed else _missing()

    async def _follows(self, viewer: Iri) -> bool:
        async with self._store.read() as tx:
            return await relations.is_follower(tx, viewer)

    # ── collections ──────────────────────────────────────────────────────────────────────────

    async def inbox(self, _request: web.Request) -> web.Response:
        return _refuse(405, "method_not_allowed", "the inbox takes POST", headers={"Allow": "POST"})

    async def outbox(self, request: web.Request) -> web.Response:
        """Public and unlisted posts, and boosts, newest first, exactly as they were delivered (federation.md §8)."""
        form = _form(request)
        if form is Form.HTML:
            return _see(self._ids.profile_page)
        own = self._ids.outbox
        if "page" not in request.query:
            kept = await self._shelf.get_or_make(("outbox", form), lambda: self._outbox(form))
            assert kept is not None
            return kept.to(request)
        asked = _bounds(request, "max_id", "min_id")
        if asked is None:
            return _bad_page()
        after = asked.get("min_id")
        async with self._store.read() as tx:
            items = await timelines.outbox(tx, before=asked.get("max_id"), after=after, limit=PAGE)
        more = items and (after > 0 if after is not None else len(items) == PAGE)  # above 0 is the oldest page
        page = compose.collection_page(
            _page_of(own, **asked),
            own,
            [],
            next=_page_of(own, max_id=items[-1][0]) if more else None,
            prev=_page_of(own, min_id=items[0][0]) if items else None,
        )
        # The bodies go in as they are: taken apart and put together again they would be other bytes.
        body = _json(page).removesuffix(b"]}") + b",".join(body for _, body in items) + b"]}"
        return _open(body, form).to(request)

    async def _outbox(self, form: Form) -> Answer:
        async with self._store.read() as tx:
            total = await timelines.outbox_size(tx)
        own = self._ids.outbox
        document = compose.collection(own, total, _page_of(own))
        return _open(_json({**document, "last": _page_of(own, min_id=0)}), form)

    async def followers(self, request: web.Request) -> web.Response:
        return await self._relations(request, self._ids.followers, relations.newest_followers)

    async def following(self, request: web.Request) -> web.Response:
        return await self._relations(request, self._ids.following, relations.newest_follows)

    async def _relations(self, request: web.Request, own: Iri, newest: _Newest) -> web.Response:
        form = _form(request)
        if form is Form.HTML:
            return _see(self._ids.profile_page)
        async with self._store.read() as tx:
            if "page" not in request.query:
                theirs, ours = await relations.count(tx)
                total = theirs if own == self._ids.followers else ours
                hidden = (await self._documents.profile(tx)).hides_collections
                return _open(_json(compose.collection(own, total, None if hidden else _page_of(own))), form).to(request)
            if (await self._documents.profile(tx)).hides_collections:
                return _bad_page()
            asked = {"before": request.query["before"]} if "before" in request.query else {}
            before = _mark(asked["before"]) if asked else None
            if asked and before is None:
                return _bad_page()
            found = await newest(tx, before=before, limit=RELATIONS)
        last = found[-1] if len(found) == RELATIONS else None
        following = _page_of(own, before=_marked(last)) if last else None
        page = compose.collection_page(_page_of(own, **asked), own, [one.actor for one in found], next=following)
        return _open(_json(page), form).to(request)

    async def featured(self, request: web.Request) -> web.Response:
        """Pinned notes, all of them in one answer, byte for byte as they were signed."""
        form = _form(request)
        if form is Form.HTML:
            return _see(self._ids.profile_page)
        async with self._store.read() as tx:
            pinned = await featured.documents(tx, self._ids.actor)
        collection = {**compose.collection(self._ids.featured, len(pinned)), "orderedItems": []}
        return _open(_json(collection).removesuffix(b"]}") + b",".join(pinned) + b"]}", form).to(request)


class _Newest(Protocol):
    async def __call__(self, tx: Tx, *, before: Mark | None = None, limit: int = 40) -> list[Relation]: ...


# ── reading what is asked ────────────────────────────────────────────────────────────────────


def _form(request: web.Request) -> Form:
    return choose(request.headers.get("Accept"), default=Form.ACTIVITY)


def _number(request: web.Request) -> int | None:
    text = request.match_info["id"]
    return None if text.startswith("0") else _whole(text)


def _whole(text: str) -> int | None:
    """A number that fits a column; None for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    number = int(text)
    return number if number <= _LARGEST else None


def _bounds(request: web.Request, *names: str) -> dict[str, int] | None:
    """Where a page begins or ends, as far as it is said; None when what is said is no number."""
    found: dict[str, int] = {}
    for name in names:
        if name in request.query:
            number = _whole(request.query[name])
            if number is None:
                return None
            found[name] = number
    return found


def _marked(last: Relation) -> str:
    """Where a page of relations ended. Only characters that no client writes differently (RFC 3986 §2.3)."""
    return f"{ms(last.since)}.{urlsafe_b64encode(last.actor.encode()).decode().rstrip('=')}"


def _mark(text: str) -> Mark | None:
    """What _marked() wrote; None for anything else."""
    since, _, actor = text.partition(".")
    number = _whole(since)
    if number is None or number >= 10**14:
        return None
    try:
        iri = Iri(b64decode(actor + "=" * (-len(actor) % 4), b"-_", validate=True).decode())
    except ValueError:
        return None
    return (when(number), iri) if iri and iri.isprintable() else None


def _page_of(collection: str, **asked: str | int) -> str:
    """The address of a page: what was understood of the question, never the question itself."""
    return f"{collection}?page=true" + "".join(f"&{name}={value}" for name, value in asked.items())


def _is_public(body: bytes) -> bool:
    try:
        document = load(body)
    except BadDocument:
        return False
    if not isinstance(document, dict):
        return False
    audience = (document.get("to"), document.get("cc"))
    return any(EVERYBODY in (part if isinstance(part, list) else [part]) for part in audience)


# ── answering ────────────────────────────────────────────────────────────────────────────────


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _open(body: bytes, form: Form) -> Answer:
    headers = {"Content-Type": form.value, "Cache-Control": PUBLIC, "Vary": "Accept", **_CORS}
    return Answer(body, headers)


def _for(post: Post, body: bytes, form: Form) -> Answer:
    """An answer about a note; when that is not open, for this one asker only."""
    if post.visibility.is_open:
        return _open(body, form)
    return Answer(body, {"Content-Type": form.value, "Cache-Control": PRIVATE, "Vary": _GUARDED})


def _plain(body: bytes, content_type: str) -> Answer:
    """Discovery: one form only, for everybody."""
    return Answer(body, {"Content-Type": content_type, "Cache-Control": PUBLIC, **_CORS})


def _see(page: str) -> web.Response:
    """A person asks: the page is elsewhere. Said without looking whether it is there."""
    return web.Response(status=303, headers={"Location": page, "Vary": "Accept", "Cache-Control": PUBLIC})


def _refuse(
    status: int, code: str, message: str, *, hint: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    said = {"error": message, "code": code, **({"hint": hint} if hint else {})}
    fixed = {"Content-Type": "application/json", "Cache-Control": "no-store", **_CORS}
    return web.Response(status=status, body=_json({**said}), headers={**fixed, **(headers or {})})


def _missing() -> web.Response:
    """The same for what is not there and for what is not for the one who asks."""
    return _refuse(404, "not_found", "there is nothing here", headers={"Cache-Control": PRIVATE, "Vary": _GUARDED})


def _bad_page() -> web.Response:
    return _refuse(400, "bad_request", "this is not a page of the collection", hint="start again at its first page")
