"""The owner's own row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from node.model import Iri, Preferences, Profile, ProfileField, Visibility
from node.storage.dialect import Tx, ms, ms_or_none, when, when_or_none
from node.storage.schema import followed_tags, profile


async def get(tx: Tx) -> tuple[Profile, str] | None:
    """The owner and the base URL the node was made for; None before `init`."""
    row = (await tx.execute(_OWNER)).one_or_none()
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
        fields=tuple(ProfileField(name, value, when_or_none(at)) for name, value, at in row.fields or ()),
        bot=row.bot,
        discoverable=row.discoverable,
        indexable=row.indexable,
        hides_collections=row.hides_collections,
        avatar=row.avatar,
        header=row.header,
        preferences=_preferences(row.preferences or {}),
        followed_tags=frozenset((await tx.execute(_FOLLOWED_TAGS)).scalars()),
    )
    return owner, row.base_url


_OWNER = select(profile)
_FOLLOWED_TAGS = select(followed_tags.c.name)


async def whose(tx: Tx) -> tuple[str, str] | None:
    """Handle and base URL alone: also in a database of an earlier version, which has no more columns."""
    row = (await tx.execute(select(profile.c.handle, profile.c.base_url))).one_or_none()
    return None if row is None else (row.handle, row.base_url)


def _preferences(kept: Mapping[str, Any]) -> Preferences:
    return Preferences(
        visibility=Visibility(kept.get("visibility", Visibility.PUBLIC.value)),
        language=kept.get("language"),
        sensitive=kept.get("sensitive", False),
        synthetic=kept.get("synthetic", True),
    )


async def create(tx: Tx, owner: Profile, base_url: str, password_hash: str | None) -> None:
    row = {"id": 1, "base_url": base_url, "created_at": ms(owner.created_at), "password_hash": password_hash}
    await tx.execute(profile.insert(), row | _shown(owner))


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
        "fields": [[field.name, field.value, ms_or_none(field.verified_at)] for field in owner.fields],
        "bot": owner.bot,
        "discoverable": owner.discoverable,
        "indexable": owner.indexable,
        "hides_collections": owner.hides_collections,
        "avatar": owner.avatar,
        "header": owner.header,
        "preferences": {
            "visibility": owner.preferences.visibility.value,
            "language": owner.preferences.language,
            "sensitive": owner.preferences.sensitive,
            "synthetic": owner.preferences.synthetic,
        },
    }


async def password_hash(tx: Tx) -> str | None:
    return (await tx.execute(select(profile.c.password_hash))).scalar_one_or_none()


async def renew_password_hash(tx: Tx, before: str, value: str) -> None:
    """The same password, hashed anew; nothing happens if it was changed meanwhile."""
    await tx.execute(update(profile).where(profile.c.password_hash == before).values(password_hash=value))


async def set_password_hash(tx: Tx, value: str) -> None:
    await tx.execute(update(profile).values(password_hash=value))
