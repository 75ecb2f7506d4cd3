"""What somebody did, took back, and did again under the same id.

snac makes the id of a like out of what is liked, and Misskey that of a Follow out of who follows
whom (and the id of its Undo out of that), so the second one is the first one's double. The guard
against replays must not swallow it, and must not let an old request back in either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from node.federation import httpsig
from node.federation.handlers.arrived import Arrived
from node.model import Announce, Follow, Iri, Like, UndoAnnounce, UndoFollow, UndoLike
from node.storage import activities
from node.storage.dialect import Tx

UNDOS = (UndoAnnounce, UndoFollow, UndoLike)

UNDOABLE = (Announce, Like)
"""What may be undone before it comes; a Follow decides for itself."""


def in_turn(batch: Sequence[Arrived[Any]]) -> list[list[Arrived[Any]]]:
    """A batch, cut wherever something comes after its own Undo: only when that is applied, and logged, can be told
    whether it was undone before it came, or is done anew."""
    parts: list[list[Arrived[Any]]] = [[]]
    undone: set[tuple[Iri, Iri]] = set()
    for item in batch:
        if isinstance(item.activity, UNDOABLE) and (item.activity.id, item.activity.actor) in undone:
            parts.append([])
            undone.clear()
        parts[-1].append(item)
        if isinstance(item.activity, UNDOS):
            undone.add((_subject(item.activity), item.activity.actor))
    return parts


async def done_anew(tx: Tx, repeated: Sequence[Arrived[Any]]) -> set[Iri]:
    """Which of these activities, seen before, were signed after their own actor's last Undo of them.

    An Undo is one if it was signed after the last Undo of the same. Both times are by the signer's
    clock, so that nothing hangs on ours; where one of them is not to be had, it is a repeat. A request
    that was sent before the Undo, and is sent again, was signed before it.
    """
    undone = await activities.undone(tx, {_subject(item.activity) for item in repeated})
    anew: set[Iri] = set()
    for item in repeated:
        at = [httpsig.signed_at(headers) for headers in undone.get((_subject(item.activity), item.activity.actor), ())]
        if _is_later(item, at):
            anew.add(item.activity.id)
    return anew


async def is_asked_anew(tx: Tx, item: Arrived[Follow]) -> bool:
    """Whether a Follow that was here before was signed after all that ended it: its Undo, and the owner's no.

    One that was never here, and whose Undo was, is late: it is signed afresh at each attempt to deliver it.
    """
    wanted = item.activity
    if (await activities.senders(tx, [wanted.id])).get(wanted.id) != wanted.actor:
        return False
    undone = await activities.undone(tx, [wanted.id])
    at = [httpsig.signed_at(headers) for headers in undone.get((wanted.id, wanted.actor), ())]
    return _is_later(item, [*at, *await activities.turned_away(tx, wanted.id, wanted.actor)])


def at_its_time(item: Arrived[Any]) -> Arrived[Any]:
    """An Undo under an id of its own, made of the moment: the one before it stays in the log, as evidence."""
    moment = int(item.signed.created.timestamp())
    return replace(item, activity=replace(item.activity, id=Iri(f"{item.activity.id}#{moment}")))


def _subject(activity: Any) -> Iri:
    """What is done or undone, as the log names it."""
    match activity:
        case UndoFollow():
            return Iri(activity.follow or activity.object or activity.id)
        case UndoAnnounce() | UndoLike():
            return Iri(activity.activity or activity.object or activity.id)
    return Iri(activity.id)


def _is_later(item: Arrived[Any], ended: Sequence[datetime | None]) -> bool:
    return bool(ended) and all(moment is not None and moment < item.signed.created for moment in ended)
