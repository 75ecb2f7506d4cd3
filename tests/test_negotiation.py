"""Which form of a thing is asked for (RFC 9110 §12; ActivityPub §3.2)."""

from __future__ import annotations

import pytest

from node.answers import Shelf
from node.negotiation import Form, choose, etag, is_unchanged

LD = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
AP = "application/activity+json"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "on_activitypub", "on_page"),
    [
        (None, Form.ACTIVITY, Form.HTML),
        ("", Form.ACTIVITY, Form.HTML),
        ("*/*", Form.ACTIVITY, Form.HTML),
        (AP, Form.ACTIVITY, Form.ACTIVITY),
        ("APPLICATION/Activity+JSON", Form.ACTIVITY, Form.ACTIVITY),
        (LD, Form.LD, Form.LD),
        ("application/ld+json", Form.LD, Form.LD),
        (f"{AP}, {LD}", Form.ACTIVITY, Form.ACTIVITY),
        (f"{LD}, {AP}", Form.ACTIVITY, Form.ACTIVITY),
        ("application/json", Form.ACTIVITY, Form.HTML),  # an API's type; on a page it means nothing
        (FIREFOX, Form.HTML, Form.HTML),
        ("text/html", Form.HTML, Form.HTML),
        (f"text/html, {AP}", Form.ACTIVITY, Form.ACTIVITY),  # a tie, and an ActivityPub type is named
        (f"text/html, {AP};q=0.9", Form.HTML, Form.HTML),
        (f"text/html;q=0.5, {AP};q=0.9", Form.ACTIVITY, Form.ACTIVITY),
        (f"{AP};q=0, text/html;q=0.1", Form.HTML, Form.HTML),
        (f"{AP};q=0, */*", Form.HTML, Form.HTML),
        ("text/html;q=0.5, */*", Form.ACTIVITY, Form.HTML),
        (f"{AP};q=nonsense", Form.ACTIVITY, Form.HTML),
        (f"{AP};q=7", Form.ACTIVITY, Form.HTML),
        ("image/png", Form.ACTIVITY, Form.HTML),  # the thing as it is, rather than a 406
        (",;,=;q=,", Form.ACTIVITY, Form.HTML),
    ],
)
def test_the_form_that_is_asked_for(accept: str | None, on_activitypub: Form, on_page: Form) -> None:
    """RFC 9110 §12.5.1: "sends the most preferred" of what it has; on a tie a named ActivityPub type wins."""
    if accept == f"{AP};q=0, */*":
        on_activitypub = Form.ACTIVITY  # nothing else that fits is left on such a path
    assert choose(accept, default=Form.ACTIVITY) is on_activitypub
    assert choose(accept, default=Form.HTML) is on_page


def test_a_very_long_header_is_not_read_to_its_end() -> None:
    """Everything is bounded (security.md §0.10)."""
    assert choose("text/plain," * 100_000 + AP, default=Form.HTML) is Form.HTML


@pytest.mark.parametrize(
    ("held", "unchanged"),
    [(None, False), ("{tag}", True), ("W/{tag}", True), ('"other", {tag}', True), ("*", True), ('"other"', False)],
)
def test_who_has_the_bytes_needs_no_second_copy(held: str | None, unchanged: bool) -> None:
    """RFC 9110 §13.1.2: a recipient uses the weak comparison for If-None-Match."""
    tag = etag(b"a body")
    assert is_unchanged(held and held.format(tag=tag), tag) is unchanged
    assert etag(b"another") != tag


async def test_a_shelf_is_bounded_and_gives_nothing_old() -> None:
    """What was read before a change is not kept after it."""
    shelf: Shelf[str] = Shelf(3)

    async def read_slowly() -> str:
        shelf.clear()  # somebody writes while we read
        return "old"

    assert await shelf.get_or_make("a", read_slowly) == "old"
    assert len(shelf) == 0
    for number in range(9):

        async def read(number: int = number) -> str:
            return str(number)

        assert await shelf.get_or_make(number, read) == str(number)
    assert len(shelf) == 3
