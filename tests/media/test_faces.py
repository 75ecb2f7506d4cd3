"""A stranger who shows the picture of somebody the owner follows carries a warning."""

from __future__ import annotations

from datetime import timedelta

import pytest
from PIL import Image, ImageEnhance

from node.lookalike import Faces, face, portrait
from node.model import Iri
from node.storage import actors as stored
from node.storage import lookalikes
from tests.media.test_cache import _serving
from tests.support.clock import FakeClock
from tests.support.homes import Home
from tests.support.pictures import as_bytes, painted
from tests.support.stranger import Stranger


def _portrait(seed: int = 1) -> Image.Image:
    """Somebody's face, as far as a hash is concerned: patches of light and shade."""
    import random

    shades = random.Random(seed)
    small = Image.new("L", (9, 8))
    small.putdata([shades.randrange(256) for _ in range(72)])
    return small.resize((400, 400), Image.Resampling.BICUBIC).convert("RGB")


async def _shows(home: Home, who: Stranger, picture: bytes, path: str) -> str:
    """The account has this picture, and somebody looked at it."""
    url = f"{who.place.base}{path}"
    who.place.documents[path] = _serving(picture)
    who.extra["icon"] = {"type": "Image", "mediaType": "image/jpeg", "url": url}
    who.publish()
    await home.node.actors.refresh(who.iri)
    await _looked_at(home, url)
    return url


async def _looked_at(home: Home, url: str) -> None:
    media = home.node.remote_media
    media.address(url, "avatar")
    await media.open(media.number(url))


async def _whom(home: Home, who: Stranger) -> Iri | None:
    async with home.node.store.read() as tx:
        found = await stored.get(tx, who.iri)
    assert found is not None
    return found.actor.resembles.iri if found.actor.resembles else None


async def _follow(home: Home, who: Stranger) -> None:
    await home.node.owner.follow(who.iri)


async def test_the_picture_of_a_friend_on_a_stranger(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    """Scaled, saved anew and a little brighter: it is the same to the eye."""
    await _follow(alice, carol)
    await _shows(alice, carol, as_bytes(_portrait(), "PNG"), "/carol.png")
    copied = ImageEnhance.Brightness(_portrait().resize((180, 180))).enhance(1.08)
    await _shows(alice, mallory, as_bytes(copied, "JPEG", quality=70), "/stolen.jpg")
    assert await _whom(alice, mallory) == carol.iri
    await alice.node.actors.refresh(mallory.iri)
    assert await _whom(alice, mallory) == carol.iri, "also after its document was fetched again"
    async with alice.node.store.write() as tx:
        await lookalikes.settle(tx, alice.node.ids.actor)
    assert await _whom(alice, mallory) == carol.iri
    assert await _whom(alice, carol) is None


async def test_it_does_not_matter_who_is_seen_first(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    await alice.node.actors.resolve(mallory.iri)
    await _shows(alice, mallory, as_bytes(_portrait(), "JPEG"), "/stolen.jpg")
    assert await _whom(alice, mallory) is None
    await _follow(alice, carol)
    await _shows(alice, carol, as_bytes(_portrait(), "PNG"), "/carol.png")
    assert await _whom(alice, mallory) == carol.iri
    await _follow(alice, mallory)
    assert await _whom(alice, mallory) is None, "whom the owner follows is no stranger"


@pytest.mark.parametrize("whose", ["the friend's", "the stranger's"])
async def test_a_face_is_one_also_when_it_was_seen_as_something_else_first(
    alice: Home, carol: Stranger, mallory: Stranger, whose: str
) -> None:
    """Whoever hangs a face on a post, the friend's or their own one of tomorrow, does not hide it by that."""
    who, path = (carol, "/carol.png") if whose == "the friend's" else (mallory, "/stolen.png")
    url = f"{who.place.base}{path}"
    who.place.documents[path] = _serving(as_bytes(_portrait(), "PNG"))
    media = alice.node.remote_media
    media.address(url, "attachment")
    await media.open(media.number(url))
    await _shows(alice, carol, as_bytes(_portrait(), "PNG"), "/carol.png")
    await _follow(alice, carol)
    await _shows(alice, mallory, as_bytes(_portrait(), "PNG"), "/stolen.png")
    assert await _whom(alice, mallory) == carol.iri


async def test_another_picture_takes_the_warning_away(alice: Home, carol: Stranger, mallory: Stranger) -> None:
    await _follow(alice, carol)
    await _shows(alice, carol, as_bytes(_portrait(), "PNG"), "/carol.png")
    await _shows(alice, mallory, as_bytes(_portrait(), "JPEG"), "/stolen.jpg")
    assert await _whom(alice, mallory) == carol.iri
    await _shows(alice, mallory, as_bytes(_portrait(2), "JPEG"), "/own.jpg")
    assert await _whom(alice, mallory) is None


@pytest.mark.parametrize(
    ("path", "picture"),
    [
        ("/images/default-avatar.png", _portrait()),
        ("/images/avi.png", _portrait()),
        ("/white.png", Image.new("RGB", (200, 200), "white")),
        ("/steady.png", painted(200, 200, "L").resize((200, 200))),
    ],
)
async def test_what_is_nobodys_picture(
    alice: Home, carol: Stranger, mallory: Stranger, path: str, picture: Image.Image
) -> None:
    """Servers give a picture to those who have none: to share that is no trick."""
    await _follow(alice, carol)
    await _shows(alice, carol, as_bytes(picture.convert("RGB"), "PNG"), path)
    await _shows(alice, mallory, as_bytes(picture.convert("RGB"), "PNG"), "/same.png")
    assert await _whom(alice, mallory) is None


def test_a_picture_that_friends_share_is_nobodys() -> None:
    """A club's badge, an organisation's logo."""
    owner = face(Iri("https://me.example/actor"), "me", "Me")
    one, two, three = (Iri(f"https://{name}.example/u") for name in ("one", "two", "three"))
    friends = [(face(iri, f"user{iri[8:11]}", ""), ()) for iri in (one, two)]
    value = portrait("0f0f33cc55aa0ff0")
    assert value is not None
    assert Faces(owner, friends, {one: value}).portrayed_by(three, value ^ 0b1111) == one
    assert Faces(owner, friends, {one: value}).portrayed_by(three, value ^ 0b11111) is None
    assert Faces(owner, friends, {one: value, two: value}).portrayed_by(three, value) is None
    assert portrait(None) is None


async def test_a_stranger_who_is_forgotten_takes_nobodys_face_along(
    alice: Home, carol: Stranger, dave: Stranger, mallory: Stranger, clock: FakeClock
) -> None:
    """Who names the picture of a friend as their own, and is swept away, does not make the node forget that face."""
    await _follow(alice, carol)
    url = await _shows(alice, carol, as_bytes(_portrait(), "PNG"), "/carol.png")
    mallory.extra["icon"] = {"type": "Image", "mediaType": "image/png", "url": url}
    mallory.publish()
    await alice.node.actors.refresh(mallory.iri)
    assert await _whom(alice, mallory) == carol.iri
    clock.forward(timedelta(days=31))
    assert (await alice.node.sweeper.sweep())["people"] == 1
    await alice.node.remote_media.open(alice.node.remote_media.number(url))  # an app has kept the address
    carol.place.documents.pop("/carol.png")
    await _shows(alice, dave, as_bytes(_portrait(), "JPEG"), "/stolen.jpg")
    assert await _whom(alice, dave) == carol.iri
