"""JSON that can be signed: a strict reader in, RFC 8785 bytes out."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn, TypeAlias

import rfc8785

from keys.errors import BadDocument

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 32
MAX_DIGITS = 19
MAX_SAFE = 2**53 - 1
"""The largest integer an IEEE double holds exactly; RFC 8785 §3.2.2.3 numbers are doubles."""

# Possessive, and a string without its closing quote matches to the end: linear on any input.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def load(data: bytes | str) -> JsonValue:
    """Read one JSON value, refusing what two readers could understand differently.

    Raises BadDocument for invalid UTF-8 and BOM (RFC 8259 §8.1), broken JSON, a name that appears
    twice in an object (§4), NaN, Infinity and numbers out of range (§6), integers of more than 19
    digits, nesting deeper than 32, and strings with half a surrogate pair (§8.2).
    """
    text = _text(data)
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadDocument(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(value)
    return value


def load_object(data: bytes | str) -> dict[str, JsonValue]:
    """As load(), for a document whose top level must be an object."""
    value = load(data)
    if not isinstance(value, dict):
        raise BadDocument(f"the document is not a JSON object but {_json_name(value)}")
    return value


def canonical(value: object) -> bytes:
    """The one spelling of a JSON value that is hashed and signed (RFC 8785).

    Raises BadDocument for what has none: integers beyond ±(2^53−1), NaN, Infinity, lone surrogates,
    and Python values that are not JSON.
    """
    try:
        if _is_plain(value):
            return _ENCODER.encode(value).encode()
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # it refuses what is not JSON itself
    except (rfc8785.IntegerDomainError, rfc8785.FloatDomainError) as error:
        raise BadDocument(f"a number cannot be canonical: {error}", code="bad_number") from None
    except rfc8785.CanonicalizationError as error:
        lone = "codepoints" in str(error)
        raise BadDocument(f"cannot be canonical: {error}", code="lone_surrogate" if lone else None) from None
    except UnicodeEncodeError:
        raise BadDocument("a string holds half a surrogate pair", code="lone_surrogate") from None
    except RecursionError:
        raise BadDocument("nested too deeply to be canonical", code="too_deep") from None


def _is_plain(value: object) -> bool:
    """Whether the C encoder writes this value exactly as RFC 8785 does.

    It differs in three places only: floats (ECMAScript spelling), integers that are not safe, and
    the order of names, which RFC 8785 §3.2.3 takes by UTF-16 units and Python by code points. The
    two orders agree when no name has a character from U+D800 upwards. Types are compared exactly,
    because a subclass (an IntEnum, say) may spell itself differently.
    """
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        for name, item in value.items():  # type: ignore[attr-defined]
            if type(name) is not str or not (name.isascii() or max(name) < "\ud800"):
                return False
            if type(item) is not str and not _is_plain(item):
                return False
        return True
    if kind is list:
        return all(type(item) is str or _is_plain(item) for item in value)  # type: ignore[attr-defined]
    return kind is int and -MAX_SAFE <= value <= MAX_SAFE  # type: ignore[operator]


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError:
            raise BadDocument("the text holds half a surrogate pair", code="lone_surrogate") from None
        text = data
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise BadDocument(f"not UTF-8: byte {error.start} cannot be read", code="not_utf8") from None
    if text.startswith("\ufeff"):
        raise BadDocument("the document begins with a byte order mark", code="not_utf8")
    return text


def _check_depth(text: str) -> None:
    """Count brackets outside strings, without recursion; json.loads recurses and must not see a bomb."""
    depth = 0
    for bracket in _NOT_BRACKETS.sub("", _STRING.sub("", text)):
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadDocument(f"nested deeper than {MAX_DEPTH} levels", code="too_deep")
        else:
            depth -= 1


def _check_surrogates(value: JsonValue) -> None:
    try:
        _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise BadDocument("a string holds half a surrogate pair", code="lone_surrogate") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise BadDocument(f"the name {twice[:80]!a} appears twice in one object", code="duplicate_name")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise BadDocument(f"an integer of more than {MAX_DIGITS} digits: {digits[:24]}…", code="bad_number")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise BadDocument(f"a number out of range: {digits[:24]}", code="bad_number")
    return number


def _constant(name: str) -> NoReturn:
    raise BadDocument(f"{name} is not a JSON number", code="bad_number")


def _json_name(value: JsonValue) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names[type(value)]


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), check_circular=False
)
