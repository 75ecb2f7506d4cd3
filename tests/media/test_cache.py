"""Other people's pictures: fetched when first looked at, kept while there is room."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from node.media.cache import RemoteMedia
from node.storage import remote_media
from tests.support.clock import FakeClock
from tests.support.homes import Home, eventually
from tests.support.pictures import GPS, as_bytes, moving, painted, pieces, png_bomb, with_metadata
from tests.support.stranger import Place, Reply, Stranger, never

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _serving(data: bytes, content_type: str = "image/jpeg", *, slowly: float = 0.0) -> Served:
    async def answer(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(slowly)
        return web.Response(body=data, headers={"Content-Type": content_type})

    return answer


def _redirect(to: str) -> Served:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return answer


async def _look(who: Stranger, address: str) -> Reply:
    return await who.send("GET", address, [], None)


def _files(home: Home) -> list[Path]:
    return [path for path in (home.settings.cache).glob("??/??/*") if path.is_file()]


async def test_a_picture_is_fetched_when_first_looked_at(alice: Home, place: Place, carol: Stranger) -> None:
    """Not before, and not again: who reads a timeline a second time asks nobody."""
    place.documents["/cat.jpg"] = _serving(with_metadata("JPEG", size=(900, 600)))
    address = alice.node.remote_media.address(f"{place.base}/cat.jpg")
    assert address.startswith(f"{alice.base}/media/remote/")
    assert place.asked["/cat.jpg"] == 0
    for _ in range(3):
        reply = await _look(carol, address)
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(reply.body)).size == (900, 600)
    assert GPS not in reply.body, "it is written anew, as our own are"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    small = await _look(carol, address + "/preview")
    image = Image.open(io.BytesIO(small.body))
    assert image.width * image.height <= 640 * 360 * 1.01
    assert place.asked["/cat.jpg"] == 1
    assert "Signature" not in place.asked_with[-1]


async def test_an_address_is_always_the_same_and_says_nothing(alice: Home, place: Place) -> None:
    """Also after a restart; and nobody can work one out who has the address it is for."""
    url = f"{place.base}/cat.jpg"
    before = alice.node.remote_media.address(url)
    assert alice.node.remote_media.addresses([(url, "avatar")]) == {url: before}
    await alice.restart()
    assert alice.node.remote_media.address(url) == before
    assert alice.node.remote_media.address(url + "?") != before
    assert place.base not in before
    own = f"{alice.base}/media/x.jpg"
    assert alice.node.remote_media.address(own) == own


async def test_ten_who_look_at_once_are_one_request(alice: Home, place: Place, carol: Stranger) -> None:
    place.documents["/cat.png"] = _serving(as_bytes(painted(), "PNG"), slowly=0.2)
    address = alice.node.remote_media.address(f"{place.base}/cat.png")
    replies = await asyncio.gather(*(_look(carol, address) for _ in range(10)))
    assert {reply.status for reply in replies} == {200}
    assert place.asked["/cat.png"] == 1


async def test_it_is_no_open_proxy(alice: Home, place: Place, carol: Stranger) -> None:
    """security.md §5: "proxy only by our media id (DB row), never by URL"."""
    place.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    for path in (
        f"/media/remote/{place.base}/cat.jpg",
        f"/media/remote?url={place.base}/cat.jpg",
        f"/media/remote/1?url={place.base}/cat.jpg",
        "/media/remote/1",
        "/media/remote/9223372036854775807",
        "/media/remote/9999999999999999999",
        "/media/remote/-1",
        "/media/remote/0x10",
    ):
        assert (await _look(carol, alice.base + path)).status == 404, path
    assert place.asked["/cat.jpg"] == 0


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"<html><script>alert(1)</script>", "image/png"),
        (b'{"type": "Note"}', "image/jpeg"),
        (png_bomb(60_000, 60_000), "image/png"),
        (b"", "image/png"),
        (as_bytes(painted(), "JPEG")[:120], "image/jpeg"),
    ],
)
async def test_what_is_no_picture_is_not_kept(
    alice: Home, place: Place, carol: Stranger, data: bytes, content_type: str
) -> None:
    """By its bytes, whatever its server says."""
    place.documents["/cat"] = _serving(data, content_type)
    address = alice.node.remote_media.address(f"{place.base}/cat")
    assert (await _look(carol, address)).status == 404
    assert _files(alice) == []


async def test_an_avatar_is_no_film(alice: Home, place: Place, carol: Stranger) -> None:
    """What stands where a face belongs is a picture, cut to measure, and still."""
    wav = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\x08\0\0\0" + bytes(8)
    place.documents["/face.wav"] = _serving(wav, "audio/wav")
    place.documents["/face.gif"] = _serving(moving("GIF", size=(900, 600)), "image/gif")
    media = alice.node.remote_media
    assert (await _look(carol, media.address(f"{place.base}/face.wav", "avatar"))).status == 404
    face = Image.open(io.BytesIO((await _look(carol, media.address(f"{place.base}/face.gif", "avatar"))).body))
    assert (face.size, getattr(face, "n_frames", 1)) == ((400, 400), 1)


async def test_too_large_is_too_large(alice: Home, place: Place, carol: Stranger) -> None:
    """While it comes, not afterwards."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
        await response.prepare(request)
        try:
            await response.write(as_bytes(painted(), "JPEG"))
            for _ in range(200):
                await response.write(bytes(1 << 20))
        except ConnectionError:
            pass
        return response

    place.documents["/face"] = endless
    assert (await _look(carol, alice.node.remote_media.address(f"{place.base}/face", "avatar"))).status == 404
    assert list((alice.settings.cache / "incoming").glob("*")) == []


@pytest.mark.parametrize(
    "inside",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "https://localhost:22/",
        "file:///etc/passwd",
    ],
)
async def test_nothing_leads_inside(alice: Home, place: Place, carol: Stranger, inside: str) -> None:
    """security.md §5: one client, which looks at every address it dials; also behind a redirect."""
    place.documents["/cat.jpg"] = _redirect(inside)
    media = alice.node.remote_media
    for url in (inside, f"{place.base}/cat.jpg"):
        assert (await _look(carol, media.address(url))).status == 404
    assert _files(alice) == []


async def test_a_failure_is_not_tried_again_at_once(
    alice: Home, place: Place, carol: Stranger, clock: FakeClock
) -> None:
    """A broken picture on a page that many read is no reason to ask its server many times."""
    address = alice.node.remote_media.address(f"{place.base}/cat.jpg")
    for _ in range(3):
        assert (await _look(carol, address)).status == 404
    assert place.asked["/cat.jpg"] == 1
    place.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    clock.forward(timedelta(hours=2))
    assert (await _look(carol, address)).status == 404, "not found is believed for a day"
    clock.forward(timedelta(days=1))
    assert (await _look(carol, address)).status == 200


async def test_a_block_holds_for_pictures(alice: Home, place: Place, carol: Stranger) -> None:
    """Nothing is fetched from there any more, and what was fetched is not shown."""
    place.documents |= {
        "/a.jpg": _serving(as_bytes(painted(), "JPEG")),
        "/b.jpg": _serving(as_bytes(painted(), "JPEG")),
    }
    one, two = (alice.node.remote_media.address(f"{place.base}/{name}.jpg") for name in "ab")
    assert (await _look(carol, one)).status == 200
    await alice.node.moderation.block(f"127.0.0.1:{place.port}")
    assert (await _look(carol, one)).status == 404
    assert (await _look(carol, two)).status == 404
    assert place.asked["/b.jpg"] == 0


async def test_no_redirect_leads_a_picture_to_the_blocked_or_to_ourselves(
    alice: Home, place: Place, elsewhere: Place, carol: Stranger
) -> None:
    """ "Blocks … hold everywhere: inbox, fetches": also by a way round; the blocked are not even asked."""
    elsewhere.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    own = await alice.node.media.upload(pieces(as_bytes(painted(), "JPEG")))
    place.documents |= {
        "/round.jpg": _redirect(f"{elsewhere.base}/cat.jpg"),
        "/through.jpg": _redirect(f"{elsewhere.base}/back"),
        "/ourselves.jpg": _redirect(alice.node.ids.media(own.file)),
        "/cat.jpg": _serving(as_bytes(painted(), "JPEG")),
    }
    elsewhere.documents["/back"] = _redirect(f"{place.base}/cat.jpg")
    address = alice.node.remote_media.address
    assert (await _look(carol, address(f"{place.base}/ourselves.jpg"))).status == 404
    await alice.node.moderation.block(f"127.0.0.1:{elsewhere.port}")
    before = dict(elsewhere.asked)
    for name in ("round", "through"):
        assert (await _look(carol, address(f"{place.base}/{name}.jpg"))).status == 404, name
    assert dict(elsewhere.asked) == before
    await alice.node.moderation.unblock(f"127.0.0.1:{elsewhere.port}")
    await alice.stop()
    alice.clock.forward(timedelta(days=2))
    await alice.start()
    for name in ("round", "through"):
        assert (await _look(carol, alice.node.remote_media.address(f"{place.base}/{name}.jpg"))).status == 200, name


async def test_a_kept_file_that_became_something_else_is_not_served(alice: Home, place: Place, carol: Stranger) -> None:
    """security.md §8: "re-check at serving"; it is fetched again."""
    place.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    address = alice.node.remote_media.address(f"{place.base}/cat.jpg")
    good = await _look(carol, address)
    for path in _files(alice):
        path.write_bytes(as_bytes(painted(), "PNG"))
    reply = await _look(carol, address)
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (200, "image/jpeg", good.body)
    assert place.asked["/cat.jpg"] == 2


async def test_the_least_used_go_when_it_is_full(alice: Home, place: Place, carol: Stranger, clock: FakeClock) -> None:
    """A cap on bytes, avatars included; what goes is fetched again when somebody looks."""
    media: RemoteMedia = alice.node.remote_media
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    addresses = []
    for number in range(6):
        place.documents[f"/{number}.png"] = _serving(as_bytes(noise.rotate(number), "PNG"))
        kind = "avatar" if number % 2 else "attachment"
        addresses.append(media.address(f"{place.base}/{number}.png", kind))
    assert (await _look(carol, addresses[0])).status == 200
    async with alice.node.store.read() as tx:
        size = await remote_media.total(tx)
    media._most = 3 * size
    for address in addresses[1:]:
        clock.forward(timedelta(hours=2))
        assert (await _look(carol, addresses[0])).status == 200, "looked at every time, it stays"
        assert (await _look(carol, address)).status == 200
    async with alice.node.store.read() as tx:
        assert await remote_media.total(tx) <= media._most
    assert sum(path.stat().st_size for path in _files(alice)) <= media._most
    assert place.asked["/0.png"] == 1
    assert place.asked["/1.png"] == 1
    assert (await _look(carol, addresses[1])).status == 200
    assert place.asked["/1.png"] == 2


async def test_a_lost_cache_is_filled_anew(alice: Home, place: Place, carol: Stranger) -> None:
    """Whoever needs the room may delete the directory."""
    import shutil

    place.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    before = alice.node.remote_media.address(f"{place.base}/cat.jpg")
    assert (await _look(carol, before)).status == 200
    await alice.stop()
    shutil.rmtree(alice.settings.cache)
    await alice.start()
    after = alice.node.remote_media.address(f"{place.base}/cat.jpg")
    assert after != before
    assert (await _look(carol, after)).status == 200
    assert (await _look(carol, before)).status == 404


async def test_a_film_comes_in_parts(alice: Home, place: Place, carol: Stranger) -> None:
    """Players begin in the middle, of other people's files as well."""
    wav = b"RIFF\x2c\1\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\x08\1\0\0" + bytes(264)
    place.documents["/song.wav"] = _serving(wav, "audio/wav")
    address = alice.node.remote_media.address(f"{place.base}/song.wav")
    part = await carol.send("GET", address, [("Range", "bytes=0-3")], None)
    assert (part.status, part.body, part.headers["Content-Type"]) == (206, b"RIFF", "audio/wav")
    assert (await _look(carol, address + "/preview")).status == 404


async def test_a_host_that_does_not_answer_keeps_no_other_pictures_back(
    alice: Home, place: Place, elsewhere: Place, carol: Stranger
) -> None:
    """Twenty pictures of one slow server are asked for two at a time; those of other servers come meanwhile."""
    address = alice.node.remote_media.address
    elsewhere.documents |= {f"/{number}.jpg": never for number in range(20)}
    place.documents["/cat.jpg"] = _serving(as_bytes(painted(), "JPEG"))
    slow = [asyncio.ensure_future(_look(carol, address(f"{elsewhere.base}/{number}.jpg"))) for number in range(20)]
    try:

        async def asked() -> bool:
            return elsewhere.asked.total() == 2

        await eventually(asked)
        async with asyncio.timeout(5):
            assert (await _look(carol, address(f"{place.base}/cat.jpg"))).status == 200
    finally:
        for one in slow:
            one.cancel()


async def test_a_film_that_says_it_is_a_picture_is_fetched_once(alice: Home, place: Place, carol: Stranger) -> None:
    """Whoever posts it may call it one; apps then look for its preview at each sight of the post."""
    wav = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x40\x1f\0\0\1\0\x08\0data\x08\0\0\0" + bytes(8)
    place.documents["/cat.png"] = _serving(wav, "image/png")
    address = alice.node.remote_media.address(f"{place.base}/cat.png")
    for _ in range(3):
        assert (await _look(carol, address + "/preview")).status == 404
    assert (await _look(carol, address)).status == 200
    assert place.asked["/cat.png"] == 1
