"""What a signed request claims, and the checks that both signature dialects share. Pure.

A claim is not a fact: it says who is said to have signed what, after everything was checked that
can be checked without the key (coverage, host, clock, digest). `httpsig.verify` decides the rest.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NoReturn

from node.errors import Reason, Refused, Unreachable
from node.federation.target import split
from node.model import Iri, host_of, origin_of

Dialect = Literal["cavage", "rfc9421"]

WINDOW = timedelta(hours=1)
"""How far Date or `created` may be from our clock, either way."""
_WINDOW_SECONDS = WINDOW.total_seconds()

MAX_HEADER = 8 * 1024
"""Characters of a Signature or Signature-Input header we are willing to read."""
MAX_COVERED = 32
"""How many components one signature may cover."""
_MAX_KEY_ID = 2048
_MAX_EPOCH = 253_402_300_799
"""9999-12-31T23:59:59Z: beyond it datetime has no word for the time."""

Fields = Mapping[str, tuple[str, ...]]
"""Header lines by lower-case name, in order of arrival."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request exactly as it came.

    `target` is the raw path and query as on the wire (aiohttp: `request.raw_path`); `headers` have
    lower-case names, in order, duplicates kept; `body` is the bytes before any decoding.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """Who is said to have signed this request, and over which bytes.

    `bases` are the signing strings to try, in order. `headers` are the covered headers and the
    signature's own, as received: evidence.
    """

    dialect: Dialect
    key_id: Iri
    bases: tuple[bytes, ...]
    signature: bytes
    created: datetime
    expires: datetime | None
    algorithm: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    """The body whose digest was checked: verify() takes no other."""


def fields_of(headers: Iterable[tuple[str, str]]) -> Fields:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        found[name] = (*found[name], value) if name in found else (value,)
    return found


def malformed(message: str) -> NoReturn:
    raise Refused(
        Reason.BAD_SIGNATURE_HEADER,
        message,
        hint="See draft-cavage-http-signatures-12 §2.1, or RFC 9421 §4, for the form of these headers.",
    )


def only_line(fields: Fields, name: str) -> str:
    """The one line of a header that must not be repeated; a missing signature is refused like a wrong one."""
    lines = fields.get(name, ())
    if not lines:
        raise Refused(Reason.UNSIGNED, f"the request has no {name} header", hint="Sign every request to this server.")
    if len(lines) > 1:
        malformed(f"the request has {len(lines)} {name} headers; exactly one is read")
    if len(lines[0]) > MAX_HEADER:
        malformed(f"the {name} header is longer than {MAX_HEADER} characters")
    return lines[0]


def key_id(value: str) -> Iri:
    """A key id we can look up: an http(s) address. `acct:` and the like are refused (http-signatures.md §6)."""
    if not value.startswith(("https://", "http://")) or len(value) > _MAX_KEY_ID or not value.isprintable():
        malformed(f"the key id is not an http(s) address: {value[:100]!r}")
    try:
        split(value)
    except Unreachable:
        malformed(f"the key id is not an http(s) address: {value[:100]!r}")
    return Iri(value)


def from_base64(text: str) -> bytes | None:
    """Canonical, padded, standard base64 (RFC 4648 §3.5, §4); None for anything else, and for nothing."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, and text that is not ASCII
        return None
    return data if data and to_base64(data) == text else None


def to_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def check_host(fields: Fields, base_url: str) -> None:
    """The request must be meant for the host we are configured to be, whatever the connection was for."""
    lines = fields.get("host", ())
    own, with_port = _own_host(base_url)
    if len(lines) != 1 or lines[0].lower() not in (own, with_port):
        raise Refused(
            Reason.WRONG_HOST,
            f"the request is for host {', '.join(lines)[:100] or '(none)'}, and this is {own}",
            hint="A proxy in front must pass the Host header on unchanged.",
        )


@lru_cache(maxsize=16)
def _own_host(base_url: str) -> tuple[str, str]:
    """Our Host header as it should be, and with the default port spelled out."""
    host = host_of(base_url)
    has_port = ":" in host.rpartition("]")[2]
    default = "443" if base_url.lower().startswith("https:") else "80"
    return host, host if has_port else f"{host}:{default}"


@lru_cache(maxsize=16)
def own_origin(base_url: str) -> str:
    return origin_of(base_url)


def check_clock(when: int | float, now: datetime, what: str) -> None:
    """Decision 18: within one hour, either way."""
    apart = when - now.timestamp()
    if not -_WINDOW_SECONDS <= apart <= _WINDOW_SECONDS:
        side = "ahead of" if apart > 0 else "behind"
        raise Refused(
            Reason.STALE,
            f"{what} is {abs(apart):.0f} s {side} our clock; {_WINDOW_SECONDS:.0f} s are allowed",
            hint="Check the clocks of both servers, and sign each attempt afresh.",
        )


def moment(epoch: int | float) -> datetime:
    """A Unix time as a datetime; one that no calendar has is stale."""
    if not 0 <= epoch <= _MAX_EPOCH:
        raise Refused(Reason.STALE, f"there is no such time: {epoch}")
    return datetime.fromtimestamp(epoch, UTC)


def check_expiry(expires: int | float | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    until = moment(expires)
    if until <= now:
        raise Refused(Reason.STALE, f"the signature expired at {until:%Y-%m-%dT%H:%M:%SZ}")
    return until


def check_digests(digests: Iterable[tuple[str, bytes | None]], body: bytes) -> None:
    """Recompute every digest we know (SHA-256, SHA-512) over the raw bytes; at least one must be there.

    `digests` are (lower-case algorithm, value or None when it was not readable). A name given
    twice is refused, known or not: two readers could choose differently.
    """
    known = 0
    seen: set[str] = set()
    for name, value in digests:
        if name in seen:
            wrong_digest(f"the digest {name[:40]!r} is given twice")
        seen.add(name)
        hasher = _HASHERS.get(name)
        if hasher is None:
            continue
        if value is None or not hmac.compare_digest(value, hasher(body).digest()):
            wrong_digest(f"the body is not the one that the {name} digest was made of")
        known += 1
    if not known:
        wrong_digest("the digest uses no algorithm we accept")


def wrong_digest(message: str) -> NoReturn:
    raise Refused(
        Reason.WRONG_DIGEST, message, hint="Send one digest line, with SHA-256, computed over the bytes of the body."
    )


_HASHERS = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


def covered_value(fields: Fields, name: str) -> str:
    """A covered header's value: lines trimmed and joined, as both dialects have it."""
    lines = fields.get(name)
    if lines is None:
        raise Refused(Reason.WRONG_SIGNATURE, f"the signature covers {name[:60]!r}, which the request does not have")
    if len(lines) == 1:
        return lines[0].strip(" \t")
    return ", ".join([line.strip(" \t") for line in lines])


def encode_base(lines: list[str]) -> bytes:
    """Join the lines of a signing string; one that could be read as more lines than it has is refused."""
    base = "\n".join(lines)
    if base.count("\n") != len(lines) - 1 or "\r" in base:
        malformed("a covered value contains a line break")
    try:
        return base.encode("utf-8", "surrogateescape")  # aiohttp decodes header bytes this way round
    except UnicodeEncodeError:
        malformed("a covered value is not text")


def evidence(fields: Fields, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """These headers as received, each once, in the order asked. Bytes that are no text cannot be kept: refused."""
    found = tuple([(name, line) for name in dict.fromkeys(names) for line in fields.get(name, ())])
    for name, line in found:
        if not (line.isascii() or _is_text(line)):
            malformed(f"the header {name[:60]!r} is not UTF-8")
    return found


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
