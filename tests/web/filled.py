"""A node's public side with things in it: posts, answers, followers. Served on loopback, stored in SQLite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict

import node.web
from keys import Identity, TransportKey
from node import keyring, text
from node.federation import compose, endpoints, httpsig
from node.federation.actors import Actors
from node.federation.authenticate import Authenticator
from node.federation.circle import Circle
from node.federation.client import Client
from node.federation.fetch import Fetcher
from node.federation.httpsig import Signer
from node.federation.lookup import Lookup
from node.federation.outbox import Outbox
from node.federation.own import Gate, OwnDocuments
from node.ids import Ids, Snowflake
from node.keyring import OwnKeys
from node.model import (
    Actor,
    ActorKey,
    Audience,
    Authorship,
    Iri,
    KeyKind,
    KeyState,
    Note,
    Profile,
    Trust,
    Verdict,
    Visibility,
)
from node.storage import activities, actors, notes, profile, relations
from node.storage.activities import Logged
from node.storage.notes import NewNote, Tombstone
from node.storage.relations import State
from node.storage.store import Store, sqlite_url
from tests.support.homes import empty_database

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BORN = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


@cache
def own_keys() -> OwnKeys:
    """Made once: three keys of 2048 bits take a second."""
    return keyring.generate()


@cache
def stranger_key() -> TransportKey:
    return TransportKey.generate()


@dataclass
class Stranger:
    """Somebody elsewhere, with a key that this node knows."""

    actor: Actor
    number: int
    key: TransportKey = field(default_factory=stranger_key)

    @property
    def iri(self) -> Iri:
        return self.actor.iri


@dataclass
class House:
    """One node: its store, its clock, and what was put into it."""

    store: Store
    ids: Ids
    keys: OwnKeys
    documents: OwnDocuments
    app: web.Application
    pages: node.web.Pages
    federation: endpoints.Endpoints
    now: datetime = START
    base: str = ""
    own_number: int = 1
    received: list[bytes] = field(default_factory=list)
    _snowflake: Snowflake = field(default_factory=lambda: Snowflake(0))
    _session: ClientSession | None = None

    # ── put things in ────────────────────────────────────────────────────────────────────────

    async def say(
        self,
        words: str,
        visibility: Visibility = Visibility.PUBLIC,
        *,
        warning: str = "",
        answers: Iri | None = None,
        to: tuple[Iri, ...] = (),
        language: str | None = "en",
        ago: timedelta = timedelta(),
    ) -> int:
        """The owner writes, and signs: the note, and the Create around it."""
        at = self.now - ago
        number = self._snowflake.mint(at)
        rendered = text.render(words, mentions={}, tag_url=self.ids.tag)
        note = Note(
            iri=self.ids.note(number),
            author=self.ids.actor,
            audience=compose.audience(visibility, self.ids, to),
            content=rendered.html,
            published=at,
            url=self.ids.note_page(number),
            in_reply_to=answers,
            context=self.ids.context(number),
            summary=warning,
            sensitive=bool(warning),
            language=language,
            hashtags=rendered.hashtags,
            source=words,
        )
        signing = Outbox(self.keys, ids=self.ids, worker=None)
        sealed = signing.prove(compose.note(note, self.ids), at)
        create = signing.prove(compose.create(sealed.document, self.ids), at)
        key = self.keys.identity.public.multikey
        authorship = Authorship(
            Verdict.SIGNED, "signed here", self.ids.identity_key(key), key, BORN, Trust.COMPARED, at
        )
        async with self.store.write() as tx:
            await activities.record_many(
                tx, [Logged(self.ids.create(note.iri), "out", self.ids.actor, "Create", note.iri, at, create.body)]
            )
            await notes.add_many(
                tx,
                [
                    NewNote(
                        number,
                        note,
                        self.own_number,
                        visibility,
                        at,
                        at,
                        authorship,
                        self.ids.create(note.iri),
                        own=True,
                        document=sealed.body,
                    )
                ],
            )
        self.invalidate()
        return number

    async def document(self, number: int) -> bytes:
        async with self.store.read() as tx:
            found = await notes.document(tx, number)
        assert found is not None
        return found

    async def meet(self, handle: str, name: str = "", *, url: str | None = None) -> Stranger:
        username, _, host = handle.removeprefix("@").partition("@")
        iri = Iri(f"https://{host}/users/{username}")
        actor = Actor(
            iri=iri,
            type="Person",
            username=username,
            inbox=Iri(f"{iri}/inbox"),
            name=name,
            url=url or f"https://{host}/@{username}",
        )
        stranger = Stranger(actor, self._snowflake.mint(self.now))
        key = ActorKey(Iri(f"{iri}#main-key"), iri, KeyKind.RSA, stranger.key.public.pem)
        async with self.store.write() as tx:
            await actors.put(tx, actor, id=stranger.number, at=self.now, document=None)
            await actors.add_key(tx, key, since=BORN, trust=Trust.FIRST_USE, state=KeyState.PINNED)
        return stranger

    async def follow(self, stranger: Stranger, state: State = State.ACCEPTED, *, at: datetime | None = None) -> None:
        async with self.store.write() as tx:
            await relations.put_follower(tx, stranger.iri, Iri(f"{stranger.iri}/follow"), state, at or self.now)
        self.invalidate()

    async def answer(
        self,
        by: Stranger,
        to: Iri,
        html: str,
        *,
        verdict: Verdict = Verdict.VOUCHED,
        visibility: Visibility = Visibility.PUBLIC,
        warning: str = "",
        language: str | None = None,
        key: str | None = None,
        trust: Trust = Trust.FIRST_USE,
        url: str | None = None,
        ago: timedelta = timedelta(),
    ) -> Iri:
        """A post of somebody else's as the inbox leaves it in the store."""
        at = self.now - ago
        number = self._snowflake.mint(at)
        iri = Iri(f"{by.iri}/notes/{number}")
        note = Note(
            iri=iri,
            author=by.iri,
            audience=Audience(),
            content=html,
            published=at,
            url=url or f"https://{by.actor.iri.split('/')[2]}/@{by.actor.username}/{number}",
            in_reply_to=to,
            summary=warning,
            language=language,
        )
        authorship = Authorship(verdict, "as delivered", None, key, BORN if key else None, trust if key else None, at)
        async with self.store.write() as tx:
            await notes.add_many(tx, [NewNote(number, note, by.number, visibility, at, at, authorship, None)])
        self.invalidate()
        return iri

    async def delete(self, number: int, *, public: bool) -> None:
        iri = self.ids.note(number)
        async with self.store.write() as tx:
            assert await notes.bury(tx, Tombstone(iri, self.ids.actor, "Note", self.now, public))
            await activities.forget_content(tx, iri, by=self.ids.actor, but=self.ids.delete(iri))
        self.invalidate()

    async def rename(self, **changes: object) -> None:
        async with self.store.write() as tx:
            await profile.save(tx, replace(await self.documents.profile(), **changes))  # type: ignore[arg-type]
        self.documents.forget_cached()
        self.invalidate()

    async def log(self, number: int, document: dict[str, object]) -> None:
        iri = self.ids.activity(number)
        body = json.dumps({**document, "id": iri}).encode()
        async with self.store.write() as tx:
            entry = Logged(iri, "out", self.ids.actor, str(document["type"]), None, self.now, body)
            await activities.record_many(tx, [entry])

    def invalidate(self) -> None:
        self.pages.invalidate()
        self.federation.invalidate()

    # ── ask for things ───────────────────────────────────────────────────────────────────────

    async def get(self, path: str, accept: str | None = None, **headers: str) -> Reply:
        return await self.ask("GET", path, accept, **headers)

    async def ask(self, method: str, path: str, accept: str | None = None, **headers: str) -> Reply:
        assert self._session is not None
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if accept is not None:
            sent["Accept"] = accept
        async with self._session.request(
            method, self.base + path, headers=sent, allow_redirects=False, skip_auto_headers=("Accept", "User-Agent")
        ) as response:
            return Reply(response.status, CIMultiDict(response.headers), await response.read())

    async def get_as(self, stranger: Stranger, path: str, *, key: TransportKey | None = None) -> Reply:
        """A GET under the stranger's HTTP signature."""
        accept = "application/activity+json"
        signer = Signer(Iri(f"{stranger.iri}#main-key"), key or stranger.key)
        headers = httpsig.sign("cavage", signer, "GET", self.ids.base + path, body=None, now=self.now, accept=accept)
        return await self.get(path, **headers)


@dataclass
class Reply:
    status: int
    headers: CIMultiDict[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, object]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


async def furnish(directory: Path, *, handle: str = "ada", base: str = "https://ada.example") -> House:
    """A node that answers on loopback and believes itself to be at `base`. Close it with leave()."""
    shutil.copyfile(await empty_database(), directory / "cuicui.db")
    store = Store(sqlite_url(directory / "cuicui.db"))
    ids, keys = Ids(base, handle), own_keys()

    def clock() -> datetime:
        return house.now

    outbox = Outbox(keys, ids=ids, worker=None)
    documents = OwnDocuments(store, keys, outbox, ids=ids, clock=clock)
    client = Client(user_agent="cuicui-test")
    circle = Circle(store, ids=ids)
    fetcher = Fetcher(client, Signer(ids.server_key, keys.server), circle=circle, own_origin=ids.origin, clock=clock)
    book = Actors(store, fetcher, Lookup(client, circle, ()), circle, ids=ids, snowflake=Snowflake(0), clock=clock)
    gate = Gate(Authenticator(book, ids=ids, clock=clock), ids=ids, clock=clock)
    app = web.Application()

    async def receive(request: web.Request) -> web.StreamResponse:
        house.received.append(await request.read())
        return web.Response(status=202)

    federation = endpoints.mount(
        app, store=store, ids=ids, documents=documents, gate=gate, clock=clock, receive=receive
    )
    pages = node.web.mount(
        app, store=store, ids=ids, clock=clock, profile=documents.profile, own_key=keys.identity.public
    )
    house = House(store, ids, keys, documents, app, pages, federation)
    await _move_in(house)
    app.on_cleanup.append(_closer(client.close))
    return house


async def _move_in(house: House) -> None:
    ids, keys = house.ids, house.keys
    owner = Profile(ids.handle, "Ada Lovelace", "I write about engines.\nhttps://example.org/notes", created_at=BORN)
    actor = Actor(
        iri=ids.actor, type="Person", username=ids.handle, inbox=ids.inbox, name=owner.name, url=ids.profile_page
    )
    key = keys.identity.public.multikey
    async with house.store.write() as tx:
        await profile.create(tx, owner, ids.base, None)
        await actors.put(tx, actor, id=house.own_number, at=BORN, document=None)
        await actors.add_key(
            tx,
            ActorKey(ids.identity_key(key), ids.actor, KeyKind.ED25519, key),
            since=BORN,
            trust=Trust.COMPARED,
            state=KeyState.PINNED,
        )


def _closer(close: Callable[[], Awaitable[None]]) -> Callable[[web.Application], Awaitable[None]]:
    async def closer(_app: web.Application) -> None:
        await close()

    return closer


async def open_doors(house: House) -> TestServer:
    server = TestServer(house.app)
    await server.start_server()
    house.base = str(server.make_url("")).rstrip("/")
    house._session = ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False)
    return server


async def leave(house: House, server: TestServer) -> None:
    if house._session is not None:
        await house._session.close()
    await server.close()
    await house.store.close()


def another_key() -> str:
    return Identity.from_seed(bytes(range(32))).public.multikey
