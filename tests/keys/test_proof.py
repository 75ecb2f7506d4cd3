"""Integrity proofs: FEP-8b32 with eddsa-jcs-2022."""

from __future__ import annotations

import base64
import copy
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jcs  # type: ignore[import-untyped]
import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import Identity, PublicIdentity, multiformat, proof
from keys.canonical import canonical, load_object
from keys.errors import BadDocument, BadProof
from tests.keys.vectors import NOW, signed, vectors

PUBLISHED = vectors("eddsa_jcs_2022")
OURS = vectors("cuicui_signed")
ALICE = Identity.from_seed(bytes.fromhex(OURS["keys"]["identity_seeds"][0]))
MALLORY = Identity.from_seed(b"\x66" * 32)
METHOD = f"https://alice.example/actor#{ALICE.public.multikey}"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

Document = dict[str, Any]
Change = Callable[[Document], object]


def resigned(change: Change, identity: Identity = ALICE) -> Document:
    """Note 1 with its proof options changed and then signed honestly: a well-made but different proof."""
    document = signed("note 1")
    change(document)
    options = document["proof"]
    options.pop("proofValue", None)
    body = {name: value for name, value in document.items() if name not in ("proof", "signature")}
    message = hashlib.sha256(jcs.canonicalize(options)).digest() + hashlib.sha256(jcs.canonicalize(body)).digest()
    options["proofValue"] = multiformat.multibase_encode(identity.sign(message))
    return document


def put(name: str, value: object) -> Change:
    return lambda document: document["proof"].update({name: value})


# ── published vectors ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: vector["name"])
def test_published_proofs_hold(vector: Document) -> None:
    key = PublicIdentity.from_multikey(PUBLISHED["public"])
    proven = proof.check(vector["secured"], key, NOW)
    assert proven.method == vector["secured"]["proof"]["verificationMethod"]
    assert (proven.key, proven.created) == (key, datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC))


@pytest.mark.parametrize("vector", PUBLISHED["vectors"], ids=lambda vector: vector["name"])
def test_published_proofs_are_made_again_byte_for_byte(vector: Document) -> None:
    """vc-di-eddsa §3.3.1: the proof depends on nothing but document, options and key."""
    identity = Identity.from_secret_multikey(PUBLISHED["secret"])
    assert (identity.seed.hex(), identity.public.multikey) == (PUBLISHED["seed"], PUBLISHED["public"])
    bare, given_proof = copy.deepcopy(vector["secured"]), vector["secured"]["proof"]
    del bare["proof"]
    made = proof.attach(
        bare, identity, given_proof["verificationMethod"], datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)
    )
    assert made == vector["secured"]


@pytest.mark.parametrize(
    "vector", [one for one in PUBLISHED["vectors"] if "configHash" in one], ids=lambda v: v["name"]
)
def test_published_hashes(vector: Document) -> None:
    """vc-di-eddsa §3.3.4: the hash of the options comes first, then the hash of the document."""
    body = {name: value for name, value in vector["secured"].items() if name != "proof"}
    config = {name: value for name, value in vector["secured"]["proof"].items() if name != "proofValue"}
    assert hashlib.sha256(canonical(config)).hexdigest() == vector["configHash"]
    assert hashlib.sha256(canonical(body)).hexdigest() == vector["documentHash"]
    claim = proof.read(vector["secured"], NOW)
    assert claim is not None
    assert [message.hex() for message in claim.hashed] == [vector["configHash"] + vector["documentHash"]]


@pytest.mark.parametrize("example", OURS["documents"], ids=lambda example: example["name"])
def test_our_examples_hold_under_the_key_they_name(example: Document) -> None:
    """The thief's statement too: its proof is well made, by the stolen key; the history refuses it."""
    claim = proof.read(example["document"], NOW)
    assert claim is not None
    assert claim.multikey is not None
    proof.verify(claim, PublicIdentity.from_multikey(claim.multikey))
    with pytest.raises(BadProof):
        proof.verify(claim, MALLORY.public)


def test_the_thiefs_statement_is_signed_by_the_stolen_key() -> None:
    statement = signed("S1-by-thief")
    assert proof.check(statement, ALICE.public, NOW).key.multikey == OURS["keys"]["identity_keys"][0]
    assert proof.check(signed("S1-fork"), PublicIdentity.from_multikey(OURS["keys"]["recovery_keys"][0]), NOW)


@pytest.mark.parametrize("example", [one for one in OURS["documents"] if "hash" in one], ids=lambda one: one["name"])
def test_statement_hashes(example: Document) -> None:
    """A key statement is known by the multihash of its canonical form without the proof."""
    bare = {name: value for name, value in example["document"].items() if name != "proof"}
    assert multiformat.sha256_multihash(canonical(bare)) == example["hash"]


def test_feed_links_and_digests() -> None:
    """A feed entry links to the canonical form of the one before; its digest covers the note with its proof."""
    entries = [one["entry"] for one in OURS["entries"]]
    links = [multiformat.sha256_multihash(canonical(entry)) for entry in entries]
    assert links == [one["link"] for one in OURS["entries"]]
    assert [entry["prev"] for entry in entries] == [None, *links[:-1]]
    for name, entry in (("note 1", entries[0]), ("note 4", entries[3])):
        assert multiformat.sha256_multihash(canonical(signed(name))) == entry["digest"]


def test_our_keys_come_from_the_published_seeds() -> None:
    for seeds, keys in (("identity_seeds", "identity_keys"), ("recovery_seeds", "recovery_keys")):
        found = [Identity.from_seed(bytes.fromhex(seed)).public.multikey for seed in OURS["keys"][seeds]]
        assert found == OURS["keys"][keys]


# ── attaching ────────────────────────────────────────────────────────────────────────────────


def test_an_attached_proof_is_the_published_note() -> None:
    bare = signed("note 1")
    expected = signed("note 1")
    del bare["proof"]
    made = proof.attach(bare, ALICE, METHOD, NOON)
    assert made == expected
    assert list(made)[-1] == "proof"
    assert "proof" not in bare


def test_a_proof_has_exactly_the_properties_of_the_standard() -> None:
    """integrity-proofs §1: any further option breaks verifiers that rebuild the options."""
    names = {"type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "proofValue"}
    assert set(proof.attach({"a": 1}, ALICE, METHOD, NOON)["proof"]) == names  # type: ignore[call-overload]
    with_context = proof.attach({"@context": ["x"], "a": 1}, ALICE, METHOD, NOON)
    assert set(with_context["proof"]) == names | {"@context"}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"proof": None}, "already_signed"),
        (signed("note 1"), "already_signed"),
        ({"signature": {}}, "already_signed"),
        ({"@context": "https://www.w3.org/ns/activitystreams"}, "context_mismatch"),
        ({"@context": None}, "context_mismatch"),
    ],
)
def test_what_could_not_be_verified_later_is_not_signed(document: Document, code: str) -> None:
    with pytest.raises(BadProof) as caught:
        proof.attach(document, ALICE, METHOD, NOON)
    assert caught.value.code == code


def test_unsafe_numbers_are_not_signed() -> None:
    with pytest.raises(BadDocument):
        proof.attach({"n": 2**53}, ALICE, METHOD, NOON)


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in ("proof", "signature", "@context")),
        st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.lists(st.floats(-1e15, 1e15)),
        max_size=5,
    )
)
def test_whatever_we_sign_holds_and_changes_break_it(document: Document) -> None:
    made = proof.attach(document, ALICE, METHOD, NOON)
    proof.check(load_object(canonical(made)), ALICE.public, NOW)
    with pytest.raises(BadProof):
        proof.check(made | {"added later": 1}, ALICE.public, NOW)
    for name in document:
        with pytest.raises(BadProof):
            proof.check({key: value for key, value in made.items() if key != name}, ALICE.public, NOW)


def test_a_second_implementation_verifies_ours() -> None:
    made: Document = proof.attach({"@context": ["x"], "é": "\U0001f426", "\U0001f600": 1.5}, ALICE, METHOD, NOON)
    options = made.pop("proof")
    signature = multiformat.multibase_decode(options.pop("proofValue"))
    message = hashlib.sha256(jcs.canonicalize(options)).digest() + hashlib.sha256(jcs.canonicalize(made)).digest()
    nacl.signing.VerifyKey(ALICE.public.raw).verify(message, signature)


# ── no usable proof ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [signed("note 1")["proof"]],
        "z3Ga5dGEGYg1SZ4AEhYfwvTKiBEb4pNEuN5uoZbgmgwVQwThYg11h1CBdiGa5VihKP7Yb7sVf8eFQbmy9fhzzGcRX",
        True,
        {},
        {**signed("note 1")["proof"], "type": "Ed25519Signature2020"},
        {**signed("note 1")["proof"], "type": ["DataIntegrityProof"]},
        {**signed("note 1")["proof"], "cryptosuite": "eddsa-rdfc-2022"},
        {**signed("note 1")["proof"], "cryptosuite": "jcs-eddsa-2022"},
        {**signed("note 1")["proof"], "cryptosuite": "mldsa44-jcs-2024"},
        {**signed("note 1")["proof"], "proofPurpose": "authentication"},
        {**signed("note 1")["proof"], "proofPurpose": None},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_anything_but_one_proof_of_our_suite_is_no_proof(value: object) -> None:
    """security.md §3: "has a proof" is never taken for "is signed"."""
    document = signed("note 1") | {"proof": value}
    assert proof.read(document, NOW) is None
    with pytest.raises(BadProof) as caught:
        proof.check(document, ALICE.public, NOW)
    assert caught.value.code == "no_proof"


def test_a_document_without_a_proof_has_none() -> None:
    assert proof.read({"type": "Note"}, NOW) is None


# ── proofs that do not hold ──────────────────────────────────────────────────────────────────

VALUE = signed("note 1")["proof"]["proofValue"]
SIGNATURE = multiformat.multibase_decode(VALUE)
LONGER = [*signed("note 1")["@context"], {"content": "as:summary"}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        # the document was changed after it was signed
        (lambda note: note.update(content="<p>Premier  cui-cui 🐦</p>"), "wrong_proof"),  # one space
        (lambda note: note.update(content="<p>Premier cui-cui 🐦</p>\u200b"), "wrong_proof"),
        (lambda note: note.update(sensitive=True), "wrong_proof"),
        (lambda note: note.update(summary=None), "wrong_proof"),
        (lambda note: note.pop("url"), "wrong_proof"),
        (lambda note: note["to"].append("https://mallory.example/actor"), "wrong_proof"),
        (lambda note: note.update(to=note["to"][0]), "wrong_proof"),
        # the proof was changed
        (put("created", "2026-01-01T12:00:01Z"), "wrong_proof"),
        (put("created", "2026-01-01T12:00:00+00:00"), "wrong_proof"),  # the same moment, other bytes
        (put("expires", "2099-01-01T00:00:00Z"), "wrong_proof"),
        (put("domain", "alice.example"), "wrong_proof"),
        (put("verificationMethod", "https://mallory.example/actor#main"), "wrong_proof"),
        (put("proofValue", signed("note 4")["proof"]["proofValue"]), "wrong_proof"),
        (put("proofValue", multiformat.multibase_encode(bytes(64))), "wrong_proof"),
        # contexts differ
        (put("@context", signed("note 1")["@context"][:1]), "context_mismatch"),
        (put("@context", LONGER), "context_mismatch"),
        (put("@context", []), "context_mismatch"),
        (put("@context", list(reversed(signed("note 1")["@context"]))), "context_mismatch"),
        (lambda note: note.update({"@context": LONGER}), "context_mismatch"),
        (lambda note: note.pop("@context"), "context_mismatch"),
        (lambda note: note["proof"].pop("@context") and note.update({"@context": LONGER}), "wrong_proof"),
        # malformed
        (put("proofValue", None), "bad_proof_value"),
        (put("proofValue", ""), "bad_proof_value"),
        (put("proofValue", "z"), "bad_proof_value"),
        (put("proofValue", VALUE[1:]), "bad_proof_value"),
        (put("proofValue", [VALUE]), "bad_proof_value"),
        (put("proofValue", VALUE + "0"), "bad_proof_value"),
        (put("proofValue", multiformat.multibase_encode(SIGNATURE[:63])), "bad_proof_value"),
        (put("proofValue", multiformat.multibase_encode(SIGNATURE + b"\0")), "bad_proof_value"),
        (put("proofValue", multiformat.multibase_encode(b"\0" + SIGNATURE)), "bad_proof_value"),
        (put("proofValue", "u" + base64.urlsafe_b64encode(SIGNATURE).rstrip(b"=").decode()), "bad_proof_value"),
        (put("verificationMethod", None), "bad_method"),
        (put("verificationMethod", ""), "bad_method"),
        (put("verificationMethod", {"id": METHOD}), "bad_method"),
        (put("verificationMethod", [METHOD]), "bad_method"),
        (lambda note: note["proof"].pop("created"), "bad_created"),
        (put("created", None), "bad_created"),
        (put("created", 1767268800), "bad_created"),
        (put("created", "2026-01-01"), "bad_created"),
        (put("created", "2026-01-01T12:00:00"), "bad_created"),
        (put("created", "2026-01-01 12:00:00Z"), "bad_created"),
        (put("created", "2026-02-30T12:00:00Z"), "bad_created"),
        (put("created", "0001-01-01T00:00:00+23:59"), "bad_created"),
        (put("created", "２026-01-01T12:00:00Z"), "bad_created"),
        (put("expires", None), "bad_expires"),
        (put("expires", "soon"), "bad_expires"),
        # what cannot have been signed
        (lambda note: note.update(n=2**53), "not_canonical"),
        (lambda note: note.update(content="\ud800"), "not_canonical"),
        (put("nonce", 2**53), "not_canonical"),
    ],
)
def test_a_proof_that_does_not_hold_is_refused(change: Change, code: str) -> None:
    document = signed("note 1")
    change(document)
    with pytest.raises(BadProof) as caught:
        proof.check(document, ALICE.public, NOW)
    assert caught.value.code == code


def test_another_key_does_not_do() -> None:
    with pytest.raises(BadProof) as caught:
        proof.check(signed("note 1"), MALLORY.public, NOW)
    assert caught.value.code == "wrong_proof"


@pytest.mark.parametrize(
    "method",
    [
        f"did:key:{ALICE.public.multikey}",
        f"did:key:{ALICE.public.multikey}#{MALLORY.public.multikey}",
        "did:key:",
        "did:key:x",
    ],
)
def test_a_did_key_is_the_only_key_of_its_method(method: str) -> None:
    """did-method-key: the method names its key; a good signature by another one is not by that method."""
    document = resigned(put("verificationMethod", method), MALLORY)
    with pytest.raises(BadProof) as caught:
        proof.check(document, MALLORY.public, NOW)
    assert caught.value.code == "wrong_proof"


def test_the_outer_proof_says_nothing_about_the_inner() -> None:
    """security.md §3: a proof authorises exactly the object that carries it."""
    create = signed("Create of note 4")
    key = PublicIdentity.from_multikey(OURS["keys"]["identity_keys"][1])
    proof.check(create, key, NOW)
    proof.check(create["object"], key, NOW)
    with pytest.raises(BadProof):
        proof.check(create["object"] | {"proof": create["proof"]}, key, NOW)


def test_unreadable_documents_never_reach_the_proof() -> None:
    """A second `content` beside the signed one must not be chosen by whoever reads last."""
    twice = canonical(signed("note 1")).replace(b'"content":', b'"content":"other","content":', 1)
    with pytest.raises(BadDocument):
        load_object(twice)


# ── time ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("late", "code"),
    [(timedelta(0), None), (timedelta(minutes=5), None), (timedelta(minutes=5, seconds=1), "future_proof")],
)
def test_a_proof_may_be_five_minutes_ahead(late: timedelta, code: str | None) -> None:
    """security.md §3: created ≤ now + 5 min."""
    document = signed("note 1")
    if code is None:
        proof.check(document, ALICE.public, NOON - late)
    else:
        with pytest.raises(BadProof) as caught:
            proof.check(document, ALICE.public, NOON - late)
        assert caught.value.code == code


def test_expires_is_honoured() -> None:
    document = resigned(put("expires", "2026-01-01T13:00:00Z"))
    hour = timedelta(hours=1)
    claim = proof.read(document, NOON)
    assert claim is not None
    assert claim.expires == NOON + hour
    proof.check(document, ALICE.public, NOON + hour - timedelta(seconds=1))
    with pytest.raises(BadProof) as caught:
        proof.check(document, ALICE.public, NOON + hour)
    assert caught.value.code == "expired_proof"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T14:00:00+02:00", NOON),
        ("2026-01-01T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2026-01-01T12:00:00.123456789Z", NOON + timedelta(microseconds=123456)),
    ],
)
def test_times_of_others_are_understood(text: str, moment: datetime) -> None:
    """RFC 3339 §5.6."""
    assert proof.check(resigned(put("created", text)), ALICE.public, NOW).created == moment


def test_our_times_are_whole_seconds_in_utc() -> None:
    paris = timezone(timedelta(hours=1))
    assert proof.created_at(datetime(2026, 1, 1, 13, 0, 0, 999_999, tzinfo=paris)) == "2026-01-01T12:00:00Z"
    with pytest.raises(ValueError, match="no time zone"):
        proof.created_at(datetime(2026, 1, 1))


# ── what others do differently ───────────────────────────────────────────────────────────────


def test_a_proof_that_keeps_no_context_holds() -> None:
    """Mitra signs options without @context."""
    document = resigned(lambda note: note["proof"].pop("@context"))
    assert "@context" in document
    proof.check(document, ALICE.public, NOW)


def test_a_proof_whose_context_was_left_out_after_signing_holds() -> None:
    """vc-di-eddsa §3.3.1 step 2 puts the context in before hashing; some do not show it afterwards."""
    document = signed("note 1")
    del document["proof"]["@context"]
    claim = proof.read(document, NOW)
    assert claim is not None
    assert len(claim.hashed) == 2
    proof.verify(claim, ALICE.public)


def test_a_linked_data_signature_beside_the_proof_is_not_under_it() -> None:
    """FEP-8b32, Backward compatibility: "signature" is removed before the proof is verified."""
    proof.check(signed("note 1") | {"signature": {"type": "RsaSignature2017"}}, ALICE.public, NOW)


def test_further_options_are_covered_by_the_signature() -> None:
    """vc-di-eddsa §3.3.5: every option but proofValue is hashed."""
    document = resigned(put("nonce", "a"))
    proof.check(document, ALICE.public, NOW)
    document["proof"]["nonce"] = "b"
    with pytest.raises(BadProof):
        proof.check(document, ALICE.public, NOW)


def test_the_order_of_members_does_not_matter() -> None:
    document = signed("note 1")
    proof.check(dict(reversed(document.items())), ALICE.public, NOW)


def test_checking_changes_nothing() -> None:
    document = signed("Create of note 4") | {"signature": {}}
    before = copy.deepcopy(document)
    proof.check(document, PublicIdentity.from_multikey(OURS["keys"]["identity_keys"][1]), NOW)
    assert document == before


@pytest.mark.parametrize(
    ("method", "multikey"),
    [
        (METHOD, ALICE.public.multikey),
        (f"did:key:{ALICE.public.multikey}", ALICE.public.multikey),
        (f"did:key:{ALICE.public.multikey}#{ALICE.public.multikey}", ALICE.public.multikey),
        (f"did:key:{ALICE.public.multikey}#{MALLORY.public.multikey}", None),
        ("https://alice.example/actor#ed25519-key", None),
        ("https://alice.example/keys/1", None),
    ],
)
def test_a_method_may_spell_its_key(method: str, multikey: str | None) -> None:
    claim = proof.read(resigned(put("verificationMethod", method)), NOW)
    assert claim is not None
    assert claim.multikey == multikey
