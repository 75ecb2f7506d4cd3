"""What an answer needs beside the posts in it, asked for once: numbers, counts, what the owner did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from node.ids import Ids, minted_ms
from node.model import Actor, Post, ReactionKind
from node.storage import actors, reactions
from node.storage.dialect import Tx, when
from node.storage.timelines import parents_of
from node.web.mastodon import entities
from node.web.mastodon.entities import Beside, Json


async def beside(tx: Tx, ids: Ids, posts: Sequence[Post], people: Iterable[Actor] = (), *, is_owner: bool) -> Beside:
    """For posts and people of one answer; a handful of queries, however many there are."""
    named = {person.iri for person in people}
    for post in posts:
        named.add(post.author.iri)
        named.update(mention.href for mention in post.note.mentions)
        if post.boosted_by is not None:
            named.add(post.boosted_by.iri)
    iris = [post.note.iri for post in posts]
    did = await reactions.standing(tx, iris, [ids.actor]) if is_owner and iris else set()
    answered = {post.note.in_reply_to for post in posts if post.note.in_reply_to}
    return Beside(
        ids=ids,
        accounts=await actors.numbers(tx, named),
        counts=await reactions.counts(tx, iris) if iris else {},
        parents=await parents_of(tx, answered),
        favourited=frozenset(note for note, _, kind, _ in did if kind is ReactionKind.LIKE),
        boosted=frozenset(note for note, _, kind, _ in did if kind is ReactionKind.BOOST),
    )


async def statuses(tx: Tx, ids: Ids, posts: Sequence[Post], *, is_owner: bool) -> list[Json]:
    """A page of posts; those that somebody boosted inside the Status that the boost is."""
    around = await beside(tx, ids, posts, is_owner=is_owner)
    found = []
    for post in posts:
        shown = entities.status(post, around, is_owner=is_owner)
        if post.boosted_by is not None and post.entry is not None:
            shown = entities.boost(post.entry, when(minted_ms(post.entry)), post.boosted_by, shown, around)
        found.append(shown)
    return found


async def status(tx: Tx, ids: Ids, post: Post, *, is_owner: bool) -> Json:
    return (await statuses(tx, ids, [post], is_owner=is_owner))[0]


def entry_of(post: Post) -> int:
    """What the next page goes on from."""
    return post.entry if post.entry is not None else post.id
