"""Votes in the owner's polls, and what the authors of other polls say of their counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from node.federation import policy
from node.federation.handlers.arrived import Arrived, Here, log
from node.model import Effect, Iri, Tell, Vote
from node.observe import count
from node.storage import chores, polls, relations
from node.storage.dialect import Tx
from node.storage.polls import Cast, Question

TALLY_EVERY = timedelta(minutes=1)
"""After a vote, its counts go out within this time, together with those of all other votes until then."""


async def vote(tx: Tx, arrived: Sequence[Arrived[Vote]], here: Here) -> list[Effect]:
    """Count each voter once, and each of their choices once; late votes and unknown choices are left out.

    Where one choice is all there is to make, the first one made stands. Who may not read a poll has no vote.
    """
    asked = await polls.own_among(tx, {item.activity.question for item in arrived})
    mine = [item for item in arrived if item.activity.question in asked]
    count("vote.not_for_us", len(arrived) - len(mine))
    if not mine:
        return []
    before = await polls.cast_by(tx, asked, {item.activity.actor for item in mine})
    voted = {(question, actor) for question, actor, _ in before}
    kept: list[Arrived[Vote]] = []
    new: list[Cast] = []
    for item in mine:
        given = item.activity
        question = asked[given.question]
        chosen = _chosen(question, given)
        if question.poll.is_over(item.received_at) or not chosen or not await _may_vote(tx, question, given.actor):
            count("vote.refused")
            continue
        if not question.poll.multiple:
            if (given.question, given.actor) in voted:
                count("vote.repeated")
                continue
            chosen = chosen[:1]
        fresh = [one for one in chosen if (given.question, given.actor, one) not in before]
        before |= {(given.question, given.actor, one) for one in fresh}
        voted.add((given.question, given.actor))
        if fresh:
            kept.append(item)
            new += [Cast(given.question, given.actor, one, item.received_at) for one in fresh]
    await log(tx, kept, [item.activity.question for item in kept])
    await polls.add_many(tx, new)
    return await _counted(tx, [asked[iri] for iri in dict.fromkeys(one.question for one in new)], here)


def _chosen(question: Question, given: Vote) -> list[int]:
    numbers = {choice.name: index for index, choice in enumerate(question.poll.choices)}
    return [numbers[name] for name in given.choices if name in numbers]


async def _may_vote(tx: Tx, question: Question, voter: Iri) -> bool:
    """Open polls are for everybody; of the others, for those who may read them."""
    if question.visibility.is_open:
        return True
    follows = await relations.is_follower(tx, voter)
    author = Iri("")  # never the owner: an id of ours does not come from outside
    return policy.may_read(voter, question.visibility, author, question.audience, is_follower=follows)


async def _counted(tx: Tx, questions: Sequence[Question], here: Here) -> list[Effect]:
    for question in questions:
        await polls.put(tx, question.iri, await polls.tally(tx, question.iri, question.poll))
        await chores.plan(tx, chores.POLL, question.iri, here.now + TALLY_EVERY)
    return [Tell("vote", str(question.id)) for question in questions]
