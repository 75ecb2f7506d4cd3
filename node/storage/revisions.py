"""What an edited note said before, each version with its verdict and its evidence."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select

from node.model import Revision, Verdict
from node.storage.dialect import Tx, when
from node.storage.schema import notes, revisions

MOST = 50
"""Versions kept of one note; the oldest go."""

_KEPT = (
    "content",
    "summary",
    "sensitive",
    "attachments",
    "verdict",
    "reason",
    "key",
    "document",
    "activity",
)


async def keep(tx: Tx, note_id: int) -> None:
    """Put a note aside as it stands now: to be called before it is edited."""
    now = select(notes.c.id, func.coalesce(notes.c.updated, notes.c.published), *(notes.c[name] for name in _KEPT))
    await tx.execute(insert(revisions).from_select(["note_id", "written_at", *_KEPT], now.where(notes.c.id == note_id)))
    mine = select(revisions.c.id).where(revisions.c.note_id == note_id)
    oldest = mine.order_by(revisions.c.id.desc()).offset(MOST).limit(1).scalar_subquery()
    await tx.execute(delete(revisions).where(revisions.c.note_id == note_id, revisions.c.id <= oldest))


async def of(tx: Tx, note_id: int) -> list[Revision]:
    """The versions before the present one, oldest first."""
    rows = await tx.execute(select(revisions).where(revisions.c.note_id == note_id).order_by(revisions.c.id))
    return [
        Revision(when(row.written_at), row.content, row.summary, Verdict(row.verdict), row.reason, row.key)
        for row in rows
    ]
