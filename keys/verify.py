"""One answer for anyone holding a file and a key: which part of it is signed, by whom, when.

Nothing is fetched. The key is the reader's own knowledge of the author; that it is the author's
is the one thing this cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from keys import proof
from keys.canonical import load_object
from keys.errors import BadProof
from keys.identity import PublicIdentity

MAX_BYTES = 16 * 1024 * 1024

_Facts = tuple[str, str, str, str | None]
"""Name, type, id and owner: what a Part says before anything is checked."""


class Outcome(StrEnum):
    SIGNED = "signed"
    """Its own proof holds under the key."""
    COVERED = "covered"
    """No proof of its own, but it lies inside an activity whose proof holds."""
    UNSIGNED = "unsigned"
    REFUSED = "refused"
    """It has a proof, and that does not hold."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was found about one signed, or unsigned, object."""

    name: str
    """`document`, `activity`, or `object` (what the activity is about)."""
    type: str
    id: str
    owner: str | None
    """Who it says wrote it: `actor` or `attributedTo`."""
    outcome: Outcome
    code: str
    """Stable: the outcome, or why it is refused."""
    reason: str
    method: str | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    key: PublicIdentity
    parts: tuple[Part, ...]

    @property
    def holds(self) -> bool:
        """The innermost part is signed or covered, and no proof in the document is broken."""
        inner = self.parts[-1].outcome in (Outcome.SIGNED, Outcome.COVERED)
        return inner and all(part.outcome is not Outcome.REFUSED for part in self.parts)

    def to_json(self) -> dict[str, object]:
        return {
            "holds": self.holds,
            "key": self.key.multikey,
            "parts": [
                {
                    "part": part.name,
                    "type": part.type,
                    "id": part.id,
                    "owner": part.owner,
                    "outcome": part.outcome.value,
                    "code": part.code,
                    "reason": part.reason,
                    "method": part.method,
                    "signed_at": None if part.signed_at is None else proof.created_at(part.signed_at),
                }
                for part in self.parts
            ],
        }


def verify_document(document: bytes, key: PublicIdentity, now: datetime) -> Report:
    """Check a signed object, an activity with a signed object in it, or an Evidence bundle around either.

    Raises BadDocument for bytes that are not strict JSON; everything else is in the report.
    """
    found: Mapping[str, object] = load_object(document)
    if found.get("type") == "Evidence":
        inner = found.get("object")
        if found.get("version") != 1 or not isinstance(inner, dict):
            reason = "not an Evidence bundle of version 1 with an object in it"
            return Report(key, (Part("document", "Evidence", "", None, Outcome.REFUSED, "bad_bundle", reason),))
        found = inner
    inner = found.get("object")
    if not isinstance(inner, dict):
        return Report(key, (_part("document", found, key, now),))
    activity = _part("activity", found, key, now)
    return Report(key, (activity, _part("object", inner, key, now, inside=activity)))


def _part(
    name: str, document: Mapping[str, object], key: PublicIdentity, now: datetime, inside: Part | None = None
) -> Part:
    facts: _Facts = (name, _text(document.get("type")), _text(document.get("id")), None)
    try:
        facts = (*facts[:3], owner_of(document))
        claim = proof.read(document, now)
        if claim is None:
            return _without_proof(facts, inside)
        proven = proof.verify(claim, key)
        check_binding(document, proven.method)
    except BadProof as error:
        return Part(*facts, Outcome.REFUSED, error.code, error.message)
    return Part(
        *facts,
        Outcome.SIGNED,
        Outcome.SIGNED.value,
        f"signed by {key.multikey}",
        method=proven.method,
        signed_at=proven.created,
    )


def _without_proof(facts: _Facts, inside: Part | None) -> Part:
    owner = facts[3]
    if inside is None or inside.outcome is not Outcome.SIGNED:
        return Part(*facts, Outcome.UNSIGNED, "unsigned", "no proof: nothing here shows who wrote it")
    if owner is not None and owner != inside.owner:
        return Part(*facts, Outcome.UNSIGNED, "unsigned", f"passed on by {inside.owner}, without a proof by {owner}")
    if owner is None and inside.owner is not None and facts[2] and _origin(facts[2]) != _origin(inside.owner):
        reason = f"passed on by {inside.owner}; it lives elsewhere, and nothing shows who wrote it"
        return Part(*facts, Outcome.UNSIGNED, "unsigned", reason)
    reason = "no proof of its own; it lies inside the signed activity"
    return Part(*facts, Outcome.COVERED, "covered", reason, method=inside.method, signed_at=inside.signed_at)


def owner_of(document: Mapping[str, object]) -> str | None:
    """Who a document says is responsible for it (FEP-fe34): `actor`, else `attributedTo`; None if neither."""
    for name in ("actor", "attributedTo"):
        value = document.get(name)
        if value is not None:
            if isinstance(value, list) and len(value) == 1:
                value = value[0]  # AS2 Core §4.1: one value may stand in an array
            iri = value.get("id") if isinstance(value, dict) else value
            if not isinstance(iri, str) or not iri:
                raise BadProof(f"the document's {name} is not one id", code="wrong_owner")
            return iri
    return None


def check_binding(document: Mapping[str, object], method: str) -> None:
    """The key's id must belong to whom the document names (FEP-fe34; raises BadProof wrong_owner, wrong_origin).

    `https://host/actor#…` must be the owner's own; a key with its own address needs the origin of
    the owner and of the document. A did:key names only itself and is not bound to any address.
    """
    if method.startswith("did:key:"):
        return
    owner, identifier = owner_of(document), document.get("id")
    controller, fragment, _ = method.partition("#")
    origin = _origin(controller)
    if owner is None and isinstance(identifier, str):
        owner = identifier  # an actor document is its own owner
    if owner is not None and (controller != owner if fragment else _origin(owner) != origin):
        raise BadProof(f"the key {method} does not belong to {owner}", code="wrong_owner")
    if isinstance(identifier, str) and (origin is None or _origin(identifier) != origin):
        raise BadProof(f"the key {method} is of another origin than {identifier}", code="wrong_origin")


def _origin(iri: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) address (FEP-fe34); None for anything else."""
    try:
        parts = urlsplit(iri)
        default = {"https": 443, "http": 80}[parts.scheme]
        return parts.scheme, parts.hostname or "", parts.port or default
    except (ValueError, KeyError):
        return None


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(item for item in value if isinstance(item, str))[:200]
    return value[:2000] if isinstance(value, str) else ""
