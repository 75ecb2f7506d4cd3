"""draft-cavage-http-signatures-12: the header, the signing string and the date, each by itself."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from node.errors import Reason, Refused
from node.federation import cavage
from node.federation.claim import fields_of


def test_parameters_are_read_whatever_their_order_and_spacing():
    """Draft §2.1: parameters are name=value, separated by commas; GoToSocial and PeerTube order them differently."""
    assert cavage.parameters('keyId="https://a.example/k", headers="date host" ,signature="AA==",created=12') == {
        "keyid": "https://a.example/k",
        "headers": "date host",
        "signature": "AA==",
        "created": "12",
    }


def test_unknown_parameters_are_passed_over():
    """Draft §2.1: a parameter that nobody here knows does no harm."""
    assert cavage.parameters('opaque="x",signature="AA=="')["signature"] == "AA=="


@pytest.mark.parametrize(
    "line",
    [
        "",
        ",",
        "keyId",
        'keyId="a',
        "keyId=a",
        'keyId="a" x,signature="AA=="',
        'keyId="a",keyId="b"',
        'keyId="a",KEYID="b"',
        'keyId="a",',
        'keyId="a\\"b"',
        'keyId="a\\b"',
        'key id="a"',
        "created=soon",
        "created=1.5",
        "created=-1",
        "created=",
        "created=12.",
        "created=123456789012345678901",
        "expires=1.",
        "created=\u0661",
    ],
)
def test_a_header_that_two_readers_could_read_differently_is_refused(line):
    """security.md §1: duplicate parameter = refuse; nothing is guessed."""
    with pytest.raises(Refused) as refused:
        cavage.parameters(line)
    assert refused.value.reason is Reason.BAD_SIGNATURE_HEADER


def test_the_signing_string_of_the_draft():
    """Draft appendix C.3, "All Headers Test": method lower case, names lower case, LF between, none at the end."""
    fields = fields_of(
        [
            ("host", "example.com"),
            ("date", "Sun, 05 Jan 2014 21:31:40 GMT"),
            ("content-type", "application/json"),
            ("digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="),
            ("content-length", "18"),
        ]
    )
    names = ["(request-target)", "host", "date", "content-type", "digest", "content-length"]
    assert cavage.base(names, {}, fields, "POST", "/foo?param=value&pet=dog") == (
        b"(request-target): post /foo?param=value&pet=dog\n"
        b"host: example.com\n"
        b"date: Sun, 05 Jan 2014 21:31:40 GMT\n"
        b"content-type: application/json\n"
        b"digest: SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=\n"
        b"content-length: 18"
    )


def test_repeated_headers_are_joined_and_trimmed():
    """Draft §2.3: several lines of one header are concatenated with a comma and a blank, in their order."""
    fields = fields_of([("x", " a "), ("y", ""), ("x", "b\t")])
    assert cavage.base(["x", "y"], {}, fields, "GET", "/") == b"x: a, b\ny: "


def test_a_value_cannot_smuggle_in_a_line():
    """One header is one line of the signing string."""
    with pytest.raises(Refused):
        cavage.base(["x"], {}, fields_of([("x", "a\nhost: b.example")]), "GET", "/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ("Thu, 29 Feb 2024 00:00:00 GMT", datetime(2024, 2, 29, tzinfo=UTC)),
        ("Thu, 30 Feb 2023 00:00:00 GMT", None),
        ("Fri, 01 Jan 2026 12:00:00 GMT", None),  # it was a Thursday
        ("Thu, 01 Jan 2026 12:00:00 +0000", None),
        ("Thu, 01 Jan 2026 12:00:00 UTC", None),
        ("Thu, 1 Jan 2026 12:00:00 GMT", None),
        ("Thu, 01 jan 2026 12:00:00 GMT", None),
        ("Thu, 01 Jan 2026 24:00:00 GMT", None),
        ("Thu, +1 Jan 2026 12:00:00 GMT", None),
        ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ("2026-01-01T12:00:00Z", None),
        ("", None),
    ],
)
def test_dates_are_imf_fixdate(text, expected):
    """RFC 9110 §5.6.7: "A sender MUST generate … IMF-fixdate"."""
    assert cavage.http_date(text) == expected
