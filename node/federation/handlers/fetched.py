"""Posts that we fetched ourselves: stored by the same rules as those that are delivered, without any fuss."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from node.federation import policy
from node.federation.handlers.arrived import Here
from node.federation.handlers.note import counts_alone, put_version
from node.model import Authorship, Iri, Note, Post, ReactionKind, Tell, Visibility
from node.observe import count
from node.storage import activities, actors, chores, notes, reactions
from node.storage.activities import Logged
from node.storage.dialect import Tx
from node.storage.reactions import Reaction


@dataclass(frozen=True, slots=True)
class Found:
    """A post with its verdict. `body` are its bytes as they came, from `url`; `type` is what they are of."""

    note: Note
    authorship: Authorship
    body: bytes
    url: str
    type: str


@dataclass(frozen=True, slots=True)
class Boost:
    """Somebody passed a post on, as their outbox says."""

    iri: Iri
    actor: Iri
    object: Iri
    at: datetime | None


def evidence_id(found: Found) -> Iri:
    """The name under which the bytes are kept: other bytes of the same post are other evidence.

    It is no id that an activity could have, so nothing that is delivered is taken for a repetition of it.
    """
    return Iri(f"{found.note.iri}#fetched-{hashlib.sha256(found.body).hexdigest()[:24]}")


async def store(tx: Tx, found: Sequence[Found], here: Here, *, at_home: bool, quotes: bool = True) -> list[Iri]:
    """Store what is new and may be kept; which posts those are. `quotes`: find out later about what they quote.

    `at_home`: what those wrote whom the owner follows goes to the home timeline, as it would have live.
    """
    by_note = {one.note.iri: one for one in reversed(found)}
    known = await notes.known(tx, {iri: one.note.author for iri, one in by_note.items()})
    await edits(tx, [by_note[iri] for iri in known], here)
    fresh = [one for iri, one in by_note.items() if iri not in known][::-1]
    if not fresh:
        return []
    authors = await actors.briefs(tx, {one.note.author for one in fresh})
    answered = {one.note.in_reply_to for one in fresh} - {None}
    ours = await notes.own_among(tx, [iri for iri in answered if iri is not None and here.ids.is_ours(iri)])
    new: list[notes.NewNote] = []
    kept: list[Found] = []
    shown: list[tuple[int, int]] = []
    for one in fresh:
        note, author = one.note, authors.get(one.note.author)
        if author is None:
            continue
        visibility = note.audience.visibility(author.followers)
        addressed = here.ids.actor in note.audience or any(item.href == here.ids.actor for item in note.mentions)
        if not policy.is_relevant(note, follows_author=True, addressed=addressed, replies_to_ours=False):
            continue
        if not (visibility.is_open or addressed or (visibility is Visibility.FOLLOWERS and author.followed)):
            count("fetched.not_for_us")
            continue
        published = policy.clamp_published(note.published, here.now)
        identifier = here.snowflake.mint(published)
        new.append(
            notes.NewNote(
                id=identifier,
                note=note,
                author_id=author.id,
                visibility=visibility,
                published=published,
                received_at=here.now,
                authorship=one.authorship,
                activity=evidence_id(one),
                # A stranger's word that we went to fetch is not one that was said to the owner.
                for_owner=author.followed and (addressed or note.in_reply_to in ours),
            )
        )
        kept.append(one)
        tagged = not author.ignored and policy.is_tagged(note, visibility, here.owner.followed_tags)
        if tagged or (at_home and author.followed):
            shown.append((identifier, author.id))
        count(f"verdict.{one.authorship.verdict.value}")
    await activities.record_many(tx, [_logged(one, here) for one in kept])
    await notes.add_many(tx, new)
    await notes.show_at_home(tx, shown)
    quoting = [note.note.iri for note in new if note.note.quote is not None and quotes]
    await chores.add_many(tx, chores.QUOTE, quoting, here.now, {})
    return [one.note.iri for one in kept]


def due(found: Sequence[Found]) -> list[Tell]:
    """To be said once they are stored: what they quote is found out about now, as with what is delivered."""
    return [Tell("errand", one.note.iri) for one in found if one.note.quote is not None]


async def edits(tx: Tx, again: Sequence[Found], here: Here) -> None:
    """What is here already may have been edited while we did not hear of it (federation.md §6: newer by `updated`)."""
    claimed = {one.note.iri: one for one in again if one.note.updated is not None}
    if not claimed:
        return
    known = await notes.updated_at(tx, claimed)
    for iri, (before, author) in known.items():
        one = claimed[iri]
        if one.note.author != author or one.note.updated is None or one.note.updated <= before:
            continue
        post = await notes.get(tx, iri)
        if post is not None and not post.own and not counts_alone(one.note, post.note):
            await activities.record_many(tx, [_logged(one, here)])
            await put_version(tx, post, one.note, one.authorship, evidence_id(one), here)
            count("fetched.edited")


async def gone(tx: Tx, post: Post, here: Here) -> bool:
    """Its origin says that a post is no more: it goes, as by a Delete. Not what only some may read: that is hidden
    from us as from anybody. True if it went."""
    if post.own or not post.visibility.is_open:
        return False
    tombstone = notes.Tombstone(post.note.iri, post.note.author, post.note.type, here.now, public=True)
    went = await notes.bury(tx, tombstone)
    if went:
        await activities.forget_content(tx, post.note.iri, by=post.note.author, but=Iri(""))
        count("fetched.gone")
    return went


def _logged(one: Found, here: Here) -> Logged:
    """The evidence: the bytes, and where they came from. Its object is the post, so that a Delete drops it too."""
    return Logged(
        iri=evidence_id(one),
        direction="in",
        actor=one.note.author,
        type="Fetched",
        object=one.note.iri,
        at=here.now,
        body=one.body,
        headers=(("fetched-from", one.url),),
    )


async def boosts(tx: Tx, passed_on: Sequence[Boost], here: Here) -> list[Iri]:
    """Remember boosts of what is here by now, and show them at home as of when they were made; which they were.

    Live rules: only open posts, one entry for each, and only by those whom the owner follows.
    """
    known = await reactions.targets(tx, {one.object for one in passed_on})
    boosters = await actors.briefs(tx, {one.actor for one in passed_on})
    before = await reactions.standing(tx, known, boosters)
    shown = await reactions.lately_at_home(tx, {target.id for target in known.values()}, 0)
    new: list[Reaction] = []
    entries: list[tuple[int, int, int]] = []
    for one in passed_on:
        target, booster = known.get(one.object), boosters.get(one.actor)
        standing = (one.object, one.actor, ReactionKind.BOOST, "")
        if target is None or booster is None or not target.visibility.is_open or standing in before:
            continue
        before.add(standing)
        at = policy.clamp_published(one.at, here.now)
        reaction = Reaction(
            here.snowflake.mint(at), one.object, one.actor, ReactionKind.BOOST, content="", activity=one.iri, at=at
        )
        new.append(reaction)
        if booster.followed and target.id not in shown:
            shown.add(target.id)
            entries.append((reaction.id, target.id, booster.id))
    await reactions.add_many(tx, new)
    await reactions.show(tx, entries)
    return [reaction.activity for reaction in new]
