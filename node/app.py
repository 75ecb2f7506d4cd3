"""The only wiring: settings and keys → store, client, inbox, outbox, workers, routes."""

from __future__ import annotations

import errno
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.abc import AbstractResolver

from keys.passphrase import Passphrase
from node import __version__, keyring, peers
from node import web as pages_for_people
from node.door import Door
from node.errands import Errands
from node.errors import StartError
from node.events import Events
from node.federation import endpoints, evidence
from node.federation.actors import Actors
from node.federation.authenticate import Authenticator
from node.federation.backfill import Backfill
from node.federation.circle import Circle
from node.federation.client import Client
from node.federation.delivery import Delivery
from node.federation.fetch import Fetcher
from node.federation.gather import Gatherer
from node.federation.guard import Guard
from node.federation.httpsig import Signer
from node.federation.inbox import Inbox
from node.federation.links import Links
from node.federation.lookup import Lookup
from node.federation.originals import Originals
from node.federation.outbox import Outbox
from node.federation.own import Gate, OwnDocuments
from node.federation.polite import Manners, PoliteFetcher
from node.federation.reception import BODY_LIMIT, Reception
from node.federation.returned import Returned
from node.federation.synchronise import Synchroniser
from node.federation.threads import Threads
from node.ids import Ids, Snowflake
from node.interact import Interactions
from node.keyring import OwnKeys
from node.media.cache import RemoteMedia
from node.media.decode import Decoder
from node.media.keeper import MediaKeeper
from node.media.library import Limits, MediaLibrary
from node.model import Clock, Post, Profile, QuotePolicy, Tell, utcnow
from node.moderate import Moderation
from node.owner import Owner
from node.polls import Polls
from node.push import Pusher
from node.quoting import Quoting
from node.reading import Reading
from node.scheduling import Schedule
from node.settings import Settings
from node.storage import chores
from node.storage import profile as stored_profile
from node.storage.migrate import migrate
from node.storage.store import Store
from node.sweeping import Sweeper
from node.web import media as media_pages
from node.web.apps import Apps
from node.workers import Workers

if TYPE_CHECKING:
    from node.web.mastodon.rooms import Rooms

log = logging.getLogger("cuicui.node")

MAIN = "node"
"""The name under which the node itself holds deliveries: a successor takes up what it left."""


@dataclass(frozen=True)
class Node:
    """Everything that belongs to one node, put together. `delivery` and `workers` run only when it serves."""

    settings: Settings
    ids: Ids
    keys: OwnKeys
    store: Store
    client: Client
    actors: Actors
    fetcher: Fetcher
    events: Events
    inbox: Inbox
    outbox: Outbox
    delivery: Delivery
    documents: OwnDocuments
    gate: Gate
    reception: Reception
    backfill: Backfill
    reading: Reading
    owner: Owner
    moderation: Moderation
    interactions: Interactions
    pusher: Pusher
    polls: Polls
    quoting: Quoting
    errands: Errands
    schedule: Schedule
    links: Links
    media: MediaLibrary
    remote_media: RemoteMedia
    sweeper: Sweeper
    snowflake: Snowflake
    clock: Clock

    def forget_cached(self) -> None:
        """Another process wrote to the store."""
        self.actors.forget_cached()
        self.documents.forget_cached()


@asynccontextmanager
async def opened(
    settings: Settings,
    *,
    passphrase: Passphrase = None,
    clock: Clock = utcnow,
    worker: str | None = None,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Node]:
    """A node, opened and closed again. `worker` is set by processes that deliver themselves; MAIN is one at a time.

    Raises StartError when there is no node in the data directory, StoreError, KeyFileError.
    """
    store = Store(settings.database)
    try:
        if settings.unfinished.exists() or (store.path is not None and not store.path.exists()):
            raise no_node(settings.data)
        said = await migrate(store, snapshots=settings.snapshots, now=clock())
        if said is not None:
            log.info("upgraded", extra={"what": said})
        async with store.read() as tx:
            found = await stored_profile.get(tx)
        if found is None:
            raise no_node(settings.data)
        keys = keyring.load(settings.keys, passphrase)
        node = _wired(settings, store, keys, *found, clock=clock, worker=worker, resolver=resolver)
        try:
            async with store.alone() if worker == MAIN else nullcontext():
                yield node
        finally:
            await node.remote_media.close()
            await node.client.close()
    finally:
        await store.close()


def no_node(data: Path) -> StartError:
    if (data / "keys").exists() and not (data / "unfinished").exists():
        return StartError(
            f"there is no node in {data}: its keys are there, but not its database",
            hint="put a backup in place: cuicui restore, into another directory; or look at database_url",
        )
    return StartError(f"there is no node in {data}", hint=f"make one: cuicui init --data {data}")


def _wired(
    settings: Settings,
    store: Store,
    keys: OwnKeys,
    profile: Profile,
    base_url: str,
    *,
    clock: Clock,
    worker: str | None,
    resolver: AbstractResolver | None,
) -> Node:
    if "base_url" in settings.given and settings.base_url != base_url:
        raise StartError(
            f"this node was made for {base_url}, and the settings say {settings.base_url}",
            hint="an address is part of every id and cannot change; make another node, and move there",
        )
    ids = Ids(base_url, profile.handle)
    snowflake = Snowflake(secrets.randbits(16))
    client = Client(
        allow_networks=settings.allow_networks,
        user_agent=f"cuicui/{__version__} (+{base_url})",
        resolver=resolver,
    )
    events = Events()
    circle = Circle(store, ids=ids)
    fetcher = Fetcher(client, Signer(ids.server_key, keys.server), circle=circle, own_origin=ids.origin, clock=clock)
    lookup = Lookup(client, circle, settings.allow_networks)
    actors = Actors(store, fetcher, lookup, circle, ids=ids, snowflake=snowflake, clock=clock)
    authenticator = Authenticator(actors, ids=ids, clock=clock)
    outbox = Outbox(keys, ids=ids, worker=worker)
    delivery = Delivery(
        store,
        client,
        keys,
        ids=ids,
        clock=clock,
        worker=worker or f"idle-{secrets.token_hex(4)}",
        at_once=settings.deliveries_at_once,
        on_gone=actors.check_gone,
    )
    if worker is not None:
        outbox.offer = delivery.offer
        events.subscribe(delivery.hear)
    decoder = Decoder()
    media = MediaLibrary(
        store,
        settings.media,
        decoder,
        ids=ids,
        snowflake=snowflake,
        clock=clock,
        limits=Limits(settings.image_limit << 20, settings.recording_limit << 20),
    )
    remote_media = RemoteMedia(
        store,
        client,
        circle,
        decoder,
        settings.cache,
        most=settings.media_cache_size << 20,
        ids=ids,
        clock=clock,
    )
    documents = OwnDocuments(store, keys, outbox, ids=ids, clock=clock)
    inbox = Inbox(
        store,
        actors,
        authenticator,
        outbox,
        events,
        Originals(fetcher, actors, authenticator),
        ids=ids,
        snowflake=snowflake,
        clock=clock,
        owner=documents.profile,
    )
    owner = Owner(
        store,
        actors,
        outbox,
        documents,
        events,
        keys,
        media=media,
        ids=ids,
        snowflake=snowflake,
        clock=clock,
        sign_private_posts=settings.sign_private_posts,
        quotes=QuotePolicy(settings.quotes),
    )
    manners = Manners(settings.allow_networks)
    polite = PoliteFetcher(fetcher, manners)
    politely = Originals(polite, actors, authenticator)
    synchroniser = Synchroniser(store, polite, outbox, events, ids=ids, snowflake=snowflake, clock=clock)
    inbox.heard = (Returned(store, clock=clock).hear, synchroniser.hear)
    gatherer = Gatherer(politely, actors, authenticator, ids=ids)
    means: dict[str, Any] = {
        "ids": ids,
        "snowflake": snowflake,
        "clock": clock,
        "sign_private_posts": settings.sign_private_posts,
    }
    polls = Polls(store, actors, outbox, documents, events, keys, originals=politely, **means)
    backfill = Backfill(
        store,
        actors,
        polite,
        gatherer,
        events,
        synchroniser,
        ids=ids,
        snowflake=snowflake,
        clock=clock,
        owner=documents.profile,
    )
    threads = Threads(
        store,
        polite,
        gatherer,
        events.publish,
        ids=ids,
        snowflake=snowflake,
        clock=clock,
        owner=documents.profile,
    )
    quoting = Quoting(
        store,
        actors,
        outbox,
        documents,
        events,
        keys,
        originals=politely,
        document=polite.document,
        threads=threads,
        **means,
    )
    forget = _forgetting(actors, documents)
    links = Links(store, client, manners, circle, events, ids=ids, clock=clock, forget=forget)
    errands = {chores.POLL: polls.due, chores.QUOTE: quoting.due, chores.LINKS: links.errand}
    schedule = Schedule(store, owner, events, snowflake=snowflake, clock=clock)
    errands[chores.SCHEDULED] = schedule.due
    return Node(
        settings=settings,
        ids=ids,
        keys=keys,
        store=store,
        client=client,
        actors=actors,
        fetcher=fetcher,
        events=events,
        inbox=inbox,
        outbox=outbox,
        delivery=delivery,
        documents=documents,
        gate=Gate(authenticator, ids=ids, clock=clock),
        reception=Reception(inbox, store, clock),
        backfill=backfill,
        reading=Reading(store, actors, backfill, threads, tell=events.publish, clock=clock),
        owner=owner,
        links=links,
        pusher=Pusher(store, client, keys, events, ids=ids, clock=clock),
        moderation=Moderation(
            store,
            actors,
            outbox,
            events,
            ids=ids,
            snowflake=snowflake,
            clock=clock,
            send_blocks=settings.send_blocks,
        ),
        interactions=Interactions(store, outbox, events, ids=ids, snowflake=snowflake, clock=clock),
        polls=polls,
        quoting=quoting,
        errands=Errands(store, events, errands, clock=clock),
        schedule=schedule,
        snowflake=snowflake,
        clock=clock,
        media=media,
        remote_media=remote_media,
        sweeper=Sweeper(store, actors, remote_media, events, ids=ids, clock=clock, days=settings.keep_remote_days),
    )


def _forgetting(actors: Actors, documents: OwnDocuments) -> Callable[[], None]:
    """What is kept in memory of profiles is read again."""

    def forget() -> None:
        actors.forget_cached()
        documents.forget_cached()

    return forget


_UNSEEN = ("note", "home", "later", "errand", "notification")
"""What changes no page: somebody's post or boost at home (answers say so themselves), and what is put off."""


def site(node: Node) -> web.Application:
    """The routes of a node, for servers and for people; what they keep is dropped when something changes."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app[peers.TRUSTED] = node.settings.trusted_proxies
    pages = pages_for_people.mount(
        app,
        store=node.store,
        ids=node.ids,
        clock=node.clock,
        profile=node.documents.profile,
        own_key=node.keys.identity.public,
    )
    guard = Guard(node.gate, node.documents, clock=node.clock, strict=node.settings.authorized_fetch)
    app.middlewares.append(guard.farewell)
    doors = endpoints.mount(
        app,
        store=node.store,
        ids=node.ids,
        documents=node.documents,
        gate=node.gate,
        clock=node.clock,
        receive=node.reception.answer,
        guard=guard,
    )
    media_pages.mount(app, library=node.media, remote=node.remote_media)
    Apps(lambda: _rooms(node), pages.render).mount(app)

    def changed(tell: Tell) -> None:
        if tell.kind in _UNSEEN:
            return
        pages.invalidate()
        doors.invalidate()

    node.events.subscribe(changed)
    return app


def _rooms(node: Node) -> Rooms:
    """What the client API opens into: asked for with its first request, which is when its package is loaded."""
    from node.web.mastodon.rooms import Rooms

    return Rooms(
        settings=node.settings,
        ids=node.ids,
        store=node.store,
        clock=node.clock,
        events=node.events,
        snowflake=node.snowflake,
        owner=node.owner,
        interactions=node.interactions,
        moderation=node.moderation,
        reading=node.reading,
        profile=node.documents.profile,
        key=node.keys.identity.public,
        polls=node.polls,
        schedule=node.schedule,
        media=node.media,
        remote_media=node.remote_media,
        evidence=lambda post: _evidence(node, post),
        push_key=lambda: node.keys.push.public,
        met_token=node.pusher.met,
        may_ask=node.client.may_ask,
    )


async def _evidence(node: Node, post: Post) -> evidence.Bundle:
    own_actor = await node.documents.actor()
    async with node.store.read() as tx:
        return await evidence.bundle(tx, post, received_at=node.ids.inbox, own_actor=own_actor)


@asynccontextmanager
async def serving(node: Node, door: Door | None = None) -> AsyncIterator[Workers]:
    """A node that listens, delivers and keeps itself in order; on leaving, it finishes what is under way.

    `door` lets connections in; by default one with the limits of door.py. Raises StartError when the port is taken
    or not ours to take.
    """
    settings = node.settings
    app = site(node)
    door = Door(trusted=settings.trusted_proxies) if door is None else door
    app.middlewares.insert(0, door.middleware)
    runner = web.AppRunner(app, shutdown_timeout=5.0)
    await runner.setup()
    workers = Workers(
        node.store,
        node.delivery,
        node.inbox,
        node.reception,
        node.events,
        forget=node.forget_cached,
        backfill=node.backfill,
        errands=node.errands,
        pusher=node.pusher,
        keeper=MediaKeeper(node.media, node.remote_media),
        sweeper=node.sweeper,
    )
    try:
        try:
            server = await door.listen(runner, settings.listen_host, settings.listen_port)
        except OSError as error:
            raise cannot_listen(settings, error) from None
        workers.start()
        try:
            yield workers
        finally:
            server.close()
            await runner.cleanup()  # no new request; then what was accepted is written, and what is owed is sent
            await node.inbox.drain()
            await workers.stop()
    finally:
        await runner.cleanup()


def cannot_listen(settings: Settings, error: OSError) -> StartError:
    if error.errno == errno.EADDRINUSE:
        another = f"{settings.listen.rpartition(':')[0]}:{settings.listen_port % 65535 + 1}"
        return StartError(
            f"{settings.listen} is in use by another program",
            hint=f"stop it, or choose another port: cuicui run --listen {another}",
        )
    if error.errno == errno.EACCES:
        return StartError(f"this user may not listen on {settings.listen}", hint="use a port above 1023, and a proxy")
    return StartError(f"cannot listen on {settings.listen}: {error.strerror or error}", hint="check --listen")
