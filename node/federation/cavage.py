"""draft-cavage-http-signatures-12, as the fediverse speaks it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache

from node.errors import Reason, Refused
from node.federation import claim as claims
from node.federation.claim import Claim, Fields, Incoming

COVERED_GET = ("(request-target)", "host", "date", "accept")
COVERED_POST = ("(request-target)", "host", "date", "digest", "content-type")
"""What we sign: the union of what every server we know of asks for (http-signatures.md §3)."""

_QUOTED = frozenset({"keyid", "algorithm", "headers", "signature"})
_NUMBERS = frozenset({"created", "expires"})
_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)  # noqa: SIM905
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def read(request: Incoming, fields: Fields, *, base_url: str, now: datetime) -> Claim:
    """Everything that can be checked of a `Signature` header without the key.

    Raises Refused; see security.md §0.4 for what must be covered.
    """
    line = claims.only_line(fields, "signature")
    given = parameters(line)
    for name in ("keyId", "signature"):
        if name.lower() not in given:
            claims.malformed(f"the Signature header has no {name}")
    key_id = claims.key_id(given["keyid"])
    signature = claims.from_base64(given["signature"])
    if signature is None:
        claims.malformed("the signature is not padded base64")
    algorithm = given.get("algorithm", "").lower() or None
    names = _covered(given, algorithm)

    _check_coverage(request, names)
    claims.check_host(fields, base_url)
    created = _check_time(given, names, fields, now)
    expires = claims.check_expiry(_number(given, "expires"), now)
    if "digest" in names:
        _check_digest(fields, request.body)

    targets = [request.target]
    # Older Mastodon, Misskey, Mitra and Fedify leave the query out of (request-target), so both are tried.
    path, mark, _ = request.target.partition("?")
    if mark:
        targets.append(path)
    return Claim(
        dialect="cavage",
        key_id=key_id,
        bases=tuple([base(names, given, fields, request.method, target) for target in targets]),
        signature=signature,
        created=created,
        expires=expires,
        algorithm=algorithm,
        headers=claims.evidence(fields, [*names, "signature"]),
        body=request.body,
    )


def parameters(line: str) -> dict[str, str]:
    """`name="value"` and `name=number`, separated by commas; names lower-cased, each at most once."""
    found: dict[str, str] = {}
    at, end = 0, len(line)
    while True:
        equals = line.find("=", at)
        if equals < 0:
            claims.malformed("the Signature header is not a list of name=value")
        name = line[at:equals].strip(" \t")
        if not (name.isascii() and name.isalnum()):
            claims.malformed(f"not a parameter name in the Signature header: {name[:40]!r}")
        name = name.lower()
        at = equals + 1
        if line.startswith('"', at):
            close = line.find('"', at + 1)
            if close < 0:
                claims.malformed(f"the parameter {name!r} of the Signature header has no end")
            value, at = line[at + 1 : close], close + 1
            if "\\" in value:
                claims.malformed(f"the parameter {name!r} of the Signature header is escaped")
            after = line.find(",", at)
            between = line[at : after if after >= 0 else end]
        else:
            if name in _QUOTED:
                claims.malformed(f"the parameter {name!r} of the Signature header is not quoted")
            after = line.find(",", at)
            value, between = line[at : after if after >= 0 else end].strip(" \t"), ""
        if between.strip(" \t"):
            claims.malformed(f"something stands after the parameter {name!r} of the Signature header")
        if name in found:
            claims.malformed(f"the parameter {name!r} stands twice in the Signature header")
        if name in _NUMBERS and not _is_number(value, whole=name == "created"):
            claims.malformed(f"the parameter {name!r} of the Signature header is not a time")
        found[name] = value
        if after < 0:
            return found
        at = after + 1


def base(names: Iterable[str], given: dict[str, str], fields: Fields, method: str, target: str) -> bytes:
    """The signing string (draft §2.3)."""
    lines = []
    for name in names:
        if name == "(request-target)":
            lines.append(f"(request-target): {method.lower()} {target}")
        elif name == "(created)" or name == "(expires)":
            lines.append(f"{name}: {given[name[1:-1]]}")
        else:
            lines.append(f"{name}: {claims.covered_value(fields, name)}")
    return claims.encode_base(lines)


def signing_string(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The signing string of a request of ours, from (name, value) in order."""
    return "\n".join([f"{name}: {value}" for name, value in pairs]).encode("ascii")


def header(key_id: str, algorithm: str, names: str, signature: str) -> str:
    """No blank after a comma: Mitra's reader refuses it."""
    return f'keyId="{key_id}",algorithm="{algorithm}",headers="{names}",signature="{signature}"'


@lru_cache(maxsize=512)
def http_date(text: str) -> datetime | None:
    """An IMF-fixdate (RFC 9110 §5.6.7), or None. The two obsolete forms are not read."""
    if len(text) != 29 or text[3:5] != ", " or text[25:] != " GMT" or not text.isascii():
        return None
    day, month, year, clock = text[5:7], _MONTHS.get(text[8:11]), text[12:16], text[17:25]
    if month is None or text[7] + text[11] + text[16] + clock[2] + clock[5] != "   ::":
        return None
    digits = (day, year, clock[:2], clock[3:5], clock[6:])
    if not all(part.isdigit() for part in digits):
        return None
    try:
        when = datetime(int(year), month, int(day), int(clock[:2]), int(clock[3:5]), int(clock[6:]), tzinfo=UTC)
    except ValueError:
        return None
    return when if _DAYS[when.weekday()] == text[:3] else None


def _covered(given: dict[str, str], algorithm: str | None) -> list[str]:
    """The `headers` parameter, or what its absence means (draft §2.1.6)."""
    listed = given.get("headers")
    if listed is None:
        listed = "(created)" if algorithm == "hs2019" else "date"
    if listed != listed.lower():
        claims.malformed("the names in `headers` are to be lower case")
    names = listed.split(" ")
    if not all(names) or len(names) > claims.MAX_COVERED or len(set(names)) != len(names):
        claims.malformed("`headers` is empty, names a header twice, or is too long")
    for name in names:
        if name.startswith("("):
            if name not in ("(request-target)", "(created)", "(expires)"):
                claims.malformed(f"nobody knows what {name[:40]!r} covers")
            if name != "(request-target)":
                _check_special(name, given, algorithm)
    return names


def _check_special(name: str, given: dict[str, str], algorithm: str | None) -> None:
    if algorithm is not None and algorithm.startswith(("rsa", "hmac", "ecdsa")):  # draft §2.3, items 2 and 3
        claims.malformed(f"{name} cannot be covered with the algorithm {algorithm[:40]!r}")
    if name[1:-1] not in given:
        claims.malformed(f"{name} is covered, and the Signature header does not say it")


def _check_coverage(request: Incoming, names: list[str]) -> None:
    if "(request-target)" not in names:
        raise Refused(Reason.UNCOVERED_TARGET, "the signature does not cover (request-target)")
    if "host" not in names:
        raise Refused(Reason.UNCOVERED_HOST, "the signature does not cover host")
    if "date" not in names and "(created)" not in names:
        raise Refused(Reason.UNCOVERED_DATE, "the signature covers neither date nor (created)")
    if "digest" not in names and (request.body or request.method.upper() == "POST"):
        raise Refused(Reason.UNCOVERED_BODY, "the signature does not cover digest, so nothing binds the body")


def _check_time(given: dict[str, str], names: list[str], fields: Fields, now: datetime) -> datetime:
    """Every time that is covered must be near ours; `created` names the moment when both are there."""
    found: datetime | None = None
    if "date" in names:
        lines = fields.get("date", ())
        found = http_date(lines[0].strip(" \t")) if len(lines) == 1 else None
        if found is None:
            raise Refused(Reason.STALE, f"the Date header is not a date: {', '.join(lines)[:60] or '(none)'}")
        claims.check_clock(found.timestamp(), now, "Date")
    if "(created)" in names:
        epoch = int(_number(given, "created") or 0)
        claims.check_clock(epoch, now, "(created)")
        found = claims.moment(epoch)
    assert found is not None, "_check_coverage asked for one of the two"
    return found


def signed_at(fields: Fields) -> datetime | None:
    """The moment that `read` found in these headers. Raises Refused where they make no sense."""
    given = parameters(claims.only_line(fields, "signature"))
    if "(created)" in _covered(given, given.get("algorithm", "").lower() or None):
        return claims.moment(int(_number(given, "created") or 0))
    return http_date(fields.get("date", ("",))[0].strip(" \t"))


def _check_digest(fields: Fields, body: bytes) -> None:
    """`Digest: SHA-256=…` (RFC 3230): one line, names in any case."""
    lines = fields.get("digest", ())
    if len(lines) != 1:
        claims.wrong_digest(f"the request has {len(lines)} Digest headers; exactly one is read")
    pairs = [part.strip(" \t").partition("=") for part in lines[0].split(",")]
    claims.check_digests([(name.lower(), claims.from_base64(value)) for name, _, value in pairs], body)


def _is_number(value: str, *, whole: bool) -> bool:
    """Digits; the draft allows `expires` a fraction (§2.1.5), and `created` none (§2.1.4)."""
    if not value.isascii() or len(value) > 20:
        return False
    digits, point, fraction = value.partition(".")
    return digits.isdigit() and (not point or (not whole and fraction.isdigit()))


def _number(given: dict[str, str], name: str) -> float | None:
    return float(given[name]) if name in given else None
