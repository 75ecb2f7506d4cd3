"""HTTP Message Signatures: structured fields and the signature base, against the RFC's own examples."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from keys import PublicIdentity
from node.errors import Reason, Refused
from node.federation import rfc9421
from node.federation.claim import fields_of

# RFC 9421 §B.2: the request that all the examples sign.
TARGET, ORIGIN = "/foo?param=Value&Pet=dog", "https://example.com"
FIELDS = fields_of(
    [
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]
)


def one(line: str) -> rfc9421.SignatureInput:
    (given,) = rfc9421.signature_inputs(line).values()
    return given


def test_the_ed25519_example_of_the_rfc_holds():
    """RFC 9421 §B.2.6, "Signing a Request Using ed25519", with the key of §B.1.4."""
    der = base64.b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")
    key = PublicIdentity.from_raw(load_der_public_key(der).public_bytes_raw())
    given = one(
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    base = rfc9421.base(given, FIELDS, "POST", TARGET, ORIGIN)
    assert base == (
        b'"date": Tue, 20 Apr 2021 02:07:55 GMT\n'
        b'"@method": POST\n'
        b'"@path": /foo\n'
        b'"@authority": example.com\n'
        b'"content-type": application/json\n'
        b'"content-length": 18\n'
        b'"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")'
        b';created=1618884473;keyid="test-key-ed25519"'
    )
    key.verify(
        base64.b64decode("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="),
        base,
    )


def test_the_minimal_base_of_the_rfc():
    """RFC 9421 §B.2.1: a signature that covers nothing still has its parameters as the base."""
    given = one('sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"')
    assert rfc9421.base(given, FIELDS, "POST", TARGET, ORIGIN) == (
        b'"@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"'
    )


@pytest.mark.parametrize(
    ("name", "target", "value"),
    [
        ("@method", "/", "POST"),
        ("@target-uri", "/path?param=value", "https://example.com/path?param=value"),
        ("@target-uri", "/path?", "https://example.com/path?"),
        ("@authority", "/", "example.com"),
        ("@scheme", "/", "https"),
        ("@request-target", "/path?param=value", "/path?param=value"),
        ("@path", "/path?param=value", "/path"),
        ("@path", "/a%2Fb%20c?x", "/a%2Fb%20c"),
        ("@query", "/path?param=value&foo=bar&baz=bat%2Dman", "?param=value&foo=bar&baz=bat%2Dman"),
        ("@query", "/path?queryString", "?queryString"),
        ("@query", "/path?", "?"),
        ("@query", "/path", "?"),
    ],
)
def test_derived_components(name, target, value):
    """RFC 9421 §2.2.1–2.2.7, with the examples given there."""
    base = rfc9421.base(one(f'a=("{name}")'), FIELDS, "POST", target, ORIGIN)
    assert base.decode().splitlines()[0] == f'"{name}": {value}'


@pytest.mark.parametrize("name", ["@query-param", "@status", "@", "@target-URI", "@signature-params", "@unheard-of"])
def test_derived_components_that_we_cannot_rebuild_are_refused(name):
    """RFC 9421 §2.5: an unknown component is an error; those of responses have no place in a request."""
    with pytest.raises(Refused) as refused:
        rfc9421.base(one(f'a=("{name}")'), FIELDS, "GET", "/", ORIGIN)
    assert refused.value.reason is Reason.BAD_SIGNATURE_HEADER


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("a=()", "()"),
        ('a=(  "x"   "y" )', '("x" "y")'),
        ("a=();created=1;  expires=2", "();created=1;expires=2"),
        ("a=();b=?1;c=?0;d", "();b;c=?0;d"),
        ("a=();b=007;c=-5;d=1.50;e=-0.0", "();b=7;c=-5;d=1.5;e=-0.0"),
        ('a=();b=tok/en;c=:AA==:;d="q\\"\\\\"', '();b=tok/en;c=:AA==:;d="q\\"\\\\"'),
    ],
)
def test_parameters_are_written_canonically_in_the_base(line, text):
    """RFC 9421 §2.3: the value of @signature-params is serialised by RFC 8941 §4.1, not copied."""
    assert one(line).text == text


def test_parameters_have_their_types():
    """RFC 9421 §2.3: created and expires are integers; nonce, alg, keyid and tag are strings."""
    given = one('a=("x");created=12;keyid="k\\"\\\\";tag=word')
    assert given.components == ("x",)
    assert given.parameters == {"created": 12, "keyid": 'k"\\', "tag": None}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a",
        "a=",
        "a=1",
        'a="x"',
        "a=:AA==:",
        "A=()",
        "a=(",
        'a=("x"',
        "a=(x)",
        'a=("x""y")',
        'a=("x"),',
        'a=("x") b=()',
        "a=(),a=()",
        'a=("x" "x")',
        'a=("X")',
        'a=("")',
        'a=("x\\"y")',
        'a=("x";req)',
        'a=("x";sf)',
        'a=("@query-param";name="q")',
        "a=();b=1;b=2",
        "a=();B=1",
        "a=();b=",
        "a=();b=?2",
        "a=();b=1.",
        "a=();b=1.2345",
        "a=();b=1234567890123456",
        "a=();b=1234567890123.5",
        "a=();b=--1",
        'a=();b="',
        'a=();b="\u00fc"',
        'a=();b="\\n"',
        "a=();b=:AA:",
        "a=();b=\u00b2",
        "a=(" + " ".join(f'"x{n}"' for n in range(33)) + ")",
    ],
)
def test_fields_that_are_not_quite_right_are_refused(line):
    """RFC 8941 §4.2: a field with one fault fails as a whole; where it lets a later duplicate win, we refuse both."""
    with pytest.raises(Refused) as refused:
        rfc9421.signature_inputs(line)
    assert refused.value.reason is Reason.BAD_SIGNATURE_HEADER


def test_byte_sequences_are_padded_base64():
    """RFC 8941 §3.3.5, and no leniency about padding."""
    assert rfc9421.byte_sequences("a=:AA==:, b=:AA:,\tc=:A===:;x=1") == {"a": b"\0", "b": None, "c": None}


@pytest.mark.parametrize(
    "text", ['a=("' + "\\\\" * 30_000, "a=();" * 10_000, "a=();b=" + "1" * 50_000, "a=" + "(" * 50_000]
)
def test_long_rubbish_is_refused_in_linear_time(text):
    """No backtracking: fifty thousand characters are turned down at once."""
    with pytest.raises(Refused):
        rfc9421.signature_inputs(text)
