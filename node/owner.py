"""What the owner can do, each thing once: every door (page, client API, command line) comes through here.

Writing and reading are in this file; befriend.py and account.py hold the rest of the facade, `interact` and
`moderate` what is done with posts and about others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from node import text
from node.account import Account, spoken
from node.befriend import Befriending
from node.errors import CuicuiError, NotAllowed, NotFound, Unreachable
from node.federation import asking, compose
from node.federation.lookup import parse_handle
from node.federation.outbox import Sealed, recipients
from node.media.library import Description, MediaLibrary, Revised
from node.model import (
    PUBLIC,
    Authorship,
    Draft,
    Iri,
    Mention,
    Note,
    Post,
    QuoteState,
    Revision,
    Tell,
    Trust,
    Verdict,
    Visibility,
)
from node.polls import asked
from node.quoting import may_be_quoted, with_quote
from node.storage import (
    activities,
    blocks,
    chores,
    notes,
    reactions,
    revisions,
    scheduled,
    timelines,
)
from node.storage import actors as stored
from node.storage.actors import KnownActor
from node.storage.dialect import Tx
from node.storage.queue import Job
from node.text import MentionTarget


@dataclass(frozen=True, slots=True)
class Posted:
    """A status that was stored, and how many inboxes are owed it. `unknown` handles stayed plain text."""

    post: Post
    inboxes: int
    unknown: tuple[str, ...]


class Owner(Befriending, Account):
    """The owner of this node, acting. `media` holds the files that hang on posts."""

    def __init__(self, *means: Any, media: MediaLibrary, **more: Any) -> None:
        super().__init__(*means, **more)
        self._media = media

    # ── write ───────────────────────────────────────────────────────────────────────────────

    async def post(self, draft: Draft, *, first: Callable[[Post], Awaitable[None]] | None = None) -> Posted:
        """Publish a status: counted, rendered, signed, stored and owed to its readers, or nothing at all.

        `first` is done once it is stored and before it goes out: a thousand deliveries under way would
        keep whoever waits for it waiting. It is not called for what was published before.
        Raises TooLong, NotAllowed, NotFound (what it answers is not here).
        """
        if (before := await self._posted_before(draft)) is not None:
            return before
        if not draft.text.strip() and not draft.media:
            raise NotAllowed("there is nothing to post", hint='say something: cuicui post "…"')
        text.check_length(draft.text, draft.warning)
        parent = await self._parent(draft.in_reply_to)
        quoted = await self._parent(draft.quote)
        if quoted is not None:
            may_be_quoted(quoted)
        targets, unknown = await self._mentioned(draft.text)
        rendered = text.render(draft.text, mentions=targets, tag_url=self._ids.tag)
        mentions = _told(rendered.mentions, parent)
        now = self._clock()
        poll = asked(draft.poll, now) if draft.poll is not None else None
        if poll is not None and draft.media:
            raise NotAllowed("a poll has no pictures", hint="ask first, and show in an answer to it")
        identifier = self._snowflake.mint(now)
        iri = self._ids.note(identifier)
        note = Note(
            iri=iri,
            author=self._ids.actor,
            audience=compose.audience(draft.visibility, self._ids, [mention.href for mention in mentions]),
            content=with_quote(rendered.html, quoted) if quoted else rendered.html,
            published=now,
            url=self._ids.note_page(identifier),
            in_reply_to=parent.note.iri if parent else None,
            context=(parent.note.context if parent else None) or self._ids.context(identifier),
            summary=draft.warning.strip(),
            sensitive=draft.sensitive or bool(draft.warning.strip()),
            language=spoken(draft.language) or (await self.profile()).preferences.language,
            mentions=mentions,
            hashtags=rendered.hashtags,
            source=draft.text,
            quote_policy=(draft.quote_policy or self._quotes) if draft.visibility.is_open else None,
            type="Note" if poll is None else "Question",
            poll=poll,
            quote=quoted.note.iri if quoted else None,
            attachments=await self._media.attachments(draft.media),
        )
        post, jobs, inboxes = await self._publish(identifier, note, draft.visibility, draft.once, draft.media)
        if post.id != identifier:
            return Posted(post, 0, unknown)
        try:
            if first is not None:
                await first(post)
        finally:
            self._done(jobs, Tell("note", str(identifier)), Tell("page", str(identifier)))
        return Posted(post, inboxes, unknown)

    async def _posted_before(self, draft: Draft) -> Posted | None:
        if draft.once is None:
            return None
        async with self._store.read() as tx:
            number = await scheduled.posted_before(tx, draft.once)
            post = None if number is None else await notes.get_by_id(tx, number)
        return None if post is None else Posted(post, 0, ())

    async def edit(
        self,
        iri: Iri,
        words: str,
        warning: str | None = None,
        *,
        sensitive: bool | None = None,
        language: str | None = None,
        media: Sequence[int] | None = None,
        described: Mapping[int, Description] | None = None,
    ) -> Posted:
        """Put a new version of a post of yours in the place of the old one, which stays to be read.

        Everyone who got it is told, and who reacted to it. None leaves `warning` and the others as they are.
        `media` are all the files it has from now on; `described` says by their numbers what is to be seen anew.
        Raises TooLong, NotAllowed (nothing to say, nothing changed), NotFound.
        """
        before = await self.find_post(iri)
        if before is None or not before.own:
            raise NotFound(f"there is no post of yours at {iri}")
        old = before.note
        files = await self._media.revised(before.id, old.attachments, media, described or {})
        if not words.strip() and not files.attachments:
            raise NotAllowed("there is nothing left of it", hint="to take it back: cuicui delete")
        summary = old.summary if warning is None else warning.strip()
        text.check_length(words, summary)
        covered = bool(summary) or (old.sensitive and not old.summary if sensitive is None else sensitive)
        tongue = spoken(language) or old.language
        said = (words, summary, covered, tongue, files.attachments)
        if said == (old.source, old.summary, old.sensitive, old.language, old.attachments):
            raise NotAllowed("that is what it says already", code="unchanged")
        targets, unknown = await self._mentioned(words)
        rendered = text.render(words, mentions=targets, tag_url=self._ids.tag)
        parent = await self.find_post(old.in_reply_to) if old.in_reply_to else None
        quoted = await self.find_post(old.quote) if old.quote else None
        mentions = _told(rendered.mentions, parent)
        told = [one for one in (*old.audience.to, *old.audience.cc) if one not in (PUBLIC, self._ids.followers)]
        note = replace(
            old,
            audience=compose.audience(before.visibility, self._ids, [*told, *(one.href for one in mentions)]),
            content=with_quote(rendered.html, quoted) if quoted else rendered.html,
            updated=_after(old.updated or old.published, self._clock()),
            summary=summary,
            sensitive=covered,
            language=tongue,
            mentions=mentions,
            hashtags=rendered.hashtags,
            source=words,
            attachments=files.attachments,
        )
        return Posted(*await self._republish(before, note, files), unknown)

    async def _republish(self, before: Post, note: Note, files: Revised) -> tuple[Post, int]:
        assert note.updated is not None
        at = note.updated
        proven = before.visibility.is_open or self._sign_private_posts
        seal = (lambda document: self._outbox.prove(document, at)) if proven else self._outbox.seal
        sealed = seal(compose.note(note, self._ids))
        create = seal(compose.create(sealed.document, self._ids))
        update = seal(compose.update(sealed.document, self._ids))
        authorship = await self._own_authorship(at, proven=proven)
        async with self._store.write() as tx:
            await revisions.keep(tx, before.id)
            await notes.edit_own(tx, before.id, note, authorship, sealed.body)
            gone = await self._media.settle(tx, before.id, files)
            await activities.renew(tx, self._ids.create(note.iri), create.body)
            inboxes = await self._reached(tx, note, before.visibility)
            jobs = await self._outbox.submit(tx, update, inboxes, self._clock(), about=note.iri)
            post = await notes.get_by_id(tx, before.id)
        assert post is not None
        self._done(jobs, Tell("edit", str(before.id)))
        await self._media.drop(gone)
        return post, len(inboxes)

    async def _reached(self, tx: Tx, note: Note, visibility: Visibility) -> list[Iri]:
        """Who is told of a change: whom the post went to and, when anybody may read it, who reacted to it."""
        inboxes = await recipients(tx, note.audience, visibility, self._ids)
        if visibility.is_open:
            others = await reactions.interactors(tx, note.iri) - {self._ids.actor}
            inboxes += await stored.inboxes(tx, others, shared=True)
        return list(dict.fromkeys(inboxes))

    async def history(self, iri: Iri) -> list[Revision]:
        """Every version of a post that is known here, oldest first, each with its verdict; the last is the present one.

        Raises NotFound.
        """
        async with self._store.read() as tx:
            post = await notes.get(tx, iri)
            if post is None:
                raise NotFound(f"there is no post {iri} here")
            before = await revisions.of(tx, post.id)
        note, by = post.note, post.authorship
        written = note.updated or note.published or post.received_at
        return [*before, Revision(written, note.content, note.summary, by.verdict, by.reason, by.key)]

    async def _own_authorship(self, at: datetime, *, proven: bool) -> Authorship:
        multikey = self._keys.identity.public.multikey
        return Authorship(
            verdict=Verdict.SIGNED if proven else Verdict.VOUCHED,
            reason="You wrote this." if proven else "You wrote this, and left the proof out.",
            key_id=self._ids.identity_key(multikey),
            key=multikey,
            key_since=(await self._documents.profile()).created_at,
            key_trust=Trust.COMPARED,
            signed_at=at.replace(microsecond=0) if proven else None,
        )

    async def _publish(
        self, identifier: int, note: Note, visibility: Visibility, once: str | None, media: Sequence[int]
    ) -> tuple[Post, list[Job], int]:
        """Sign and store. Another post than this comes back when its word was used before."""
        assert note.published is not None
        now = note.published
        proven = visibility.is_open or self._sign_private_posts
        seal = (lambda document: self._outbox.prove(document, now)) if proven else self._outbox.seal
        sealed = seal(compose.note(note, self._ids))
        create = seal(compose.create(sealed.document, self._ids))
        authorship = await self._own_authorship(now, proven=proven)
        quoted = await self.find_post(note.quote) if note.quote else None
        async with self._store.write() as tx:
            if once is not None:
                number = await scheduled.posted_before(tx, once)  # by a request at the same time
                if number is not None and (post := await notes.get_by_id(tx, number)) is not None:
                    return post, [], 0
                await scheduled.remember(tx, once, identifier, now)
            own = (await stored.briefs(tx, [self._ids.actor]))[self._ids.actor]
            new = notes.NewNote(
                id=identifier,
                note=note,
                author_id=own.id,
                visibility=visibility,
                published=now,
                received_at=now,
                authorship=authorship,
                activity=self._ids.create(note.iri),
                own=True,
                document=sealed.body,
                quote_state=QuoteState.ACCEPTED if quoted and quoted.own else None,
            )
            await notes.add_many(tx, [new])
            await self._media.attach(tx, media, identifier)
            spoken_to = [mention.href for mention in note.mentions]
            await blocks.stand(tx, spoken_to, blocks.Standing.ALLOWED, now)
            await notes.show_at_home(tx, [(identifier, own.id)])
            inboxes = await recipients(tx, note.audience, visibility, self._ids)
            jobs = await self._outbox.submit(tx, create, inboxes, now, about=note.iri)
            if note.poll is not None and note.poll.ends is not None:
                await chores.plan(tx, chores.POLL, note.iri, note.poll.ends)
            if quoted is not None and not quoted.own:
                jobs += await self._ask_to_quote(tx, sealed, quoted, now)
            post = await notes.get_by_id(tx, identifier)
        assert post is not None
        return post, jobs, len(inboxes)

    async def _ask_to_quote(self, tx: Tx, note: Sealed, quoted: Post, now: datetime) -> list[Job]:
        """The author of what is quoted is asked for leave (FEP-044f); until then it is a link."""
        author = quoted.note.author
        request = self._outbox.seal(asking.quote_request(note.document, quoted.note.iri, author, self._ids))
        about = Iri(str(note.document["id"]))
        return await self._outbox.submit(tx, request, await stored.inboxes(tx, [author]), now, about=about)

    async def _parent(self, iri: Iri | None) -> Post | None:
        if iri is None:
            return None
        parent = await self.find_post(iri)
        if parent is None:
            raise NotFound(f"there is no post {iri} here", hint="see the numbers and addresses in: cuicui timeline")
        return parent

    async def _mentioned(self, draft: str) -> tuple[dict[str, MentionTarget], tuple[str, ...]]:
        """Look up everyone named in a text, side by side; who cannot be found stays text."""
        handles = text.find_mentions(draft)
        found = await asyncio.gather(*(self._named(handle) for handle in handles), return_exceptions=True)
        targets: dict[str, MentionTarget] = {}
        unknown: list[str] = []
        for handle, result in zip(handles, found, strict=True):
            if isinstance(result, KnownActor):
                actor = result.actor
                targets[handle] = MentionTarget(actor.iri, f"@{handle.removeprefix('@')}", actor.url or actor.iri)
            elif isinstance(result, CuicuiError):
                unknown.append(handle)
            else:
                raise result
        return targets, tuple(unknown)

    async def _named(self, handle: str) -> KnownActor:
        """Somebody by their handle; as we met them, while their server does not answer. Raises CuicuiError."""
        try:
            return await self._actors.resolve(handle)
        except Unreachable as error:
            wanted = parse_handle(handle)
            if wanted is None or error.status in (404, 410):  # it does answer: there is nobody of that name
                raise
            async with self._store.read() as tx:
                known = await stored.find_handle(tx, wanted.name, wanted.host)
            if known is None or known.gone_at is not None:
                raise
            return known

    async def delete(self, iri: Iri, *, keep_files: bool = False) -> None:
        """Take a post back: the note goes, its readers are told, and its address says it was here.

        `keep_files`: unseen and for a day, for apps that write the same post anew.
        """
        now = self._clock()
        async with self._store.write() as tx:
            post = await notes.get(tx, iri)
            if post is None or not post.own:
                raise NotFound(f"there is no post of yours at {iri}")
            delete = compose.delete(iri, post.note.audience, self._ids)
            proven = post.visibility.is_open or self._sign_private_posts
            sealed = self._outbox.prove(delete, now) if proven else self._outbox.seal(delete)
            inboxes = await self._reached(tx, post.note, post.visibility)
            jobs = await self._outbox.submit(tx, sealed, inboxes, now, about=iri)
            if keep_files:
                await self._media.withdraw(tx, post.id)
            gone = await self._media.detach(tx, post.id)
            await notes.bury(tx, notes.Tombstone(iri, self._ids.actor, post.note.type, now, post.visibility.is_open))
            await activities.forget_content(tx, iri, by=self._ids.actor, but=Iri(str(sealed.document["id"])))
        self._done(jobs, Tell("delete", str(post.id)))
        await self._media.drop(gone)

    # ── read ────────────────────────────────────────────────────────────────────────────────

    async def timeline(
        self, *, before: int | None = None, after: int | None = None, limit: int = 20, mentions: bool = False
    ) -> list[Post]:
        """The home timeline, newest first; or what was said to the owner."""
        page = timelines.mentions if mentions else timelines.home_posts
        async with self._store.read() as tx:
            return await page(tx, before=before, after=after, limit=limit, now=self._clock())

    async def find_post(self, name: str) -> Post | None:
        """A post that is here, by its number, its id or the address of its page."""
        async with self._store.read() as tx:
            if name.isascii() and name.isdigit() and len(name) <= 19:
                return await notes.get_by_id(tx, int(name))
            return await notes.get_by_url(tx, name)


def _told(mentions: tuple[Mention, ...], parent: Post | None) -> tuple[Mention, ...]:
    """Those who are named; whom one answers is told, also when not named."""
    if parent is None or parent.own or parent.note.author in [mention.href for mention in mentions]:
        return mentions
    return (Mention(parent.note.author, parent.author.handle), *mentions)


def _after(before: datetime | None, now: datetime) -> datetime:
    """The time of an edit, in whole seconds as they are sent, and always later than the version before."""
    now = now.replace(microsecond=0)
    return now if before is None else max(now, before.replace(microsecond=0) + timedelta(seconds=1))
