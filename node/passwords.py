"""The owner's password: argon2id, and nothing of ours."""

from __future__ import annotations

from node.errors import NotAllowed

SHORTEST = 8


def hashed(password: str) -> str:
    """An argon2id hash with its parameters. Raises NotAllowed for one that is too short to be one."""
    if len(password) < SHORTEST:
        raise NotAllowed(f"a password has at least {SHORTEST} characters")
    from argon2 import PasswordHasher  # loaded when needed: the node itself starts without it

    return PasswordHasher().hash(password)


def matches(password: str, hash_: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(hash_, password)
    except (VerificationError, InvalidHashError):
        return False
