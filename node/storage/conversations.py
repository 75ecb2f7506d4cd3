"""Direct posts by the thread they belong to.

Which posts make up a conversation follows from the posts; a row here only remembers its number, and
whether the owner has read it or taken it off the list. Rows are brought up to date when somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import literal_column, or_, select, update

from node.model import Iri
from node.storage import blocks
from node.storage.dialect import Tx, insert_new
from node.storage.schema import actors, conversations, notes

MOST = 2_000
"""So many direct posts are looked at, the newest; what is older is in its threads still."""


@dataclass(slots=True)
class Conversation:
    """`people`: all but the owner, in the order in which they came in. `posts`: numbers, in the order of arrival."""

    id: int
    root: str
    unread: bool
    people: dict[Iri, None] = field(default_factory=dict)
    posts: list[int] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.posts[-1]


@dataclass(frozen=True, slots=True)
class _Direct:
    id: int
    iri: str
    own: bool
    author: Iri
    parent: str | None
    context: str | None
    people: Sequence[str]
    received_at: int


async def _direct(tx: Tx, now: datetime) -> list[_Direct]:
    """In the order of arrival, since clocks differ. Those of the owner, and of people who are let in."""
    query = (
        select(
            *(notes.c.id, notes.c.iri, notes.c.own, notes.c.in_reply_to, notes.c.context, notes.c.audience),
            notes.c.received_at,
            actors.c.iri.label("author"),
        )
        .join(actors, actors.c.id == notes.c.author_id)
        .where(
            notes.c.visibility == literal_column("'direct'"),  # spelled out, so that its index is used
            or_(notes.c.own, blocks.is_known(actors.c.iri)),
            ~blocks.is_muted(actors.c.iri, now),
            ~blocks.is_hidden(actors.c.iri),
        )
        .order_by(notes.c.id.desc())
        .limit(MOST)
    )
    found = [
        _Direct(
            id=row.id,
            iri=row.iri,
            own=row.own,
            author=Iri(row.author),
            parent=row.in_reply_to,
            context=row.context,
            people=[*row.audience[0], *row.audience[1]],
            received_at=row.received_at,
        )
        for row in await tx.execute(query)
    ]
    return sorted(found, key=lambda post: (post.received_at, post.id))


async def load(tx: Tx, now: datetime, owner: Iri, mint: Callable[[], int], *, write: bool) -> list[Conversation] | None:
    """Those on the list, the one with the newest post first.

    Without `write`, None when a row would have to be written first.
    """
    known = {row.root: row for row in await tx.execute(select(conversations))}
    roots: dict[str, str] = {}
    found: dict[str, Conversation] = {}
    said_last: dict[str, _Direct] = {}
    for post in await _direct(tx, now):
        root = roots.get(post.parent or "") or post.context or post.parent or post.iri
        roots[post.iri] = root
        one = found.setdefault(root, Conversation(0, root, False))
        one.posts.append(post.id)
        one.people |= dict.fromkeys(Iri(iri) for iri in (post.author, *post.people) if iri != owner)
        said_last[root] = post
    changed: list[Conversation] = []
    for root, one in found.items():
        row, last = known.get(root), said_last[root]
        one.id, one.unread = (row.id, bool(row.unread)) if row is not None else (0, False)
        if row is None or _came_after(one, row.last_note_id):
            one.unread = not last.own
            changed.append(one)
    if changed and not write:
        return None
    for one in changed:
        values = {"last_note_id": one.last, "people": list(one.people), "unread": one.unread}
        if one.id:
            await tx.execute(update(conversations).where(conversations.c.id == one.id).values(values))
        else:
            one.id = mint()
            await insert_new(tx, conversations, [{"id": one.id, "root": one.root, "deleted_to": None, **values}])
    gone = {root: row.deleted_to for root, row in known.items() if row.deleted_to is not None}
    listed = [one for one in found.values() if one.root not in gone or _came_after(one, gone[one.root])]
    return sorted(listed, key=lambda one: one.last, reverse=True)


def _came_after(one: Conversation, number: int) -> bool:
    """Whether something was said since the post with that number, which may be deleted by now."""
    return one.last != number if number in one.posts else one.last > number


async def mark_read(tx: Tx, identifier: int, *, unread: bool = False) -> bool:
    """Read, or `unread` again. Whether it is there."""
    done = await tx.execute(update(conversations).where(conversations.c.id == identifier).values(unread=unread))
    return bool(done.rowcount)


async def take_off(tx: Tx, identifier: int) -> bool:
    """Off the list until something more is said. The posts stay. Whether it is there."""
    read = {"deleted_to": conversations.c.last_note_id, "unread": False}
    done = await tx.execute(update(conversations).where(conversations.c.id == identifier).values(read))
    return bool(done.rowcount)
