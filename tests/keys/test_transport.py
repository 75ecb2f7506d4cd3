"""RSA keys for HTTP signatures: what we make, and whose we accept."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from keys import Identity, PublicTransport, TransportKey
from keys.errors import BadKey, BadSignature
from tests.keys.vectors import vectors

SPKI = PublicFormat.SubjectPublicKeyInfo


@pytest.fixture(scope="module")
def key() -> TransportKey:
    return TransportKey.generate()


def public_pem(modulus: int, exponent: int) -> str:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key().public_bytes(Encoding.PEM, SPKI).decode()


def test_the_published_rsa_multikey_is_read_and_written() -> None:
    """FEP-521a, the RSA vector."""
    text = next(vector["multikey"] for vector in vectors("multikey")["vectors"] if vector["kind"] == "rsa")
    assert PublicTransport.from_multikey(text).multikey == text


def test_a_signature_holds_over_its_message_only(key: TransportKey) -> None:
    signature = key.sign(b"message")
    key.public.verify(signature, b"message")
    for other in (b"massage", b""):
        with pytest.raises(BadSignature):
            key.public.verify(signature, other)
    for broken in (b"", signature[:-1], signature + b"\0", bytes(256)):
        with pytest.raises(BadSignature):
            key.public.verify(broken, b"message")
    with pytest.raises(BadSignature):
        TransportKey.generate().public.verify(signature, b"message")


def test_signatures_are_pkcs1_v15_with_sha256(key: TransportKey) -> None:
    """RFC 8017 §8.2, as draft-cavage-12 `rsa-sha256` and RFC 9421 `rsa-v1_5-sha256` ask."""
    theirs = load_pem_public_key(key.public.pem.encode())
    assert isinstance(theirs, rsa.RSAPublicKey)
    theirs.verify(key.sign(b"m"), b"m", padding.PKCS1v15(), SHA256())
    assert (theirs.key_size, theirs.public_numbers().e) == (2048, 65537)


def test_both_pem_forms_are_the_same_key(key: TransportKey) -> None:
    pkcs1 = load_pem_public_key(key.public.pem.encode()).public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()
    assert "BEGIN RSA PUBLIC KEY" in pkcs1
    assert PublicTransport.from_pem(pkcs1) == key.public
    assert PublicTransport.from_pem(pkcs1).pem == key.public.pem
    assert PublicTransport.from_pem("\n" + key.public.pem.replace("\n", "\r\n") + "\n") == key.public


def test_the_fingerprint_is_the_hash_of_the_spki(key: TransportKey) -> None:
    der = load_pem_public_key(key.public.pem.encode()).public_bytes(Encoding.DER, SPKI)
    assert key.public.fingerprint == "rsa:" + hashlib.sha256(der).hexdigest()


def test_a_key_comes_back_from_its_private_pem(key: TransportKey) -> None:
    again = TransportKey.from_pem(key.private_pem())
    assert again.public == key.public
    assert hash(again.public) == hash(key.public)
    assert b"BEGIN PRIVATE KEY" in key.private_pem()
    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize("exponent", [1, 2, 3, 17, 65535, 65536, 65539, 2**32 + 1])
def test_only_the_usual_exponent_is_accepted(key: TransportKey, exponent: int) -> None:
    """security.md §10: e = 65537."""
    modulus = load_pem_public_key(key.public.pem.encode()).public_numbers().n  # type: ignore[union-attr]
    try:
        pem = public_pem(modulus, exponent)
    except ValueError:  # even exponents and 1 cannot be made with this library at all; splice one in
        usual = bytes.fromhex("0203010001")
        other = bytes.fromhex("0203") + exponent.to_bytes(3, "big")
        der = load_pem_public_key(key.public.pem.encode()).public_bytes(Encoding.DER, SPKI)
        assert der.endswith(usual)
        body = base64.encodebytes(der.removesuffix(usual) + other).decode()
        pem = f"-----BEGIN PUBLIC KEY-----\n{body}-----END PUBLIC KEY-----\n"
    with pytest.raises(BadKey):
        PublicTransport.from_pem(pem)


@pytest.mark.parametrize(
    ("bits", "good"), [(1024, False), (2047, False), (2048, True), (4096, True), (4097, False), (8192, False)]
)
def test_the_modulus_has_2048_to_4096_bits(bits: int, good: bool) -> None:
    pem = public_pem(2 ** (bits - 1) + 1, 65537)
    if good:
        PublicTransport.from_pem(pem)
    else:
        with pytest.raises(BadKey):
            PublicTransport.from_pem(pem)


def test_a_published_private_key_is_refused(key: TransportKey) -> None:
    with pytest.raises(BadKey) as caught:
        PublicTransport.from_pem(key.private_pem().decode())
    assert "private" in caught.value.message
    with pytest.raises(BadKey):
        PublicTransport.from_pem(key.public.pem + key.private_pem().decode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "é" * 50,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "A" * 100_000,
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.PEM, SPKI).decode(),
    ],
    ids=lambda text: repr(text[:24]),
)
def test_anything_else_is_not_a_transport_key(text: str) -> None:
    with pytest.raises(BadKey):
        PublicTransport.from_pem(text)
    with pytest.raises(BadKey):
        PublicTransport.from_multikey(text)


def test_a_key_among_too_much_else_is_not_looked_for(key: TransportKey) -> None:
    """security.md §0.10: a stranger's actor document decides how much there is to read."""
    assert PublicTransport.from_pem("note: mine\n" * 100 + key.public.pem) == key.public
    with pytest.raises(BadKey, match="too long"):
        PublicTransport.from_pem("note: mine\n" * 2_000 + key.public.pem)


def test_an_ed25519_multikey_is_not_a_transport_key() -> None:
    with pytest.raises(BadKey):
        PublicTransport.from_multikey(Identity.generate().public.multikey)


def test_private_keys_of_other_kinds_are_refused(key: TransportKey) -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    small = rsa.generate_private_key(65537, 1024)
    for private, encryption in (
        (elliptic, NoEncryption()),
        (small, NoEncryption()),
        (key._key, BestAvailableEncryption(b"secret")),
    ):
        with pytest.raises(BadKey):
            TransportKey.from_pem(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(BadKey):
        TransportKey.from_pem(b"nonsense")


def test_a_damaged_private_key_is_refused() -> None:
    """A key whose parts do not belong together would sign wrongly, and give itself away (RSA-CRT faults)."""
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    other = rsa.generate_private_key(65537, 2048).private_numbers()
    mixed = rsa.RSAPrivateNumbers(
        p=numbers.p,
        q=numbers.q,
        d=other.d % numbers.public_numbers.n,
        dmp1=other.dmp1 % (numbers.p - 1),
        dmq1=numbers.dmq1,
        iqmp=numbers.iqmp,
        public_numbers=numbers.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)
    pem = mixed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BadKey, match="belong together"):
        TransportKey.from_pem(pem)
