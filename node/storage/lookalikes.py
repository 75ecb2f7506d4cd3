"""The faces of those the owner knows, and who among all we have met resembles one of them."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, or_, select, update

from node.lookalike import Faces, face, portrait
from node.model import Iri
from node.storage.dialect import Tx
from node.storage.schema import actors, follows, remote_media

_LIKENESS = remote_media.c.likeness
_LIKENESS_AT = select(_LIKENESS).where(remote_media.c.url == bindparam("wanted"))
_FRIENDLY = ("accepted", "pending")


async def faces(tx: Tx, owner: Iri) -> Faces:
    """The owner, and all whom the owner follows or asked to follow."""
    rows = await tx.execute(_friends(), {"owner": owner})
    known, portraits = {}, {}
    for row in rows:
        iri = Iri(row.iri)
        known[iri] = face(iri, row.username, row.name), tuple(map(Iri, row.also_known_as))
        if (picture := portrait(row.likeness, row.icon)) is not None:
            portraits[iri] = picture
    own, _ = known.pop(owner)
    return Faces(own, known.values(), portraits)


@cache
def _friends() -> Select[Any]:
    return (
        select(actors.c.iri, actors.c.username, actors.c.name, actors.c.also_known_as, actors.c.icon, _LIKENESS)
        .outerjoin(follows, follows.c.actor == actors.c.iri)
        .outerjoin(remote_media, remote_media.c.url == actors.c.icon)
        .where(or_(actors.c.iri == bindparam("owner"), follows.c.state.in_(_FRIENDLY)))
    )


async def portrait_at(tx: Tx, icon: str | None) -> int | None:
    """What the picture at an address looks like, if it was ever fetched."""
    if icon is None:
        return None
    found = await tx.execute(_LIKENESS_AT, {"wanted": icon})
    return portrait(found.scalar_one_or_none())


async def seen(tx: Tx, owner: Iri, url: str, circle: Faces) -> bool:
    """A picture was fetched: compare those who show it. True if a friend does, so that all were compared anew."""
    query = select(actors.c.iri, actors.c.username, actors.c.name, actors.c.resembles, follows.c.state)
    query = query.outerjoin(follows, follows.c.actor == actors.c.iri).where(actors.c.icon == url)
    rows = list(await tx.execute(query))
    if any(row.state in _FRIENDLY for row in rows):
        await settle(tx, owner)
        return True
    picture = await portrait_at(tx, url)
    for row in rows:
        iri = Iri(row.iri)
        whom = circle.resembled_by(iri, row.username, row.name) or circle.portrayed_by(iri, picture)
        if whom != row.resembles:
            await tx.execute(update(actors).where(actors.c.iri == iri).values(resembles=whom))
    return False


async def settle(tx: Tx, owner: Iri) -> Faces:
    """Compare everybody we have met with those the owner knows now; the faces that were compared with."""
    circle = await faces(tx, owner)
    met = await tx.execute(
        select(actors.c.iri, actors.c.username, actors.c.name, actors.c.resembles, _LIKENESS).outerjoin(
            remote_media, remote_media.c.url == actors.c.icon
        )
    )
    changed = [
        {"who": row.iri, "whom": whom} for row in met if (whom := _whom(circle, Iri(row.iri), row)) != row.resembles
    ]
    if changed:
        await tx.execute(
            update(actors).where(actors.c.iri == bindparam("who")).values(resembles=bindparam("whom")), changed
        )
    return circle


def _whom(circle: Faces, iri: Iri, row: Any) -> Iri | None:
    """By name first: that says more than a picture."""
    return circle.resembled_by(iri, row.username, row.name) or circle.portrayed_by(iri, portrait(row.likeness))
