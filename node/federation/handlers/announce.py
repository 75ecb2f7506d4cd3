"""Boosts: Announce of notes, ours and theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from node.federation.handlers.arrived import Arrived, Here, keep_for_later, log
from node.ids import Snowflake
from node.model import Announce, Effect, Notify, ReactionKind, Tell
from node.notify import Kind
from node.observe import count
from node.storage import actors, arrivals, reactions
from node.storage.dialect import Tx
from node.storage.reactions import Reaction

SHOWN_FOR = timedelta(days=1)
"""How long a post that is at home already is not shown once more because somebody boosts it."""

MOST_WAITING = 2_000
"""Activities that wait for something to be fetched; beyond it, boosts of what is not here are dropped."""


async def announce(tx: Tx, arrived: Sequence[Arrived[Announce]], here: Here) -> list[Effect]:
    """Remember boosts of what is here and open; show them to the owner when the owner follows the booster.

    What is not here, and is boosted by somebody the owner follows, is fetched from its origin later.
    """
    known = await reactions.targets(tx, {item.activity.object for item in arrived})
    boosters = await actors.briefs(tx, {item.activity.actor for item in arrived})
    before = await reactions.standing(tx, known, boosters)
    unknown: list[Arrived[Announce]] = []
    kept: list[Arrived[Announce]] = []
    new: list[Reaction] = []
    for item in arrived:
        boost, target = item.activity, known.get(item.activity.object)
        booster = boosters[boost.actor]
        if target is None:
            if booster.followed and not here.ids.is_ours(boost.object):
                unknown.append(item)
            else:
                count("announce.not_for_us")
            continue
        if not target.visibility.is_open:  # security.md §9: "boost only public/unlisted"
            count("announce.not_open")
            continue
        one = (boost.object, boost.actor, ReactionKind.BOOST, "")
        if one in before:
            continue
        before.add(one)
        kept.append(item)
        new.append(
            Reaction(
                id=here.snowflake.mint(item.received_at),
                note=boost.object,
                actor=boost.actor,
                kind=ReactionKind.BOOST,
                content="",
                activity=boost.id,
                at=item.received_at,
            )
        )
    await log(tx, kept, [item.activity.object for item in kept])
    await reactions.add_many(tx, new)
    followed = [reaction for reaction in new if boosters[reaction.actor].followed]
    ids = {known[reaction.note].id for reaction in followed}
    shown = await reactions.lately_at_home(tx, ids, Snowflake(0).mint(here.now - SHOWN_FOR))
    entries: list[tuple[int, int, int]] = []
    for reaction in followed:
        note_id = known[reaction.note].id
        if note_id not in shown:
            shown.add(note_id)
            entries.append((reaction.id, note_id, boosters[reaction.actor].id))
    await reactions.show(tx, entries)
    effects: list[Effect] = [Tell("home", str(entry)) for entry, _note, _booster in entries]
    ours = [(reaction, known[reaction.note].id) for reaction in new if known[reaction.note].own]
    effects += [Tell("boost", str(note_id)) for _, note_id in ours]
    effects += [Notify(Kind.REBLOG, reaction.actor, note_id) for reaction, note_id in ours]
    return effects + await _fetch_later(tx, unknown, here)


async def _fetch_later(tx: Tx, unknown: Sequence[Arrived[Announce]], here: Here) -> list[Effect]:
    if not unknown:
        return []
    waiting, _parked = await arrivals.waiting(tx)
    room = max(0, MOST_WAITING - waiting)
    if len(unknown) > room:
        count("announce.dropped", len(unknown) - room)
    for item in unknown[:room]:
        await keep_for_later(tx, item, here.now)
    return [Tell("later", item.activity.id) for item in unknown[:room]]
