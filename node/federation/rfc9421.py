"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), for requests. Pure.

The reader of structured fields (RFC 8941) knows just what the two signature headers need, and is
strict where the RFC lets a later duplicate win: two readers must never see two different things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from node.errors import Reason, Refused
from node.federation import claim as claims
from node.federation.claim import Claim, Fields, Incoming

MAX_LABELS = 4
"""How many signatures of one request are considered."""

# Every pattern eats what it can and never gives back (possessive), so reading is linear.
_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*+")
_STRING = re.compile(r'"(?:[ !#-\[\]-~]|\\["\\])*+"')
_ESCAPED = re.compile(r'\\(["\\])')
_NUMBER = re.compile(r"(-?)([0-9]++)(?:\.([0-9]++))?+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*+")
_BYTES = re.compile(r":([A-Za-z0-9+/=]*+):")
_BOOLEAN = re.compile(r"\?([01])")
_BLANK = re.compile(r"[ \t]*+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]++")


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """One member of Signature-Input: what is covered, with which parameters, and its canonical text."""

    components: tuple[str, ...]
    parameters: dict[str, str | int | None]
    """Strings and integers as such; values of other types, which nothing here reads, as None."""
    text: str
    """As it stands in the signature base, after `"@signature-params": `."""


def read(request: Incoming, fields: Fields, *, base_url: str, now: datetime) -> Claim:
    """The first label that holds our profile, checked as far as one can without the key.

    Raises Refused: when no label will do, with what is wrong with the first.
    """
    inputs = signature_inputs(claims.only_line(fields, "signature-input"))
    signatures = byte_sequences(claims.only_line(fields, "signature"))
    claims.check_host(fields, base_url)
    refusals: list[Refused] = []
    for label in list(inputs)[:MAX_LABELS]:
        try:
            return _read_one(inputs[label], signatures.get(label), request, fields, base_url, now)
        except Refused as no:
            refusals.append(no)
    raise refusals[0]


def _read_one(
    given: SignatureInput,
    signature: bytes | None,
    request: Incoming,
    fields: Fields,
    base_url: str,
    now: datetime,
) -> Claim:
    if not signature:
        claims.malformed("a label of Signature-Input has no signature")
    keyid, created = given.parameters.get("keyid"), given.parameters.get("created")
    expires, algorithm = given.parameters.get("expires"), given.parameters.get("alg")
    if not isinstance(keyid, str):
        claims.malformed("the signature parameters have no keyid")
    if "created" not in given.parameters:
        raise Refused(Reason.UNCOVERED_DATE, "the signature parameters have no created")
    if not isinstance(created, int):
        claims.malformed("created is not an integer")
    if "expires" in given.parameters and not isinstance(expires, int):
        claims.malformed("expires is not an integer")
    if "alg" in given.parameters and not isinstance(algorithm, str):
        claims.malformed("alg is not a string")
    key_id = claims.key_id(keyid)
    _check_coverage(request, given.components)
    claims.check_clock(created, now, "created")
    until = claims.check_expiry(expires if isinstance(expires, int) else None, now)
    if "content-digest" in given.components:
        _check_digest(fields, request.body)
    return Claim(
        dialect="rfc9421",
        key_id=key_id,
        bases=(base(given, fields, request.method, request.target, claims.own_origin(base_url)),),
        signature=signature,
        created=claims.moment(created),
        expires=until,
        algorithm=algorithm if isinstance(algorithm, str) else None,
        headers=claims.evidence(fields, [*given.components, "signature-input", "signature"]),
        body=request.body,
    )


def base(given: SignatureInput, fields: Fields, method: str, target: str, origin: str) -> bytes:
    """The signature base (RFC 9421 §2.5).

    `origin` is scheme and authority of the server asked, as it knows itself: what a proxy in front
    makes of the request has no say in `@target-uri`.
    """
    lines = []
    for name in given.components:
        value = _derived(name, method, target, origin) if name[0] == "@" else claims.covered_value(fields, name)
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {given.text}')
    return claims.encode_base(lines)


def _derived(name: str, method: str, target: str, origin: str) -> str:
    """The value of a derived component (RFC 9421 §2.2)."""
    path, _, query = target.partition("?")
    scheme, _, authority = origin.partition("://")
    value = {
        "@method": method,
        "@target-uri": origin + target,
        "@authority": authority,
        "@scheme": scheme,
        "@request-target": target,
        "@path": path,
        "@query": "?" + query,  # §2.2.7: an absent query is a lone question mark, like an empty one
    }.get(name)
    if value is None:
        claims.malformed(f"cannot rebuild the component {name[:40]!r} of a request")
    return value


def parameters_text(components: tuple[str, ...], created: int, key_id: str, algorithm: str) -> str:
    """The member of Signature-Input that we send."""
    names = " ".join([f'"{name}"' for name in components])
    return f'({names});created={created};keyid="{key_id}";alg="{algorithm}"'


def signature_inputs(line: str) -> dict[str, SignatureInput]:
    """Signature-Input (RFC 9421 §4.1): a dictionary of inner lists of strings, with parameters."""
    reader = _Reader(line)
    return {label: reader.inner_list() for label in reader.members()}


def byte_sequences(line: str) -> dict[str, bytes | None]:
    """Signature and Content-Digest: a dictionary of byte sequences; None where the base64 is not padded or broken."""
    reader = _Reader(line)
    found: dict[str, bytes | None] = {}
    for label in reader.members():
        found[label] = claims.from_base64(reader.take(_BYTES, "a byte sequence")[1:-1])
        reader.parameters()
    return found


class _Reader:
    """A cursor over one structured field (RFC 8941 §4.2). Every refusal is BAD_SIGNATURE_HEADER."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def take(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            claims.malformed(f"expected {what} at {self.text[self.at : self.at + 20]!r}")
        self.at = found.end()
        return found.group()

    def skip(self, literal: str) -> bool:
        if not self.text.startswith(literal, self.at):
            return False
        self.at += len(literal)
        return True

    def members(self) -> _Members:
        return _Members(self)

    def inner_list(self) -> SignatureInput:
        """`("a" "b");created=1;keyid="k"`. Components with parameters of their own are not read: refused."""
        if not self.skip("("):
            claims.malformed(f"expected a list in parentheses at {self.text[self.at : self.at + 20]!r}")
        components: list[str] = []
        while True:
            while self.skip(" "):
                pass
            if self.skip(")"):
                break
            if len(components) == claims.MAX_COVERED:
                claims.malformed(f"more than {claims.MAX_COVERED} components are covered")
            name = self.take(_STRING, "the name of a component")[1:-1]
            if self.text[self.at : self.at + 1] not in (" ", ")"):  # ;req, ;sf, ;bs, ;key, ;tr, ;name
                claims.malformed(f"the component {name[:40]!r} has parameters, or something sticks to it")
            if not (name.startswith("@") or _HEADER_NAME.fullmatch(name)):
                claims.malformed(f"not a lower-case header name: {name[:40]!r}")
            if name in components:
                claims.malformed(f"the component {name[:40]!r} stands twice")
            components.append(name)
        parameters, text = self.parameters()
        return SignatureInput(
            tuple(components), parameters, "(" + " ".join([f'"{n}"' for n in components]) + ")" + text
        )

    def parameters(self) -> tuple[dict[str, str | int | None], str]:
        """The parameters, and how they are written canonically (RFC 8941 §4.1.1.2)."""
        found: dict[str, str | int | None] = {}
        text = []
        while self.skip(";"):
            while self.skip(" "):
                pass
            name = self.take(_KEY, "the name of a parameter")
            if name in found:
                claims.malformed(f"the parameter {name[:40]!r} stands twice")
            if self.skip("="):
                found[name], written = self.bare_item()
                text.append(f";{name}{written and '='}{written}")
            else:
                found[name] = None
                text.append(f";{name}")
        return found, "".join(text)

    def bare_item(self) -> tuple[str | int | None, str]:
        """A value, and how it is written canonically ("" for true, which is written by its name alone)."""
        match self.text[self.at : self.at + 1]:
            case '"':
                raw = self.take(_STRING, "a string")
                return _ESCAPED.sub(r"\1", raw[1:-1]) if "\\" in raw else raw[1:-1], raw
            case ":":
                raw = self.take(_BYTES, "a byte sequence")
                if raw != "::" and claims.from_base64(raw[1:-1]) is None:
                    claims.malformed("a parameter is not padded base64")
                return None, raw
            case "?":
                return None, "" if self.take(_BOOLEAN, "a boolean") == "?1" else "?0"
            case sign if sign == "-" or sign.isdigit():
                return self.number()
            case _:
                return None, self.take(_TOKEN, "a value")

    def number(self) -> tuple[int | None, str]:
        """An integer of at most 15 digits, or a decimal of at most 12 and 3 (RFC 8941 §3.3.1, §3.3.2)."""
        raw = self.take(_NUMBER, "a number")
        whole, point, fraction = raw.partition(".")
        if self.text.startswith(".", self.at) or len(whole.lstrip("-")) > (12 if point else 15) or len(fraction) > 3:
            claims.malformed(f"not a number: {raw[:40]}")
        value = int(whole)
        if not point:
            return value, str(value)
        sign = "-" if raw.startswith("-") else ""
        return None, f"{sign}{abs(value)}.{fraction.rstrip('0') or '0'}"


class _Members:
    """Walks the labels of a dictionary; whoever walks reads each value before the next step."""

    __slots__ = ("reader", "seen")

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.seen: set[str] = set()

    def __iter__(self) -> _Members:
        return self

    def __next__(self) -> str:
        reader = self.reader
        if self.seen:
            reader.take(_BLANK, "")
            if reader.at == len(reader.text):
                raise StopIteration
            if not reader.skip(","):
                claims.malformed(f"expected a comma at {reader.text[reader.at : reader.at + 20]!r}")
            reader.take(_BLANK, "")
        else:
            while reader.skip(" "):
                pass
        label = reader.take(_KEY, "a label")
        if label in self.seen:
            claims.malformed(f"the label {label[:40]!r} stands twice")
        if not reader.skip("="):
            claims.malformed(f"the label {label[:40]!r} has no value")
        self.seen.add(label)
        return label


def _check_coverage(request: Incoming, names: tuple[str, ...]) -> None:
    if "@method" not in names:
        raise Refused(Reason.UNCOVERED_TARGET, "the signature does not cover @method")
    if "@target-uri" not in names:
        if "@authority" not in names:
            raise Refused(Reason.UNCOVERED_HOST, "the signature covers neither @target-uri nor @authority")
        if "@request-target" not in names and (
            "@path" not in names or ("?" in request.target and "@query" not in names)
        ):
            raise Refused(Reason.UNCOVERED_TARGET, "the signature does not cover the path and query asked for")
    if "content-digest" not in names and (request.body or request.method.upper() == "POST"):
        raise Refused(Reason.UNCOVERED_BODY, "the signature does not cover content-digest, so nothing binds the body")


def _check_digest(fields: Fields, body: bytes) -> None:
    """`Content-Digest: sha-256=:…:` (RFC 9530 §2): one line, SHA-256 or SHA-512, no duplicates."""
    lines = fields.get("content-digest", ())
    if len(lines) != 1:
        claims.wrong_digest(f"the request has {len(lines)} Content-Digest headers; exactly one is read")
    try:
        digests = byte_sequences(lines[0])
    except Refused as no:
        claims.wrong_digest(f"the Content-Digest header: {no.message}")
    claims.check_digests(digests.items(), body)
