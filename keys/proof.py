"""Integrity proofs on JSON documents: FEP-8b32 with the suite eddsa-jcs-2022 (W3C vc-di-eddsa §3.3)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keys import multiformat
from keys.canonical import canonical
from keys.errors import BadDocument, BadKey, BadProof, BadSignature
from keys.identity import Identity, PublicIdentity

TYPE = "DataIntegrityProof"
SUITE = "eddsa-jcs-2022"
PURPOSE = "assertionMethod"
SKEW = timedelta(minutes=5)
"""How far in the future `created` may lie: two honest clocks differ by less."""

# RFC 3339 §5.6, which is also XSD dateTimeStamp: a time without a zone names no moment.
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:(\.\d{1,6})\d*)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """A well-formed proof, not yet checked: who is said to have signed, when. Made by read()."""

    method: str
    """The id of the key (`verificationMethod`), as the signer wrote it."""
    created: datetime
    expires: datetime | None
    signature: bytes
    hashed: tuple[bytes, ...] = field(repr=False)
    """What the signature may be over: one value, or two when the proof leaves its context open."""

    @property
    def multikey(self) -> str | None:
        """The key that the method itself spells out: `did:key:M`, or the fragment of `https://…#M`."""
        if self.method.startswith("did:"):
            try:
                return multiformat.multikey_from_did(self.method)
            except BadKey:
                return None
        fragment = self.method.partition("#")[2]
        return fragment if fragment.startswith("z6Mk") else None


@dataclass(frozen=True, slots=True)
class Proven:
    """`key` signed this document, under the name `method`, at `created` by its own clock. Made only by verify().

    It does not say whose key that is: whether `method` belongs to the author is for who knows the author.
    """

    method: str
    key: PublicIdentity
    created: datetime


def attach(document: Mapping[str, object], identity: Identity, method: str, created: datetime) -> dict[str, object]:
    """A copy of `document` with the identity's proof as its last member (FEP-8b32 §Proof generation).

    The document's `@context`, an array, is repeated in the proof; without one in the document there
    is none in the proof. Raises BadProof for a document that is already signed, BadDocument for one
    that has no canonical form.
    """
    for name in ("proof", "signature"):
        if name in document:
            raise BadProof(f"the document already has a {name}", code="already_signed", hint="Sign the bare document.")
    options: dict[str, object] = {
        "type": TYPE,
        "cryptosuite": SUITE,
        "created": created_at(created),
        "verificationMethod": method,
        "proofPurpose": PURPOSE,
    }
    if "@context" in document:
        if not isinstance(document["@context"], list):
            raise BadProof("the document's @context is not an array", code="context_mismatch")
        options["@context"] = document["@context"]
    signature = identity.sign(_digest(options) + _digest(document))
    return {**document, "proof": {**options, "proofValue": multiformat.multibase_encode(signature)}}


def carries(document: Mapping[str, object]) -> bool:
    """Whether there is a proof of our suite on a document, which may hold or not."""
    proof = document.get("proof")
    if not isinstance(proof, dict):
        return False
    return (proof.get("type"), proof.get("cryptosuite"), proof.get("proofPurpose")) == (TYPE, SUITE, PURPOSE)


def read(document: Mapping[str, object], now: datetime) -> Claim | None:
    """The proof of a document, ready to be verified; None when it has none that we can use.

    None: no proof, null, a list, or another type, suite or purpose; all of these are "not signed".
    Raises BadProof for a proof of our suite that is malformed. Codes: bad_method, bad_proof_value,
    bad_created, future_proof, bad_expires, expired_proof, context_mismatch, not_canonical.
    """
    proof = document.get("proof")
    if not isinstance(proof, dict) or not carries(document):
        return None
    method = proof.get("verificationMethod")
    if not isinstance(method, str) or not method:
        raise BadProof("the proof's verificationMethod is not an id", code="bad_method")
    created, expires = _times(proof, now)
    return Claim(method, created, expires, _signature(proof.get("proofValue")), _hashed(document, proof))


def verify(claim: Claim, key: PublicIdentity) -> Proven:
    """Check a claim with the key its method stands for; raises BadProof (wrong_proof) if it does not hold."""
    if claim.method.startswith("did:key:") and claim.multikey != key.multikey:
        raise BadProof(f"the proof names {claim.method}, not {key.multikey}", code="wrong_proof")
    for message in claim.hashed:
        try:
            key.verify(claim.signature, message)
        except BadSignature:
            continue
        return Proven(claim.method, key, claim.created)
    raise BadProof(f"the proof by {claim.method} does not hold under {key.multikey}", code="wrong_proof")


def check(document: Mapping[str, object], key: PublicIdentity, now: datetime) -> Proven:
    """read() and verify() in one; a missing proof fails like a wrong one (code no_proof)."""
    claim = read(document, now)
    if claim is None:
        raise BadProof(f"the document has no {SUITE} proof", code="no_proof")
    return verify(claim, key)


def created_at(when: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, `Z`: `2026-01-01T12:00:00Z`. `when` must be aware."""
    if when.tzinfo is None:
        raise ValueError(f"{when} has no time zone")
    return when.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_time(text: object) -> datetime | None:
    """The moment an RFC 3339 timestamp names, in UTC; None for anything else."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat("".join(part or "" for part in match.groups())).astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February, or year 1 in the far east
        return None


def _times(proof: Mapping[str, object], now: datetime) -> tuple[datetime, datetime | None]:
    created = parse_time(proof.get("created"))
    if created is None:
        raise BadProof("the proof's created is not an RFC 3339 time", code="bad_created")
    if created > now + SKEW:
        raise BadProof(f"the proof is from the future: {created_at(created)}", code="future_proof")
    if "expires" not in proof:
        return created, None
    expires = parse_time(proof["expires"])
    if expires is None:
        raise BadProof("the proof's expires is not an RFC 3339 time", code="bad_expires")
    if expires <= now:
        raise BadProof(f"the proof expired at {created_at(expires)}", code="expired_proof")
    return created, expires


def _signature(value: object) -> bytes:
    """vc-di-eddsa §3.3.2: base58btc multibase; one spelling only, so that a proof cannot be varied."""
    try:
        if isinstance(value, str) and value.startswith("z") and len(value) <= 90:
            signature = multiformat.multibase_decode(value)
            if len(signature) == 64:
                return signature
    except BadKey:
        pass
    raise BadProof("the proofValue is not a base58btc signature of 64 bytes", code="bad_proof_value")


def _hashed(document: Mapping[str, object], proof: Mapping[str, object]) -> tuple[bytes, ...]:
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    # A context longer than the signed one would let unsigned vocabulary give signed words a new
    # meaning; vc-di-eddsa §3.3.2 allows that, we ask for equality.
    if "@context" in options and options["@context"] != document.get("@context"):
        raise BadProof("the proof's @context is not the document's", code="context_mismatch")
    # FEP-8b32 §Backward compatibility: an LD signature is added after the proof and is not under it.
    body = {name: value for name, value in document.items() if name not in ("proof", "signature")}
    try:
        body_hash = _digest(body)
        hashed = [_digest(options) + body_hash]
        if "@context" in document and "@context" not in options:
            # vc-di-eddsa §3.3.1 step 2 puts the context in before hashing; Mitra does not, Fedify
            # does even where the proof does not show it.
            hashed.append(_digest({**options, "@context": document["@context"]}) + body_hash)
    except BadDocument as error:
        raise BadProof(f"what was signed cannot be recovered: {error.message}", code="not_canonical") from None
    return tuple(hashed)


def _digest(value: Mapping[str, object]) -> bytes:
    return hashlib.sha256(canonical(value if isinstance(value, dict) else dict(value))).digest()
