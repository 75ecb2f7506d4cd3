"""What others write that is no note: films, articles, pages of forums; shown with title and link."""

from __future__ import annotations

import pytest

from node.errors import Malformed
from node.federation import parse
from tests.support.stranger import PUBLIC, Json

ORIGIN = "https://b.example"


def thing(kind: str, **more: object) -> Json:
    return {
        "id": f"{ORIGIN}/things/1",
        "type": kind,
        "attributedTo": f"{ORIGIN}/users/bob",
        "to": [PUBLIC],
        "name": "A <title>",
        "content": "<p>Words</p>",
        **more,
    }


@pytest.mark.parametrize(
    "document",
    [
        thing(
            "Video",
            attributedTo=[
                {"type": "Person", "id": f"{ORIGIN}/users/bob"},
                {"type": "Group", "id": f"{ORIGIN}/channels/films"},
            ],
            url=[
                {"type": "Link", "mediaType": "text/html", "href": f"{ORIGIN}/w/1"},
                {"type": "Link", "mediaType": "video/mp4", "href": f"{ORIGIN}/1.mp4"},
            ],
        ),
        thing("Page", url=f"{ORIGIN}/w/1", attachment=[{"type": "Link", "href": "https://c.example/"}]),
        thing("Article", url=f"{ORIGIN}/w/1", summary="An excerpt"),
    ],
    ids=["PeerTube", "Lemmy", "WordPress"],
)
def test_what_has_a_title_shows_it_and_its_link(document: Json):
    """The title in bold, the words, and the address of the whole; an excerpt is no warning."""
    note = parse.note(document)  # type: ignore[arg-type]
    assert note.author == f"{ORIGIN}/users/bob"
    assert note.content.startswith("<p><strong>A &lt;title&gt;</strong></p><p>Words</p>")
    assert f'<a href="{ORIGIN}/w/1"' in note.content
    assert note.summary == ""


def test_a_film_of_nobody_in_particular_has_no_author():
    """Several accounts, none or more than one of them a person: whose it is cannot be told."""
    people = [{"type": "Person", "id": f"{ORIGIN}/users/{name}"} for name in ("bob", "eve")]
    with pytest.raises(Malformed):
        parse.note(thing("Video", attributedTo=people))  # type: ignore[arg-type]
