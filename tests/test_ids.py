"""Where our addresses and numbers are minted and spelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ids import Ids, Snowflake, minted_ms
from node.model import host_of, origin_of

IDS = Ids("https://ada.example:8443", "ada")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(0, 2**20), st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)))
def test_numbers_fit_63_bits_and_tell_their_time(start: int, when: datetime) -> None:
    """decisions.md §10: "63-bit integers in decimal, time-sortable (milliseconds, then a counter)"."""
    moment = when.replace(tzinfo=UTC)
    number = Snowflake(start).mint(moment)
    assert 0 <= number < 2**63
    assert minted_ms(number) == int(moment.timestamp() * 1000)


def test_numbers_of_one_millisecond_differ_and_later_ones_are_larger() -> None:
    """Many in a moment, each its own; a millisecond later, all larger."""
    flakes = Snowflake(65_530)
    together = [flakes.mint(NOW) for _ in range(1000)]
    assert len(set(together)) == 1000
    assert flakes.mint(NOW + timedelta(milliseconds=1)) > max(together)


@given(st.integers(1, 2**63 - 1))
def test_a_notes_number_is_read_back_from_its_addresses(number: int) -> None:
    """Both the id and the page lead to the note."""
    assert IDS.note_number(IDS.note(number)) == number
    assert IDS.note_number(IDS.note_page(number)) == number


@pytest.mark.parametrize(
    "address",
    [
        "https://ada.example:8443/notes/",
        "https://ada.example:8443/notes/7/activity",
        "https://ada.example:8443/notes/-7",
        "https://ada.example:8443/notes/٧",
        "https://ada.example:8443/notes/99999999999999999999",
        "https://ada.example:8443/@bob/7",
        "https://ada.example/notes/7",
        "http://ada.example:8443/notes/7",
        "https://ada.example:8443@evil.example/notes/7",
        "https://evil.example/https://ada.example:8443/notes/7",
        "http://[",
        "",
    ],
)
def test_no_other_address_leads_to_a_note(address: str) -> None:
    """security.md §2: "any id with own origin arriving from outside is only a reference to our DB"."""
    assert IDS.note_number(address) is None


@pytest.mark.parametrize(
    ("iri", "origin"),
    [
        ("https://A.Example/x", "https://a.example"),
        ("https://a.example:443/x", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://a.example:80/", "https://a.example:80"),
        ("https://a.example./", "https://a.example"),
        ("https://user@a.example/", "https://a.example"),
        ("https://[::1]:8443/", "https://[::1]:8443"),
    ],
)
def test_an_origin_is_scheme_host_and_port(iri: str, origin: str) -> None:
    """FEP-fe34; RFC 6454 §4: lower case, the default port left out."""
    assert origin_of(iri) == origin


@given(st.text())
def test_whatever_is_no_address_has_an_origin_that_no_address_has(text: str) -> None:
    """Total: strangers write what it is asked about."""
    assert isinstance(origin_of(text), str)
    assert isinstance(host_of(text), str)
    assert not IDS.is_ours(text) or text.lower().startswith("https://")


@pytest.mark.parametrize(("name", "path"), [("Tea", "tea"), ("Été", "%C3%A9t%C3%A9"), ("日本", "%E6%97%A5%E6%9C%AC")])
def test_the_page_of_a_hashtag_is_an_address_that_anything_reads(name: str, path: str) -> None:
    """RFC 3986 §2: an address is ASCII. It goes into signed posts and to apps, some of which read no other."""
    assert IDS.tag(name) == f"https://ada.example:8443/tags/{path}"
