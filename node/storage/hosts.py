"""What we remember of each server: what signatures it takes, and whether it answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from node.storage.dialect import Tx, insert, ms_or_none, rounded, upsert, when_or_none
from node.storage.schema import hosts


@dataclass(frozen=True, slots=True)
class Host:
    """`dialect` None: unknown. `failing_since` None: it answered last time. `dormant`: silent for a week."""

    origin: str
    dialect: str | None = None
    algorithm: str | None = None
    learned_at: datetime | None = None
    how: str | None = None
    failing_since: datetime | None = None
    failures: int = 0
    next_at: datetime | None = None
    dormant: bool = False


async def get_many(tx: Tx, origins: Iterable[str]) -> dict[str, Host]:
    rows = await tx.execute(_AMONG, {"origins": rounded(set(origins))})
    return {
        row.origin: Host(
            row.origin,
            row.dialect,
            row.algorithm,
            when_or_none(row.learned_at),
            row.how,
            when_or_none(row.failing_since),
            row.failures,
            when_or_none(row.next_at),
            row.dormant,
        )
        for row in rows
    }


_AMONG = select(hosts).where(hosts.c.origin.in_(bindparam("origins", expanding=True)))


async def dormant(tx: Tx) -> list[str]:
    """The servers that were silent for so long that nothing is tried any more."""
    return list((await tx.execute(select(hosts.c.origin).where(hosts.c.dormant).order_by(hosts.c.origin))).scalars())


async def wake(tx: Tx, origin: str) -> None:
    """It was silent for so long, and speaks again: its failures are over."""
    over = {"failures": 0, "failing_since": None, "next_at": None, "dormant": False}
    await tx.execute(update(hosts).where(hosts.c.origin == origin, hosts.c.dormant).values(over))


async def put(tx: Tx, host: Host) -> None:
    await put_many(tx, [host])


async def put_many(tx: Tx, known: Sequence[Host]) -> None:
    if not known:
        return
    statement = insert(tx, hosts)
    changed = {column.name: statement.excluded[column.name] for column in hosts.c if column.name != "origin"}
    await tx.execute(
        statement.on_conflict_do_update(index_elements=["origin"], set_=changed),
        [
            {
                "origin": host.origin,
                "dialect": host.dialect,
                "algorithm": host.algorithm,
                "learned_at": ms_or_none(host.learned_at),
                "how": host.how,
                "failing_since": ms_or_none(host.failing_since),
                "failures": host.failures,
                "next_at": ms_or_none(host.next_at),
                "dormant": host.dormant,
            }
            for host in known
        ],
    )


async def learn(tx: Tx, origin: str, dialect: str, algorithm: str, how: str, at: datetime) -> None:
    """Remember what signatures a server takes; its failures stay as they are."""
    row = {
        "origin": origin,
        "dialect": dialect,
        "algorithm": algorithm,
        "learned_at": ms_or_none(at),
        "how": how,
        "failures": 0,
        "dormant": False,
    }
    await upsert(tx, hosts, row, keep=("failures", "dormant"))
