"""Conversations as the owner sees them: what a post answers, and everything below it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, literal, select

from node.model import Iri, Post
from node.storage.dialect import Tx
from node.storage.notes import posts, to_post
from node.storage.schema import notes, tombstones

DEPTH = 64
MOST = 1_000


async def above(tx: Tx, iri: Iri, *, depth: int = DEPTH) -> list[Post]:
    """What a post answers, and what that answers, the first word first."""
    start = select(notes.c.iri, notes.c.in_reply_to, literal(0).label("height")).where(notes.c.iri == iri)
    chain = start.cte("chain", recursive=True)
    parents = (
        select(notes.c.iri, notes.c.in_reply_to, chain.c.height + 1)
        .join(chain, notes.c.iri == chain.c.in_reply_to)
        .where(chain.c.height < depth)
    )
    whole = chain.union_all(parents)
    heights = select(whole.c.iri, func.min(whole.c.height).label("height")).group_by(whole.c.iri).subquery()
    query = (
        posts().join(heights, heights.c.iri == notes.c.iri).where(notes.c.iri != iri).order_by(heights.c.height.desc())
    )
    return [to_post(row) for row in await tx.execute(query)]


async def below(tx: Tx, root: Iri, *, limit: int = MOST) -> list[Post]:
    """Answers to a post, and the answers to those, oldest first; also those that are for the owner alone."""
    start = select(notes.c.id, notes.c.iri, literal(1).label("depth")).where(notes.c.in_reply_to == root)
    tree = start.cte("tree", recursive=True)
    deeper = (
        select(notes.c.id, notes.c.iri, tree.c.depth + 1)
        .join(tree, notes.c.in_reply_to == tree.c.iri)
        .where(tree.c.depth < DEPTH)
    )
    whole = tree.union(deeper)
    query = posts().where(notes.c.id.in_(select(whole.c.id)), notes.c.iri != root).order_by(notes.c.id).limit(limit)
    return [to_post(row) for row in await tx.execute(query)]


async def settled(tx: Tx, iris: Iterable[Iri]) -> set[Iri]:
    """Which of these need not be fetched: they are here, or were deleted."""
    wanted = set(iris)
    here = await tx.execute(select(notes.c.iri).where(notes.c.iri.in_(wanted)))
    gone = await tx.execute(select(tombstones.c.iri).where(tombstones.c.iri.in_(wanted)))
    return {Iri(iri) for rows in (here, gone) for iri in rows.scalars()}
