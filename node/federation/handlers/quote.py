"""Quotes, by leave of whoever is quoted: QuoteRequest, its Accept and Reject, and stamps taken back (FEP-044f)."""

from __future__ import annotations

from collections.abc import Sequence

from node.federation import asking
from node.federation.handlers.arrived import Arrived, Here, log
from node.model import (
    AcceptQuote,
    Deliver,
    Effect,
    Iri,
    Notify,
    Post,
    QuotePolicy,
    QuoteRequest,
    QuoteState,
    RejectQuote,
    Tell,
)
from node.notify import Kind
from node.storage import actors, chores, notes, quotes, relations
from node.storage.dialect import Tx
from node.storage.quotes import Grant

MOST_EACH = 20
"""Posts in which one account may quote one post of the owner's: each is a stamp that is served for good."""


async def request(tx: Tx, arrived: Sequence[Arrived[QuoteRequest]], here: Here) -> list[Effect]:
    """Somebody wants to quote the owner: answered at once, by what the post itself says about it.

    A yes is a stamp that anybody can read at our address. Asked again for the same, the answer is the
    same; a stamp that the owner took back stays taken back.
    """
    effects: list[Effect] = []
    for item in arrived:
        wanted = item.activity
        post = await notes.get(tx, wanted.object)
        if post is None or not post.own or not post.visibility.is_open:
            continue  # what they may not read they learn nothing about
        await log(tx, [item], [wanted.object])
        inboxes = tuple(await actors.inboxes(tx, [wanted.actor]))
        answer = here.ids.activity(here.snowflake.mint(here.now))
        given: Grant | None = None
        if await _may_quote(tx, post, wanted.actor) and await _has_room(tx, wanted):
            stamp = here.ids.stamp(here.snowflake.mint(here.now))
            given = await quotes.grant(tx, Grant(stamp, wanted.object, wanted.instrument, wanted.actor, here.now))
        if given is None or given.revoked_at is not None:
            effects.append(Deliver(asking.reject_quote(answer, wanted, here.ids), inboxes))
        else:
            effects.append(Deliver(asking.accept_quote(answer, wanted, given.stamp, here.ids), inboxes))
            effects += [Tell("quoted", str(post.id)), Notify(Kind.QUOTE, wanted.actor, post.id)]
    return effects


async def _may_quote(tx: Tx, post: Post, actor: Iri) -> bool:
    """No unless the post says so; one from before it could say anything is for everybody, as it was sent."""
    match post.note.quote_policy:
        case None | QuotePolicy.PUBLIC:
            return True
        case QuotePolicy.FOLLOWERS:
            return await relations.is_follower(tx, actor)
        case QuotePolicy.NOBODY:
            return False


async def _has_room(tx: Tx, wanted: QuoteRequest) -> bool:
    given = await quotes.quoting(tx, wanted.object, wanted.actor)
    return wanted.instrument in given or len(given) < MOST_EACH


async def accept(tx: Tx, arrived: Sequence[Arrived[AcceptQuote]], here: Here) -> list[Effect]:
    """Yes to a request of the owner's: the stamp goes into the post, which is sent again."""
    effects: list[Effect] = []
    for item in arrived:
        post = await _asked(tx, item.activity, here)
        if post is not None and post.quote_state is QuoteState.PENDING:
            effects += await _answered(tx, item, post, QuoteState.ACCEPTED, item.activity.stamp, here)
    return effects


async def reject(tx: Tx, arrived: Sequence[Arrived[RejectQuote]], here: Here) -> list[Effect]:
    """No to a request of the owner's, at once or later: the quote goes out of the post."""
    effects: list[Effect] = []
    for item in arrived:
        post = await _asked(tx, item.activity, here)
        if post is not None and post.quote_state in (QuoteState.PENDING, QuoteState.ACCEPTED):
            effects += await _answered(tx, item, post, QuoteState.REJECTED, None, here)
    return effects


async def _answered(
    tx: Tx,
    item: Arrived[AcceptQuote] | Arrived[RejectQuote],
    post: Post,
    state: QuoteState,
    stamp: Iri | None,
    here: Here,
) -> list[Effect]:
    await log(tx, [item], [post.note.iri])
    await quotes.settle(tx, post.note.iri, state, stamp)
    await chores.plan(tx, chores.QUOTE, post.note.iri, here.now)
    return [Tell("quote", str(post.id)), Tell("errand", post.note.iri)]


async def _asked(tx: Tx, answer: AcceptQuote | RejectQuote, here: Here) -> Post | None:
    """The owner's post that is answered about; None if nothing of it was asked of the one who answers."""
    named = {answer.instrument, note_of_request(answer.request, here)} - {None}
    if len(named) != 1:
        return None
    post = await notes.get(tx, Iri(str(named.pop())))
    if post is None or not post.own or post.note.quote is None:
        return None
    quoted = await notes.get(tx, post.note.quote)
    return post if quoted is not None and quoted.note.author == answer.actor else None


def note_of_request(request: Iri | None, here: Here) -> Iri | None:
    """The post that a request of ours was about: its id hangs on that post's. None for other ids."""
    if request is None or not here.ids.is_ours(request):
        return None
    note, mark, _ = request.partition("#quote-request")
    return Iri(note) if mark else None


async def withdraw(tx: Tx, stamp: Iri, by: Iri, here: Here) -> list[Effect]:
    """A stamp was deleted by whoever gave it: what it allowed is shown as a quote no more."""
    gone = await quotes.withdrawn(tx, stamp, by)
    told: list[Effect] = [Tell("quote", str(identifier)) for identifier in gone]
    for identifier in gone:
        post = await notes.get_by_id(tx, identifier)
        if post is not None and post.own:
            await chores.plan(tx, chores.QUOTE, post.note.iri, here.now)
            told.append(Tell("errand", post.note.iri))
    return told
