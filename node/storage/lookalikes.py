"""The faces of those the owner knows, and who among all we have met resembles one of them."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select, update

from node.lookalike import Faces, face
from node.model import Iri
from node.storage.dialect import Tx
from node.storage.schema import actors, follows


async def faces(tx: Tx, owner: Iri) -> Faces:
    """The owner, and all whom the owner follows or asked to follow."""
    rows = await tx.execute(
        select(actors.c.iri, actors.c.username, actors.c.name, actors.c.also_known_as)
        .outerjoin(follows, follows.c.actor == actors.c.iri)
        .where(or_(actors.c.iri == owner, follows.c.state.in_(("accepted", "pending"))))
    )
    known = {
        Iri(row.iri): (face(Iri(row.iri), row.username, row.name), tuple(map(Iri, row.also_known_as))) for row in rows
    }
    own, _ = known.pop(owner)
    return Faces(own, known.values())


async def settle(tx: Tx, owner: Iri) -> Faces:
    """Compare everybody we have met with those the owner knows now; the faces that were compared with."""
    circle = await faces(tx, owner)
    met = await tx.execute(select(actors.c.iri, actors.c.username, actors.c.name, actors.c.resembles))
    changed = [
        {"who": row.iri, "whom": whom}
        for row in met
        if (whom := circle.resembled_by(Iri(row.iri), row.username, row.name)) != row.resembles
    ]
    if changed:
        await tx.execute(
            update(actors).where(actors.c.iri == bindparam("who")).values(resembles=bindparam("whom")), changed
        )
    return circle
