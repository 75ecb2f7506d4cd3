"""What activities do: TABLE leads from the type of an activity to the function that applies it.

A handler writes through the transaction it is given and returns what follows (effects). It never
touches the network. FEDERATION.md lists what this table handles; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from node.federation.handlers import actor, announce, featured, follow, like, moderation, move, note, poll, quote
from node.federation.handlers.arrived import Arrived, Here
from node.model import (
    Accept,
    AcceptQuote,
    Activity,
    Add,
    Announce,
    Block,
    Create,
    Delete,
    Effect,
    Flag,
    Follow,
    Like,
    Move,
    QuoteRequest,
    Reject,
    RejectQuote,
    Remove,
    UndoAnnounce,
    UndoFollow,
    UndoLike,
    Update,
    UpdateActor,
    Vote,
)
from node.storage.dialect import Tx

Handler = Callable[[Tx, Sequence[Arrived[Any]], Here], Awaitable[list[Effect]]]

TABLE: dict[type[Activity], Handler] = {
    Create: note.create,
    Update: note.update,
    Delete: actor.delete_or_note,
    Follow: follow.follow,
    Accept: follow.accept,
    Reject: follow.reject,
    UndoFollow: follow.undo,
    UpdateActor: actor.update,
    Announce: announce.announce,
    UndoAnnounce: like.undo,
    Like: like.like,
    UndoLike: like.undo,
    Add: featured.change,
    Remove: featured.change,
    Block: moderation.block,
    Flag: moderation.flag,
    Move: move.move,
    Vote: poll.vote,
    QuoteRequest: quote.request,
    AcceptQuote: quote.accept,
    RejectQuote: quote.reject,
}
"""Every handler takes a list, in order of arrival; those of the kinds that flood write it in a few statements."""

__all__ = ["TABLE", "Arrived", "Handler", "Here"]
