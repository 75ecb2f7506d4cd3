"""Quotes, by consent (FEP-044f): of others by the owner, of the owner by others, and of others by others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from html import escape
from typing import Any

from node.errors import NotAllowed, NotFound, Refused, Unreachable
from node.federation import asking, parse
from node.federation.fetch import Fetched
from node.federation.outbox import recipients
from node.federation.threads import Threads
from node.model import PUBLIC, Audience, Iri, Post, QuotePolicy, QuoteState, Tell, Visibility, origin_of
from node.republish import Republishing
from node.storage import notes, quotes
from node.storage.quotes import Grant


def may_be_quoted(post: Post) -> Post:
    """Raises NotAllowed when a post is not for everybody, or its author lets nobody quote it."""
    if not post.visibility.is_open:
        raise NotAllowed("this post is not for everybody, and is not yours to show", hint="answer it instead")
    if not post.own and post.note.quote_policy is QuotePolicy.NOBODY:
        raise NotAllowed("its author wants nobody to quote it", hint="answer it, or boost it")
    return post


def with_quote(html: str, quoted: Post) -> str:
    """A post's HTML with the line by which servers that know no quotes show what is quoted (federation.md §6)."""
    url = escape(quoted.note.url or quoted.note.iri)
    link = f'<a href="{url}" rel="nofollow noopener noreferrer">{url}</a>'
    return f'{html}<p><span class="quote-inline">RE: {link}</span></p>'


class Quoting(Republishing):
    """The owner of this node, quoting and being quoted. `document` fetches, when it is one's turn."""

    def __init__(
        self, *means: Any, document: Callable[[str], Awaitable[Fetched]], threads: Threads, **more: Any
    ) -> None:
        super().__init__(*means, **more)
        self._document = document
        self._threads = threads

    async def grants(self) -> list[Grant]:
        """Who was let quote the owner, newest first."""
        async with self._store.read() as tx:
            return await quotes.grants(tx)

    async def revoke(self, which: str) -> list[Grant]:
        """Take back that somebody may quote the owner: by the stamp, or by the post that quotes. Raises NotFound."""
        now = self._clock()
        async with self._store.write() as tx:
            is_number = which.isascii() and which.isdigit() and len(which) <= 19
            post = await notes.get_by_id(tx, int(which)) if is_number else None
            post = post or await notes.get_by_url(tx, which)
            quoting = post.note.iri if post is not None else Iri(which)
            found = [
                one for one in await quotes.grants(tx) if quoting in (one.quoting, one.stamp) and not one.revoked_at
            ]
            if not found:
                raise NotFound(f"{which} quotes nothing of yours by your leave", hint="see who does: cuicui quotes")
            jobs = []
            for one in found:
                await quotes.revoke(tx, one.stamp, now)
                delete = self._outbox.prove(asking.withdraw(one, self._ids), now)
                audience = Audience((PUBLIC,), (one.actor, self._ids.followers))
                inboxes = await recipients(tx, audience, Visibility.PUBLIC, self._ids)
                jobs += await self._outbox.submit(tx, delete, inboxes, now)
        self._done(jobs, *(Tell("quote", one.quoting) for one in found))
        return found

    # ── what is due ──────────────────────────────────────────────────────────────────────────

    async def due(self, iri: Iri, last: bool) -> None:
        """Send a post of the owner's again, with what came of its quote; or find out whether one of somebody's holds.

        Raises Unreachable, unless it is the last try.
        """
        async with self._store.read() as tx:
            post = await notes.get(tx, iri)
        if post is None or post.note.quote is None:
            return
        if post.own:
            await self._answered(iri)
        elif post.quote_state is QuoteState.PENDING:
            try:
                quoted, state = await self._verdict(post)
            except Refused:
                quoted, state = None, QuoteState.REJECTED
            except Unreachable as error:
                if not last and error.status not in (401, 403, 404, 410):
                    raise
                quoted, state = None, QuoteState.REJECTED
            async with self._store.write() as tx:
                await quotes.settle_checked(tx, post.note, state, quoted)
            self._events.publish([Tell("quote", str(post.id))])

    async def _answered(self, iri: Iri) -> None:
        now = self._clock()
        async with self._store.write() as tx:
            post = await notes.get(tx, iri)
            if post is None or post.quote_state in (None, QuoteState.PENDING):
                return
            note = post.note
            if post.quote_state is not QuoteState.ACCEPTED:
                note = replace(note, quote=None, quote_stamp=None)
            jobs = await self._send_again(tx, post, note, now)
        self._done(jobs, Tell("edit", str(post.id)))

    async def _verdict(self, post: Post) -> tuple[Iri, QuoteState]:
        """Which post is quoted, and whether its author let it: no unless it is shown. Raises Unreachable, Refused."""
        assert post.note.quote is not None
        quoted = await self._here(post.note.quote) or await self._bring(post.note.quote)
        if quoted is None or not quoted.visibility.is_open:
            return post.note.quote, QuoteState.REJECTED
        target, author, stamp = quoted.note.iri, quoted.note.author, post.note.quote_stamp
        if author == post.note.author:
            return target, QuoteState.ACCEPTED
        if stamp is None:
            return target, QuoteState.REJECTED
        holds = await (self._ours if quoted.own else self._theirs)(stamp, author, post.note.iri, target, post)
        return target, QuoteState.ACCEPTED if holds else QuoteState.REJECTED

    async def _ours(self, stamp: Iri, _author: Iri, quoting: Iri, target: Iri, post: Post) -> bool:
        async with self._store.read() as tx:
            given = await quotes.granted(tx, stamp)
        return (
            given is not None
            and given.revoked_at is None
            and (given.quoting, given.note, given.actor)
            == (
                quoting,
                target,
                post.note.author,
            )
        )

    async def _theirs(self, stamp: Iri, author: Iri, quoting: Iri, target: Iri, _post: Post) -> bool:
        """The stamp lies where its author does, is by them, and is for these two posts."""
        if origin_of(stamp) != origin_of(author):
            return False
        got = await self._document(stamp)
        read = parse.stamp(got.document)
        return (read.iri, read.author, read.quoting, read.quoted) == (stamp, author, quoting, target)

    async def _here(self, iri: Iri) -> Post | None:
        async with self._store.read() as tx:
            return await notes.get_by_url(tx, iri)

    async def _bring(self, iri: Iri) -> Post | None:
        """Fetch what is quoted; what that quotes in its turn is left alone, so that no chain of quotes leads us on."""
        if self._ids.is_ours(iri):
            return None
        return await self._here(await self._threads.bring(iri, quotes=False))
