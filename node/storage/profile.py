"""The owner's own row."""

from __future__ import annotations

from sqlalchemy import select, update

from node.model import Iri, Profile
from node.storage.dialect import Tx, ms, when
from node.storage.schema import profile


async def get(tx: Tx) -> tuple[Profile, str] | None:
    """The owner and the base URL the node was made for; None before `init`."""
    row = (await tx.execute(select(profile))).one_or_none()
    if row is None:
        return None
    owner = Profile(
        handle=row.handle,
        name=row.name,
        summary=row.summary,
        approves_followers=row.approves_followers,
        created_at=when(row.created_at),
        also_known_as=tuple(Iri(iri) for iri in row.also_known_as),
        moved_to=Iri(row.moved_to) if row.moved_to else None,
    )
    return owner, row.base_url


async def create(tx: Tx, owner: Profile, base_url: str, password_hash: str | None) -> None:
    await tx.execute(
        profile.insert().values(
            id=1, base_url=base_url, created_at=ms(owner.created_at), password_hash=password_hash, **_shown(owner)
        )
    )


async def save(tx: Tx, owner: Profile) -> None:
    await tx.execute(update(profile).values(_shown(owner)))


def _shown(owner: Profile) -> dict[str, object]:
    return {
        "handle": owner.handle,
        "name": owner.name,
        "summary": owner.summary,
        "approves_followers": owner.approves_followers,
        "also_known_as": list(owner.also_known_as),
        "moved_to": owner.moved_to,
    }


async def password_hash(tx: Tx) -> str | None:
    return (await tx.execute(select(profile.c.password_hash))).scalar_one_or_none()


async def set_password_hash(tx: Tx, value: str) -> None:
    await tx.execute(update(profile).values(password_hash=value))
