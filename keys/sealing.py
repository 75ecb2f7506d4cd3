"""A secret under a passphrase: scrypt (RFC 7914) makes the key, ChaCha20-Poly1305 (RFC 8439) seals."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keys.errors import BadKey, Locked

_COSTS = (2**14, 2**15, 2**16, 2**17, 2**18)  # 2**18 asks for 256 MiB; a file must not be able to ask for more
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
_MAX_PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Seal:
    """How a secret is sealed. Everything here stands in the file's header, which is sealed with it."""

    salt: bytes
    nonce: bytes
    cost: int = _COST
    parallel: int = _PARALLEL

    @classmethod
    def fresh(cls) -> Seal:
        return cls(salt=os.urandom(16), nonce=os.urandom(12))

    def to_json(self) -> dict[str, object]:
        return {
            "kdf": "scrypt",
            "n": self.cost,
            "r": _BLOCK,
            "p": self.parallel,
            "salt": base64.b64encode(self.salt).decode(),
            "cipher": "chacha20-poly1305",
            "nonce": base64.b64encode(self.nonce).decode(),
        }

    @classmethod
    def from_json(cls, value: object) -> Seal:
        """Raises BadKey for anything this program would not have written, costs included."""
        match value:
            case {
                "kdf": "scrypt",
                "n": int() as cost,
                "r": 8,
                "p": int() as parallel,
                "salt": str() as salt,
                "cipher": "chacha20-poly1305",
                "nonce": str() as nonce,
                **rest,
            } if not rest and cost in _COSTS and 1 <= parallel <= _MAX_PARALLEL:
                return cls(decode(salt, 16), decode(nonce, 12), cost, parallel)
        raise BadKey("sealed in a way this version does not know")

    def close(self, secret: bytes, passphrase: str, header: bytes) -> bytes:
        return ChaCha20Poly1305(self._key(passphrase)).encrypt(self.nonce, secret, header)

    def open(self, sealed: bytes, passphrase: str, header: bytes) -> bytes:
        """Raises Locked for a wrong passphrase; a changed file looks the same from here."""
        try:
            return ChaCha20Poly1305(self._key(passphrase)).decrypt(self.nonce, sealed, header)
        except InvalidTag:
            raise Locked("wrong passphrase, or the file was changed") from None

    def _key(self, passphrase: str) -> bytes:
        return Scrypt(salt=self.salt, length=32, n=self.cost, r=_BLOCK, p=self.parallel).derive(passphrase.encode())


def decode(text: str, size: int | None = None) -> bytes:
    """Strict base64 of `size` bytes; BadKey otherwise."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise BadKey("not base64") from None
    if size is not None and len(data) != size:
        raise BadKey(f"{len(data)} bytes where {size} belong")
    return data
