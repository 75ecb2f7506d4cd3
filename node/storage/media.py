"""The owner's files: rows of `media`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update

from node.model.media import Media
from node.storage.dialect import Tx, ms, when
from node.storage.schema import media, profile, scheduled

_META = ("width", "height", "preview_width", "preview_height", "duration")


async def add(tx: Tx, one: Media) -> None:
    await tx.execute(
        media.insert().values(
            id=one.id,
            note_id=one.note_id,
            purpose=one.purpose,
            state="ready",
            kind=one.kind,
            media_type=one.media_type,
            file=one.file,
            preview=one.preview,
            size=one.size,
            meta={name: value for name in _META if (value := getattr(one, name)) is not None},
            alt=one.alt,
            focus=None if one.focus is None else list(one.focus),
            blurhash=one.blurhash,
            digest=one.digest,
            problem=one.problem,
            created_at=ms(one.created_at),
        )
    )


async def get_many(tx: Tx, ids: Sequence[int]) -> list[Media]:
    """Those there are, in the order asked for."""
    if not ids:
        return []
    rows = await tx.execute(select(media).where(media.c.id.in_(ids), media.c.file.is_not(None)))
    found = {row.id: _media(row) for row in rows}
    return [found[one] for one in ids if one in found]


async def of_files(tx: Tx, files: Iterable[str]) -> dict[str, Media]:
    """By the names of their files, or of their previews."""
    wanted = list(files)
    if not wanted:
        return {}
    rows = await tx.execute(select(media).where(or_(media.c.file.in_(wanted), media.c.preview.in_(wanted))))
    found: dict[str, Media] = {}
    for row in rows:
        one = _media(row)
        found |= {name: one for name in (one.file, one.preview) if name in wanted and name is not None}
    return found


async def of_notes(tx: Tx, note_ids: Sequence[int]) -> dict[int, list[Media]]:
    """What hangs on these notes; the order is that of the attachments in the note itself."""
    if not note_ids:
        return {}
    rows = await tx.execute(select(media).where(media.c.note_id.in_(note_ids)).order_by(media.c.id))
    found: dict[int, list[Media]] = {}
    for row in rows:
        found.setdefault(row.note_id, []).append(_media(row))
    return found


async def attach(tx: Tx, ids: Sequence[int], note_id: int) -> bool:
    """Hang files on a note; False when one of them is not there to be hung, or hangs on another."""
    free = or_(media.c.note_id.is_(None), media.c.note_id == note_id)
    done = await tx.execute(
        update(media).where(media.c.id.in_(ids), media.c.purpose == "post", free).values(note_id=note_id, state="ready")
    )
    return bool(done.rowcount == len(set(ids)))


async def withdraw(tx: Tx, note_id: int, at: datetime) -> None:
    """The note goes, and its files wait, as if uploaded now, to be hung on another; meanwhile nobody sees them."""
    values = {"note_id": None, "state": "withdrawn", "created_at": ms(at)}
    await tx.execute(update(media).where(media.c.note_id == note_id).values(values))


async def describe(tx: Tx, id: int, alt: str, focus: tuple[float, float] | None) -> None:
    values: Mapping[str, object] = {"alt": alt, "focus": None if focus is None else list(focus)}
    await tx.execute(update(media).where(media.c.id == id).values(values))


async def remove(tx: Tx, ids: Sequence[int]) -> None:
    if ids:
        await tx.execute(delete(media).where(media.c.id.in_(ids)))


async def forgotten(tx: Tx, before: datetime) -> list[Media]:
    """What was uploaded before then, hangs on no note, waits for none, and is nobody's face."""
    waiting = {
        str(one)
        for params in (await tx.execute(select(scheduled.c.params))).scalars()
        for one in (params.get("media_ids") or () if isinstance(params, dict) else ())
    }
    shown = {name for row in await tx.execute(select(profile.c.avatar, profile.c.header)) for name in row}
    rows = await tx.execute(select(media).where(media.c.note_id.is_(None), media.c.created_at < ms(before)))
    return [_media(row) for row in rows if str(row.id) not in waiting and row.file not in shown]


async def known_files(tx: Tx, names: Sequence[str], *, shown: bool = False) -> set[str]:
    """Which of these are files or previews of rows; with `shown`, of those that may be looked at."""
    query = select(media.c.file, media.c.preview).where(or_(media.c.file.in_(names), media.c.preview.in_(names)))
    rows = await tx.execute(query.where(media.c.state != "withdrawn") if shown else query)
    return {name for row in rows for name in row if name is not None}


def _media(row: Any) -> Media:
    return Media(
        id=row.id,
        purpose=row.purpose,
        kind=row.kind,
        media_type=row.media_type,
        file=row.file,
        size=row.size,
        created_at=when(row.created_at),
        digest=row.digest or "",
        preview=row.preview,
        alt=row.alt,
        focus=None if row.focus is None else (float(row.focus[0]), float(row.focus[1])),
        blurhash=row.blurhash,
        note_id=row.note_id,
        problem=row.problem,
        **{name: row.meta.get(name) for name in _META},
    )
