"""What the owner does about following: ask, answer, end it, list it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from node import text
from node.acting import Acting
from node.errors import NotAllowed, NotFound
from node.federation import compose
from node.model import (
    Follow,
    Iri,
    Tell,
)
from node.notify import Kind
from node.storage import actors as stored
from node.storage import (
    blocks,
    chores,
    lookalikes,
    relations,
    tags,
    timelines,
)
from node.storage.actors import KnownActor
from node.storage.relations import Relation, State
from node.storage.tags import FollowedTag

MOST_TAGS = 200
"""Hashtags that the owner may follow."""


class Befriending(Acting):
    """The owner of this node, with those who are followed and those who follow."""

    async def follow(self, whom: str) -> Relation:
        """Ask somebody (a handle or an address) to be followed. Raises NotAllowed, Unreachable."""
        target = (await self._actors.resolve(whom)).actor
        if target.iri == self._ids.actor:
            raise NotAllowed("that is you")
        if (await self._actors.circle.blocks()).covers(target.iri):
            raise NotAllowed(f"you block {whom}", hint=f"take that back first: cuicui unblock {whom}")
        now = self._clock()
        async with self._store.write() as tx:
            before = await relations.follow_of(tx, target.iri)
            if before is not None and before.state is State.ACCEPTED:
                return before
            wanted = Follow(self._ids.activity(self._snowflake.mint(now)), self._ids.actor, target.iri)
            await relations.start_follow(tx, target.iri, wanted.id, now)
            if target.fields:
                await chores.add_many(tx, chores.LINKS, [target.iri], now, {})
            await lookalikes.settle(tx, self._ids.actor)
            sealed = self._outbox.seal(compose.follow(wanted))
            jobs = await self._outbox.submit(tx, sealed, [target.inbox], now)
        self._done(jobs, Tell("following", target.iri), Tell("errand", chores.LINKS))
        return Relation(target.iri, wanted.id, State.PENDING, now)

    async def unfollow(self, whom: str) -> Iri:
        """Stop following; what they wrote leaves the home timeline, but for what a followed hashtag brings as well.

        Works also when their server is gone.
        """
        target = await self._known(whom)
        now = self._clock()
        async with self._store.write() as tx:
            before = await relations.follow_of(tx, target.iri)
            if before is None:
                raise NotFound(f"you do not follow {whom}", hint="see whom you follow: cuicui following")
            undone = Follow(before.activity, self._ids.actor, target.iri)
            undo = compose.undo_follow(self._ids.activity(self._snowflake.mint(now)), undone)
            await relations.end_follow(tx, target.iri)
            await timelines.leave_home(tx, target.iri, but_tagged=True)
            await lookalikes.settle(tx, self._ids.actor)
            jobs = await self._outbox.submit(tx, self._outbox.seal(undo), [target.inbox], now)
        self._done(jobs, Tell("unfollowing", target.iri))
        return target.iri

    async def accept(self, whom: str) -> Iri:
        """Let somebody follow who asked."""
        return await self._answer(whom, yes=True)

    async def reject(self, whom: str) -> Iri:
        """Say no to somebody who asked, or remove a follower."""
        return await self._answer(whom, yes=False)

    async def _answer(self, whom: str, *, yes: bool) -> Iri:
        target = await self._known(whom)
        now = self._clock()
        async with self._store.write() as tx:
            asked = await relations.follower(tx, target.iri)
            if asked is None or (yes and asked.state is State.ACCEPTED):
                raise NotFound(f"{whom} has not asked to follow you", hint="see who has: cuicui followers --requests")
            follow = Follow(asked.activity, target.iri, self._ids.actor)
            answer = (compose.accept if yes else compose.reject)(self._ids.activity(self._snowflake.mint(now)), follow)
            if yes:
                await relations.put_follower(tx, target.iri, asked.activity, State.ACCEPTED, now)
                await blocks.stand(tx, [target.iri], blocks.Standing.ALLOWED, now)
                await relations.untell(tx, target.iri, Kind.FOLLOW_REQUEST)
            else:
                await relations.drop_follower(tx, target.iri)
            jobs = await self._outbox.submit(tx, self._outbox.seal(answer), [target.inbox], now)
        self._done(jobs, Tell("follow" if yes else "unfollow", target.iri))
        return target.iri

    async def following(self) -> list[Relation]:
        async with self._store.read() as tx:
            return await relations.list_follows(tx, state=None)

    async def followers(self, *, requests: bool = False) -> list[Relation]:
        async with self._store.read() as tx:
            return await relations.list_followers(tx, State.PENDING if requests else State.ACCEPTED)

    # ── hashtags ─────────────────────────────────────────────────────────────────────────────

    async def follow_tag(self, name: str) -> FollowedTag:
        """Have public posts with a hashtag come to the home timeline, as they arrive; with or without its `#`.

        Nobody is told. Raises NotAllowed for what is no hashtag, and for more than a node should follow.
        """
        written = name.strip().removeprefix("#")
        if text.find_hashtags(f"#{written}") != [unicodedata.normalize("NFC", written)]:
            raise NotAllowed(f"{name!r} is no hashtag", hint="letters, digits and _, with a letter among them")
        async with self._store.write() as tx:
            followed = await tags.followed(tx)
            if len(followed) >= MOST_TAGS:
                raise NotAllowed(f"you follow {MOST_TAGS} hashtags, and more are too many")
            await tags.follow(tx, text.fold_tag(written), self._clock())
            found = next(one for one in await tags.followed(tx) if one.name == text.fold_tag(written))
        self._documents.forget_cached()
        return found

    async def unfollow_tag(self, name: str) -> None:
        """What only this hashtag brought leaves the home timeline. Raises NotFound."""
        async with self._store.write() as tx:
            if not await tags.unfollow(tx, text.fold_tag(name.strip())):
                raise NotFound(f"you do not follow {name}", hint="see which you follow: cuicui tags")
        self._documents.forget_cached()

    async def followed_tags(self) -> list[FollowedTag]:
        async with self._store.read() as tx:
            return await tags.followed(tx)

    async def people(self, iris: Sequence[Iri]) -> dict[Iri, KnownActor]:
        """What is known of these accounts."""
        async with self._store.read() as tx:
            return await stored.many(tx, iris)
