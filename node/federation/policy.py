"""Everything that says no: who may say what, who may read what, and the verdict on who wrote it.

Deciders only: the facts are passed in, and the answer is a value or a named refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keys import PublicTransport
from node import text
from node.errors import Reason, Refused
from node.ids import Ids
from node.model import (
    Accept,
    AcceptQuote,
    Activity,
    Add,
    Announce,
    Audience,
    Authorship,
    Block,
    Create,
    Delete,
    Flag,
    Follow,
    Ignored,
    Iri,
    KeyState,
    KnownKey,
    Like,
    Move,
    Note,
    QuoteRequest,
    Reject,
    RejectQuote,
    Remove,
    UndoAnnounce,
    UndoFollow,
    UndoLike,
    Update,
    UpdateActor,
    Verdict,
    Visibility,
    Vote,
    origin_of,
)

OLDEST = timedelta(days=3653)
"""How far before its receipt a post may claim to be written (security.md §2): ten years."""

_WITH_NOTE = (Create, Update)
_FORWARDABLE = (Create, Update, Delete)
"""What is believed on its actor's proof alone, whoever brings it (integrity-proofs.md §7)."""

FORWARDED_FOR = timedelta(days=30)
"""How old a proof may be that is all that speaks for a post; shorter than we remember what was deleted (sweep.py)."""


# ── who may say what ─────────────────────────────────────────────────────────────────────────


def admit(activity: Activity, signed_actor: Iri, *, ids: Ids, proven_by: Iri | None = None) -> None:
    """Whether an activity may be acted on; raises Refused with the rule it breaks (security.md §0.1, §2).

    `signed_actor` owns the key of the HTTP signature; `proven_by` owns the key of a valid proof on
    the activity itself.
    """
    _not_as_us(activity, ids)
    _by_its_actor(activity, signed_actor, proven_by)
    if activity.id:
        _same_origin(activity.id, activity.actor, "an activity")
    match activity:
        case Create() | Update():
            _own_note(activity.note, activity.actor)
        case UpdateActor():
            if activity.profile.iri != activity.actor:
                raise Refused(Reason.WRONG_AUTHOR, f"{activity.actor} would change {activity.profile.iri}")
        case Delete():
            _same_origin(activity.object, activity.actor, "what is deleted")
        case Follow():
            if activity.object != ids.actor:
                raise Refused(Reason.NOT_FOR_US, f"nobody here is {activity.object}")
        case Accept() | Reject():
            if activity.follower not in (None, ids.actor):
                raise Refused(Reason.NOT_FOR_US, f"the follow answered is one by {activity.follower}")
        case UndoFollow():
            if activity.object not in (None, ids.actor):
                raise Refused(Reason.NOT_FOR_US, f"the follow undone is one of {activity.object}")
            _own_activity(activity.follow, activity.actor)
        case UndoAnnounce() | UndoLike():
            _own_activity(activity.activity, activity.actor)
        case Add() | Remove():
            _same_origin(activity.target, activity.actor, "a collection")
        case Move():
            if activity.object != activity.actor:
                raise Refused(Reason.WRONG_AUTHOR, f"{activity.actor} would move {activity.object}")
        case Block():
            if activity.object != ids.actor:
                raise Refused(Reason.NOT_FOR_US, f"nobody here is {activity.object}")
        case Flag():
            if not any(ids.is_ours(iri) for iri in activity.objects):
                raise Refused(Reason.NOT_FOR_US, "nothing of what is reported is ours")
        case Vote():
            for note in activity.notes:
                _same_origin(note, activity.actor, "a vote")
        case QuoteRequest():
            if not ids.is_ours(activity.object):
                raise Refused(Reason.NOT_FOR_US, f"{activity.object} is nothing of ours to be quoted")
            _same_origin(activity.instrument, activity.actor, "a post that quotes")
        case AcceptQuote():
            _same_origin(activity.stamp, activity.actor, "a stamp")
        case RejectQuote():
            pass  # whether it was asked for is in the store
        case Announce() | Like():
            pass  # whether there is such a note, and whether it is open, is in the store
        case Ignored():
            pass


def _not_as_us(activity: Activity, ids: Ids) -> None:
    """Nothing from outside defines an id of ours, or speaks as us."""
    defined = [activity.actor, *([activity.id] if activity.id else ())]
    if isinstance(activity, _WITH_NOTE):
        defined += [activity.note.iri, activity.note.author]
    for iri in defined:
        if ids.is_ours(iri):
            raise Refused(Reason.OWN_ORIGIN, f"{iri} is one of ours and comes from outside")


def _by_its_actor(activity: Activity, signed_actor: Iri, proven_by: Iri | None) -> None:
    if activity.actor == signed_actor:
        return
    if proven_by == activity.actor and isinstance(activity, _FORWARDABLE):
        return
    raise Refused(
        Reason.WRONG_ACTOR,
        f"{signed_actor} signed an activity of {activity.actor}",
        hint="sign with a key of the actor, or carry a proof by the actor (FEP-8b32)",
    )


def is_late(activity: Activity, proven_at: datetime | None, now: datetime) -> bool:
    """Whether a post that somebody else brings was signed too long ago to be believed on its proof alone.

    Its author may have deleted it since, and we need not know (integrity-proofs.md §7).
    """
    return isinstance(activity, _WITH_NOTE) and (proven_at is None or now - proven_at > FORWARDED_FOR)


def _own_note(note: Note, actor: Iri) -> None:
    if note.author != actor:
        raise Refused(Reason.WRONG_AUTHOR, f"{actor} sends a note attributed to {note.author}")
    _same_origin(note.iri, note.author, "a note")


def _own_activity(iri: Iri | None, actor: Iri) -> None:
    """Nobody can undo what another server's people did, or use its id up before it comes."""
    if iri is not None:
        _same_origin(iri, actor, "what is undone")


def _same_origin(iri: Iri, owner: Iri, what: str) -> None:
    if origin_of(iri) != origin_of(owner):
        raise Refused(Reason.WRONG_ORIGIN, f"{what} with the id {iri} cannot belong to {owner}")


def owns(note: Note, fetched_from: str) -> None:
    """Whether a fetched note may be believed: it lives where it was fetched, and so does its author.

    `fetched_from` is the final address after redirects. Raises Refused (wrong_origin).
    """
    if origin_of(note.iri) != origin_of(fetched_from):
        raise Refused(Reason.WRONG_ORIGIN, f"{fetched_from} answered with {note.iri}")
    _same_origin(note.iri, note.author, "a note")


# ── who may read what, and what concerns us ──────────────────────────────────────────────────


def may_read(viewer: Iri | None, visibility: Visibility, author: Iri, audience: Audience, *, is_follower: bool) -> bool:
    """Whether a viewer (None: anybody) may see a note; no unless there is a reason (security.md §0.9)."""
    if visibility.is_open:
        return True
    if viewer is None:
        return False
    if viewer == author or viewer in audience:
        return True
    return visibility is Visibility.FOLLOWERS and is_follower


def is_relevant(note: Note, *, follows_author: bool, addressed: bool, replies_to_ours: bool) -> bool:
    """Whether a note concerns the owner; what does not is not kept (security.md §2, unwanted content).

    A note with nothing to show (a vote) concerns nobody's timeline.
    """
    if not (note.content or note.summary or note.attachments):
        return False
    return follows_author or addressed or replies_to_ours


def is_tagged(note: Note, visibility: Visibility, followed: frozenset[str]) -> bool:
    """Whether a post is for everybody and carries a hashtag that the owner follows (folded)."""
    if not followed or visibility is not Visibility.PUBLIC:
        return False
    return any(text.fold_tag(tag) in followed for tag in note.hashtags)


def clamp_published(published: datetime | None, received_at: datetime) -> datetime:
    """When a post was written, as far as we believe it: not after its receipt, not ten years before."""
    if published is None:
        return received_at
    return min(max(published, received_at - OLDEST), received_at)


# ── who wrote it: the verdict ────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ProofHolds:
    """A proof that verified, under this key; None if we know of no such key of the author."""

    key: KnownKey | None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProofBroken:
    """A proof that is there and does not hold; `code` is the one of BadProof."""

    code: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about how a post came to us.

    `transport` is the key of the HTTP signature over these bytes, whoever's it is; `from_origin`
    says that we fetched them ourselves from the author's origin; `has_pinned_identity` that we
    pinned an Ed25519 key of the author.
    """

    author: Iri
    proof: ProofHolds | ProofBroken | None = None
    transport: KnownKey | None = None
    from_origin: bool = False
    has_pinned_identity: bool = False


def judge(facts: Facts) -> Authorship:
    """The verdict on a post, with its reason (decisions.md §7, §19). Raises Refused (bad_proof).

    Never says `refused` as a value: a post that is refused is not a post.
    """
    match facts.proof:
        case ProofHolds(key=KnownKey() as key, created=created) if key.owner == facts.author:
            return _by_proof(key, created)
        case ProofHolds(key=None):
            return _without_proof(facts, "unknown_key")
        case ProofHolds():
            return _without_proof(facts, "wrong_owner")
        case ProofBroken(code=code):
            return _without_proof(facts, code)
        case None:
            return _without_proof(facts, None)


def _by_proof(key: KnownKey, created: datetime | None) -> Authorship:
    reasons = {
        KeyState.PINNED: (Verdict.SIGNED, "The author's own key signed this post."),
        KeyState.CHANGED: (
            Verdict.CHANGED,
            "A key signed this post that replaced the author's known key without proof that they belong together.",
        ),
        KeyState.RETIRED: (Verdict.CHANGED, "A key signed this post that the author no longer lists."),
    }
    verdict, reason = reasons[key.state]
    return _authorship(verdict, reason, key, created)


def _without_proof(facts: Facts, broken: str | None) -> Authorship:
    """No proof, or (`broken` says why) one that does not hold: what else speaks for the author?"""
    own = facts.transport if facts.transport is not None and facts.transport.owner == facts.author else None
    if broken is not None and (facts.has_pinned_identity or own is None):
        raise Refused(
            Reason.BAD_PROOF,
            f"the proof on this post by {facts.author} does not hold: {broken}",
            hint="sign the post again, or send it without a proof",
        )
    if own is None and not facts.from_origin:
        raise Refused(Reason.BAD_PROOF, f"nothing shows that {facts.author} wrote this: no proof, no own signature")
    note = f" Its proof does not hold ({broken}) and was left aside." if broken is not None else ""
    if own is None:
        return Authorship(Verdict.VOUCHED, "It was fetched from the author's server." + note)
    if own.state is not KeyState.PINNED:
        return _authorship(
            Verdict.CHANGED,
            "The author's server delivered it, under a key that is not the one we know." + note,
            own,
        )
    return _authorship(Verdict.VOUCHED, "The author's server delivered it under its signature." + note, own)


def _authorship(verdict: Verdict, reason: str, key: KnownKey, created: datetime | None = None) -> Authorship:
    return Authorship(
        verdict=verdict,
        reason=reason,
        key_id=key.id,
        key=key.public.fingerprint if isinstance(key.public, PublicTransport) else key.material,
        key_since=key.since,
        key_trust=key.trust,
        signed_at=created,
    )
