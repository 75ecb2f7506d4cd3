"""Which form of a thing is asked for: ActivityPub's JSON or a page (RFC 9110 §12; federation.md §3)."""

from __future__ import annotations

import hashlib
from enum import Enum
from functools import lru_cache

AS_PROFILE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'

_LONGEST = 1024
"""Characters of an Accept header that are read; a browser sends about 150."""


class Form(Enum):
    """What to answer with; `value` is the media type."""

    ACTIVITY = "application/activity+json; charset=utf-8"
    LD = AS_PROFILE
    HTML = "text/html; charset=utf-8"

    @property
    def is_json(self) -> bool:
        return self is not Form.HTML


_KINDS = {
    "application/activity+json": "activity",
    "application/ld+json": "ld",
    "application/json": "json",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "*/*": "any",
}


def choose(accept: str | None, *, default: Form) -> Form:
    """The form for an Accept header, on a path whose own form is `default` (ACTIVITY or HTML).

    Higher q wins. On a tie a named ActivityPub type wins, then a named page, then the default; so
    `*/*`, and no header at all, get the default. `application/json` counts as ActivityPub only
    where that is the default. When nothing fits, the default is better than a 406.
    """
    return _choose((accept or "")[:_LONGEST], default)


@lru_cache(maxsize=512)
def _choose(accept: str, default: Form) -> Form:
    asked: dict[str, float] = {}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if (kind := _KINDS.get(media_type)) is not None:
            asked[kind] = max(asked.get(kind, 0.0), _quality(parameters))
    if default is Form.ACTIVITY and "json" in asked:
        asked["activity"] = max(asked.get("activity", 0.0), asked["json"])
    candidates = [
        (asked.get("activity", 0.0), 4, Form.ACTIVITY),
        (asked.get("ld", 0.0), 3, Form.LD),
        (asked.get("html", 0.0), 2, Form.HTML),
    ]
    if ("html" if default is Form.HTML else "activity") not in asked:  # what is named is not under the wildcard
        candidates.append((asked.get("any", 0.0), 1, default))
    quality, _, form = max(candidates, key=lambda candidate: candidate[:2])
    return form if quality > 0.0 else default


def _quality(parameters: list[str]) -> float:
    """RFC 9110 §12.4.2: 1 when it is left out; what cannot be read counts as refused."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0.0 <= quality <= 1.0 else 0.0
    return 1.0


def etag(body: bytes) -> str:
    """A strong validator: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_unchanged(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110 §13.1.2: the asker holds these bytes already. Compared weakly, as GET does."""
    if if_none_match is None:
        return False
    known = (part.strip().removeprefix("W/") for part in if_none_match[: 4 * _LONGEST].split(","))
    return any(part in (tag, "*") for part in known)
