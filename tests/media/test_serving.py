"""How files are served: with the type that their bytes have, harmless, and by their names alone."""

from __future__ import annotations

import pytest

from node.model.media import Media
from tests.support.homes import Home
from tests.support.pictures import as_bytes, painted, pieces
from tests.support.stranger import Headers, Reply, Stranger


async def _uploaded(home: Home, format: str = "JPEG") -> Media:
    return await home.node.media.upload(pieces(as_bytes(painted(), format)))


async def _get(who: Stranger, url: str, *headers: tuple[str, str], method: str = "GET") -> Reply:
    sent: Headers = list(headers)
    return await who.send(method, url, sent, None)


@pytest.mark.parametrize(
    ("format", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")]
)
async def test_a_file_is_served_with_its_own_type(alice: Home, carol: Stranger, format: str, media_type: str) -> None:
    """security.md §8: nothing that was uploaded is ever run by a browser."""
    one = await _uploaded(alice, format)
    assert one.preview is not None
    reply = await _get(carol, f"{alice.base}/media/{one.file}")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == media_type
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    small = await _get(carol, f"{alice.base}/media/{one.preview}")
    assert small.status == 200
    assert len(reply.body) + len(small.body) == one.size
    head = await _get(carol, f"{alice.base}/media/{one.file}", method="HEAD")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(reply.body)), b"")


async def test_a_part_of_a_file_can_be_asked_for(alice: Home, carol: Stranger) -> None:
    """RFC 9110 §14: players begin in the middle."""
    one = await _uploaded(alice)
    url = f"{alice.base}/media/{one.file}"
    whole = (await _get(carol, url)).body
    part = await _get(carol, url, ("Range", "bytes=10-19"))
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert (await _get(carol, url, ("Range", f"bytes={len(whole)}-"))).status == 416


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
async def test_a_time_beyond_all_bounds_is_the_askers_fault(alice: Home, carol: Stranger, name: str) -> None:
    """It is answered, and gives no alarm."""
    one = await _uploaded(alice)
    for path in (f"/media/{one.file}", f"/media/{one.preview}"):
        when = (name, f"Mon, 16 Nov {'9' * 25} 13:32:02 GMT")
        assert (await _get(carol, alice.base + path, when, ("Range", "bytes=0-1"))).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/media/" + "0" * 32 + ".jpg",
        "/media/../cuicui.db",
        "/media/..%2f..%2fcuicui.db",
        "/media/%2e%2e/cuicui.db",
        "/media/%2fetc%2fpasswd",
        "/media/incoming",
        "/media/",
    ],
)
async def test_what_is_no_file_of_ours_is_not_found(alice: Home, carol: Stranger, path: str) -> None:
    assert (await _get(carol, alice.base + path)).status == 404


async def test_a_file_that_is_in_no_row_is_not_served(alice: Home, carol: Stranger) -> None:
    """security.md §8: "media path is a DB lookup": whatever else got into the directory stays there."""
    one = await _uploaded(alice)
    stray = "ab" * 16 + ".jpg"
    path = alice.settings.media / stray[:2] / stray[2:4] / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((alice.settings.media / one.file[:2] / one.file[2:4] / one.file).read_bytes())
    assert (await _get(carol, f"{alice.base}/media/{one.file}")).status == 200
    assert (await _get(carol, f"{alice.base}/media/{stray}")).status == 404


async def test_a_preview_has_a_name_of_its_own(alice: Home) -> None:
    """Who sees the preview in a list cannot work out the name of the file, nor of any other."""
    one, two = await _uploaded(alice), await _uploaded(alice)
    names = {one.file, one.preview, two.file, two.preview}
    assert len({str(name)[:32] for name in names}) == 4
