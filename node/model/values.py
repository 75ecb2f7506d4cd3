"""The words the rest is made of: names, times, who may read, what is known of a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NewType
from urllib.parse import urlsplit

Iri = NewType("Iri", str)
"""An absolute http(s) address that names something. Made by parse.iri(), ids.py or storage."""

Clock = Callable[[], datetime]
"""Answers the time, always aware and in UTC. Passed in, so that a test can hold it still."""

PUBLIC = Iri("https://www.w3.org/ns/activitystreams#Public")


def utcnow() -> datetime:
    return datetime.now(UTC)


def origin_of(iri: str) -> str:
    """Scheme, host and port, lower case, default port left out: what FEP-fe34 compares."""
    start = _ORIGIN.match(iri)
    return _origin(start[0] if start else iri)


_ORIGIN = re.compile(r"[^:/?#\\]+://[^/?#\\]*")


@lru_cache(maxsize=8192)
def _origin(start: str) -> str:
    """By what comes before the path: asked nine times for each note that arrives, and mostly the same.

    Total, since strangers write what it is asked about: what cannot be read as an address has an
    origin that no address has (RFC 6454 §4).
    """
    try:
        parts = urlsplit(start)
        number = parts.port
    except ValueError:
        return f"opaque:{start}"
    host = (parts.hostname or "").lower().rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    default = {"https": 443, "http": 80}.get(parts.scheme.lower())
    port = "" if number in (None, default) else f":{number}"
    return f"{parts.scheme.lower()}://{host}{port}"


def host_of(iri: str) -> str:
    """Host and non-default port, as they stand in a handle and in a Host header."""
    return origin_of(iri).partition("://")[2]


class Visibility(StrEnum):
    """Who a note is for (federation.md §5)."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    DIRECT = "direct"

    @property
    def is_open(self) -> bool:
        """Anybody may read it."""
        return self in (Visibility.PUBLIC, Visibility.UNLISTED)


class Verdict(StrEnum):
    """What the node says about who wrote a post (decisions.md §7)."""

    SIGNED = "signed"
    VOUCHED = "vouched"
    CHANGED = "changed"
    REFUSED = "refused"


class Trust(StrEnum):
    """How we came to know a key."""

    FIRST_USE = "first_use"
    COMPARED = "compared"
    CONTINUITY = "continuity"


class KeyState(StrEnum):
    """Where a known key stands: the pinned one, one that turned up without continuity, or one no longer listed."""

    PINNED = "pinned"
    CHANGED = "changed"
    RETIRED = "retired"


class KeyKind(StrEnum):
    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class Window:
    """One page of a list that is ordered by id, newest first: what lies below `before` and above `after`.

    With `nearest` the page is the one right above `after` (so that one can go on upwards without a
    gap); else it is the newest. It is given newest first either way.
    """

    before: int | None = None
    after: int | None = None
    nearest: bool = False
    limit: int = 20
