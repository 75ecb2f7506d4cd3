"""Notes: Create, Update and Delete of what others write."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from node.federation import policy
from node.federation.handlers import onward, quote
from node.federation.handlers.arrived import Arrived, Here, log
from node.model import Authorship, Create, Delete, Effect, Iri, Note, Notify, Post, ReactionKind, Tell, Update
from node.notify import Kind
from node.observe import count
from node.storage import activities, actors, chores, notes, polls, quotes, reactions, revisions, tags
from node.storage.dialect import Tx


async def create(tx: Tx, arrived: Sequence[Arrived[Create]], here: Here) -> list[Effect]:
    """Store what concerns the owner; show at home what those write whom the owner follows.

    A note we know, or saw deleted, is left as it is, whatever this Create says of it.
    """
    by_note = {item.activity.note.iri: item for item in reversed(arrived)}
    known = await notes.known(tx, {iri: item.activity.actor for iri, item in by_note.items()})
    told: list[Effect] = await _meant_after_all(tx, [by_note[iri] for iri in known], here) if known else []
    fresh = [item for iri, item in by_note.items() if iri not in known][::-1]
    if not fresh:
        return told
    authors = await actors.briefs(tx, {item.activity.actor for item in fresh})
    answered = {item.activity.note.in_reply_to for item in fresh} - {None}
    ours = await notes.own_among(tx, [iri for iri in answered if iri is not None and here.ids.is_ours(iri)])
    new: list[notes.NewNote] = []
    kept: list[Arrived[Create]] = []
    at_home: list[tuple[int, int]] = []
    for item in fresh:
        note, author = item.activity.note, authors[item.activity.actor]
        addressed = _addressed(item, here)
        replies = note.in_reply_to in ours
        visibility = note.audience.visibility(author.followers)
        tagged = not author.ignored and policy.is_tagged(note, visibility, here.owner.followed_tags)
        comes_home = author.followed or tagged
        if not policy.is_relevant(note, follows_author=comes_home, addressed=addressed, replies_to_ours=replies):
            count("note.not_for_us")
            continue
        published = policy.clamp_published(note.published, item.received_at)
        identifier = here.snowflake.mint(published)
        new.append(
            notes.NewNote(
                id=identifier,
                note=note,
                author_id=author.id,
                visibility=visibility,
                published=published,
                received_at=item.received_at,
                authorship=_verdict(item),
                activity=item.activity.id,
                for_owner=addressed or replies,
            )
        )
        kept.append(item)
        if comes_home:
            at_home.append((identifier, author.id))
    await log(tx, kept, [item.activity.note.iri for item in kept])
    await notes.add_many(tx, new)
    await notes.show_at_home(tx, at_home)
    quoting = [note.note.iri for note in new if note.note.quote is not None]
    await chores.add_many(tx, chores.QUOTE, quoting, here.now, {})
    told += (Tell("note", str(note.id)) for note in new)
    told += (Tell("errand", iri) for iri in quoting)
    told += _worth_telling(new, kept, authors)
    told += (Tell("page", str(note.id)) for note in new if note.note.in_reply_to in ours)
    answers = [(item, item.activity.note) for item in kept if item.activity.note.in_reply_to in ours]
    return told + await onward.on(tx, answers, here)


def _worth_telling(
    new: Sequence[notes.NewNote], kept: Sequence[Arrived[Create]], authors: dict[Iri, actors.Brief]
) -> list[Effect]:
    """What was said to the owner, and what those wrote of whom the owner wants to hear each time."""
    found: list[Effect] = []
    for note, item in zip(new, kept, strict=True):
        if note.for_owner:
            found.append(Notify(Kind.MENTION, item.activity.actor, note.id))
        elif authors[item.activity.actor].notify and note.note.in_reply_to is None:
            found.append(Notify(Kind.STATUS, item.activity.actor, note.id))
    return found


async def _meant_after_all(tx: Tx, again: Sequence[Arrived[Create]], here: Here) -> list[Effect]:
    """What we had fetched as a stranger's word is now said to the owner, or by somebody followed: so it is shown.

    What the note says, who may read it and its verdict stay as they are (security.md §2).
    """
    authors = await actors.briefs(tx, {item.activity.actor for item in again})
    wanted = {
        item.activity.note.iri: item
        for item in again
        if authors[item.activity.actor].followed or _addressed(item, here) or _may_answer_us(item, here)
    }
    effects: list[Effect] = []
    for post in await notes.not_shown(tx, wanted):
        item = wanted[post.iri]
        if post.author != item.activity.actor:
            continue
        answers = item.activity.note.in_reply_to
        ours = await notes.own_among(tx, [answers]) if answers is not None and _may_answer_us(item, here) else set()
        for_owner = not post.for_owner and (_addressed(item, here) or bool(ours))
        at_home = not post.at_home and authors[post.author].followed
        if not (for_owner or at_home):
            continue
        await log(tx, [item], [post.iri])
        if for_owner:
            await notes.mark_for_owner(tx, post.id)
            effects.append(Notify(Kind.MENTION, post.author, post.id))
        if at_home:
            await notes.show_at_home(tx, [(post.id, authors[post.author].id)])
        effects.append(Tell("note", str(post.id)))
    return effects


def _may_answer_us(item: Arrived[Create], here: Here) -> bool:
    parent = item.activity.note.in_reply_to
    return parent is not None and here.ids.is_ours(parent)


def _addressed(item: Arrived[Create], here: Here) -> bool:
    note = item.activity.note
    return here.ids.actor in note.audience or any(mention.href == here.ids.actor for mention in note.mentions)


def _verdict(item: Arrived[Create] | Arrived[Update]) -> Authorship:
    assert item.authorship is not None, "a post without a verdict was let through"
    count(f"verdict.{item.authorship.verdict.value}")
    return item.authorship


async def update(tx: Tx, arrived: Sequence[Arrived[Update]], here: Here) -> list[Effect]:
    """Put the new version of a note we know in place, if it is by the same author and newer.

    An edit of something we do not have is ignored; one without `updated` is no edit (federation.md §6),
    nor is a new count of the same poll.
    """
    told: list[Effect] = []
    for item in arrived:
        note = item.activity.note
        post = await notes.get(tx, note.iri)
        if post is None or post.own or post.note.author != item.activity.actor:
            continue
        newest = post.note.updated or post.note.published
        is_older = note.updated is None or (newest is not None and note.updated <= newest)
        if is_older or counts_alone(note, post.note):
            told += await _refresh(tx, post, note, here)
            continue
        await log(tx, [item], [note.iri])
        told += await put_version(tx, post, note, _verdict(item), item.activity.id, here)
        told += await onward.on(tx, [(item, post.note)], here)
    return told


def counts_alone(note: Note, before: Note) -> bool:
    """Whether a poll says what it said before, but for its counts: microblog.pub gives each a new `updated`."""
    if note.poll is None or not note.poll.asks_the_same(before.poll):
        return False
    said = attrgetter("content", "summary", "sensitive", "attachments", "quote")
    return bool(said(note) == said(before))


async def put_version(
    tx: Tx, post: Post, note: Note, authorship: Authorship, evidence: Iri, here: Here
) -> list[Effect]:
    """A newer version of a post takes the place of the one that is here, which stays to be read."""
    await revisions.keep(tx, post.id)
    await notes.edit(tx, post.id, note, authorship, activity=evidence)
    await _home_anew(tx, post, note, here)
    if note.poll is None or not note.poll.asks_the_same(post.note.poll):
        await polls.forget(tx, note.iri)
    due = await _quote_anew(tx, post, note, here)
    return [Tell("edit", str(post.id)), *due, *await _tell_of_edit(tx, post, here)]


async def _home_anew(tx: Tx, post: Post, note: Note, here: Here) -> None:
    """An edit may bring a followed hashtag, or take it away."""
    followed = here.owner.followed_tags
    if not followed or set(note.hashtags) == set(post.note.hashtags):
        return
    author = (await actors.briefs(tx, [post.note.author]))[post.note.author]
    if not author.ignored and policy.is_tagged(note, post.visibility, followed):
        await notes.show_at_home(tx, [(post.id, author.id)])
    else:
        await tags.leave_home(tx, post.id)


async def _tell_of_edit(tx: Tx, post: Post, here: Here) -> list[Effect]:
    """The owner boosted it, or quotes it: what the owner stands for says something else now."""
    author = post.note.author
    found: list[Effect] = []
    if await reactions.by(tx, post.note.iri, here.ids.actor, [ReactionKind.BOOST]):
        found.append(Notify(Kind.UPDATE, author, post.id))
    found += [Notify(Kind.QUOTED_UPDATE, author, own) for own in await quotes.own_quoting(tx, post.note.iri)]
    return found


async def _refresh(tx: Tx, post: Post, note: Note, here: Here) -> list[Effect]:
    """Not an edit: the counts of a poll that asks the same as before, or a stamp for the same quote."""
    told: list[Effect] = []
    if note.poll is not None and note.poll != post.note.poll and note.poll.asks_the_same(post.note.poll):
        await polls.put(tx, note.iri, note.poll)
        told.append(Tell("poll_counts", str(post.id)))
    if note.quote == post.note.quote and note.quote_stamp != post.note.quote_stamp:
        told += [*await _quote_anew(tx, post, note, here), Tell("quote", str(post.id))]
    return told


async def _quote_anew(tx: Tx, post: Post, note: Note, here: Here) -> list[Effect]:
    """Whom it quotes, or by what leave, has changed: to be found out about again."""
    if (note.quote, note.quote_stamp) == (post.note.quote, post.note.quote_stamp):
        return []
    await quotes.renew(tx, note.iri, note.quote, note.quote_stamp)
    if note.quote is None:
        return []
    await chores.plan(tx, chores.QUOTE, note.iri, here.now)
    return [Tell("errand", note.iri)]


async def delete(tx: Tx, arrived: Arrived[Delete], here: Here) -> list[Effect]:
    """Forget a note at its author's word, and remember that it is gone: a late Create stays refused."""
    iri, author = arrived.activity.object, arrived.activity.actor
    if withdrawn := await quote.withdraw(tx, iri, author, here):
        await log(tx, [arrived], [iri])
        return withdrawn
    post = await notes.get(tx, iri)
    if post is not None and post.note.author != author:
        return []
    tombstone = notes.Tombstone(
        iri, Iri(author), post.note.type if post else "Note", here.now, post is not None and post.visibility.is_open
    )
    await log(tx, [arrived], [iri])
    gone = await notes.bury(tx, tombstone)
    await activities.forget_content(tx, iri, by=author, but=arrived.activity.id)
    if not gone or post is None:
        return []
    return [Tell("delete", str(post.id)), *await onward.on(tx, [(arrived, post.note)], here)]
