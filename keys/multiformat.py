"""Keys and digests as text: base58btc, multibase, Multikey, did:key. Bytes ↔ text, nothing else."""

from __future__ import annotations

import base64
import hashlib
import re

from keys.errors import BadKey

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {character: index for index, character in enumerate(_ALPHABET)}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

# Prefixes of the multicodec table, as unsigned varints.
_ED25519_PUBLIC = b"\xed\x01"
_ED25519_SECRET = b"\x80\x26"
_RSA_PUBLIC = b"\x85\x24"
_SHA2_256 = b"\x12\x20"  # multihash: the function, then the length 32

_MAX_TEXT = 2048
"""Longest multibase text we decode; an RSA key of 4096 bits has 723 characters."""


def base58_encode(data: bytes) -> str:
    """base58btc; each leading zero byte is a leading `1`."""
    number = int.from_bytes(data, "big")
    digits: list[str] = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def base58_decode(text: str) -> bytes:
    """The bytes of base58btc text. Raises BadKey for any other character, or text too long to be ours."""
    if len(text) > _MAX_TEXT:
        raise BadKey(f"base58 text of {len(text)} characters is too long")
    number = 0
    try:
        for character in text:
            number = number * 58 + _VALUE[character]
    except KeyError:
        raise BadKey(f"not base58: {text[:80]!a}") from None
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def multibase_encode(data: bytes) -> str:
    return "z" + base58_encode(data)


def multibase_decode(text: str) -> bytes:
    """`z…` base58btc, or `u…` base64url without padding, which Mastodon and others also write."""
    if text.startswith("z"):
        return base58_decode(text[1:])
    if text.startswith("u") and len(text) <= _MAX_TEXT and _BASE64URL.fullmatch(text, 1):
        body = text[1:]
        try:
            data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        except ValueError:
            raise BadKey(f"not base64url: {text[:80]!a}") from None
        if base64.urlsafe_b64encode(data).rstrip(b"=").decode() == body:  # no stray bits: one spelling
            return data
    raise BadKey(f"not a multibase value of base58btc (z…) or base64url (u…): {text[:80]!a}")


def multikey_from_ed25519(raw: bytes) -> str:
    """`z6Mk…` for the 32 bytes of an Ed25519 public key (FEP-521a)."""
    return multibase_encode(_ED25519_PUBLIC + _sized(raw, 32))


def ed25519_from_multikey(text: str) -> bytes:
    """The 32 bytes behind `z6Mk…`. Whether they are a key anyone should trust is identity.py's to say."""
    if text.startswith("z3u2"):
        raise BadKey("this is a secret key, a public one is expected", hint="A public key begins with z6Mk.")
    return _tagged(text, _ED25519_PUBLIC, 32, "an Ed25519 public key (z6Mk…)")


def secret_multikey_from_ed25519(seed: bytes) -> str:
    """`z3u2…` for the 32-byte seed: a form that cannot be mistaken for the public one."""
    return multibase_encode(_ED25519_SECRET + _sized(seed, 32))


def ed25519_from_secret_multikey(text: str) -> bytes:
    """The seed behind `z3u2…`. The error does not repeat the text: it may be a secret."""
    try:
        return _tagged(text, _ED25519_SECRET, 32, "an Ed25519 secret key (z3u2…)")
    except BadKey:
        raise BadKey("not an Ed25519 secret key", hint="A secret key begins with z3u2.") from None


def multikey_from_rsa(pkcs1: bytes) -> str:
    """`z4MX…` for the DER of a PKCS#1 RSAPublicKey (FEP-521a)."""
    return multibase_encode(_RSA_PUBLIC + pkcs1)


def rsa_from_multikey(text: str) -> bytes:
    """The PKCS#1 DER behind `z4MX…`."""
    return _tagged(text, _RSA_PUBLIC, None, "an RSA public key (z4MX…)")


def sha256_multihash(data: bytes) -> str:
    """`zQm…`: the SHA-256 of `data` as a multibase multihash."""
    return multihash_text(hashlib.sha256(data).digest())


def multihash_text(digest: bytes) -> str:
    """`zQm…` of a SHA-256 that was computed elsewhere, over a file too large to hold."""
    return multibase_encode(_SHA2_256 + digest)


def did_key(multikey: str) -> str:
    return f"did:key:{multikey}"


def multikey_from_did(text: str) -> str:
    """The Multikey in `did:key:M` or `did:key:M#M`; any other DID or fragment is BadKey."""
    multikey, separator, fragment = text.removeprefix("did:key:").partition("#")
    if not text.startswith("did:key:") or not multikey or (separator and fragment != multikey):
        raise BadKey(f"not a did:key: {text[:120]!a}")
    return multikey


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise BadKey(f"a key of {len(data)} bytes, {size} are expected")
    return data


def _tagged(text: str, prefix: bytes, size: int | None, what: str) -> bytes:
    data = multibase_decode(text)
    if not data.startswith(prefix) or (size is not None and len(data) != len(prefix) + size):
        raise BadKey(f"not {what}: {text[:80]!a}")
    return data[len(prefix) :]
