"""Likes and emoji reactions to notes that are here; and the Undo of these and of boosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from node.federation.handlers.arrived import Arrived, Here, log
from node.model import Effect, Like, Notify, ReactionKind, Tell, UndoAnnounce, UndoLike
from node.notify import of_reaction
from node.observe import count
from node.storage import activities, reactions
from node.storage.dialect import Tx
from node.storage.reactions import Reaction, Undone

EMOJIS_EACH = 4
"""Different emojis with which one account may react to one post."""


async def like(tx: Tx, arrived: Sequence[Arrived[Like]], here: Here) -> list[Effect]:
    """Remember each reaction once; what is about something else than a note that is here is not kept."""
    known = await reactions.targets(tx, {item.activity.object for item in arrived})
    mine = [item for item in arrived if item.activity.object in known]
    count("like.not_for_us", len(arrived) - len(mine))
    if not mine:
        return []
    before = await reactions.standing(tx, known, {item.activity.actor for item in mine})
    emojis = Counter((note, actor) for note, actor, kind, _ in before if kind is ReactionKind.EMOJI)
    kept: list[Arrived[Like]] = []
    new: list[Reaction] = []
    for item in mine:
        given = item.activity
        one = (given.object, given.actor, given.kind, given.content)
        if one in before or (given.content and emojis[given.object, given.actor] >= EMOJIS_EACH):
            continue
        before.add(one)
        emojis[given.object, given.actor] += bool(given.content)
        kept.append(item)
        new.append(
            Reaction(
                id=here.snowflake.mint(item.received_at),
                note=given.object,
                actor=given.actor,
                kind=given.kind,
                content=given.content,
                activity=given.id,
                at=item.received_at,
                url=given.url,
            )
        )
    await log(tx, kept, [item.activity.object for item in kept])
    await reactions.add_many(tx, new)
    ours = [(item, known[item.note].id) for item in new if known[item.note].own]
    effects: list[Effect] = [Tell("like", str(note_id)) for _, note_id in ours]
    return effects + [Notify(of_reaction(item.kind), item.actor, note_id) for item, note_id in ours]


async def undo(tx: Tx, arrived: Sequence[Arrived[UndoAnnounce | UndoLike]], here: Here) -> list[Effect]:
    """Take back what the signer did, and nobody else's. What is undone before it came is used up."""
    wanted = {item.activity.id: _undone(item.activity) for item in arrived}
    found = await reactions.undo(tx, list(wanted.values()))
    kept = [item for item in arrived if wanted[item.activity.id] in found]
    early = [item for item in arrived if wanted[item.activity.id] not in found and item.activity.activity]
    here_already = await reactions.targets(tx, {item.activity.object for item in early if item.activity.object})
    for item in early:
        coming, actor = item.activity.activity, item.activity.actor
        if item.activity.object in here_already and coming is not None and not await activities.get(tx, coming):
            await activities.use_up(tx, coming, actor, here.now)
    await log(tx, kept, [item.activity.activity or item.activity.object for item in kept])
    return [Tell("undone", item.activity.actor) for item in kept]


def _undone(activity: UndoAnnounce | UndoLike) -> Undone:
    content = activity.content if isinstance(activity, UndoLike) else ""
    return Undone(activity.actor, activity.activity, activity.object, activity.kinds, content)
