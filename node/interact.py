"""What the owner can do with a post: boost, like, pin, each with its way back (writing is in owner.py)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from node import text
from node.errors import NotAllowed, NotFound
from node.events import Events
from node.federation import compose
from node.federation.outbox import Outbox, Sealed, recipients
from node.ids import Ids, Snowflake
from node.model import PUBLIC, Announce, Audience, Clock, Counts, Iri, Like, Post, ReactionKind, Tell, Visibility
from node.storage import activities, actors, featured, notes, reactions, reports
from node.storage.dialect import Tx
from node.storage.queue import Job
from node.storage.reactions import Reaction, Undone
from node.storage.reports import Report
from node.storage.store import Store

MOST_PINNED = 5
"""Posts on top of the profile; Mastodon shows as many."""

_AGAIN = timedelta(days=1)
"""A post that came to the home timeline less than this ago is not shown there again by the owner's boost."""


class Interactions:
    """The owner of this node, with the posts that are here."""

    def __init__(
        self, store: Store, outbox: Outbox, events: Events, *, ids: Ids, snowflake: Snowflake, clock: Clock
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._events = events
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock

    # ── boost ────────────────────────────────────────────────────────────────────────────────

    async def boost(self, iri: Iri) -> None:
        """Pass a post on to one's followers; twice is once. Raises NotFound, NotAllowed (not for everybody)."""
        now = self._clock()
        async with self._store.write() as tx:
            post = await _post(tx, iri)
            if not post.visibility.is_open:
                raise NotAllowed(
                    "this post is not for everybody, and is not yours to pass on",
                    hint="only public and unlisted posts can be boosted",
                )
            if await reactions.by(tx, iri, self._ids.actor, [ReactionKind.BOOST]):
                return
            number = self._snowflake.mint(now)
            boost = Announce(self._ids.activity(number), self._ids.actor, iri)
            await self._remember(tx, number, boost.id, iri, ReactionKind.BOOST, "", now)
            if not await reactions.lately_at_home(tx, [post.id], Snowflake(0).mint(now - _AGAIN)):
                own = (await actors.ids_of(tx, [self._ids.actor]))[self._ids.actor]
                await reactions.show(tx, [(number, post.id, own)])
            sealed = self._outbox.prove(compose.announce(boost, post.note.author, self._ids, now), now)
            jobs = await self._outbox.submit(tx, sealed, await self._readers(tx, post), now)
        self._done(jobs, Tell("boost", str(post.id)))

    async def unboost(self, iri: Iri) -> None:
        """Take a boost back. Raises NotFound."""
        await self._undo(iri, [ReactionKind.BOOST], "you have not boosted this")

    # ── like ─────────────────────────────────────────────────────────────────────────────────

    async def like(self, iri: Iri, emoji: str = "") -> None:
        """Tell the author of a post, and nobody else, that it is liked; or an emoji. Twice is once.

        Raises NotFound, NotAllowed (that is no single emoji).
        """
        if emoji and (text.count(emoji) != 1 or emoji.isascii()):
            raise NotAllowed(f"{emoji!r} is not one emoji", hint="for example: cuicui like ID --with 🎉")
        now = self._clock()
        async with self._store.write() as tx:
            post = await _post(tx, iri)
            number = self._snowflake.mint(now)
            like = Like(self._ids.activity(number), self._ids.actor, iri, emoji)
            if any(one.content == emoji for one in await reactions.by(tx, iri, self._ids.actor, [like.kind])):
                return
            await self._remember(tx, number, like.id, iri, like.kind, emoji, now)
            sealed = self._outbox.seal(compose.like(like, post.note.author))
            jobs = await self._outbox.submit(tx, sealed, await actors.inboxes(tx, [post.note.author]), now)
        self._done(jobs, Tell("like", str(post.id)))

    async def unlike(self, iri: Iri) -> None:
        """Take back a like, and the emojis given. Raises NotFound."""
        await self._undo(iri, [ReactionKind.LIKE, ReactionKind.EMOJI], "you have not liked this")

    async def _undo(self, iri: Iri, kinds: list[ReactionKind], nothing: str) -> None:
        now = self._clock()
        jobs: list[Job] = []
        async with self._store.write() as tx:
            post = await _post(tx, iri)
            given = await reactions.by(tx, iri, self._ids.actor, kinds)
            if not given:
                raise NotFound(nothing)
            for one in given:
                await reactions.undo(tx, [Undone(one.actor, one.activity, None, (one.kind,))])
                body = await activities.withdraw(tx, one.activity)
                assert body is not None, "what was done is in the log until it is undone"
                undo = compose.undo(self._ids.activity(self._snowflake.mint(now)), json.loads(body))
                if one.kind is ReactionKind.BOOST:
                    sealed, inboxes = self._outbox.prove(undo, now), await self._readers(tx, post)
                else:
                    sealed, inboxes = self._outbox.seal(undo), await actors.inboxes(tx, [post.note.author])
                jobs += await self._outbox.submit(tx, sealed, inboxes, now, about=iri)
        self._done(jobs, Tell("undone", str(post.id)))

    async def _remember(
        self, tx: Tx, number: int, activity: Iri, note: Iri, kind: ReactionKind, content: str, at: datetime
    ) -> None:
        await reactions.add_many(tx, [Reaction(number, note, self._ids.actor, kind, content, activity, at)])

    async def _readers(self, tx: Tx, post: Post) -> list[Iri]:
        """The owner's followers, and the author."""
        audience = Audience((PUBLIC,), (self._ids.followers, post.note.author))
        return await recipients(tx, audience, Visibility.PUBLIC, self._ids)

    # ── pin ──────────────────────────────────────────────────────────────────────────────────

    async def pin(self, iri: Iri) -> None:
        """Keep a post of one's own on top of the profile. Raises NotFound, NotAllowed (not open, or five already)."""
        now = self._clock()
        async with self._store.write() as tx:
            post = await _post(tx, iri)
            if not post.own or not post.visibility.is_open:
                raise NotAllowed("only your own public and unlisted posts can be pinned")
            if iri in [one.note.iri for one in await featured.pinned(tx, self._ids.actor)]:
                return
            if await featured.count(tx, self._ids.actor) >= MOST_PINNED:
                raise NotAllowed(f"{MOST_PINNED} posts are pinned already", hint="take one down: cuicui unpin ID")
            await featured.pin(tx, self._ids.actor, iri)
            add = compose.add(self._ids.activity(self._snowflake.mint(now)), iri, self._ids)
            jobs = await self._tell_followers(tx, self._outbox.prove(add, now), now)
        self._done(jobs, Tell("featured", str(post.id)))

    async def unpin(self, iri: Iri) -> None:
        """Raises NotFound."""
        now = self._clock()
        async with self._store.write() as tx:
            if not await featured.unpin(tx, self._ids.actor, iri):
                raise NotFound(f"{iri} is not pinned")
            remove = compose.remove(self._ids.activity(self._snowflake.mint(now)), iri, self._ids)
            jobs = await self._tell_followers(tx, self._outbox.prove(remove, now), now)
        self._done(jobs, Tell("featured", iri))

    async def _tell_followers(self, tx: Tx, sealed: Sealed, now: datetime) -> list[Job]:
        audience = Audience((PUBLIC,), (self._ids.followers,))
        inboxes = await recipients(tx, audience, Visibility.PUBLIC, self._ids)
        return await self._outbox.submit(tx, sealed, inboxes, now)

    # ── read ─────────────────────────────────────────────────────────────────────────────────

    async def counts(self, iris: Iterable[Iri]) -> dict[Iri, Counts]:
        """What was done with these posts, as far as this node has seen."""
        async with self._store.read() as tx:
            return await reactions.counts(tx, iris)

    async def reports(self) -> list[Report]:
        """What others reported to the owner, newest first."""
        async with self._store.read() as tx:
            return await reports.newest(tx, but=self._ids.actor)

    def _done(self, jobs: list[Job], tell: Tell) -> None:
        """After the commit."""
        self._outbox.offer(jobs)
        self._events.publish([tell])


async def _post(tx: Tx, iri: Iri) -> Post:
    post = await notes.get(tx, iri)
    if post is None:
        raise NotFound(f"there is no post {iri} here", hint="see the numbers and addresses in: cuicui timeline")
    return post
