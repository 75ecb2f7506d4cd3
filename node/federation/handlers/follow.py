"""Following, both ways: Follow, Accept, Reject, Undo(Follow)."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation import compose
from node.federation.handlers import quote
from node.federation.handlers.anew import is_asked_anew
from node.federation.handlers.arrived import Arrived, Here, log
from node.model import Accept, Deliver, Effect, Follow, Iri, Notify, ReactionKind, Reject, RejectQuote, Tell, UndoFollow
from node.notify import Kind
from node.observe import count
from node.storage import activities, actors, blocks, chores, reactions, relations
from node.storage.dialect import Tx
from node.storage.relations import State


async def follow(tx: Tx, arrived: Sequence[Arrived[Follow]], here: Here) -> list[Effect]:
    """Remember a follower; answer at once, unless the owner approves by hand.

    A Follow that was undone is used up: the same request again changes nothing; one that was signed
    since is a new one, whatever its id (anew.py). A repeated Follow of a follower is answered again,
    since the first answer may have been lost.
    """
    effects: list[Effect] = []
    for item in arrived:
        wanted = item.activity
        if await blocks.covers(tx, wanted.actor):  # by the owner, since it was admitted
            count("follow.blocked")
            continue
        before = await relations.follower(tx, wanted.actor)
        stands = before is not None and before.activity == wanted.id
        if not stands and await activities.is_spent(tx, wanted.id, wanted.actor) and not await is_asked_anew(tx, item):
            continue
        await log(tx, [item], [wanted.object])
        await actors.mark_back(tx, wanted.actor)
        if before is not None and before.state is State.ACCEPTED:
            await relations.put_follower(tx, wanted.actor, wanted.id, State.ACCEPTED, here.now)
            effects.append(await _accepted(tx, wanted, here))
        elif here.owner.approves_followers:
            await relations.put_follower(tx, wanted.actor, wanted.id, State.PENDING, here.now)
            effects += [Tell("follow_request", wanted.actor), Notify(Kind.FOLLOW_REQUEST, wanted.actor)]
        else:
            await relations.put_follower(tx, wanted.actor, wanted.id, State.ACCEPTED, here.now)
            effects += [await _accepted(tx, wanted, here), Tell("follow", wanted.actor)]
            effects.append(Notify(Kind.FOLLOW, wanted.actor))
    return effects


async def _accepted(tx: Tx, wanted: Follow, here: Here) -> Deliver:
    answer = compose.accept(here.ids.activity(here.snowflake.mint(here.now)), wanted)
    return Deliver(answer, tuple(await actors.inboxes(tx, [wanted.actor])))


async def accept(tx: Tx, arrived: Sequence[Arrived[Accept]], here: Here) -> list[Effect]:
    """Only the answer of the one we asked, to the Follow we sent, counts (security.md §2)."""
    effects: list[Effect] = []
    for item in arrived:
        relation = await relations.follow_of(tx, item.activity.actor)
        if relation is None or relation.state is not State.PENDING or not _answers(item.activity, relation, here):
            continue
        await log(tx, [item], [relation.activity])
        await relations.settle_follow(tx, relation.actor, State.ACCEPTED)
        await chores.put(tx, chores.OUTBOX, relation.actor, here.now)
        effects.append(Tell("accepted", relation.actor))
    return effects


async def reject(tx: Tx, arrived: Sequence[Arrived[Reject]], here: Here) -> list[Effect]:
    """No to our Follow; after an Accept it means that we were removed as a follower."""
    effects: list[Effect] = []
    for item in arrived:
        relation = await relations.follow_of(tx, item.activity.actor)
        if relation is None or relation.state is State.REJECTED or not _answers(item.activity, relation, here):
            effects += await _no_to_a_quote(tx, item, here)
            continue
        await log(tx, [item], [relation.activity])
        await relations.settle_follow(tx, relation.actor, State.REJECTED)
        effects.append(Tell("rejected", relation.actor))
    return effects


async def _no_to_a_quote(tx: Tx, item: Arrived[Reject], here: Here) -> list[Effect]:
    """A Reject that says nothing but an id may mean a request to quote."""
    if quote.note_of_request(item.activity.follow, here) is None:
        return []
    no = RejectQuote(item.activity.id, item.activity.actor, item.activity.follow, None)
    return await quote.reject(tx, [Arrived(no, item.signed, item.received_at)], here)


def _answers(answer: Accept | Reject, relation: relations.Relation, here: Here) -> bool:
    """By the id of our Follow. Where the embedded id is not one of ours, Mastodon goes by the embedded actor."""
    if answer.follow == relation.activity:
        return True
    if answer.follow is not None and here.ids.is_ours(answer.follow):
        return False  # an older Follow of ours, undone since
    return answer.follower == here.ids.actor


async def undo(tx: Tx, arrived: Sequence[Arrived[UndoFollow]], here: Here) -> list[Effect]:
    """They stop following. A Follow undone before it arrived is used up all the same; one that was followed
    by another since is over already, and the later one stands."""
    effects: list[Effect] = []
    for item in arrived:
        undone = item.activity
        if await _was_reaction(tx, undone):
            await log(tx, [item], [undone.follow])
            continue
        before = await relations.follower(tx, undone.actor)
        await log(tx, [item], [undone.follow or undone.object])
        if undone.follow is not None and (before is None or before.activity != undone.follow):
            if before is not None and await activities.is_spent(tx, undone.follow, undone.actor):
                continue
            await activities.use_up(tx, undone.follow, undone.actor, here.now)
        if before is None or (undone.object is None and undone.follow != before.activity):
            continue
        await relations.drop_follower(tx, undone.actor)
        effects.append(Tell("unfollow", Iri(undone.actor)))
    return effects


async def _was_reaction(tx: Tx, undone: UndoFollow) -> bool:
    """An Undo that says nothing but an id may mean a boost or a like of the same actor's."""
    if undone.object is not None or undone.follow is None:
        return False
    wanted = reactions.Undone(undone.actor, undone.follow, None, tuple(ReactionKind))
    return bool(await reactions.undo(tx, [wanted]))
