"""Apps that asked to speak for the owner, and the authorization codes they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from node.storage.dialect import Tx, ms, when, when_or_none
from node.storage.schema import apps, grants, tokens

MOST_APPS = 500
"""Registrations are open to anybody: beyond this, those that the owner did not let in are forgotten after a day."""

MOST_NEW = 2_000
"""And beyond this at once, however young they are: nobody fills the disk by asking for names."""


@dataclass(frozen=True, slots=True)
class App:
    id: int
    client_id: str
    secret_hash: str
    name: str
    website: str | None
    redirect_uris: tuple[str, ...]
    scopes: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorization code: good once, until `expires_at`, for one app and one redirect."""

    hash: str
    app_id: int
    scopes: str
    redirect_uri: str
    challenge: str | None
    expires_at: datetime
    used_at: datetime | None


async def add_app(
    tx: Tx,
    *,
    client_id: str,
    secret_hash: str,
    name: str,
    website: str | None,
    redirect_uris: Sequence[str],
    scopes: str,
    at: datetime,
) -> App:
    row = {
        "client_id": client_id,
        "secret_hash": secret_hash,
        "name": name,
        "website": website,
        "redirect_uris": list(redirect_uris),
        "scopes": scopes,
        "created_at": ms(at),
    }
    number = (await tx.execute(apps.insert().values(row).returning(apps.c.id))).scalar_one()
    return App(int(number), client_id, secret_hash, name, website, tuple(redirect_uris), scopes, at)


async def forget_unused(tx: Tx, *, before: datetime) -> None:
    """Keep the registrations that the owner let in, and the newest of the others; more of those younger than `before`.

    A token for an app alone is to be had by anybody who registers, so it keeps nothing, and goes with its app.
    """
    used = select(tokens.c.app_id).where(tokens.c.app_id.is_not(None), tokens.c.kind == "user")
    others = select(apps.c.id).where(apps.c.id.not_in(used)).order_by(apps.c.id.desc())
    too_many = apps.c.id.not_in(others.limit(MOST_NEW))
    too_old = apps.c.id.not_in(others.limit(MOST_APPS)) & (apps.c.created_at < ms(before))
    await tx.execute(delete(apps).where(apps.c.id.not_in(used), too_many | too_old))
    of_app = tokens.c.kind == "app"
    await tx.execute(delete(tokens).where(of_app, tokens.c.app_id.not_in(select(apps.c.id))))


async def app_of(tx: Tx, client_id: str) -> App | None:
    if "\0" in client_id:  # anybody may write one, and PostgreSQL does not even look for it
        return None
    return _app((await tx.execute(select(apps).where(apps.c.client_id == client_id))).one_or_none())


async def app_by_id(tx: Tx, identifier: int) -> App | None:
    return _app((await tx.execute(select(apps).where(apps.c.id == identifier))).one_or_none())


def _app(row: Any) -> App | None:
    if row is None:
        return None
    return App(
        id=row.id,
        client_id=row.client_id,
        secret_hash=row.secret_hash,
        name=row.name,
        website=row.website,
        redirect_uris=tuple(row.redirect_uris),
        scopes=row.scopes,
        created_at=when(row.created_at),
    )


GRANTS_KEPT = timedelta(days=1)
"""How long a used or stale code is remembered: one that is used again gives its tokens away as stolen."""


async def add_grant(tx: Tx, grant: Grant, *, now: datetime) -> None:
    await tx.execute(delete(grants).where(grants.c.expires_at < ms(now - GRANTS_KEPT)))
    await tx.execute(
        grants.insert().values(
            hash=grant.hash,
            app_id=grant.app_id,
            scopes=grant.scopes,
            redirect_uri=grant.redirect_uri,
            challenge=grant.challenge,
            expires_at=ms(grant.expires_at),
        )
    )


async def grant_of(tx: Tx, hash_: str) -> Grant | None:
    row = (await tx.execute(select(grants).where(grants.c.hash == hash_))).one_or_none()
    if row is None:
        return None
    return Grant(
        row.hash,
        row.app_id,
        row.scopes,
        row.redirect_uri,
        row.challenge,
        when(row.expires_at),
        when_or_none(row.used_at),
    )


async def void_grants(tx: Tx) -> None:
    """Codes that were not used yet open nothing any more."""
    await tx.execute(delete(grants).where(grants.c.used_at.is_(None)))


async def use_grant(tx: Tx, hash_: str, at: datetime) -> bool:
    """Use a code up. False if somebody did before: the check is part of the statement."""
    done = await tx.execute(
        update(grants).where(grants.c.hash == hash_, grants.c.used_at.is_(None)).values(used_at=ms(at))
    )
    return bool(done.rowcount)
