"""The owner's password: argon2id, and nothing of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import NotAllowed

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 8
LONGEST = 1024
"""Characters: what is longer is no password, and costs as much to hash as it is long."""

COSTS = (3, 64 << 10, 4)
"""Passes, KiB and threads of a new hash (RFC 9106 §4, the second recommended option). One that is there is checked with
its own, which it carries."""


def hashed(password: str) -> str:
    """An argon2id hash with its parameters. Raises NotAllowed for one that is too short to be one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise NotAllowed(f"a password has at least {SHORTEST} characters, and at most {LONGEST}")
    return _hasher().hash(password)


def is_outdated(hash_: str) -> bool:
    """Whether a hash was made with other parameters than a new one would be."""
    from argon2.exceptions import InvalidHashError

    try:
        return _hasher().check_needs_rehash(hash_)
    except InvalidHashError:
        return False


def matches(password: str, hash_: str) -> bool:
    """Takes 50 ms and 64 MiB: not on the event loop, and one at a time."""
    if not 0 < len(password) <= LONGEST:
        return False
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # loaded when needed: the node itself starts without it

    return PasswordHasher(*COSTS)
