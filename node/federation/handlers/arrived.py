"""What a handler is given: an activity that was admitted, and where it arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from node.ids import Ids, Snowflake
from node.model import Authorship, Iri, Profile, Signed
from node.storage import activities, arrivals
from node.storage.dialect import Tx

A = TypeVar("A", covariant=True)


@dataclass(frozen=True, slots=True)
class Arrived(Generic[A]):
    """`activity` was signed (`signed`) and admitted; `authorship` is there when it carries a post."""

    activity: A
    signed: Signed
    received_at: datetime
    authorship: Authorship | None = None
    proven: bool = False
    """The activity itself carries a proof by its actor that holds: it is believed whoever brings it."""


@dataclass(frozen=True, slots=True)
class Here:
    """The node it arrived at."""

    ids: Ids
    snowflake: Snowflake
    owner: Profile
    now: datetime


async def log(tx: Tx, arrived: Sequence[Arrived[Any]], objects: Sequence[Iri | None]) -> None:
    """Record activities as seen, with their evidence: the bytes, the signature, the key."""
    await activities.record_many(
        tx,
        [
            activities.Logged(
                iri=item.activity.id,
                direction="in",
                actor=item.activity.actor,
                type=type(item.activity).__name__,
                object=object_,
                at=item.received_at,
                body=item.signed.body,
                headers=item.signed.headers,
                key_id=item.signed.key.id,
                key=item.signed.key.material,
            )
            for item, object_ in zip(arrived, objects, strict=True)
        ],
    )


async def keep_for_later(tx: Tx, item: Arrived[Any], next_at: datetime, error: str | None = None) -> None:
    """Accepted, and to be done (again) at `next_at`, outside this transaction."""
    await arrivals.put(
        tx,
        activity=item.activity.id,
        actor=item.signed.actor,
        body=item.signed.body,
        headers=item.signed.headers,
        key_id=item.signed.key.id,
        received_at=item.received_at,
        next_at=next_at,
        error=error,
    )
