"""The owner's password: argon2id, and nothing of ours."""

from __future__ import annotations

from node.errors import NotAllowed

SHORTEST = 8
LONGEST = 1024
"""Characters: what is longer is no password, and costs as much to hash as it is long."""


def hashed(password: str) -> str:
    """An argon2id hash with its parameters. Raises NotAllowed for one that is too short to be one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise NotAllowed(f"a password has at least {SHORTEST} characters, and at most {LONGEST}")
    from argon2 import PasswordHasher  # loaded when needed: the node itself starts without it

    return PasswordHasher().hash(password)


def is_outdated(hash_: str) -> bool:
    """Whether a hash was made with weaker parameters than a new one would be."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError

    try:
        return PasswordHasher().check_needs_rehash(hash_)
    except InvalidHashError:
        return False


def matches(password: str, hash_: str) -> bool:
    """Takes 50 ms and 64 MiB: not on the event loop, and one at a time."""
    if not 0 < len(password) <= LONGEST:
        return False
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False
