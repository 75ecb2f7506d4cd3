"""Other people's files, as far as they were looked at here: rows of `remote_media`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update

from node.storage.dialect import Tx, insert_new, ms, when, when_or_none
from node.storage.schema import remote_media


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One address of somebody else's file, and what is kept of it. `file` None: not fetched, or gone again."""

    id: int
    url: str
    kind: str
    """`attachment`, `avatar`, `header` or `emoji`."""
    used_at: datetime
    file: str | None = None
    preview: str | None = None
    size: int = 0
    failures: int = 0
    next_at: datetime | None = None


async def remember(tx: Tx, rows: Iterable[tuple[int, str, str]], now: datetime) -> None:
    """Number, address and kind of what may be looked at; what is known stays as it is."""
    await insert_new(
        tx,
        remote_media,
        [{"id": id, "url": url, "kind": kind, "size": 0, "used_at": ms(now), "failures": 0} for id, url, kind in rows],
    )


async def get(tx: Tx, id: int) -> RemoteFile | None:
    row = (await tx.execute(select(remote_media).where(remote_media.c.id == id))).one_or_none()
    return None if row is None else _file(row)


async def stored(
    tx: Tx, id: int, *, file: str, preview: str | None, media_type: str, size: int, likeness: str | None, now: datetime
) -> None:
    await tx.execute(
        update(remote_media)
        .where(remote_media.c.id == id)
        .values(
            file=file,
            preview=preview,
            media_type=media_type,
            size=size,
            likeness=likeness,
            used_at=ms(now),
            failures=0,
            next_at=None,
        )
    )


async def failed(tx: Tx, id: int, failures: int, next_at: datetime) -> None:
    await tx.execute(update(remote_media).where(remote_media.c.id == id).values(failures=failures, next_at=ms(next_at)))


async def used(tx: Tx, times: Mapping[int, datetime]) -> None:
    """When files were last looked at."""
    if times:
        await tx.execute(
            update(remote_media).where(remote_media.c.id == bindparam("which")).values(used_at=bindparam("at")),
            [{"which": id, "at": ms(at)} for id, at in times.items()],
        )


async def total(tx: Tx) -> int:
    """Bytes of all that is kept."""
    return int((await tx.execute(select(func.coalesce(func.sum(remote_media.c.size), 0)))).scalar_one())


async def least_used(tx: Tx, limit: int) -> list[RemoteFile]:
    rows = await tx.execute(
        select(remote_media).where(remote_media.c.file.is_not(None)).order_by(remote_media.c.used_at).limit(limit)
    )
    return [_file(row) for row in rows]


async def evict(tx: Tx, ids: Sequence[int]) -> None:
    """The files go, the addresses stay: looked at again, they are fetched again. What a face looked like is kept."""
    if ids:
        await tx.execute(update(remote_media).where(remote_media.c.id.in_(ids)).values(file=None, preview=None, size=0))


async def forget(tx: Tx, before: datetime) -> int:
    """Addresses that nobody looked at since then; how many went."""
    gone = await tx.execute(
        delete(remote_media).where(remote_media.c.file.is_(None), remote_media.c.used_at < ms(before))
    )
    return int(gone.rowcount)


async def kept(tx: Tx, ids: Sequence[int]) -> list[RemoteFile]:
    """Those of them of which there is a file."""
    query = select(remote_media).where(remote_media.c.id.in_(ids), remote_media.c.file.is_not(None))
    return [_file(row) for row in await tx.execute(query)]


async def forget_all(tx: Tx) -> None:
    await tx.execute(delete(remote_media))


async def known_files(tx: Tx, names: Sequence[str]) -> set[str]:
    """Which of these are files or previews of rows."""
    rows = await tx.execute(
        select(remote_media.c.file, remote_media.c.preview).where(
            remote_media.c.file.in_(names) | remote_media.c.preview.in_(names)
        )
    )
    return {name for row in rows for name in row if name is not None}


def _file(row: Any) -> RemoteFile:
    return RemoteFile(
        id=row.id,
        url=row.url,
        kind=row.kind,
        used_at=when(row.used_at),
        file=row.file,
        preview=row.preview,
        size=row.size,
        failures=row.failures,
        next_at=when_or_none(row.next_at),
    )
