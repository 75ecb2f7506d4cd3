"""Pictures on posts: inside what is signed, described, changed with it, and gone with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keys.multiformat import sha256_multihash
from node.errors import NotAllowed
from node.media.library import Description
from node.model import Draft, Visibility
from node.model.media import Media
from tests.support.following import arrives, befriend
from tests.support.homes import Home
from tests.support.pictures import as_bytes, painted, pieces
from tests.support.stranger import Stranger


async def _uploaded(home: Home, alt: str = "", turn: int = 0) -> Media:
    return await home.node.media.upload(pieces(as_bytes(painted(turn=turn), "JPEG")), alt=alt)


async def _served(who: Stranger, url: str) -> dict[str, Any]:
    document = json.loads((await who.get(url)).body)
    assert isinstance(document, dict)
    return document


async def test_a_picture_is_inside_the_signed_note(alice: Home, carol: Stranger) -> None:
    """FEP-ef61: the digest binds the bytes of a picture to the signature of the post."""
    one = await alice.node.media.upload(pieces(as_bytes(painted(), "PNG")), alt="Un chat, qui dort", focus=(0.25, -0.5))
    post = (await alice.node.owner.post(Draft("look", media=(one.id,)))).post
    document = await _served(carol, post.note.iri)
    (shown,) = document["attachment"]
    assert shown == {
        "type": "Image",
        "mediaType": "image/png",
        "url": f"{alice.base}/media/{one.file}",
        "name": "Un chat, qui dort",
        "summary": "Un chat, qui dort",
        "width": 320,
        "height": 200,
        "blurhash": one.blurhash,
        "focalPoint": [0.25, -0.5],
        "digestMultibase": one.digest,
    }
    assert "proof" in document
    bytes_ = (await carol.send("GET", shown["url"], [], None)).body
    assert sha256_multihash(bytes_) == shown["digestMultibase"]
    assert (await alice.node.media.get(one.id)).note_id == post.id


async def test_it_arrives_with_all_that_was_said_of_it(alice: Home, bob: Home) -> None:
    await befriend(bob, alice)
    one = await _uploaded(alice, "A field")
    await alice.node.owner.post(Draft("a field", media=(one.id,)))
    post = await arrives(bob, "a field")
    (shown,) = post.note.attachments
    assert shown == alice.node.media.attachment(one)
    assert post.authorship.verdict == "signed"


async def test_a_picture_needs_no_words(alice: Home) -> None:
    one = await _uploaded(alice)
    post = (await alice.node.owner.post(Draft("", media=(one.id,)))).post
    assert len(post.note.attachments) == 1
    with pytest.raises(NotAllowed):
        await alice.node.owner.post(Draft("  "))


async def test_four_and_no_more(alice: Home) -> None:
    """Mastodon shows four; and nothing is posted with fewer than were meant."""
    five = [await _uploaded(alice, turn=number * 40) for number in range(5)]
    ids = tuple(one.id for one in five)
    with pytest.raises(NotAllowed, match="at most 4"):
        await alice.node.owner.post(Draft("five", media=ids))
    post = (await alice.node.owner.post(Draft("four", media=ids[:4][::-1]))).post
    assert [item.url for item in post.note.attachments] == [alice.node.ids.media(one.file) for one in five[:4][::-1]]


async def test_what_cannot_be_attached(alice: Home) -> None:
    """Not what is on another post, not what is not there, nothing twice; and then nothing is posted."""
    one = await _uploaded(alice)
    await alice.node.owner.post(Draft("first", media=(one.id,)))
    other = await _uploaded(alice)
    face = await alice.node.media.upload(pieces(as_bytes(painted(), "JPEG")), purpose="avatar")
    for ids in ((one.id,), (other.id, one.id), (other.id, other.id), (12345,), (face.id,)):
        with pytest.raises(NotAllowed):
            await alice.node.owner.post(Draft("second", media=ids))
    assert (await alice.rows())["notes"] == 1
    assert (await alice.node.media.get(other.id)).note_id is None


async def test_an_edit_may_describe_add_and_take_away(alice: Home, carol: Stranger) -> None:
    """The words beside a picture are part of what is signed, and so is what is there."""
    one, two, three = [await _uploaded(alice, f"number {number}", number * 50) for number in range(3)]
    owner, media = alice.node.owner, alice.node.media
    post = (await owner.post(Draft("some", media=(one.id, two.id)))).post
    edited = await owner.edit(post.note.iri, "some", described={two.id: Description("Zwei", (0.0, 1.0))})
    assert [item.alt for item in edited.post.note.attachments] == ["number 0", "Zwei"]
    assert (await media.get(two.id)).focus == (0.0, 1.0)
    edited = await owner.edit(post.note.iri, "others", media=(three.id, two.id))
    document = await _served(carol, post.note.iri)
    assert [item["name"] for item in document["attachment"]] == ["number 2", "Zwei"]
    assert (await carol.send("GET", media.attachment(one).url, [], None)).status == 404
    with pytest.raises(NotAllowed, match="what it says already"):
        await owner.edit(post.note.iri, "others")
    with pytest.raises(NotAllowed):
        await owner.edit(post.note.iri, "", media=())


async def test_words_alone_can_be_edited(alice: Home) -> None:
    one = await _uploaded(alice, "A field")
    post = (await alice.node.owner.post(Draft("frist", media=(one.id,)))).post
    edited = (await alice.node.owner.edit(post.note.iri, "first")).post
    assert edited.note.attachments == post.note.attachments


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.FOLLOWERS])
async def test_deleting_a_post_deletes_its_files(alice: Home, carol: Stranger, visibility: Visibility) -> None:
    """Taken back is taken back."""
    one = await _uploaded(alice)
    url = alice.node.media.attachment(one).url
    post = (await alice.node.owner.post(Draft("soon gone", visibility=visibility, media=(one.id,)))).post
    assert (await carol.send("GET", url, [], None)).status == 200
    await alice.node.owner.delete(post.note.iri)
    assert (await carol.send("GET", url, [], None)).status == 404
    assert [path for path in alice.settings.media.rglob("*") if path.is_file()] == []
    assert (await alice.rows())["media"] == 0
