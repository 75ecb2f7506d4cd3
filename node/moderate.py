"""What the owner can do about others: block, mute, let in, ignore (the rest of the owner's acts is in owner.py)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from node.blocking import BlockList, account_key, normal_domain, normal_handle, read_list
from node.errors import NotAllowed, NotFound, Unreachable
from node.events import Events
from node.federation import compose
from node.federation.actors import Actors
from node.federation.outbox import Outbox
from node.ids import Ids, Snowflake
from node.model import Clock, Follow, Iri, Post, Tell, host_of
from node.storage import activities, blocks, lookalikes, notes, queue, relations, reports, timelines
from node.storage import actors as stored
from node.storage.blocks import Block, Mute, Standing
from node.storage.dialect import Tx
from node.storage.queue import Job
from node.storage.reports import Report
from node.storage.store import Store

_SPANS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
LONGEST_MUTE = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Import:
    """What came of a list: how many rows are blocked now, and the lines that say something else."""

    accounts: int
    domains: int
    skipped: tuple[str, ...]


def span(written: str) -> timedelta:
    """`30m`, `12h`, `7d`, `4w`. Raises NotAllowed."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", written.strip().lower())
    length = timedelta(seconds=int(match[1]) * _SPANS[match[2]]) if match else timedelta()
    if not timedelta() < length <= LONGEST_MUTE:
        raise NotAllowed(f"{written!r} is no length of time", hint="say 30m, 12h, 7d or 4w")
    return length


@dataclass(frozen=True, slots=True)
class Reported:
    """Whom a report is about, and the servers that it goes to."""

    target: Iri
    hosts: tuple[str, ...]


LONGEST_COMMENT = 1_000
MOST_REPORTED = 20
"""Posts that one report may name."""


class Moderation:
    """The owner of this node, keeping others at a distance."""

    def __init__(
        self,
        store: Store,
        actors: Actors,
        outbox: Outbox,
        events: Events,
        *,
        ids: Ids,
        snowflake: Snowflake,
        clock: Clock,
        send_blocks: bool = True,
    ) -> None:
        self._store = store
        self._actors = actors
        self._outbox = outbox
        self._events = events
        self._ids = ids
        self._snowflake = snowflake
        self._clock = clock
        self._send_blocks = send_blocks

    # ── block ────────────────────────────────────────────────────────────────────────────────

    async def block(self, whom: str, comment: str = "") -> Block:
        """Shut out an account (a handle or an address) or a domain with all below it.

        Follows in both directions end, and what is still owed to them is dropped. The server of a blocked
        account is told (Block, as Mastodon does), so that it keeps the two apart, unless `send_blocks` is off;
        of domains and imported lists nobody is told. An account whose server does not answer is blocked by its handle.
        """
        kind, value = await self._named(whom)
        new = Block(kind, value, self._clock(), comment)
        await self._apply([new], tell=self._send_blocks)
        return new

    async def import_blocks(self, text: str) -> Import:
        """Block what a list names (blocking.read_list). No server is asked: who has not been met is known by handle."""
        read = read_list(text)
        new: list[Block] = []
        async with self._store.read() as tx:
            for entry in read.entries:
                value = entry.value
                if entry.kind == "account":
                    name, _, host = value.partition("@")
                    known = await stored.find_handle(tx, name, host)
                    value = known.actor.iri if known is not None else value
                if not self._is_ourselves(entry.kind, value):
                    new.append(Block(entry.kind, value, self._clock(), entry.comment))
        await self._apply(new)
        accounts = sum(item.kind == "account" for item in new)
        return Import(accounts, len(new) - accounts, read.skipped)

    async def unblock(self, whom: str) -> None:
        """Take a block back. Follows that ended with it do not come back by themselves."""
        kind, values = "domain", {normal_domain(whom) or ""}
        if "@" in whom or "://" in whom:
            kind, values = "account", await self._spellings(whom)
        async with self._store.write() as tx:
            if not await blocks.remove(tx, kind, values):
                raise NotFound(f"{whom} is not blocked", hint="see whom you block: cuicui blocks")
            await blocks.hide(tx, self._clock())
            jobs = [job for value in values if "://" in value for job in await self._untell(tx, Iri(value))]
        self._outbox.offer(jobs)
        self._changed("unblock", whom)

    async def blocked(self) -> list[Block]:
        """Newest first."""
        async with self._store.read() as tx:
            return await blocks.listed(tx)

    async def _named(self, whom: str) -> tuple[str, str]:
        domain = normal_domain(whom)
        if domain is not None:
            kind, value = "domain", domain
        else:
            kind, value = "account", await self._account(whom)
        if self._is_ourselves(kind, value):
            raise NotAllowed("that is you")
        return kind, value

    async def _account(self, whom: str) -> str:
        try:
            return await self._known(whom)
        except Unreachable:
            handle = normal_handle(whom)
            if handle is not None:
                return handle
            raise

    def _is_ourselves(self, kind: str, value: str) -> bool:
        if kind == "domain":
            return BlockList(domains=frozenset((value,))).covers(self._ids.actor)
        return value in (self._ids.actor, self._ids.acct)

    async def _spellings(self, whom: str) -> set[str]:
        """An account as it may stand in the list: by its handle, or by its id however spelled."""
        handle = normal_handle(whom)
        if handle is None:
            wanted = account_key(whom)
            return {item.value for item in await self.blocked() if account_key(item.value) == wanted}
        name, _, host = handle.partition("@")
        async with self._store.read() as tx:
            known = await stored.find_handle(tx, name, host)
        by_comment = {item.value for item in await self.blocked() if normal_handle(item.comment) == handle}
        return {handle, *([known.actor.iri] if known else ()), *by_comment}

    async def _apply(self, new: Sequence[Block], *, tell: bool = False) -> None:
        now = self._clock()
        async with self._store.write() as tx:
            before, hidden = await blocks.load(tx), await blocks.hidden(tx)
            await blocks.add(tx, new)
            covered = await blocks.hide(tx, now)
            await self._owe_nothing(tx, before, [iri for iri in covered if iri not in hidden])
            jobs = await self._part(tx, covered)
            told = [iri for iri in covered if tell and any(item.value == iri for item in new)]
            for iri in told:
                jobs += await self._tell(tx, iri)
            if jobs:  # somebody who was followed is so no more
                await lookalikes.settle(tx, self._ids.actor)
        self._outbox.offer(jobs)
        self._changed("block", new[0].value if len(new) == 1 else "")

    async def _owe_nothing(self, tx: Tx, before: BlockList, newly: Sequence[Iri]) -> None:
        """Drop what is still on its way to them: to every host that is shut out, and to the accounts' own inboxes.

        To those that were blocked `before` only what parts us is owed, and a server that is down is told of it yet.
        """
        now = await blocks.load(tx)
        for origin in await queue.origins(tx):
            host = host_of(origin)
            if now.covers_host(host) and not before.covers_host(host):
                await queue.drop_origin(tx, origin)
        for known in (await stored.many(tx, newly)).values():
            if known.actor.inbox != known.actor.shared_inbox:
                await queue.drop_inbox(tx, known.actor.inbox)

    async def _tell(self, tx: Tx, iri: Iri) -> list[Job]:
        """Send Block, to the account's own inbox; once."""
        known = await stored.get(tx, iri)
        if known is None or known.gone_at is not None or await self._told(tx, iri):
            return []
        block = self._outbox.seal(compose.block(self._new_id(), iri, self._ids))
        return await self._outbox.submit(tx, block, [known.actor.inbox], self._clock())

    async def _untell(self, tx: Tx, iri: Iri) -> list[Job]:
        """Take back each Block that was sent."""
        jobs: list[Job] = []
        for sent in await self._told(tx, iri):
            body = await activities.withdraw(tx, sent)
            known = await stored.get(tx, iri)
            if body is not None and known is not None:
                undo = self._outbox.seal(compose.undo(self._new_id(), json.loads(body)))
                jobs += await self._outbox.submit(tx, undo, [known.actor.inbox], self._clock(), about=iri)
        return jobs

    async def _told(self, tx: Tx, iri: Iri) -> list[Iri]:
        logged = await activities.about(tx, iri)
        return [one.iri for one in logged if one.direction == "out" and one.type == "Block"]

    # ── report ───────────────────────────────────────────────────────────────────────────────

    async def report(
        self, whom: str, *, posts: Sequence[str] = (), comment: str = "", forward: bool = False
    ) -> Reported:
        """Report an account, and posts of theirs (numbers or addresses), to those who run its server.

        It is sent by the node's server actor, not by the owner's; on a node of one person that says little less.
        `forward`: also to the servers of those whom these posts answer. Raises NotAllowed, NotFound, Unreachable.
        """
        if len(comment) > LONGEST_COMMENT:
            raise NotAllowed(f"a report has {LONGEST_COMMENT} characters at most, and this has {len(comment)}")
        if len(posts) > MOST_REPORTED:
            raise NotAllowed(f"a report names {MOST_REPORTED} posts at most")
        target = await self._known(whom)
        if target == self._ids.actor:
            raise NotAllowed("that is you")
        now = self._clock()
        async with self._store.write() as tx:
            known = await stored.get(tx, target)
            if known is None or known.gone_at is not None:
                raise NotAllowed(f"{whom} is gone; there is nobody to tell")
            about, answered = [target], list[Iri]()
            for name in posts:
                post = await _found(tx, name)
                if post.note.author != target:
                    raise NotAllowed(f"{name} was not written by {whom}")
                about.append(post.note.iri)
                parent = await notes.get(tx, post.note.in_reply_to) if post.note.in_reply_to else None
                answered += [parent.note.author] if parent is not None and not parent.own else []
            inboxes = [known.actor.shared_inbox or known.actor.inbox]
            if forward:
                inboxes += await stored.inboxes(tx, answered, shared=True)
            flag = self._outbox.seal(compose.flag(self._new_id(), about, comment.strip(), self._ids))
            jobs = await self._outbox.submit(tx, flag, inboxes, now, about=target)
            await reports.add_many(tx, [Report(self._ids.actor, tuple(about), comment.strip(), now)])
        self._outbox.offer(jobs)
        return Reported(target, tuple(dict.fromkeys(host_of(inbox) for inbox in inboxes)))

    async def _part(self, tx: Tx, covered: Sequence[Iri]) -> list[Job]:
        """End what binds us to those: their following (Reject), ours (Undo), their posts at home."""
        jobs: list[Job] = []
        for iri in covered:
            asked, asked_them = await relations.follower(tx, iri), await relations.follow_of(tx, iri)
            if asked is None and asked_them is None:
                continue
            known = await stored.get(tx, iri)
            assert known is not None
            answers = []
            if asked is not None:
                follow = Follow(asked.activity, iri, self._ids.actor)
                answers.append(compose.reject(self._new_id(), follow))
            if asked_them is not None:
                follow = Follow(asked_them.activity, self._ids.actor, iri)
                answers.append(compose.undo_follow(self._new_id(), follow))
            for answer in answers:
                jobs += await self._outbox.submit(tx, self._outbox.seal(answer), [known.actor.inbox], self._clock())
            await relations.forget(tx, iri)
            await timelines.leave_home(tx, iri)
        return jobs

    # ── mute ─────────────────────────────────────────────────────────────────────────────────

    async def mute(self, whom: str, for_: timedelta | None = None) -> Iri:
        """Do not show what somebody writes or boosts, at home or among the mentions. They are not told."""
        target, now = await self._known(whom), self._clock()
        if target == self._ids.actor:
            raise NotAllowed("that is you")
        async with self._store.write() as tx:
            await blocks.mute(tx, target, now, now + for_ if for_ is not None else None)
        self._changed("mute", target)
        return target

    async def unmute(self, whom: str) -> Iri:
        target = await self._known(whom)
        async with self._store.write() as tx:
            if not await blocks.unmute(tx, target):
                raise NotFound(f"{whom} is not muted", hint="see whom you mute: cuicui mutes")
        self._changed("unmute", target)
        return target

    async def muted(self) -> list[Mute]:
        """Whom the owner mutes now, newest first."""
        async with self._store.read() as tx:
            return await blocks.muted(tx, self._clock())

    # ── strangers ────────────────────────────────────────────────────────────────────────────

    async def requests(self, *, before: int | None = None, after: int | None = None, limit: int = 20) -> list[Post]:
        """What strangers said to the owner, newest first, until the owner decides about them."""
        async with self._store.read() as tx:
            return await timelines.requests(tx, before=before, after=after, limit=limit, now=self._clock())

    async def allow(self, whom: str) -> Iri:
        """Let a stranger in: what they say to the owner is among the mentions, from the first on."""
        return await self._decide(whom, Standing.ALLOWED)

    async def ignore(self, whom: str) -> Iri:
        """Leave a stranger unanswered: what they say is kept, and shown nowhere. They are not told."""
        return await self._decide(whom, Standing.IGNORED)

    async def _decide(self, whom: str, standing: Standing) -> Iri:
        target = await self._known(whom)
        async with self._store.write() as tx:
            await blocks.stand(tx, [target], standing, self._clock())
            if standing is Standing.IGNORED and await relations.follow_of(tx, target) is None:
                await timelines.leave_home(tx, target)
        self._changed(standing.value, target)
        return target

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _known(self, whom: str) -> Iri:
        """Somebody we have met; their server is asked only if we have not."""
        handle = normal_handle(whom)
        async with self._store.read() as tx:
            found = await stored.get(tx, Iri(whom))
            if found is None and handle is not None:
                found = await stored.find_handle(tx, *handle.split("@"))
        return (found or await self._actors.resolve(whom)).actor.iri

    def _new_id(self) -> Iri:
        return self._ids.activity(self._snowflake.mint(self._clock()))

    def _changed(self, kind: str, subject: str) -> None:
        self._actors.forget_cached()
        self._events.publish([Tell(kind, subject)])


async def _found(tx: Tx, name: str) -> Post:
    number = int(name) if name.isascii() and name.isdigit() and len(name) <= 19 else None
    post = await (notes.get_by_url(tx, name) if number is None else notes.get_by_id(tx, number))
    if post is None:
        raise NotFound(f"there is no post {name} here", hint="see the numbers and addresses in: cuicui timeline")
    return post
