"""What stands beside posts and people in an answer to an app, asked for many at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select

from node.model import Iri, KeyKind, KeyState
from node.storage.dialect import Tx, rounded, when
from node.storage.schema import actors, featured, keys, notes


@dataclass(frozen=True, slots=True)
class Mark:
    """What is needed of an account that is named: its number in the client API, its name, its page."""

    id: int
    username: str
    url: str | None
    is_gone: bool = False


async def marks(tx: Tx, iris: Iterable[Iri]) -> dict[Iri, Mark]:
    """Of those of these accounts that we have met."""
    rows = await tx.execute(_MARKS, {"iris": rounded(set(iris))})
    return {Iri(row.iri): Mark(int(row.id), row.username, row.url, row.gone_at is not None) for row in rows}


_MARKS = select(actors.c.iri, actors.c.id, actors.c.username, actors.c.url, actors.c.gone_at).where(
    actors.c.iri.in_(bindparam("iris", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Written:
    """How many posts of somebody's are here, and the number of the newest, which is that of its time."""

    posts: int
    newest: int


async def written(tx: Tx, author_ids: Iterable[int]) -> dict[int, Written]:
    rows = await tx.execute(_WRITTEN, {"authors": rounded(set(author_ids))})
    return {int(row.author_id): Written(row.posts, row.newest) for row in rows}


_WRITTEN = (
    select(notes.c.author_id, func.count().label("posts"), func.max(notes.c.id).label("newest"))
    .where(notes.c.author_id.in_(bindparam("authors", expanding=True)))
    .group_by(notes.c.author_id)
)


@dataclass(frozen=True, slots=True)
class ShownKey:
    """An identity key that an account shows. `since` None: it is not the pinned one."""

    multikey: str
    since: datetime | None


async def identities(tx: Tx, owners: Iterable[Iri]) -> dict[Iri, tuple[ShownKey, ...]]:
    """The Ed25519 keys of these accounts, the pinned one first."""
    rows = await tx.execute(_IDENTITIES, {"owners": rounded(set(owners))})
    found: dict[Iri, dict[str, ShownKey]] = {}
    for row in rows:
        pinned = row.state == KeyState.PINNED.value
        found.setdefault(Iri(row.owner), {})[row.material] = ShownKey(row.material, when(row.since) if pinned else None)
    return {
        owner: tuple(sorted(shown.values(), key=lambda key: (key.since is None, key.multikey)))
        for owner, shown in found.items()
    }


_IDENTITIES = (
    select(keys.c.owner, keys.c.material, keys.c.since, keys.c.state)
    .where(
        keys.c.owner.in_(bindparam("owners", expanding=True)),
        keys.c.kind == KeyKind.ED25519.value,
        keys.c.state != KeyState.RETIRED.value,
    )
    .order_by(keys.c.since)
)


async def pinned_among(tx: Tx, actor: Iri, iris: Iterable[Iri]) -> frozenset[Iri]:
    """Which of these posts somebody has on top of the profile."""
    rows = await tx.execute(_PINNED, {"wanted": actor, "iris": rounded(set(iris))})
    return frozenset(Iri(iri) for iri in rows.scalars())


_PINNED = select(featured.c.note).where(
    featured.c.actor == bindparam("wanted"), featured.c.note.in_(bindparam("iris", expanding=True))
)
