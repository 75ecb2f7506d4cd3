"""What an answer needs beside the posts in it, asked for once; and Statuses, kept as bytes while they stay the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import orjson

from node.ids import minted_ms
from node.model import Actor, Iri, Post, ReactionKind
from node.storage import actors, bookmarks, filters, notes, polls, quotes, reactions, relations, tallies
from node.storage import media as stored_media
from node.storage.dialect import Tx, when
from node.storage.listings import boost_by_id
from node.storage.tallies import ShownKey
from node.storage.timelines import parents_of
from node.web.mastodon import entities, filtering, media, parts
from node.web.mastodon.entities import Aside, Beside, Json, Numbers
from node.web.mastodon.reply import Fragment

if TYPE_CHECKING:
    from node.web.mastodon.rooms import Rooms

KEPT_OCTETS = 16 * 1024 * 1024
"""Rendered statuses that are kept."""


class Rendered:
    """Statuses as bytes, each beside what it was made of: it is given again only while that is the same."""

    def __init__(self, most: int = KEPT_OCTETS) -> None:
        self._kept: OrderedDict[tuple[int, bool], tuple[Post, Aside, bytes]] = OrderedDict()
        self._most = most
        self.size = 0

    def of(self, post: Post, beside: Aside, rooms: Rooms, *, is_owner: bool) -> bytes:
        key = (post.id, is_owner)
        known = self._kept.get(key)
        if known is not None:
            if known[0] == post and known[1] == beside:
                self._kept.move_to_end(key)
                return known[2]
            self.size -= len(known[2])
            del self._kept[key]
        body = orjson.dumps(entities.status(post, beside, rooms.ids, is_owner=is_owner))
        self._kept[key] = (post, beside, body)
        self.size += len(body)
        while self.size > self._most:
            self.size -= len(self._kept.popitem(last=False)[1][2])
        return body


_rendered = Rendered()


def may_read(post: Post, *, is_owner: bool) -> bool:
    """Who may see a post by way of the client API: the owner whatever came here, anybody what the owner says openly.

    What others wrote is theirs to publish, so nobody else reads it here.
    """
    return is_owner or (post.own and post.visibility.is_open)


async def find(tx: Tx, identifier: int, *, is_owner: bool) -> Post | None:
    """A post that may be read, by its number or by that of a boost: then it comes with who boosted it."""
    post = await notes.get_by_id(tx, identifier) or await boost_by_id(tx, identifier)
    return post if post is not None and may_read(post, is_owner=is_owner) else None


async def beside(
    tx: Tx, rooms: Rooms, posts: Sequence[Post], people: Iterable[Actor] = (), *, is_owner: bool
) -> Beside:
    """For posts and people of one answer; a handful of queries, however many there are."""
    ids = rooms.ids
    quoted = await quotes.shown(tx, posts) if any(post.note.quote for post in posts) else {}
    everything = [*posts, *quoted.values()]
    faces: dict[Iri, Actor] = {person.iri: person for person in people}
    for post in everything:
        faces[post.author.iri] = post.author
        if post.boosted_by is not None:
            faces[post.boosted_by.iri] = post.boosted_by
    targets = {face.moved_to for face in faces.values() if face.moved_to is not None}
    there = {iri: known.actor for iri, known in (await actors.many(tx, targets)).items()} if targets else {}
    named = {*faces, *there, *(mention.href for post in everything for mention in post.note.mentions)}
    known = await tallies.marks(tx, named)
    iris = [post.note.iri for post in everything]
    own = [post.note.iri for post in everything if post.own]
    did = await reactions.standing(tx, iris, [ids.actor]) if is_owner and iris else set()
    roots = {root for post in everything for root in entities.roots_of(post)} if is_owner else set()
    asked = [post.note.iri for post in everything if post.note.poll is not None]
    answered = {post.note.in_reply_to for post in everything if post.note.in_reply_to}
    shown = {**faces, **there}
    return Beside(
        ids=ids,
        accounts={iri: mark.id for iri, mark in known.items()},
        named=known,
        gone=frozenset(iri for iri, mark in known.items() if mark.is_gone),
        moved={iri: there[face.moved_to] for iri, face in faces.items() if face.moved_to in there},
        numbers=await _numbers(tx, rooms, {iri: known[iri].id for iri in shown if iri in known}),
        keys=await _keys(tx, rooms, shown),
        counts=await reactions.counts(tx, iris) if iris else {},
        parents=await parents_of(tx, answered),
        favourited=frozenset(note for note, _, kind, _ in did if kind is ReactionKind.LIKE),
        boosted=frozenset(note for note, _, kind, _ in did if kind is ReactionKind.BOOST),
        bookmarked=await bookmarks.among(tx, [post.id for post in everything]) if is_owner and posts else frozenset(),
        pinned=await tallies.pinned_among(tx, ids.actor, own) if is_owner and own else frozenset(),
        muted=await bookmarks.muted_among(tx, roots) if roots else frozenset(),
        chosen=await polls.choices_of(tx, asked, ids.actor) if is_owner and asked else {},
        quoted=quoted,
        filters=tuple(await filters.standing(tx, rooms.clock())) if is_owner and posts else (),
        synthetic=(await rooms.profile(tx)).preferences.synthetic,
        address=rooms.remote_media.address,
        files=await _files(tx, rooms, [post.id for post in everything if post.own and post.note.attachments]),
        now=rooms.clock(),
    )


async def _files(tx: Tx, rooms: Rooms, posts: Sequence[int]) -> dict[str, Json]:
    """The owner's own files on these posts, by their address."""
    kept = await stored_media.of_notes(tx, posts) if posts else {}
    return {rooms.ids.media(one.file): media.attachment(one, rooms) for files in kept.values() for one in files}


async def _numbers(tx: Tx, rooms: Rooms, known: dict[Iri, int]) -> dict[Iri, Numbers]:
    written = await tallies.written(tx, known.values())
    found: dict[Iri, Numbers] = {}
    for iri, identifier in known.items():
        so_far = written.get(identifier)
        followers, following = await relations.count(tx) if iri == rooms.ids.actor else (0, 0)
        if so_far is None:
            found[iri] = Numbers(followers, following)
        else:
            found[iri] = Numbers(followers, following, so_far.posts, when(minted_ms(so_far.newest)))
    return found


async def _keys(tx: Tx, rooms: Rooms, people: Iterable[Iri]) -> dict[Iri, tuple[ShownKey, ...]]:
    found = await tallies.identities(tx, people)
    since = (await rooms.profile(tx)).created_at
    return {**found, rooms.ids.actor: (ShownKey(rooms.key.multikey, since),)}


async def statuses(tx: Tx, rooms: Rooms, posts: Sequence[Post], *, is_owner: bool) -> list[Fragment]:
    """A page of posts as JSON; those that somebody boosted inside the Status that the boost is."""
    around = await beside(tx, rooms, posts, is_owner=is_owner)
    found: list[Fragment] = []
    for post in posts:
        near = _near(post, around, is_owner=is_owner)
        body = Fragment(_rendered.of(alone(post), near, rooms, is_owner=is_owner))
        if post.boosted_by is not None and post.entry is not None:
            inner = entities.status(post, near, rooms.ids, is_owner=is_owner)
            outer = entities.boost(post.entry, post.boosted_by, post, inner, body, around)
            body = Fragment(orjson.dumps(outer))
        found.append(body)
    return found


def _near(post: Post, around: Beside, *, is_owner: bool) -> Aside:
    """A quoted post comes whole, as if it stood alone: what was voted in its poll, what is wrong with its author."""
    inner, quoted = entities.quoted_by(post, around), None
    if inner is not None:
        near = entities.aside(inner, around, _filtered(inner, around, is_owner=is_owner))
        quoted = entities.status(inner, near, around.ids, is_owner=is_owner)
    return entities.aside(post, around, _filtered(post, around, is_owner=is_owner), quoted=quoted)


def _filtered(post: Post, around: Beside, *, is_owner: bool) -> tuple[Json, ...]:
    filtered = parts.warnings(post) if is_owner and around.synthetic else []
    if not post.own:
        filtered += filtering.results(around.filters, post)
    return tuple(filtered)


def alone(post: Post) -> Post:
    """Without how it came into this list."""
    if post.entry is None and post.boosted_by is None:
        return post
    return Post(
        post.id,
        post.note,
        post.author,
        post.visibility,
        post.received_at,
        post.authorship,
        post.own,
        quote_state=post.quote_state,
    )


async def status(tx: Tx, rooms: Rooms, post: Post, *, is_owner: bool) -> Fragment:
    return (await statuses(tx, rooms, [post], is_owner=is_owner))[0]


async def status_json(tx: Tx, rooms: Rooms, post: Post, *, is_owner: bool) -> Json:
    """One post to be changed before it is shown; without the boost that it may have come by."""
    around = await beside(tx, rooms, [post], is_owner=is_owner)
    return entities.status(post, _near(post, around, is_owner=is_owner), rooms.ids, is_owner=is_owner)


async def rendered(rooms: Rooms, identifier: int) -> bytes | None:
    """A post, or a boost by its own number, as the owner sees it: what streams send. None when it is not here."""
    async with rooms.store.read() as tx:
        post = await find(tx, identifier, is_owner=True)
        return None if post is None else orjson.dumps(await status(tx, rooms, post, is_owner=True))


async def accounts(tx: Tx, rooms: Rooms, people: Sequence[Actor], *, is_owner: bool) -> list[Json]:
    around = await beside(tx, rooms, [], people, is_owner=is_owner)
    return [entities.account(person, around) for person in people]


def entry_of(post: Post) -> int:
    """What the next page goes on from."""
    return post.entry if post.entry is not None else post.id
