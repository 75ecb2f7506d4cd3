"""Everything that says no, as tables: who may say what, who may read what, and who wrote it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from keys import Identity, TransportKey
from node.errors import Refused
from node.federation import policy
from node.federation.policy import Facts, ProofBroken, ProofHolds
from node.ids import Ids
from node.model import (
    PUBLIC,
    Accept,
    Activity,
    Actor,
    Add,
    Announce,
    Audience,
    Block,
    Create,
    Delete,
    Flag,
    Follow,
    Ignored,
    Iri,
    KeyKind,
    KeyState,
    KnownKey,
    Like,
    Note,
    Reject,
    Remove,
    Trust,
    UndoAnnounce,
    UndoFollow,
    UndoLike,
    Update,
    UpdateActor,
    Verdict,
    Visibility,
)

IDS = Ids("https://alice.example", "alice")
US = IDS.actor
BOB = Iri("https://b.example/users/bob")
EVE = Iri("https://b.example/users/eve")  # bob's neighbour, on the same server
MALLORY = Iri("https://evil.example/mallory")
ID = Iri("https://b.example/activities/1")
FOREIGN_ID = Iri("https://evil.example/1")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)

NOTE = Note(Iri("https://b.example/notes/1"), BOB, Audience((PUBLIC,)), "<p>x</p>")
PROFILE = Actor(BOB, "Person", "bob", Iri(f"{BOB}/inbox"))
CREATE = Create(ID, BOB, NOTE)
FOLLOW = Follow(ID, BOB, US)


# ── who may say what ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "activity",
    [
        CREATE,
        Update(ID, BOB, NOTE),
        UpdateActor(ID, BOB, PROFILE),
        Delete(ID, BOB, NOTE.iri),
        Delete(ID, BOB, BOB),
        FOLLOW,
        Accept(ID, BOB, IDS.activity(1), US),
        Accept(ID, BOB, IDS.activity(1), None),
        Reject(ID, BOB, None, US),
        UndoFollow(ID, BOB, FOLLOW.id, None),
        UndoFollow(ID, BOB, None, US),
        Announce(ID, BOB, FOREIGN_ID),
        Like(ID, BOB, IDS.note(1), "🎉"),
        UndoLike(ID, BOB, FOLLOW.id, None),
        Add(Iri(""), BOB, NOTE.iri, Iri(f"{BOB}/featured")),
        Block(ID, BOB, US),
        Flag(ID, BOB, (US,), "rude"),
        Ignored(ID, BOB, "Like"),
        Ignored(Iri(""), BOB, "Add"),
    ],
)
def test_the_actor_speaks_for_itself(activity: Activity):
    """For a push, attributedTo == actor == key owner, and everything lives on the actor's origin."""
    policy.admit(activity, BOB, ids=IDS)


@pytest.mark.parametrize(
    ("activity", "signer", "code"),
    [
        # somebody else's key, even a neighbour's
        (CREATE, EVE, "wrong_actor"),
        (CREATE, MALLORY, "wrong_actor"),
        (FOLLOW, EVE, "wrong_actor"),
        (Ignored(ID, BOB, "Like"), MALLORY, "wrong_actor"),
        # id on another host than its authority
        (replace(CREATE, id=FOREIGN_ID), BOB, "wrong_origin"),
        (replace(CREATE, id=Iri("http://b.example/activities/1")), BOB, "wrong_origin"),
        (replace(CREATE, id=Iri("https://b.example:8443/activities/1")), BOB, "wrong_origin"),
        (replace(CREATE, note=replace(NOTE, iri=FOREIGN_ID)), BOB, "wrong_origin"),
        (replace(FOLLOW, id=FOREIGN_ID), BOB, "wrong_origin"),
        (Ignored(FOREIGN_ID, BOB, "Like"), BOB, "wrong_origin"),
        # attributedTo ≠ actor
        (replace(CREATE, note=replace(NOTE, author=EVE)), BOB, "wrong_author"),
        (Update(ID, BOB, replace(NOTE, author=MALLORY)), BOB, "wrong_author"),
        (UpdateActor(ID, BOB, replace(PROFILE, iri=EVE)), BOB, "wrong_author"),
        # deleting what lives elsewhere
        (Delete(ID, BOB, FOREIGN_ID), BOB, "wrong_origin"),
        (Delete(ID, BOB, IDS.note(1)), BOB, "wrong_origin"),
        # our own ids from outside
        (replace(CREATE, actor=US), MALLORY, "own_origin"),
        (replace(CREATE, actor=US), US, "own_origin"),
        (replace(CREATE, id=IDS.activity(1)), BOB, "own_origin"),
        (replace(CREATE, note=replace(NOTE, iri=IDS.note(1))), BOB, "own_origin"),
        (replace(CREATE, note=replace(NOTE, author=US)), BOB, "own_origin"),
        (replace(CREATE, note=replace(NOTE, iri=Iri("HTTPS://ALICE.example:443/notes/1"))), BOB, "own_origin"),
        # not for us
        (replace(FOLLOW, object=EVE), BOB, "not_for_us"),
        (replace(FOLLOW, object=IDS.server_actor), BOB, "not_for_us"),
        (Accept(ID, BOB, IDS.activity(1), EVE), BOB, "not_for_us"),
        (UndoFollow(ID, BOB, None, EVE), BOB, "not_for_us"),
        (Block(ID, BOB, EVE), BOB, "not_for_us"),
        (Flag(ID, BOB, (EVE, NOTE.iri), "spam"), BOB, "not_for_us"),
        # using up what others have yet to say, pinning to what is not theirs
        (UndoFollow(ID, BOB, FOREIGN_ID, None), BOB, "wrong_origin"),
        (UndoAnnounce(ID, BOB, FOREIGN_ID, NOTE.iri), BOB, "wrong_origin"),
        (UndoLike(ID, BOB, FOREIGN_ID, None), BOB, "wrong_origin"),
        (Add(ID, BOB, NOTE.iri, FOREIGN_ID), BOB, "wrong_origin"),
        (Remove(ID, BOB, NOTE.iri, IDS.featured), BOB, "wrong_origin"),
    ],
)
def test_nobody_speaks_for_another(activity: Activity, signer: Iri, code: str):
    """Nothing is stored unless origin(id) == authority and attributedTo == actor == key owner exactly."""
    with pytest.raises(Refused) as caught:
        policy.admit(activity, signer, ids=IDS)
    assert caught.value.code == code


@pytest.mark.parametrize("activity", [CREATE, Update(ID, BOB, NOTE), Delete(ID, BOB, NOTE.iri)])
def test_a_proof_by_the_actor_lets_others_forward(activity: Activity):
    """Accepted on proof alone: Create, Update, Delete."""
    policy.admit(activity, MALLORY, ids=IDS, proven_by=BOB)
    with pytest.raises(Refused) as caught:
        policy.admit(activity, MALLORY, ids=IDS, proven_by=MALLORY)
    assert caught.value.code == "wrong_actor"


@pytest.mark.parametrize(
    "activity",
    [
        FOLLOW,
        Accept(ID, BOB, IDS.activity(1), US),
        Reject(ID, BOB, IDS.activity(1), US),
        UndoFollow(ID, BOB, FOLLOW.id, US),
        UpdateActor(ID, BOB, PROFILE),
        Ignored(ID, BOB, "Block"),
    ],
)
def test_a_proof_does_not_let_others_forward_these(activity: Activity):
    """Not on proof alone: Follow, Accept, Reject, Update(Person); they need the actor's own HTTP signature."""
    with pytest.raises(Refused) as caught:
        policy.admit(activity, MALLORY, ids=IDS, proven_by=BOB)
    assert caught.value.code == "wrong_actor"


def test_a_forwarded_note_is_still_only_its_authors():
    """A proof authorises exactly the object that carries it: rule 1 holds behind it."""
    with pytest.raises(Refused) as caught:
        policy.admit(replace(CREATE, note=replace(NOTE, author=EVE)), MALLORY, ids=IDS, proven_by=BOB)
    assert caught.value.code == "wrong_author"


def test_a_fetched_note_lives_where_it_was_fetched():
    """origin(id) == origin of the FINAL fetched URL, and the owner's origin is the same."""
    policy.owns(NOTE, "https://b.example/other/address")
    for note, final in ((NOTE, "https://evil.example/x"), (replace(NOTE, author=MALLORY), NOTE.iri)):
        with pytest.raises(Refused) as caught:
            policy.owns(note, final)
        assert caught.value.code == "wrong_origin"


# ── who may read what ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("visibility", "nobody", "stranger", "follower", "addressed", "author"),
    [
        (Visibility.PUBLIC, True, True, True, True, True),
        (Visibility.UNLISTED, True, True, True, True, True),
        (Visibility.FOLLOWERS, False, False, True, True, True),
        (Visibility.DIRECT, False, False, False, True, True),
    ],
)
def test_who_may_read(
    visibility: Visibility, nobody: bool, stranger: bool, follower: bool, addressed: bool, author: bool
):
    """Visibility is decided by one function; default is no."""

    def read(viewer: Iri | None, *, is_follower: bool = False) -> bool:
        return policy.may_read(viewer, visibility, US, Audience((IDS.followers,), (BOB,)), is_follower=is_follower)

    assert (read(None), read(MALLORY), read(EVE, is_follower=True), read(BOB), read(US)) == (
        nobody,
        stranger,
        follower,
        addressed,
        author,
    )
    assert read(None, is_follower=True) is nobody


def test_what_concerns_the_owner():
    """Relevance: followed author, mention, reply to own; a vote has nothing to show."""
    no = {"follows_author": False, "addressed": False, "replies_to_ours": False}
    assert not policy.is_relevant(NOTE, **no)
    for reason in no:
        assert policy.is_relevant(NOTE, **{**no, reason: True})
        assert not policy.is_relevant(replace(NOTE, content=""), **{**no, reason: True})


@pytest.mark.parametrize(
    ("published", "believed"),
    [
        (None, NOW),
        (NOW - timedelta(days=1), NOW - timedelta(days=1)),
        (NOW + timedelta(seconds=1), NOW),
        (datetime(9999, 12, 31, tzinfo=UTC), NOW),
        (datetime(1, 1, 1, tzinfo=UTC), NOW - policy.OLDEST),
    ],
)
def test_published_is_believed_within_reason(published: datetime | None, believed: datetime):
    """Clamp published to [first seen - 10 y, now]."""
    assert policy.clamp_published(published, NOW) == believed


# ── who wrote it ─────────────────────────────────────────────────────────────────────────────

IDENTITY = Identity.generate().public
TRANSPORT = TransportKey.generate().public


def ed25519(state: KeyState, owner: Iri = BOB) -> KnownKey:
    return KnownKey(
        Iri(f"{owner}#{IDENTITY.multikey}"),
        owner,
        KeyKind.ED25519,
        IDENTITY.multikey,
        NOW,
        Trust.FIRST_USE,
        state,
        IDENTITY,
    )


def rsa(state: KeyState = KeyState.PINNED, owner: Iri = BOB) -> KnownKey:
    return KnownKey(Iri(f"{owner}#main-key"), owner, KeyKind.RSA, TRANSPORT.pem, NOW, Trust.FIRST_USE, state, TRANSPORT)


PINNED, CHANGED, RETIRED = KeyState.PINNED, KeyState.CHANGED, KeyState.RETIRED
BROKEN = ProofBroken("bad_signature")


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        # a proof that holds decides, however the post came
        (Facts(BOB, ProofHolds(ed25519(PINNED), NOW), has_pinned_identity=True), Verdict.SIGNED),
        (Facts(BOB, ProofHolds(ed25519(PINNED), NOW), transport=rsa(owner=MALLORY)), Verdict.SIGNED),
        (Facts(BOB, ProofHolds(ed25519(PINNED), NOW), transport=rsa(CHANGED)), Verdict.SIGNED),
        (Facts(BOB, ProofHolds(ed25519(CHANGED), NOW), transport=rsa()), Verdict.CHANGED),
        (Facts(BOB, ProofHolds(ed25519(RETIRED), NOW), transport=rsa()), Verdict.CHANGED),
        # no proof: the author's server vouches
        (Facts(BOB, transport=rsa()), Verdict.VOUCHED),
        (Facts(BOB, from_origin=True), Verdict.VOUCHED),
        (Facts(BOB, transport=rsa(owner=MALLORY), from_origin=True), Verdict.VOUCHED),
        (Facts(BOB, transport=rsa(), has_pinned_identity=True), Verdict.VOUCHED),
        (Facts(BOB, transport=rsa(CHANGED)), Verdict.CHANGED),
        (Facts(BOB, transport=rsa(RETIRED)), Verdict.CHANGED),
        # a proof that does not hold, from an ordinary author's own server
        (Facts(BOB, BROKEN, transport=rsa()), Verdict.VOUCHED),
        (Facts(BOB, ProofHolds(None), transport=rsa()), Verdict.VOUCHED),
        (Facts(BOB, ProofHolds(ed25519(PINNED, MALLORY)), transport=rsa()), Verdict.VOUCHED),
        (Facts(BOB, BROKEN, transport=rsa(CHANGED)), Verdict.CHANGED),
        # refused
        (Facts(BOB, BROKEN, transport=rsa(), has_pinned_identity=True), None),
        (Facts(BOB, ProofHolds(None), transport=rsa(), has_pinned_identity=True), None),
        (Facts(BOB, ProofHolds(ed25519(PINNED, MALLORY)), transport=rsa(), has_pinned_identity=True), None),
        (Facts(BOB, BROKEN, transport=rsa(owner=MALLORY)), None),
        (Facts(BOB, BROKEN, from_origin=True), None),
        (Facts(BOB, BROKEN), None),
        (Facts(BOB, transport=rsa(owner=MALLORY)), None),
        (Facts(BOB, transport=rsa(owner=EVE)), None),
        (Facts(BOB), None),
    ],
)
def test_the_verdict(facts: Facts, verdict: Verdict | None):
    """signed, vouched, changed or refused, and always why."""
    if verdict is None:
        with pytest.raises(Refused) as caught:
            policy.judge(facts)
        assert caught.value.code == "bad_proof"
        return
    authorship = policy.judge(facts)
    assert authorship.verdict is verdict
    assert authorship.reason.endswith(".")


def test_the_verdict_says_which_key_since_when_and_how_known():
    """Beside the word always: which key, since when it is known, how."""
    signed = policy.judge(Facts(BOB, ProofHolds(ed25519(PINNED), NOW)))
    assert (signed.key, signed.key_since, signed.key_trust) == (IDENTITY.multikey, NOW, Trust.FIRST_USE)
    assert (signed.key_id, signed.signed_at) == (f"{BOB}#{IDENTITY.multikey}", NOW)
    vouched = policy.judge(Facts(BOB, transport=rsa()))
    assert vouched.key == TRANSPORT.fingerprint
    assert vouched.key is not None
    assert vouched.key.startswith("rsa:")


def test_a_broken_proof_is_named_in_the_reason():
    """Accepted as `vouched`, the reason kept and counted."""
    assert "(bad_signature)" in policy.judge(Facts(BOB, BROKEN, transport=rsa())).reason
