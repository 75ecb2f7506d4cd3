"""Ed25519 keys (RFC 8032), and which of them nobody should trust."""

from __future__ import annotations

import nacl.exceptions
import nacl.signing
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from keys import Identity, PublicIdentity
from keys.errors import BadKey, BadSignature

P = 2**255 - 19
SMALL_ORDER = [
    "00" * 32,
    "01" + "00" * 31,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ec" + "ff" * 30 + "7f",
    "ed" + "ff" * 30 + "7f",
    "ee" + "ff" * 30 + "7f",
]


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_published_signatures(seed: str, public: str, message: str, signature: str) -> None:
    """RFC 8032 §7.1, tests 1 and 2."""
    identity = Identity.from_seed(bytes.fromhex(seed))
    assert identity.public.raw.hex() == public
    assert identity.sign(bytes.fromhex(message)).hex() == signature
    identity.public.verify(bytes.fromhex(signature), bytes.fromhex(message))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_a_second_implementation_agrees(seed: bytes, message: bytes) -> None:
    ours, theirs = Identity.from_seed(seed), nacl.signing.SigningKey(seed)
    assert ours.public.raw == bytes(theirs.verify_key)
    assert ours.sign(message) == theirs.sign(message).signature


@pytest.mark.parametrize("sign_bit", [0, 0x80])
@pytest.mark.parametrize("raw", SMALL_ORDER)
def test_keys_of_small_order_are_refused(raw: str, sign_bit: int) -> None:
    """RFC 8032 §8.9 leaves it open; under such a key anybody can sign anything."""
    point = bytearray.fromhex(raw)
    point[31] |= sign_bit
    with pytest.raises(BadKey):
        PublicIdentity.from_raw(bytes(point))


def test_the_library_below_would_have_accepted_one() -> None:
    """Why we look: with the identity point as key, R = [S]B holds for every message."""
    forged = bytes.fromhex(SMALL_ORDER[1]) + bytes(32)
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(SMALL_ORDER[1])).verify(forged, b"anything at all")
    with pytest.raises(nacl.exceptions.BadSignatureError):
        nacl.signing.VerifyKey(bytes.fromhex(SMALL_ORDER[1])).verify(b"anything at all", forged)


@pytest.mark.parametrize("sign_bit", [0, 1])
@pytest.mark.parametrize("y", range(P, 2**255))
def test_keys_with_y_not_reduced_are_refused(y: int, sign_bit: int) -> None:
    """RFC 8032 §5.1.3 step 1: "If the resulting value is >= p, decoding fails." """
    with pytest.raises(BadKey):
        PublicIdentity.from_raw((y | sign_bit << 255).to_bytes(32, "little"))


def test_the_sign_of_x_is_part_of_the_key() -> None:
    raw = bytearray(Identity.from_seed(bytes(32)).public.raw)
    raw[31] ^= 0x80
    mirrored = PublicIdentity.from_raw(bytes(raw))
    assert mirrored != Identity.from_seed(bytes(32)).public
    with pytest.raises(BadSignature):
        mirrored.verify(Identity.from_seed(bytes(32)).sign(b"m"), b"m")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_and_seeds_have_32_bytes(size: int) -> None:
    with pytest.raises(BadKey):
        PublicIdentity.from_raw(bytes(size))
    with pytest.raises(BadKey):
        Identity.from_seed(bytes(size))


@given(st.integers(0, 511))
def test_one_bit_is_enough_to_break_a_signature(bit: int) -> None:
    identity = Identity.from_seed(b"\x07" * 32)
    signature = bytearray(identity.sign(b"message"))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadSignature):
        identity.public.verify(bytes(signature), b"message")


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_has_64_bytes(size: int) -> None:
    with pytest.raises(BadSignature):
        Identity.from_seed(bytes(32)).public.verify(bytes(size), b"message")


def test_a_signature_has_one_form() -> None:
    """RFC 8032 §5.1.7: S must be below the order of the group, or the signature could be varied."""
    identity = Identity.from_seed(bytes(32))
    signature = identity.sign(b"m")
    order = 2**252 + 27742317777372353535851937790883648493
    varied = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(BadSignature):
        identity.public.verify(signature[:32] + varied.to_bytes(32, "little"), b"m")


def test_text_forms_lead_back_to_the_key() -> None:
    identity = Identity.generate()
    assert Identity.from_secret_multikey(identity.secret_multikey).seed == identity.seed
    assert PublicIdentity.from_multikey(identity.public.multikey) == identity.public
    assert identity.public.did == f"did:key:{identity.public.multikey}"
    assert identity.secret_multikey.startswith("z3u2")
    assert identity.public.multikey.startswith("z6Mk")


def test_equal_keys_are_one_key() -> None:
    first, second = Identity.from_seed(bytes(32)), Identity.from_seed(bytes(32))
    assert first.public == second.public
    assert {first.public: "pinned"}[second.public] == "pinned"
    assert first.public != Identity.generate().public
    assert first.public != first.public.raw


def test_a_secret_is_never_shown() -> None:
    identity = Identity.generate()
    shown = repr(identity) + str(identity) + f"{identity}"
    assert identity.secret_multikey not in shown
    assert identity.seed.hex() not in shown
    assert identity.public.multikey in shown


def test_the_fingerprint_is_twenty_characters_in_fours() -> None:
    public = PublicIdentity.from_multikey("z6Mkf7eotz1BKX36uwnJyjnvQrvS7HmznSoFF8BFykXfUiQk")
    assert public.fingerprint == "f7eo tz1B KX36 uwnJ yjnv"
