"""Web Push, the cryptography: messages that only the app can read, from a server it knows (pure).

RFC 8291 (`aes128gcm`), the draft before it that older apps still ask for (`aesgcm`,
draft-ietf-webpush-encryption-04), and RFC 8292 (VAPID). All of it is a few lines over
`cryptography`, which is here anyway; pywebpush brings requests, and http-ece no check of the input.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.errors import BadKey
from node.model import origin_of

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256's base point (FIPS 186-5, SP 800-186 §3.2.1.3)."""

RECORD = 4096
"""Octets of one record; a message has only one (RFC 8291 §4)."""

LONGEST = 3072
"""Octets of plain text: what every push service takes after encryption, padding aside."""

VALID_FOR = timedelta(hours=12)
"""How long a VAPID token is good; RFC 8292 §2 allows 24 hours, and clocks differ."""


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_b64url(text: str, size: int) -> bytes:
    """base64url of exactly `size` bytes; apps also send plain base64, with padding. Raises BadKey."""
    plain = text.strip().replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:
        raise BadKey("not base64url") from None
    if len(data) != size:
        raise BadKey(f"{len(data)} octets instead of {size}")
    return data


def point(data: bytes) -> ec.EllipticCurvePublicKey:
    """An uncompressed point of P-256; one that is not on the curve is refused. Raises BadKey."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("not a point of P-256") from None


def octets(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


@dataclass(frozen=True, slots=True)
class Receiver:
    """The app's half: its public point, and the secret it shares with us."""

    public: bytes
    auth: bytes

    @classmethod
    def parse(cls, p256dh: str, auth: str) -> Receiver:
        """As an app sends them. Raises BadKey."""
        public = from_b64url(p256dh, 65)
        point(public)
        return cls(public, from_b64url(auth, 16))


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted to the push service."""

    body: bytes
    headers: dict[str, str]


class PushKey:
    """The node's VAPID key: by it push services and apps know who sends."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> PushKey:
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def derived(cls, secret: bytes) -> PushKey:
        """The one that follows from another secret of the node's (HKDF, then FIPS 186-5 §A.2.1: 128 bits to spare).

        So it is sealed, backed up and moved together with that secret, and there is no file more to lose:
        a node that lost this key would be silent to every app that subscribed.
        """
        wide = int.from_bytes(_hkdf(b"", secret, b"cuicui web push, version 1", 48), "big")
        return cls(ec.derive_private_key(wide % (_ORDER - 1) + 1, ec.SECP256R1()))

    @cached_property
    def public(self) -> str:
        """base64url of the uncompressed point: `applicationServerKey` in browsers, `vapid_key` in Mastodon's API."""
        return b64url(octets(self._private.public_key()))

    def token(self, endpoint: str, contact: str, now: datetime) -> str:
        """A JWT (ES256) for the service behind `endpoint` (RFC 8292 §2); `contact` is an https or mailto address."""
        claims = {"aud": origin_of(endpoint), "exp": int((now + VALID_FOR).timestamp()), "sub": contact}
        signed = ".".join(b64url(_json(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self._private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def message(
    text: bytes, receiver: Receiver, key: PushKey, *, endpoint: str, contact: str, now: datetime, standard: bool
) -> Message:
    """Encrypted for the app and signed for the push service, each time with a new key and a new salt."""
    own, salt = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    token = key.token(endpoint, contact, now)
    if standard:
        headers = {"Content-Encoding": "aes128gcm", "Authorization": f"vapid t={token}, k={key.public}"}
        return Message(aes128gcm(text, receiver, own, salt), headers)
    headers = {
        "Content-Encoding": "aesgcm",
        "Authorization": f"WebPush {token}",
        "Encryption": f"salt={b64url(salt)}",
        "Crypto-Key": f"dh={b64url(octets(own.public_key()))};p256ecdsa={key.public}",
    }
    return Message(aesgcm(text, receiver, own, salt), headers)


def aes128gcm(text: bytes, receiver: Receiver, own: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """RFC 8291 §3.4, in the coding of RFC 8188: header, then one record. Raises ValueError for what is too long."""
    _fits(text)
    mine = octets(own.public_key())
    shared = own.exchange(ec.ECDH(), point(receiver.public))
    secret = _hkdf(receiver.auth, shared, b"WebPush: info\x00" + receiver.public + mine, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
    sealed = AESGCM(key).encrypt(nonce, text + b"\x02", None)
    return salt + RECORD.to_bytes(4, "big") + bytes([len(mine)]) + mine + sealed


def aesgcm(text: bytes, receiver: Receiver, own: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """draft-ietf-webpush-encryption-04 §3.4: salt and key travel in headers. Raises ValueError for what is too long."""
    _fits(text)
    mine = octets(own.public_key())
    shared = own.exchange(ec.ECDH(), point(receiver.public))
    secret = _hkdf(receiver.auth, shared, b"Content-Encoding: auth\x00", 32)
    context = b"P-256\x00" + b"".join(len(one).to_bytes(2, "big") + one for one in (receiver.public, mine))
    key = _hkdf(salt, secret, b"Content-Encoding: aesgcm\x00" + context, 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00" + context, 12)
    return AESGCM(key).encrypt(nonce, b"\x00\x00" + text, None)


def _fits(text: bytes) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} octets are too many for a push; {LONGEST} fit")


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=salt, info=info).derive(secret)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
