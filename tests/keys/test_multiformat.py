"""base58btc, multibase, Multikey, did:key (FEP-521a, did-method-key)."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import multiformat
from keys.errors import BadKey
from tests.keys.vectors import vectors

KEY = "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


@pytest.mark.parametrize("vector", vectors("multikey")["vectors"], ids=lambda vector: vector["kind"])
def test_published_multikeys(vector: dict[str, str]) -> None:
    """FEP-521a: Ed25519 is 0xed01 and 32 bytes, RSA is 0x1205 and the PKCS#1 DER."""
    raw = bytes.fromhex(vector["hex"])
    if vector["kind"] == "ed25519":
        assert multiformat.multikey_from_ed25519(raw) == vector["multikey"]
        assert multiformat.ed25519_from_multikey(vector["multikey"]) == raw
    else:
        assert multiformat.multikey_from_rsa(raw) == vector["multikey"]
        assert multiformat.rsa_from_multikey(vector["multikey"]) == raw


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\0", "1"),
        (b"\0\0\x01", "112"),
        (b"Hello World!", "2NEpo7TZRRrLZSi2U"),  # draft-msporny-base58 §5
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
    ],
)
def test_base58_examples(data: bytes, text: str) -> None:
    assert multiformat.base58_encode(data) == text
    assert multiformat.base58_decode(text) == data


@given(st.binary(max_size=80))
def test_bytes_survive_both_bases(data: bytes) -> None:
    assert multiformat.multibase_decode(multiformat.multibase_encode(data)) == data
    assert multiformat.multibase_decode("u" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()) == data


@given(st.text(st.sampled_from(multiformat._ALPHABET), max_size=60))
def test_base58_has_one_spelling(text: str) -> None:
    assert multiformat.base58_encode(multiformat.base58_decode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",  # no multibase prefix
        "f" + "ed01" + "00" * 32,  # another base
        KEY + " ",
        " " + KEY,
        KEY[:-1],
        KEY + "1",
        KEY.replace("h", "0", 1),  # 0, O, I and l are not in the alphabet
        KEY.replace("h", "é", 1),
        "z" + "2" * 100_000,
        "u7QEubfzjZwHceRSI4NCxdFzB4zpMHJ_MQcY700PbvgkX5g==",  # padded
        "u7QEubfzjZwHceRSI4NCxdFzB4zpMHJ_MQcY700PbvgkX5h",  # stray bits at the end
        "u7QEubfzjZwHceRSI4NCxdFzB4zpMHJ/MQcY700PbvgkX5g",
        "uA",
        multiformat.multibase_encode(b"\xe7\x01" + bytes(32)),  # secp256k1
        multiformat.multibase_encode(b"\xed\x01" + bytes(31)),
        multiformat.multibase_encode(b"\xed\x01" + bytes(33)),
        multiformat.secret_multikey_from_ed25519(bytes(32)),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_anything_else_is_not_a_key(text: str) -> None:
    with pytest.raises(BadKey):
        multiformat.ed25519_from_multikey(text)


def test_a_key_in_base64url_is_the_same_key() -> None:
    raw = multiformat.ed25519_from_multikey(KEY)
    text = "u" + base64.urlsafe_b64encode(b"\xed\x01" + raw).rstrip(b"=").decode()
    assert multiformat.ed25519_from_multikey(text) == raw


def test_a_secret_in_the_wrong_place_is_not_repeated_in_the_error() -> None:
    secret = multiformat.secret_multikey_from_ed25519(bytes(range(32)))
    with pytest.raises(BadKey) as caught:
        multiformat.ed25519_from_multikey(secret)
    assert secret[4:] not in caught.value.message
    with pytest.raises(BadKey) as caught:
        multiformat.ed25519_from_secret_multikey(secret + "1")
    assert secret[4:] not in caught.value.message


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(BadKey):
        multiformat.multikey_from_ed25519(bytes(size))
    with pytest.raises(BadKey):
        multiformat.secret_multikey_from_ed25519(bytes(size))


def test_digests_are_multihashes() -> None:
    """multihash: 0x12 (sha2-256), 0x20 (32 bytes), then the digest; all of them begin with zQm."""
    text = multiformat.sha256_multihash(b"cui-cui")
    assert text.startswith("zQm")
    assert multiformat.multibase_decode(text) == b"\x12\x20" + hashlib.sha256(b"cui-cui").digest()


@pytest.mark.parametrize("text", [f"did:key:{KEY}", f"did:key:{KEY}#{KEY}"])
def test_did_key_in_both_forms(text: str) -> None:
    assert multiformat.multikey_from_did(text) == KEY
    assert multiformat.did_key(KEY) == f"did:key:{KEY}"


@pytest.mark.parametrize("text", [KEY, "did:key:", f"did:key:{KEY}#", f"did:key:{KEY}#other", "did:web:alice.example"])
def test_other_dids_are_refused(text: str) -> None:
    with pytest.raises(BadKey):
        multiformat.multikey_from_did(text)
