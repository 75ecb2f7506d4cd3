"""Bearer tokens of the client API, by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, select, update

from node.storage.dialect import Tx, ms, ms_or_none, when, when_or_none
from node.storage.schema import apps, push_subscriptions, tokens


@dataclass(frozen=True, slots=True)
class Token:
    """What somebody holds who speaks for the owner, or (kind `app`) for an app alone."""

    hash: str
    label: str
    scopes: frozenset[str]
    kind: str
    created_at: datetime
    app_id: int | None = None
    app_name: str | None = None
    app_website: str | None = None
    used_at: datetime | None = None

    @property
    def is_owner(self) -> bool:
        return self.kind == "user"


def hashed(token: str) -> str:
    """SHA-256, hex: tokens are random and long, so a plain hash is enough (security.md §7)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def add(
    tx: Tx,
    token: str,
    *,
    label: str,
    scopes: str,
    at: datetime,
    kind: str = "user",
    app_id: int | None = None,
    grant: str | None = None,
) -> None:
    """Keep a new token. `grant` is the hash of the authorization code it was made for."""
    await tx.execute(
        tokens.insert().values(
            hash=hashed(token), label=label, scopes=scopes, created_at=ms(at), kind=kind, app_id=app_id, grant=grant
        )
    )


_SHOWN = (tokens, apps.c.name.label("app_name"), apps.c.website.label("app_website"))
_WITH_APP = tokens.outerjoin(apps, apps.c.id == tokens.c.app_id)


async def find(tx: Tx, token: str) -> Token | None:
    """None for one that we did not give, or took back."""
    row = (await tx.execute(_GIVEN, {"wanted": hashed(token)})).one_or_none()
    return None if row is None else _token(row)


_GIVEN = select(*_SHOWN).select_from(_WITH_APP).where(tokens.c.hash == bindparam("wanted"))


async def held(tx: Tx) -> Sequence[Token]:
    """Every token of the owner's, the newest first."""
    query = select(*_SHOWN).select_from(_WITH_APP).where(tokens.c.kind == "user").order_by(tokens.c.created_at.desc())
    return [_token(row) for row in await tx.execute(query)]


async def exist(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Which of these are still good."""
    found = await tx.execute(select(tokens.c.hash).where(tokens.c.hash.in_(hashes)))
    return set(found.scalars())


async def touch(tx: Tx, used: dict[str, datetime]) -> None:
    """Note when tokens were last used."""
    for hash_, at in used.items():
        await tx.execute(update(tokens).where(tokens.c.hash == hash_).values(used_at=ms_or_none(at)))


async def revoke(tx: Tx, *, hashes: Sequence[str] = (), grant: str | None = None, of_apps: bool = False) -> list[str]:
    """Take tokens back: these, those of one authorization code, or all that apps hold for the owner. Their hashes."""
    wanted: ColumnElement[bool] = tokens.c.hash.in_(hashes)
    if grant is not None:
        wanted = tokens.c.grant == grant
    if of_apps:
        wanted = (tokens.c.kind == "user") & tokens.c.app_id.is_not(None)
    gone = list((await tx.execute(select(tokens.c.hash).where(wanted))).scalars())
    await tx.execute(delete(push_subscriptions).where(push_subscriptions.c.token.in_(gone)))
    await tx.execute(delete(tokens).where(tokens.c.hash.in_(gone)))
    return gone


async def keep_newest(tx: Tx, *, app_id: int, most: int) -> list[str]:
    """Of the tokens for an app alone only so many stay. The hashes of those that went."""
    of_app = (tokens.c.kind == "app") & (tokens.c.app_id == app_id)
    query = select(tokens.c.hash).where(of_app).order_by(tokens.c.created_at.desc()).offset(most)
    gone = list((await tx.execute(query)).scalars())
    if gone:
        await tx.execute(delete(tokens).where(tokens.c.hash.in_(gone)))
    return gone


def _token(row: Any) -> Token:
    return Token(
        hash=row.hash,
        label=row.label,
        scopes=frozenset(row.scopes.split()),
        kind=row.kind,
        created_at=when(row.created_at),
        app_id=row.app_id,
        app_name=row.app_name,
        app_website=row.app_website,
        used_at=when_or_none(row.used_at),
    )
