"""Web Push: who is subscribed, and what is still owed to them. Rows go when they are settled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, or_, select, update

from node.model import Iri
from node.notify import Kind, is_wanted
from node.storage.dialect import Tx, insert_new, is_sqlite, ms, reason, when
from node.storage.schema import followers, follows, push_subscriptions, pushes

LEASE = timedelta(minutes=2)
"""How long a claimed row stays with a worker that does not answer any more."""

TTL = timedelta(days=2)
"""What could not be delivered in this time is news no more."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a token's app is told. `token` is the hash; keys are base64url, as the app sent them."""

    id: int
    token: str
    endpoint: str
    p256dh: str
    auth: str
    alerts: Mapping[str, bool]
    policy: str
    standard: bool
    """Encrypted as RFC 8291 has it (aes128gcm); else as its fourth draft (aesgcm)."""


@dataclass(frozen=True, slots=True)
class Due:
    """A notification that may be worth a push."""

    id: int
    kind: Kind
    actor: Iri


@dataclass(frozen=True, slots=True)
class Job:
    """A push to be sent."""

    id: int
    notification: int
    attempts: int
    created_at: datetime
    subscription: Subscription


# ── subscriptions ────────────────────────────────────────────────────────────────────────────


async def subscribe(
    tx: Tx,
    token: str,
    *,
    endpoint: str,
    p256dh: str,
    auth: str,
    alerts: Mapping[str, bool],
    policy: str,
    standard: bool,
    at: datetime,
) -> Subscription:
    """In the place of what the token had before."""
    await unsubscribe(tx, token)
    row = {
        "token": token,
        "endpoint": endpoint,
        "p256dh": p256dh,
        "auth": auth,
        "alerts": dict(alerts),
        "policy": policy,
        "standard": standard,
        "created_at": ms(at),
    }
    await tx.execute(push_subscriptions.insert().values(row))
    found = await of_token(tx, token)
    assert found is not None
    return found


async def change(tx: Tx, token: str, *, alerts: Mapping[str, bool], policy: str) -> Subscription | None:
    wanted = update(push_subscriptions).where(push_subscriptions.c.token == token)
    await tx.execute(wanted.values(alerts=dict(alerts), policy=policy))
    return await of_token(tx, token)


async def of_token(tx: Tx, token: str) -> Subscription | None:
    row = (await tx.execute(select(push_subscriptions).where(push_subscriptions.c.token == token))).one_or_none()
    return None if row is None else _subscription(row)


async def unsubscribe(tx: Tx, token: str) -> bool:
    """What is still owed goes with it."""
    gone = await tx.execute(delete(push_subscriptions).where(push_subscriptions.c.token == token))
    return bool(gone.rowcount)


async def drop(tx: Tx, identifier: int) -> None:
    """The push service knows it no more."""
    await tx.execute(delete(push_subscriptions).where(push_subscriptions.c.id == identifier))


# ── what is owed ─────────────────────────────────────────────────────────────────────────────


async def owe(tx: Tx, new: Sequence[Due], now: datetime) -> int:
    """Owe these to everyone who asked for them. How many rows were written."""
    if not new:
        return 0
    subscribed = [_subscription(row) for row in await tx.execute(_SUBSCRIBED)]
    if not subscribed:
        return 0
    people = {item.actor for item in new}
    followed = set(
        (
            await tx.execute(select(follows.c.actor).where(follows.c.actor.in_(people), follows.c.state == "accepted"))
        ).scalars()
    )
    following = set(
        (
            await tx.execute(
                select(followers.c.actor).where(followers.c.actor.in_(people), followers.c.state == "accepted")
            )
        ).scalars()
    )
    rows = [
        {
            "subscription": one.id,
            "notification": item.id,
            "attempts": 0,
            "created_at": ms(now),
            "next_at": ms(now),
            "leased_until": None,
            "last_error": None,
        }
        for one in subscribed
        for item in new
        if is_wanted(
            one.alerts, one.policy, item.kind, followed=item.actor in followed, follower=item.actor in following
        )
    ]
    await insert_new(tx, pushes, rows)
    return len(rows)


_SUBSCRIBED = select(push_subscriptions)


async def claim(tx: Tx, now: datetime, limit: int, *, but: Collection[int] = ()) -> list[Job]:
    """Lease what is due and free, oldest first; `but` for some subscriptions."""
    free = or_(pushes.c.leased_until.is_(None), pushes.c.leased_until < ms(now))
    due = (pushes.c.next_at <= ms(now), free, pushes.c.subscription.not_in(but))
    picked = select(pushes.c.id).where(*due).order_by(pushes.c.next_at, pushes.c.id)
    if not is_sqlite(tx):
        picked = picked.with_for_update(skip_locked=True)
    ids = list((await tx.execute(picked.limit(limit))).scalars())
    if not ids:
        return []
    await tx.execute(update(pushes).where(pushes.c.id.in_(ids)).values(leased_until=ms(now + LEASE)))
    owed = (
        pushes.c.id.label("job"),
        pushes.c.notification,
        pushes.c.attempts,
        pushes.c.created_at.label("owed_at"),
    )
    rows = await tx.execute(
        select(*owed, *push_subscriptions.c)
        .join(push_subscriptions, push_subscriptions.c.id == pushes.c.subscription)
        .where(pushes.c.id.in_(ids))
        .order_by(pushes.c.id)
    )
    return [Job(row.job, row.notification, row.attempts, when(row.owed_at), _subscription(row)) for row in rows]


async def done(tx: Tx, identifier: int) -> None:
    await tx.execute(delete(pushes).where(pushes.c.id == identifier))


async def retry(tx: Tx, identifier: int, next_at: datetime, error: str) -> None:
    again = {"attempts": pushes.c.attempts + 1, "next_at": ms(next_at), "leased_until": None}
    await tx.execute(update(pushes).where(pushes.c.id == identifier).values(**again, last_error=reason(error)))


async def release(tx: Tx) -> None:
    """Whoever held rows is not there any more."""
    await tx.execute(update(pushes).where(pushes.c.leased_until.is_not(None)).values(leased_until=None))


async def next_due(tx: Tx, *, but: Collection[int] = ()) -> datetime | None:
    """When the next row comes due; None when nothing is owed. `but` for some subscriptions."""
    value = (await tx.execute(_NEXT_DUE, {"but": list(but)})).scalar_one_or_none()
    return None if value is None else when(value)


_NEXT_DUE = select(func.min(pushes.c.next_at)).where(pushes.c.subscription.not_in(bindparam("but", expanding=True)))


async def waiting(tx: Tx) -> int:
    return int((await tx.execute(select(func.count()).select_from(pushes))).scalar_one())


async def subscribed(tx: Tx) -> int:
    """How many apps are told of notifications."""
    return int((await tx.execute(select(func.count()).select_from(push_subscriptions))).scalar_one())


async def trouble(tx: Tx) -> str | None:
    """What went wrong with the oldest push that is tried again; None when none is."""
    failing = select(pushes.c.last_error).where(pushes.c.attempts > 0).order_by(pushes.c.id).limit(1)
    return (await tx.execute(failing)).scalar_one_or_none()


def _subscription(row: Any) -> Subscription:
    return Subscription(row.id, row.token, row.endpoint, row.p256dh, row.auth, row.alerts, row.policy, row.standard)
