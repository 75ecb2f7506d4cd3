"""A push service and the app behind it, written from the RFCs: receives over HTTP, decrypts, checks who sent it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def spelled(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def raw(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass(frozen=True)
class Push:
    """What came: decrypted, with its headers and the claims of who sent it."""

    path: str
    headers: dict[str, str]
    claims: dict[str, Any]
    said: dict[str, Any]


class PushService(AbstractAsyncContextManager["PushService"]):
    """On loopback. `answer` is the status that it gives, as soon as it may `go`."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)
        self.answer = 201
        self.server_key = ""
        self.got: list[Push] = []
        self.tried = 0
        self.port = 0
        self.go = asyncio.Event()
        """Set, unless it is to keep who asks waiting."""
        self.go.set()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def subscription(self, path: str = "/push/1", *, standard: bool = True) -> dict[str, Any]:
        keys = {"p256dh": spelled(raw(self.key.public_key())), "auth": spelled(self.auth)}
        return {"endpoint": self.base + path, "keys": keys, "standard": standard}

    async def __aenter__(self) -> PushService:
        app = web.Application()
        app.router.add_post("/{tail:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        self.tried += 1
        body = await request.read()
        await self.go.wait()
        if 200 <= self.answer < 300:
            opened = self._standard if request.headers["Content-Encoding"] == "aes128gcm" else self._draft
            token, key, text = opened(request, body)
            assert key == self.server_key
            self.got.append(Push(request.path, dict(request.headers), checked(token, key), json.loads(text)))
        return web.Response(status=self.answer)

    def _standard(self, request: web.Request, body: bytes) -> tuple[str, str, bytes]:
        """RFC 8188 §2.1, RFC 8291 §3.4, RFC 8292 §3."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(sealed) <= size
        shared = self._shared(sender)
        mine = raw(self.key.public_key())
        secret = _hkdf(self.auth, shared, b"WebPush: info\0" + mine + sender, 32)
        key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
        nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
        text = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert text[-1:] == b"\x02"
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        assert scheme == "vapid"
        given = dict(part.strip().split("=", 1) for part in rest.split(","))
        return given["t"], given["k"], text[:-1]

    def _draft(self, request: web.Request, body: bytes) -> tuple[str, str, bytes]:
        """draft-ietf-webpush-encryption-04."""
        given = dict(part.strip().split("=", 1) for part in request.headers["Crypto-Key"].split(";"))
        salt = read(request.headers["Encryption"].removeprefix("salt="))
        sender, mine = read(given["dh"]), raw(self.key.public_key())
        secret = _hkdf(self.auth, self._shared(sender), b"Content-Encoding: auth\0", 32)
        context = b"P-256\0" + b"\0\x41" + mine + b"\0\x41" + sender
        key = _hkdf(salt, secret, b"Content-Encoding: aesgcm\0" + context, 16)
        nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0" + context, 12)
        padded = AESGCM(key).decrypt(nonce, body, None)
        scheme, _, token = request.headers["Authorization"].partition(" ")
        assert scheme == "WebPush"
        return token, given["p256ecdsa"], padded[2 + int.from_bytes(padded[:2], "big") :]

    def _shared(self, sender: bytes) -> bytes:
        return self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))


def checked(token: str, key: str) -> dict[str, Any]:
    """The claims of a JWT that `key` signed (RFC 7515, ES256); raises InvalidSignature."""
    head, claims, signature = token.split(".")
    assert json.loads(read(head)) == {"typ": "JWT", "alg": "ES256"}
    r, s = (int.from_bytes(half, "big") for half in (read(signature)[:32], read(signature)[32:]))
    signer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), read(key))
    signer.verify(encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    found: dict[str, Any] = json.loads(read(claims))
    return found
