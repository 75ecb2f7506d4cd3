"""Files with bad intent, uploaded over HTTP, and what is served of them (security.md §8)."""

from __future__ import annotations

import re

import aiohttp
import pytest

from node.model import Draft, Visibility
from tests.attacks.test_client_api import ask, holder
from tests.support.client import Answer, Client
from tests.support.homes import Home
from tests.support.pictures import GPS, MAKER, as_bytes, gif_of, painted, png_bomb, with_metadata

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.domain)</script>"
SCRIPT = b"<script>alert(document.domain)</script><?php system($_GET[0]); ?>"


async def upload(app: Client, data: bytes, name: str = "a.png", kind: str = "image/png") -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", data, filename=name, content_type=kind)
    return await app.request("POST", "/api/v2/media", data=form)


def kept(home: Home) -> list[str]:
    """Every file of the media directory, finished or not."""
    return [str(path) for path in (home.settings.data / "media").rglob("*") if path.is_file() and path.name != "secret"]


async def test_what_is_no_picture_leaves_nothing(alice: Home) -> None:
    """ "SVG, HTML polyglot, wrong type", "decompression bombs": 422, no row, no file, whatever it is called."""
    app = await Client.of(alice)
    gif = as_bytes(painted(), "GIF")
    for data in (
        *(SVG, HTML, b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + HTML, b"\xff\xd8\xff" + HTML, b"RIFF\0\0\0\0WEBP" + SVG),
        *(b"%PDF-1.7 " + HTML, b"PK\x03\x04" + bytes(100), b"\x7fELF" + bytes(100), b"\0\0\0\x18ftypisom" + HTML),
        *(png_bomb(60_000, 60_000), png_bomb(1, 2**31 - 1), png_bomb(0, 0), gif_of(501), gif[:40], b"\0" * 5000),
        *(
            b"ID3" + HTML,
            b"OggS" + HTML,
            b"fLaC" + HTML,
            b"\x1a\x45\xdf\xa3" + HTML,
            b"BM" + bytes(200),
            b"II*\0" + bytes(99),
        ),
    ):
        for name, kind in (("a.png", "image/png"), ("a.svg", "image/svg+xml"), ("../../../a.html", "text/html")):
            answer = await upload(app, data, name, kind)
            assert answer.status == 422, (data[:20], answer.json)
            assert answer.json["error"]
    assert (await alice.rows())["media"] == 0
    assert kept(alice) == []
    assert (await upload(app, as_bytes(painted(), "PNG"))).status == 200


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../../../../tmp/evil.html", "text/html"),
        ("evil.svg", "image/svg+xml"),
        ("evil\u202egnp.php", "application/x-php"),
        ("C:\\evil.exe", ""),
        ("a" * 3000, "application/activity+json"),
    ],
)
async def test_a_file_is_what_its_bytes_are(alice: Home, name: str, kind: str) -> None:
    """ "Names = random hex + extension from the detected type; never the client's name", and never its type."""
    app = await Client.of(alice)
    answer = await upload(app, as_bytes(painted(), "PNG"), name, kind)
    assert answer.status in (200, 400)  # a name that is no header is no upload
    if answer.status == 400:
        return
    for address in (answer.json["url"], answer.json["preview_url"]):
        path = address.removeprefix(alice.base)
        assert re.fullmatch(r"/media/[0-9a-f]{32}\.(png|webp|jpg)", path)
        served = await ask(Client(alice, None), "GET", path, headers={"Accept": "application/activity+json"})
        assert served.status == 200
        assert served.headers["Content-Type"].startswith("image/")
        assert served.headers["X-Content-Type-Options"] == "nosniff"
        assert served.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert all(str(alice.settings.data / "media") in path for path in kept(alice))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_nothing_is_carried_along_in_a_picture(alice: Home, format: str) -> None:
    """ "EXIF/GPS", polyglots: of a picture its pixels are kept; nothing hides in it, before it or behind it."""
    app = await Client.of(alice)
    data = (
        (with_metadata(format) if format != "GIF" else as_bytes(painted(), "GIF", comment=GPS))
        + SCRIPT
        + b"PK\x05\x06"
        + bytes(18)
    )
    for to, field in (("/api/v1/media", "file"), ("/api/v1/accounts/update_credentials", "avatar")):
        form = aiohttp.FormData()
        form.add_field(field, data, filename="a", content_type="image/png")
        answer = await app.request("POST" if field == "file" else "PATCH", to, data=form)
        assert answer.status == 200, answer.json
    files = kept(alice)
    assert len(files) >= 3
    for path in files:
        with open(path, "rb") as file:
            whole = file.read()
        assert [
            word for word in (GPS, MAKER.encode(), SCRIPT, b"<script", b"<?php", b"PK\x05\x06") if word in whole
        ] == []


async def test_files_are_the_owners_to_use_once(alice: Home) -> None:
    """ "Forged media ids": another post's, a profile's, a reader's; a file goes with its post, also one for few."""
    app = await Client.of(alice)
    first = (await upload(app, as_bytes(painted(), "PNG"))).json
    post = await app.post("/api/v1/statuses", {"status": "x", "media_ids": [first["id"]], "visibility": "direct"})
    assert post.status == 200
    again = await app.post("/api/v1/statuses", {"status": "y", "media_ids": [first["id"]]})
    assert again.status == 422
    twice = await app.post("/api/v1/statuses", {"status": "y", "media_ids": [first["id"], first["id"]]})
    assert twice.status == 422
    for method in ("PUT", "DELETE"):
        assert (await app.request(method, f"/api/v1/media/{first['id']}", json={"description": "z"})).status in (
            404,
            422,
        )
    reader = await holder(alice, "read")
    assert (await upload(reader, as_bytes(painted(), "PNG"))).status == 403
    assert (await upload(Client(alice, None), as_bytes(painted(), "PNG"))).status == 401
    other = (await alice.node.owner.post(Draft("no file", visibility=Visibility.PUBLIC))).post
    moved = await app.request("PUT", f"/api/v1/statuses/{other.id}", json={"status": "y", "media_ids": [first["id"]]})
    assert moved.status == 422
    path = first["url"].removeprefix(alice.base)
    assert (await app.get(path)).status == 200
    assert (await app.request("DELETE", f"/api/v1/statuses/{post.json['id']}")).status == 200
    assert (await app.get(path)).status == 404
