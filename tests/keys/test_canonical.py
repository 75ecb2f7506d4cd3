"""RFC 8259 read strictly, RFC 8785 written exactly."""

from __future__ import annotations

import enum
import json
import time
from typing import Any

import jcs  # type: ignore[import-untyped]
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from keys.canonical import canonical, load, load_object
from keys.errors import BadDocument
from tests.keys.vectors import vectors

SAFE = 2**53 - 1
NAMES = st.text(max_size=6) | st.text(st.characters(min_codepoint=0xD000, exclude_categories=["Cs"]), max_size=3)
SCALARS = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.text()
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
    )


@pytest.mark.parametrize("vector", vectors("rfc8785")["vectors"], ids=lambda vector: vector["input"][:30])
def test_published_examples_are_written_exactly(vector: dict[str, str]) -> None:
    """RFC 8785 §3.2: whitespace, strings, numbers and the order of names are fixed."""
    assert canonical(load(vector["input"])) == vector["canonical"].encode()


@given(trees(SCALARS) | trees(SCALARS | FLOATS))
def test_three_implementations_write_the_same_bytes(value: Any) -> None:
    """The shortcut through the C encoder is taken only where it writes what RFC 8785 says."""
    assert canonical(value) == rfc8785.dumps(value) == jcs.canonicalize(value)


@given(trees(SCALARS | st.floats(-1e15, 1e15)))
def test_what_is_canonical_is_read_back_and_written_again_unchanged(value: Any) -> None:
    once = canonical(value)
    assert canonical(load(once)) == once


def test_names_are_sorted_by_utf16_units() -> None:
    """RFC 8785 §3.2.3: U+1F600 is D83D DE00 and comes before U+FB33."""
    assert canonical({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**53, "bad_number"),
        ({"deep": [-(2**53)]}, "bad_number"),
        (float("nan"), "bad_number"),
        ([float("inf")], "bad_number"),
        ("\ud800", "lone_surrogate"),
        ({"\udfff": 1}, "lone_surrogate"),
        ({"name": 1.5, "\udfff": 1}, "lone_surrogate"),
        ([1.5, "\ud800"], "lone_surrogate"),
        ({1: "a"}, "broken_json"),
        ({"a": {None: 1}}, "broken_json"),
        ({"a": {1, 2}}, "broken_json"),
        (b"bytes", "broken_json"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object, code: str) -> None:
    """RFC 8785 §3.1: input must be I-JSON; beyond ±(2^53−1) two readers see two numbers."""
    with pytest.raises(BadDocument) as caught:
        canonical(value)
    assert caught.value.code == code


def test_the_largest_safe_integers_and_subclasses_are_written() -> None:
    assert canonical([SAFE, -SAFE, Colour.RED, (True,)]) == b"[9007199254740991,-9007199254740991,1,[true]]"


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(BadDocument) as caught:
        canonical(loop)
    assert caught.value.code == "too_deep"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"a":1,"a":1}', "duplicate_name"),
        (b'{"x":{"content":"a","b":0,"content":"b"}}', "duplicate_name"),
        (b'{"a":1,"\\u0061":2}', "duplicate_name"),  # the same name, spelled with an escape
        (b"NaN", "bad_number"),
        (b"[Infinity]", "bad_number"),
        (b"[-Infinity]", "bad_number"),
        (b"1e400", "bad_number"),
        (b"-1e400", "bad_number"),
        (b"12345678901234567890", "bad_number"),
        (b"[-12345678901234567890]", "bad_number"),
        (b"9" * 100_000, "bad_number"),
        (b"\xef\xbb\xbf{}", "not_utf8"),
        ("\ufeff{}", "not_utf8"),
        (b'"\xff"', "not_utf8"),
        (b'"\xed\xa0\x80"', "not_utf8"),  # a surrogate encoded as if it were a character
        (b'{\x00"\x00a"', "broken_json"),  # UTF-16
        (b'"\\ud800"', "lone_surrogate"),
        (b'{"\\uDC00":1}', "lone_surrogate"),
        (b'["\\ude00\\ud83d"]', "lone_surrogate"),  # a pair the wrong way round
        ('"\ud800"', "lone_surrogate"),
        (b"", "broken_json"),
        (b"{", "broken_json"),
        (b"{} {}", "broken_json"),
        (b"{'a':1}", "broken_json"),
        (b'{"a":1,}', "broken_json"),
        (b"01", "broken_json"),
        (b"+1", "broken_json"),
        (b'"a\nb"', "broken_json"),
        (b'"\\x41"', "broken_json"),
        (b"\xc2\xa0{}", "broken_json"),  # a no-break space is not JSON whitespace
        (b"[" * 33 + b"]" * 33, "too_deep"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "too_deep"),
        (b'["[\\"[", ' + b"[" * 32 + b"]" * 33, "too_deep"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_two_readers_could_understand_differently_is_refused(data: bytes | str, code: str) -> None:
    """RFC 8259 §4, §6, §8; security.md §3: canonicalisation differentials."""
    with pytest.raises(BadDocument) as caught:
        load(data)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),  # an escaped backslash, not an escaped surrogate
        (b'[1.0,-0,1e2,"\\u0000"]', [1.0, 0, 100.0, "\x00"]),
        (b"1234567890123456789", 1234567890123456789),
        (b"-1234567890123456789", -1234567890123456789),
        (b" \t\r\n{} ", {}),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'["' + b"[{" * 500 + b'\\"[[[", []]', ["[{" * 500 + '"[[[', []]),  # brackets inside a string
        (b"[" + b"[],{}," * 100 + b"0]", [*([[], {}] * 100), 0]),  # many, but not deep
    ],
    ids=lambda value: repr(value)[:24],
)
def test_honest_json_is_read_as_it_is(data: bytes, value: object) -> None:
    assert load(data) == value
    assert load(data.decode()) == value


@given(trees(st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text() | FLOATS))
def test_reading_agrees_with_the_standard_library(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert load(text) == json.loads(text)


@pytest.mark.parametrize("data", [b"[]", b"null", b'"text"', b"1", b"1.5", b"true"])
def test_a_document_is_an_object(data: bytes) -> None:
    with pytest.raises(BadDocument) as caught:
        load_object(data)
    assert caught.value.code == "broken_json"
    assert "not a JSON object" in caught.value.message


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'"\\"', b'[{"\\"[', b"[]", b'[],"'], ids=repr)
def test_a_megabyte_of_malice_costs_little(unit: bytes) -> None:
    """security.md §4: depth is counted by a scan, in time linear in the input."""
    data = unit * (2**20 // len(unit))
    start = time.process_time()
    with pytest.raises(BadDocument):
        load(data)
    assert time.process_time() - start < 1.0
