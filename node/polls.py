"""Polls: what the owner asks is counted and told, in what others ask the owner votes (federation.md §7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from node import text
from node.errors import NotAllowed, NotFound, Refused, Unreachable
from node.federation import asking
from node.model import Choice, Iri, Notify, Poll, PollDraft, Post, Tell
from node.notify import Kind
from node.republish import Republishing
from node.storage import actors as stored
from node.storage import chores, notes, notifications, polls
from node.storage.dialect import Tx
from node.storage.polls import Cast

MOST_CHOICES = 4
LONGEST_CHOICE = 50
"""Characters, counted like those of a post. Mastodon's limits, as those below."""

SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(days=31)

FRESH = timedelta(minutes=1)
"""How long the counts of somebody's open poll are not asked for again."""

FRESH_WHEN_OVER = timedelta(hours=1)


def asked(draft: PollDraft, now: datetime) -> Poll:
    """A draft as the poll that it will be. Raises NotAllowed."""
    names = [text.plain(choice, 10 * LONGEST_CHOICE) for choice in draft.choices]
    if not 2 <= len(names) <= MOST_CHOICES or not all(names):
        raise NotAllowed(
            f"a poll needs 2 to {MOST_CHOICES} choices", hint='for example: cuicui post "Tea?" --option Yes --option No'
        )
    if len({name.casefold() for name in names}) < len(names):
        raise NotAllowed("two choices of this poll are the same", hint="votes go by name: give each another one")
    for name in names:
        if (length := text.count(name)) > LONGEST_CHOICE:
            raise NotAllowed(f"a choice of {length} characters: {name!r}", hint=f"{LONGEST_CHOICE} are allowed")
    if not SHORTEST <= draft.lasts <= LONGEST:
        raise NotAllowed("a poll lasts from 5 minutes to 31 days", hint="say for example: --expires 1d")
    ends = (now + draft.lasts).replace(microsecond=0)
    return Poll(tuple(Choice(name) for name in names), draft.multiple, ends, voters=0)


class Polls(Republishing):
    """The owner of this node, asking and answering."""

    # ── answering ────────────────────────────────────────────────────────────────────────────

    async def vote(self, iri: Iri, choices: Sequence[str]) -> Post:
        """Vote in somebody's poll, by number (from 1) or by name; only its author is told. There is no way back.

        Raises NotFound, NotAllowed.
        """
        now = self._clock()
        async with self._store.write() as tx:
            post = await notes.get(tx, iri)
            if post is None:
                raise NotFound(f"there is no post {iri} here", hint="see the numbers and addresses in: cuicui timeline")
            poll = _open_to_us(post, now)
            if await polls.choices_of(tx, [iri], self._ids.actor):
                raise NotAllowed("you have voted in this poll already")
            chosen = _numbers(poll, choices)
            await polls.add_many(tx, [Cast(iri, self._ids.actor, number, now) for number in chosen])
            await polls.put(tx, iri, _counted_in(poll, chosen))
            if poll.ends is not None:
                await chores.plan(tx, chores.POLL, iri, poll.ends)
            inboxes = await stored.inboxes(tx, [post.note.author])
            jobs = []
            for number in chosen:
                own = self._ids.vote(self._snowflake.mint(now))
                ballot = asking.vote(own, iri, post.note.author, poll.choices[number].name, self._ids, now)
                jobs += await self._outbox.submit(tx, self._outbox.seal(ballot), inboxes, now, about=iri)
            after = await notes.get(tx, iri)
        assert after is not None
        self._done(jobs, Tell("poll_counts", str(post.id)), Tell("errand", iri))
        return after

    async def votes_of_owner(self, iris: Iterable[Iri]) -> dict[Iri, tuple[int, ...]]:
        """What the owner chose in these polls: numbers from 0."""
        async with self._store.read() as tx:
            return await polls.choices_of(tx, iris, self._ids.actor)

    async def opened(self, post: Post) -> Post:
        """A post as it is now: the counts of somebody's poll are asked for anew when stale. Never raises."""
        poll, now = post.note.poll, self._clock()
        if poll is None or post.own or poll.closed is not None:
            return post
        fresh = FRESH_WHEN_OVER if poll.is_over(now) else FRESH
        asked_at = self._asked_at.get(post.note.iri)
        if asked_at is not None and now - asked_at < fresh:
            return post
        try:
            await self._refresh(post)
        except (Unreachable, Refused):
            return post
        async with self._store.read() as tx:
            return await notes.get(tx, post.note.iri) or post

    async def _refresh(self, post: Post) -> None:
        """Ask the origin for the counts. Raises Unreachable, Refused."""
        if len(self._asked_at) > 1000:
            self._asked_at.clear()
        self._asked_at[post.note.iri] = self._clock()
        poll = (await self._originals.get(post.note.iri)).note.poll
        before = post.note.poll
        if poll is None or before is None or poll == before or not poll.asks_the_same(before):
            return
        if poll.votes < before.votes and not poll.is_over(self._clock()):
            return  # older than what we have: the owner's own vote may not be in it yet
        async with self._store.write() as tx:
            now = await notes.get(tx, post.note.iri)
            if now is not None and poll.asks_the_same(now.note.poll):
                await polls.put(tx, post.note.iri, poll)
        self._events.publish([Tell("poll_counts", str(post.id))])

    # ── what is due ──────────────────────────────────────────────────────────────────────────

    async def due(self, iri: Iri, last: bool) -> None:
        """New counts go out; a poll that ended is told of: the owner's own, and one the owner voted in.

        Raises Unreachable, unless it is the last try.
        """
        async with self._store.read() as tx:
            post = await notes.get(tx, iri)
        if post is None or post.note.poll is None:
            return
        if post.own:
            await self._tell_counts(iri)
            return
        try:
            await self._refresh(post)
        except Refused:
            pass
        except Unreachable:
            if not last:
                raise
        if post.note.poll.is_over(self._clock()):
            async with self._store.write() as tx:
                told = await self._ended(tx, post)
            self._events.publish(told)

    async def _ended(self, tx: Tx, post: Post) -> list[Tell]:
        """The owner is told of it, once."""
        over = Notify(Kind.POLL, post.note.author, post.id)
        told = await notifications.add_many(tx, [over], self._snowflake, self._clock())
        return [Tell("poll", str(post.id)), *told]

    async def _tell_counts(self, iri: Iri) -> None:
        now = self._clock()
        async with self._store.write() as tx:
            post = await notes.get(tx, iri)
            if post is None or post.note.poll is None or post.note.poll.closed is not None:
                return
            poll = await polls.tally(tx, iri, post.note.poll)
            over = poll.is_over(now)
            if over:
                poll = replace(poll, closed=poll.ends)
            elif poll.ends is not None:
                await chores.plan(tx, chores.POLL, iri, poll.ends, earlier=False)
            told = await polls.voters(tx, iri)
            jobs = await self._send_again(tx, post, replace(post.note, poll=poll), now, also=told)
            news = await self._ended(tx, post) if over else []
        self._done(jobs, Tell("poll_counts", str(post.id)), *news)


def _open_to_us(post: Post, now: datetime) -> Poll:
    if post.note.poll is None:
        raise NotAllowed("this post asks nothing")
    if post.own:
        raise NotAllowed("that is your own poll")
    if post.note.poll.is_over(now):
        raise NotAllowed("this poll is over")
    return post.note.poll


def _numbers(poll: Poll, choices: Sequence[str]) -> list[int]:
    names = [choice.name for choice in poll.choices]
    chosen: list[int] = []
    for written in choices:
        if written in names:
            chosen.append(names.index(written))
        elif written.isascii() and written.isdigit() and 0 < int(written) <= len(names):
            chosen.append(int(written) - 1)
        else:
            raise NotAllowed(f"{written!r} is no choice of this poll", hint="they are: " + " · ".join(names))
    chosen = sorted(set(chosen))
    if not chosen or (len(chosen) > 1 and not poll.multiple):
        raise NotAllowed("choose one of: " + " · ".join(names))
    return chosen


def _counted_in(poll: Poll, chosen: Sequence[int]) -> Poll:
    """With the owner's own vote, until the author says how many there are."""
    choices = tuple(
        replace(choice, votes=choice.votes + (number in chosen)) for number, choice in enumerate(poll.choices)
    )
    return replace(poll, choices=choices, voters=None if poll.voters is None else poll.voters + 1)
