"""Bearer tokens of the client API, by their hash."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select

from node.storage.dialect import Tx, ms
from node.storage.schema import tokens


def hashed(token: str) -> str:
    """SHA-256, hex: tokens are random and long, so a plain hash is enough (security.md §7)."""
    return hashlib.sha256(token.encode()).hexdigest()


async def add(tx: Tx, token: str, *, label: str, scopes: str, at: datetime) -> None:
    await tx.execute(tokens.insert().values(hash=hashed(token), label=label, scopes=scopes, created_at=ms(at)))


async def scopes_of(tx: Tx, token: str) -> str | None:
    """What a token may do; None for one we did not give."""
    return (await tx.execute(select(tokens.c.scopes).where(tokens.c.hash == hashed(token)))).scalar_one_or_none()
