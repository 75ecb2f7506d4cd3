"""The one front for both signature dialects: read(), verify(), sign(), and which dialect to speak. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from keys import Identity, TransportKey
from node.errors import BadSignature, Reason, Refused
from node.federation import cavage, rfc9421
from node.federation import claim as claims
from node.federation.claim import Claim, Dialect, Incoming
from node.federation.target import Target, split
from node.model import Iri, KeyKind, KnownKey, Signed

__all__ = [
    "Claim",
    "Dialect",
    "Incoming",
    "Memory",
    "Signer",
    "body_digest",
    "choose",
    "may_knock_again",
    "other",
    "read",
    "recall",
    "sign",
    "signed_at",
    "verify",
]


# ── in ───────────────────────────────────────────────────────────────────────────────────────


def read(request: Incoming, *, base_url: str, now: datetime) -> Claim:
    """Who claims to have signed this request: everything checked that needs no key.

    `base_url` is this node's public address, the only host a request may be meant for. Where a
    Signature-Input header is present only RFC 9421 is read: the `Signature` header means something
    else in each dialect, and the weaker reading is never a way out. Raises Refused.
    """
    if not request.target.startswith("/"):
        raise Refused(Reason.UNCOVERED_TARGET, f"the request target is not a path: {request.target[:60]!r}")
    fields = claims.fields_of(request.headers)
    if "signature-input" in fields:
        return rfc9421.read(request, fields, base_url=base_url, now=now)
    return cavage.read(request, fields, base_url=base_url, now=now)


def verify(claim: Claim, key: KnownKey, body: bytes) -> Signed:
    """The maker of Signed (recall() reads back what it made): this key made this signature over this request.

    The kind of the key decides the algorithm; a claim that names another one, or one we do not
    know, is refused (no algorithm confusion). Raises Refused(WRONG_SIGNATURE).
    """
    if claim.key_id != key.id:
        raise _wrong(claim, f"the claim names another key than {key.id}")
    if body is not claim.body and body != claim.body:
        raise _wrong(claim, "this is not the body that was read")
    if claim.algorithm not in _ALGORITHMS[claim.dialect, key.kind]:
        raise _wrong(claim, f"the algorithm {claim.algorithm!r} is none for a key of kind {key.kind}")
    for base in claim.bases:
        try:
            key.public.verify(claim.signature, base)
        except BadSignature:
            continue
        return Signed(
            actor=key.owner,
            key=key,
            body=body,
            dialect=claim.dialect,
            created=claim.created,
            headers=claim.headers,
        )
    raise _wrong(claim, "the signature does not hold over this request")


def recall(key: KnownKey, body: bytes, headers: tuple[tuple[str, str], ...], received_at: datetime) -> Signed:
    """What verify() made when it arrived, read back from our own store, where only verified bytes are put."""
    return Signed(actor=key.owner, key=key, body=body, dialect="stored", created=received_at, headers=headers)


def signed_at(headers: tuple[tuple[str, str], ...]) -> datetime | None:
    """When a signature was made, by the signer's clock, read back from the headers that were kept of it.

    Of several labels (RFC 9421) the latest; None where nothing is said.
    """
    fields = claims.fields_of(headers)
    try:
        if "signature-input" in fields:
            labels = rfc9421.signature_inputs(claims.only_line(fields, "signature-input")).values()
            made = [label.parameters.get("created") for label in labels]
            return max((claims.moment(at) for at in made if isinstance(at, int)), default=None)
        return cavage.signed_at(fields)
    except Refused:
        return None


_ALGORITHMS: dict[tuple[Dialect, KeyKind], frozenset[str | None]] = {
    # hs2019 means "as the key says" (draft-cavage-12 §E.2); GoToSocial writes it for RSA, Mitra for Ed25519.
    ("cavage", KeyKind.RSA): frozenset({None, "rsa-sha256", "hs2019"}),
    ("cavage", KeyKind.ED25519): frozenset({None, "ed25519", "hs2019"}),
    ("rfc9421", KeyKind.RSA): frozenset({None, "rsa-v1_5-sha256"}),
    ("rfc9421", KeyKind.ED25519): frozenset({None, "ed25519"}),
}


def _wrong(claim: Claim, why: str) -> Refused:
    return Refused(
        Reason.WRONG_SIGNATURE,
        f"signature by {claim.key_id} ({claim.dialect}): {why}",
        hint="Sign the request as it is sent, with the key that the actor document lists now.",
    )


# ── out ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Signer:
    """A key of ours and the id under which others find it."""

    key_id: Iri
    key: Identity | TransportKey


def sign(
    dialect: str,
    signer: Signer,
    method: str,
    url: str,
    *,
    body: bytes | None,
    now: datetime,
    content_type: str | None = None,
    accept: str | None = None,
    with_query: bool = True,
    digest: str | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Every header to send, Host and Date included, signed.

    `digest` is body_digest(body) when the caller already has it (a fan-out computes it once).
    `with_query=False` leaves the query out of cavage's (request-target), for servers that verify
    it so. `more` are headers to send and to sign besides. Raises Unreachable(bad_url) when `url`
    is no http(s) address.
    """
    target = split(url)
    more = more or {}
    headers = {"Host": target.host, "Date": _http_date(int(now.timestamp())), **more}
    if accept is not None:
        headers["Accept"] = accept
    if body is not None:
        digest = digest or body_digest(body)
        if content_type is not None:
            headers["Content-Type"] = content_type
    if dialect == "rfc9421":
        _sign_rfc9421(headers, signer, method, target, digest if body is not None else None, now, more)
    elif dialect == "cavage":
        _sign_cavage(headers, signer, method, target, digest if body is not None else None, with_query, more)
    else:
        raise ValueError(f"no such dialect: {dialect!r}")
    return headers


def body_digest(body: bytes) -> str:
    """base64(SHA-256(body)): what sign() takes as `digest`."""
    return claims.to_base64(hashlib.sha256(body).digest())


def _sign_cavage(
    headers: dict[str, str],
    signer: Signer,
    method: str,
    target: Target,
    digest: str | None,
    with_query: bool,
    more: Mapping[str, str],
) -> None:
    path = target.path if with_query else target.path.partition("?")[0]
    pairs = [
        ("(request-target)", f"{method.lower()} {path}"),
        ("host", target.host),
        ("date", headers["Date"]),
    ]
    if digest is not None:
        headers["Digest"] = f"SHA-256={digest}"
        pairs.append(("digest", headers["Digest"]))
        if "Content-Type" in headers:
            pairs.append(("content-type", headers["Content-Type"]))
    elif "Accept" in headers:
        pairs.append(("accept", headers["Accept"]))
    pairs += [(name.lower(), value) for name, value in more.items()]
    algorithm = "rsa-sha256" if isinstance(signer.key, TransportKey) else "hs2019"
    signature = signer.key.sign(cavage.signing_string(pairs))
    headers["Signature"] = cavage.header(
        signer.key_id, algorithm, " ".join([name for name, _ in pairs]), claims.to_base64(signature)
    )


def _sign_rfc9421(
    headers: dict[str, str],
    signer: Signer,
    method: str,
    target: Target,
    digest: str | None,
    now: datetime,
    more: Mapping[str, str],
) -> None:
    lines = [f'"@method": {method}', f'"@target-uri": {target.url}']
    components: tuple[str, ...] = ("@method", "@target-uri")
    if digest is not None:
        headers["Content-Digest"] = f"sha-256=:{digest}:"
        lines.append(f'"content-digest": {headers["Content-Digest"]}')
        components = ("@method", "@target-uri", "content-digest")
    for name, value in more.items():
        lines.append(f'"{name.lower()}": {value}')
        components = (*components, name.lower())
    algorithm = "rsa-v1_5-sha256" if isinstance(signer.key, TransportKey) else "ed25519"
    text = rfc9421.parameters_text(components, int(now.timestamp()), signer.key_id, algorithm)
    lines.append(f'"@signature-params": {text}')
    signature = signer.key.sign("\n".join(lines).encode("ascii"))
    headers["Signature-Input"] = f"sig1={text}"
    headers["Signature"] = f"sig1=:{claims.to_base64(signature)}:"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=64)
def _http_date(epoch: int) -> str:
    """IMF-fixdate (RFC 9110 §5.6.7), in English whatever the locale."""
    when = datetime.fromtimestamp(epoch, UTC)
    return f"{_DAYS[when.weekday()]}, {when:%d} {_MONTHS[when.month - 1]} {when:%Y %H:%M:%S} GMT"


# ── which dialect to speak (http-signatures.md §5) ───────────────────────────────────────────

RFC9421_HREF = "https://datatracker.ietf.org/doc/html/rfc9421"
ED25519_HREF = "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25"
"""What an actor's `generator.implements` says (FEP-844e)."""

FORGET_AFTER = timedelta(days=30)
KNOCK_AGAIN_AFTER = timedelta(hours=1)
KNOCK_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Memory:
    """What an origin was last known to speak. `how`: advertised, spoke or worked."""

    dialect: Dialect
    algorithm: KeyKind
    learned_at: datetime
    how: str


def choose(
    remembered: Memory | None, advertised: tuple[str, ...] | list[str], is_cuicui: bool, now: datetime
) -> tuple[Dialect, KeyKind]:
    """The dialect to try first, and the kind of key to sign with.

    What worked wins over what is advertised; when nothing is known it is cavage with RSA, the only
    scheme that every server verifies.
    """
    if remembered is not None and now - remembered.learned_at > FORGET_AFTER:
        remembered = None
    if remembered is not None and remembered.how == "worked":
        return remembered.dialect, remembered.algorithm
    if is_cuicui or ED25519_HREF in advertised:
        return "rfc9421", KeyKind.ED25519
    if RFC9421_HREF in advertised:
        return "rfc9421", KeyKind.RSA
    if remembered is not None:
        return remembered.dialect, remembered.algorithm
    return "cavage", KeyKind.RSA


def other(dialect: Dialect) -> tuple[Dialect, KeyKind]:
    """What to knock with the second time: the other dialect, with the key everybody can find."""
    return ("rfc9421" if dialect == "cavage" else "cavage"), KeyKind.RSA


def may_knock_again(status: int, remembered: Memory | None, last_knock: datetime | None, now: datetime) -> bool:
    """Whether to try the other dialect at once after this answer.

    Only after 400 or 401, only when we have not learned within the hour what this origin speaks (a
    peer that merely blocks us is not to cost two requests each time), at most once a minute.
    """
    if status not in (400, 401):
        return False
    if remembered is not None and now - remembered.learned_at <= KNOCK_AGAIN_AFTER:
        return False
    return last_knock is None or now - last_knock >= KNOCK_PAUSE
