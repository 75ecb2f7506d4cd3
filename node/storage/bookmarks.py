"""What the owner keeps without telling anybody: bookmarked posts, and threads that make no noise any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from node.model import Iri
from node.storage.dialect import Tx, insert_new, ms, rounded
from node.storage.schema import bookmarks, muted_threads


async def add(tx: Tx, number: int, note_id: int) -> None:
    """Bookmark a post. `number` orders the list; a post that is there already keeps its place."""
    await insert_new(tx, bookmarks, [{"id": number, "note_id": note_id}])


async def remove(tx: Tx, note_id: int) -> None:
    await tx.execute(delete(bookmarks).where(bookmarks.c.note_id == note_id))


async def among(tx: Tx, note_ids: Iterable[int]) -> frozenset[int]:
    """Which of these posts are bookmarked."""
    return frozenset((await tx.execute(_AMONG, {"ids": rounded(set(note_ids))})).scalars())


_AMONG = select(bookmarks.c.note_id).where(bookmarks.c.note_id.in_(bindparam("ids", expanding=True)))


async def mute_thread(tx: Tx, root: str, at: datetime) -> None:
    """No notification comes out of this conversation. `root`: its context, or the id of its first post."""
    await insert_new(tx, muted_threads, [{"root": root, "at": ms(at)}])


async def unmute_thread(tx: Tx, roots: Iterable[str]) -> None:
    await tx.execute(delete(muted_threads).where(muted_threads.c.root.in_(set(roots))))


async def muted_among(tx: Tx, roots: Iterable[str | Iri]) -> frozenset[str]:
    """Which of these conversations are muted."""
    return frozenset((await tx.execute(_MUTED, {"roots": rounded(set(roots))})).scalars())


_MUTED = select(muted_threads.c.root).where(muted_threads.c.root.in_(bindparam("roots", expanding=True)))
