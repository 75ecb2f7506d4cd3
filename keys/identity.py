"""The identity key: Ed25519 (RFC 8032), secret and public."""

from __future__ import annotations

from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keys import multiformat
from keys.errors import BadKey, BadSignature

_FIELD = 2**255 - 19

# y coordinates of the points of order 1, 2, 4 and 8. Under such a key a signature can be made for
# any message without a secret; OpenSSL accepts them. The unreduced spellings (y ≥ p) of 0, 1 and −1
# are refused with every other unreduced y.
_SMALL_ORDER = {
    0,
    1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    _FIELD - 1,
}


class PublicIdentity:
    """An Ed25519 public key that is safe to check signatures with. Equal when the 32 bytes are."""

    def __init__(self, raw: bytes) -> None:
        _check_point(raw)
        self._raw = bytes(raw)
        self._key = Ed25519PublicKey.from_public_bytes(self._raw)

    @classmethod
    def from_raw(cls, raw: bytes) -> PublicIdentity:
        """From the 32 bytes of RFC 8032 §5.1.5. Raises BadKey for small-order and unreduced points."""
        return cls(raw)

    @classmethod
    def from_multikey(cls, text: str) -> PublicIdentity:
        """From `z6Mk…` (or the same bytes in base64url, `u…`)."""
        return cls(multiformat.ed25519_from_multikey(text))

    @property
    def raw(self) -> bytes:
        return self._raw

    @cached_property
    def multikey(self) -> str:
        """`z6Mk…`, the spelling used everywhere: in documents, in storage, on pages."""
        return multiformat.multikey_from_ed25519(self._raw)

    @property
    def did(self) -> str:
        return multiformat.did_key(self.multikey)

    @property
    def fingerprint(self) -> str:
        """For two people to compare aloud: the 20 characters after `z6Mk`, in fours (117 bits of the key)."""
        shown = self.multikey[4:24]
        return " ".join(shown[start : start + 4] for start in range(0, 20, 4))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if `signature` is this key's over `message`; raise BadSignature otherwise."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            raise BadSignature(f"the signature does not hold under {self.multikey}") from None

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, PublicIdentity) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return f"PublicIdentity({self.multikey})"


class Identity:
    """An Ed25519 secret key. Its repr shows only the public half."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise BadKey(f"a seed has 32 bytes, this one {len(seed)}")
        self._seed = bytes(seed)
        self._key = Ed25519PrivateKey.from_private_bytes(self._seed)
        self.public = PublicIdentity(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Identity:
        """A new key, from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> Identity:
        return cls(seed)

    @classmethod
    def from_secret_multikey(cls, text: str) -> Identity:
        """From `z3u2…`."""
        return cls(multiformat.ed25519_from_secret_multikey(text))

    @property
    def seed(self) -> bytes:
        return self._seed

    @property
    def secret_multikey(self) -> str:
        """`z3u2…`. Whoever reads it is the owner."""
        return multiformat.secret_multikey_from_ed25519(self._seed)

    def sign(self, message: bytes) -> bytes:
        """64 bytes; the same message always gives the same signature."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"Identity(secret of {self.public.multikey})"


def _check_point(raw: bytes) -> None:
    if len(raw) != 32:
        raise BadKey(f"an Ed25519 public key has 32 bytes, this one {len(raw)}")
    y = int.from_bytes(raw, "little") & (2**255 - 1)  # the top bit is the sign of x
    if y in _SMALL_ORDER or y >= _FIELD:
        raise BadKey(f"{raw.hex()} is not a safe Ed25519 key: a point of small order, or y not reduced")
