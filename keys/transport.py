"""The transport key: RSA with PKCS#1 v1.5 and SHA-256, what HTTP signatures still ask for.

It carries requests from server to server and signs no document; an identity does not depend on it.
"""

from __future__ import annotations

import hashlib
from functools import cached_property

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from keys import multiformat
from keys.errors import BadKey, BadSignature

EXPONENT = 65537
MIN_BITS = 2048
MAX_BITS = 4096
"""Checking a signature costs with the square of the bits, and strangers choose their keys (security.md §10)."""
_MAX_PEM = 16_384
_PADDING, _SHA256 = padding.PKCS1v15(), SHA256()
"""Without state: made once, used for every signature."""


class PublicTransport:
    """An RSA public key of 2048 to 4096 bits with exponent 65537. Equal when modulus is."""

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        _check_rsa(key.key_size, key.public_numbers().e)
        self._key = key
        self._der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @classmethod
    def from_pem(cls, text: str) -> PublicTransport:
        """From "PUBLIC KEY" (SPKI) as everyone publishes it, or the older "RSA PUBLIC KEY" (PKCS#1).

        Raises BadKey for anything else; first of all for a PEM that says PRIVATE.
        """
        if "PRIVATE" in text:
            raise BadKey("this PEM holds a private key", hint="Publish the public half, and consider this key lost.")
        if len(text) > _MAX_PEM:
            raise BadKey(f"a PEM of {len(text)} characters is too long for a public key")
        try:
            return cls._from_loaded(load_pem_public_key(text.encode("ascii")))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey(f"not a public key in PEM: {_short(error)}") from None

    @classmethod
    def from_multikey(cls, text: str) -> PublicTransport:
        """From `z4MX…` (FEP-521a)."""
        try:
            return cls._from_loaded(load_der_public_key(multiformat.rsa_from_multikey(text)))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise BadKey(f"not an RSA public key in PKCS#1: {_short(error)}") from None

    @classmethod
    def _from_loaded(cls, key: object) -> PublicTransport:
        if not isinstance(key, rsa.RSAPublicKey):
            raise BadKey("a public key, but not an RSA one")
        return cls(key)

    @cached_property
    def pem(self) -> str:
        """SPKI, as published in `publicKeyPem`."""
        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @cached_property
    def multikey(self) -> str:
        return multiformat.multikey_from_rsa(self._key.public_bytes(Encoding.DER, PublicFormat.PKCS1))

    @cached_property
    def fingerprint(self) -> str:
        """`rsa:` and the SHA-256 of the SPKI DER in hex."""
        return "rsa:" + hashlib.sha256(self._der).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return if `signature` is this key's over `message`; raise BadSignature otherwise."""
        try:
            self._key.verify(signature, message, _PADDING, _SHA256)
        except InvalidSignature:
            raise BadSignature(f"the signature does not hold under {self.fingerprint}") from None

    def __eq__(self, other: object) -> bool:
        return self._der == other._der if isinstance(other, PublicTransport) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._der)

    def __repr__(self) -> str:
        return f"PublicTransport({self.fingerprint})"


class TransportKey:
    """An RSA secret key. Loading one costs about 40 ms: keep it."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self.public = PublicTransport(key.public_key())

    @classmethod
    def generate(cls) -> TransportKey:
        return cls(rsa.generate_private_key(public_exponent=EXPONENT, key_size=MIN_BITS))

    @classmethod
    def from_pem(cls, pem: bytes) -> TransportKey:
        """From an unencrypted private key in PEM. The error never repeats what was read.

        OpenSSL's full check of the primes takes 40 ms and 0.7 MiB, at every start. A signature that
        verifies says as much about a file of our own: a damaged key does not make one.
        """
        try:
            key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise BadKey("not an unencrypted RSA private key in PEM") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise BadKey("a private key, but not an RSA one")
        made = cls(key)
        try:
            made.public.verify(made.sign(b"cuicui"), b"cuicui")
        except (BadSignature, ValueError):
            raise BadKey("an RSA private key whose parts do not belong together") from None
        return made

    def private_pem(self) -> bytes:
        """PKCS#8, unencrypted. Sealing it is keystore.py's work."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message, padding.PKCS1v15(), SHA256())

    def __repr__(self) -> str:
        return f"TransportKey(secret of {self.public.fingerprint})"


def _check_rsa(bits: int, exponent: int) -> None:
    if not MIN_BITS <= bits <= MAX_BITS:
        raise BadKey(f"an RSA key of {bits} bits; {MIN_BITS} to {MAX_BITS} are accepted")
    if exponent != EXPONENT:
        raise BadKey(f"an RSA key with exponent {exponent}; only {EXPONENT} is accepted")


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:120]
