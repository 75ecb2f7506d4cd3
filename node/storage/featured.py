"""Pinned posts, of the owner and of others."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, select

from node.model import Iri, Post
from node.storage.dialect import Tx, insert_new
from node.storage.notes import OPEN, posts, to_post
from node.storage.schema import actors, featured, notes


async def pin(tx: Tx, actor: Iri, note: Iri) -> None:
    """On top of what this actor pinned before; what is pinned already stays where it is."""
    top = (await tx.execute(select(func.max(featured.c.position)).where(featured.c.actor == actor))).scalar_one()
    await insert_new(tx, featured, [{"actor": actor, "note": note, "position": (top or 0) + 1}])


async def unpin(tx: Tx, actor: Iri, note: Iri) -> bool:
    """False if it was not pinned."""
    found = await tx.execute(delete(featured).where(featured.c.actor == actor, featured.c.note == note))
    return bool(found.rowcount)


async def pinned(tx: Tx, actor: Iri) -> list[Post]:
    """What an actor pinned and anybody may read, newest pin first."""
    query = (
        posts()
        .join(featured, (featured.c.note == notes.c.iri) & (featured.c.actor == actors.c.iri))
        .where(featured.c.actor == actor, notes.c.visibility.in_(OPEN))
        .order_by(featured.c.position.desc())
    )
    return [to_post(row) for row in await tx.execute(query)]


async def documents(tx: Tx, actor: Iri) -> list[bytes]:
    """The exact bytes of the owner's pinned notes, newest pin first."""
    query = (
        select(notes.c.document)
        .join(featured, featured.c.note == notes.c.iri)
        .where(featured.c.actor == actor, notes.c.own, notes.c.visibility.in_(OPEN), notes.c.document.is_not(None))
        .order_by(featured.c.position.desc())
    )
    return [bytes(body) for body in (await tx.execute(query)).scalars()]


async def count(tx: Tx, actor: Iri) -> int:
    query = select(func.count()).select_from(featured).where(featured.c.actor == actor)
    return int((await tx.execute(query)).scalar_one())


async def collections(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, str | None]:
    """The address of each actor's featured collection, as its actor document says."""
    rows = await tx.execute(select(actors.c.iri, actors.c.featured).where(actors.c.iri.in_(set(iris))))
    return {Iri(row.iri): row.featured for row in rows}
