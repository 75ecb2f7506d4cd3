"""What the owner uploads: told by its bytes, written anew, and nothing of where it was made comes along."""

from __future__ import annotations

import io
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from keys.multiformat import sha256_multihash
from node.errors import NotAllowed, NotFound
from node.media.decode import Decoder
from node.model.media import Media
from tests.support.clock import FakeClock
from tests.support.homes import Home
from tests.support.pictures import GPS, MAKER, as_bytes, gif_of, moving, painted, pieces, png_bomb, with_metadata


def _path(home: Home, name: str | None) -> Path:
    assert name is not None
    return home.settings.media / name[:2] / name[2:4] / name


def _image(home: Home, name: str | None) -> Image.Image:
    return Image.open(io.BytesIO(_path(home, name).read_bytes()))


async def _upload(home: Home, data: bytes, **how: str) -> Media:
    return await home.node.media.upload(pieces(data), **how)


def _left(home: Home) -> list[Path]:
    return [path for path in home.settings.media.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("format", "stored"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/png"),
        ("WEBP", "image/webp"),
        ("AVIF", "image/jpeg"),
        ("HEIF", "image/jpeg"),
    ],
)
async def test_a_picture_is_taken_and_written_anew(alice: Home, format: str, stored: str) -> None:
    """Issue 4: JPEG, PNG, GIF, WebP, AVIF, HEIC; each stored as something that everybody can show."""
    if format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    one = await _upload(alice, as_bytes(painted(), format), alt=" Un chat ")
    assert (one.kind, one.media_type, one.width, one.height, one.alt) == ("image", stored, 320, 200, "Un chat")
    assert _image(alice, one.file).size == (320, 200)
    assert _image(alice, one.preview).size == (320, 200)
    assert one.blurhash is not None
    assert len(one.blurhash) == 28
    assert await alice.node.media.get(one.id) == one
    assert stat.S_IMODE(_path(alice, one.file).stat().st_mode) == 0o600
    assert len(_left(alice)) == 2, "nothing is left of what came in"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_nothing_tells_where_it_was_made(alice: Home, format: str) -> None:
    """security.md §8: "strip all metadata at upload … also thumbnails, XMP"."""
    data = with_metadata(format)
    assert GPS in data
    assert MAKER.encode() in data
    one = await _upload(alice, data)
    for name in (one.file, one.preview):
        kept = _path(alice, name).read_bytes()
        assert GPS not in kept
        assert MAKER.encode() not in kept
        image = _image(alice, name)
        assert dict(image.getexif()) == {}
        assert not {"exif", "xmp", "comment", "photoshop"} & set(image.info)


async def test_orientation_is_baked_in(alice: Home) -> None:
    """Without its EXIF a picture must stand as it stood with it."""
    one = await _upload(alice, with_metadata("JPEG", orientation=6))  # turned to the right when shown
    assert (one.width, one.height) == (200, 320)
    corner = _image(alice, one.file).convert("RGB").getpixel((195, 5))
    assert corner[0] > 200 and corner[1] < 60, "the red corner is at the upper right now"  # noqa: PT018


async def test_a_large_picture_becomes_smaller(alice: Home) -> None:
    """Enough for a large screen; the preview is for a list."""
    one = await _upload(alice, as_bytes(painted(6000, 4000), "JPEG"))
    assert one.width is not None
    assert one.height is not None
    assert 8_200_000 < one.width * one.height <= 3840 * 2160 * 1.01
    assert abs(one.width / one.height - 1.5) < 0.01
    small = _image(alice, one.preview)
    assert small.width * small.height <= 640 * 360 * 1.01
    assert (small.width, small.height) == (one.preview_width, one.preview_height)


async def test_the_digest_is_that_of_the_stored_bytes(alice: Home) -> None:
    """FEP-ef61: what is signed is what is served."""
    one = await _upload(alice, as_bytes(painted(), "PNG"))
    assert one.digest == sha256_multihash(_path(alice, one.file).read_bytes())


@pytest.mark.parametrize(("format", "stored"), [("GIF", "GIF"), ("WEBP", "WEBP"), ("PNG", "WEBP")])
async def test_what_moves_goes_on_moving(alice: Home, format: str, stored: str) -> None:
    """All frames are kept; the preview stands still."""
    one = await _upload(alice, moving(format))
    image = _image(alice, one.file)
    assert (one.kind, image.format, getattr(image, "n_frames", 1)) == ("gifv", stored, 4)
    assert one.duration == pytest.approx(0.32)
    assert getattr(_image(alice, one.preview), "n_frames", 1) == 1


async def test_transparency_is_kept(alice: Home) -> None:
    image = painted(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    one = await _upload(alice, as_bytes(image, "PNG"))
    assert _image(alice, one.file).mode == "RGBA"
    assert _image(alice, one.preview).mode == "RGBA"


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
_HTML = b"<!doctype html><script>alert(1)</script>"
_ZIP = b"PK\x03\x04" + bytes(200)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing at all", b""),
        ("SVG", _SVG),
        ("SVG after a declaration", b'<?xml version="1.0"?>' + _SVG),
        ("HTML", _HTML),
        ("HTML after white space", b" " * 600 + _HTML),
        ("a program", b"\x7fELF" + bytes(500)),
        ("an archive", _ZIP),
        ("TIFF", as_bytes(painted(), "TIFF")),
        ("BMP", as_bytes(painted(), "BMP")),
        ("PDF", b"%PDF-1.7" + bytes(300)),
        ("PostScript, which decoders have run", b"%!PS-Adobe-3.0 EPSF-3.0\n"),
        ("the first bytes of a GIF, then HTML", b"GIF89a=1;" + _HTML),
        ("the first bytes of a JPEG, then HTML", b"\xff\xd8\xff" + _HTML),
        ("the first bytes of a PNG, then HTML", b"\x89PNG\r\n\x1a\n" + _HTML),
        ("the first bytes of a WebP, then HTML", b"RIFF\xff\xff\xff\xffWEBP" + _HTML),
        ("two bytes of an MP3, then HTML", b"\xff\xfb\x90" + _HTML),
        ("ID3, then HTML", b"ID3\x04\x00\x00\x00\x00\x00\x00" + _HTML),
        ("an AVIF without a picture", b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + bytes(40)),
        ("a PNG cut off", as_bytes(painted(), "PNG")[:200]),
        ("a JPEG cut off in its header", as_bytes(painted(), "JPEG")[:100]),
        ("a GIF cut off", as_bytes(painted(), "GIF")[:60]),
        ("60,000 × 60,000 pixels", png_bomb(60_000, 60_000)),
        ("10,000 × 10,000 pixels", png_bomb(10_000, 10_000)),
        ("one row, far too long", png_bomb(20_000, 10)),
        ("5,000 frames", gif_of(5_000)),
        (
            "a GIF whose frame is larger than its screen",
            gif_of(1).replace(b",\0\0\0\0\1\0\1\0", b",\0\0\0\0\xff\xff\xff\xff"),
        ),
    ],
)
async def test_what_is_not_taken(alice: Home, name: str, data: bytes) -> None:
    """security.md §8: "allow-list … by magic; no SVG"; "read size from the header first"."""
    with pytest.raises(NotAllowed):
        await _upload(alice, data)
    assert _left(alice) == []
    assert (await alice.rows())["media"] == 0


async def test_what_hides_behind_a_picture_is_left_behind(alice: Home) -> None:
    """A polyglot: a true picture, and after its end something else."""
    for format in ("JPEG", "PNG", "GIF", "WEBP"):
        one = await _upload(alice, as_bytes(painted(), format) + _HTML + _ZIP)
        kept = _path(alice, one.file).read_bytes()
        assert b"<script" not in kept
        assert b"PK\x03\x04" not in kept


async def test_a_header_that_lies_is_no_way_in(alice: Home) -> None:
    """The size is read again where it is decoded: two sizes in one file are one too many."""
    data = bytearray(as_bytes(painted(3000, 2000), "WEBP", lossless=True))
    wrapped = b"RIFF" + (len(data) + 10).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little")
    wrapped += bytes([0, 0, 0, 0]) + (9).to_bytes(3, "little") * 2 + bytes(data[12:])
    with pytest.raises(NotAllowed):
        await _upload(alice, wrapped)


async def test_too_many_bytes_are_not_waited_for(alice: Home) -> None:
    """The limit holds while it comes in: what is too much is not written first."""
    head, sent = as_bytes(painted(), "JPEG"), 0

    async def endless():  # type: ignore[no-untyped-def]
        nonlocal sent
        yield head
        while True:
            sent += 1 << 20
            yield bytes(1 << 20)

    with pytest.raises(NotAllowed, match="larger than 16 MiB"):
        await alice.node.media.upload(endless())
    assert sent <= 17 << 20
    assert _left(alice) == []


async def test_a_child_that_is_stopped_leaves_the_node_well(alice: Home) -> None:
    """Memory and time are the child's; when they are used up it dies, and the next one does its work."""
    media = alice.node.media
    before = media._decoder
    media._decoder = Decoder(wall=0.01)
    with pytest.raises(NotAllowed, match="more memory or time"):
        await _upload(alice, as_bytes(painted(), "JPEG"))
    media._decoder = before
    assert _left(alice) == []
    assert (await _upload(alice, as_bytes(painted(), "JPEG"))).kind == "image"


async def test_the_child_is_told_nothing_of_ours(alice: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that is taken over finds no passphrase, and no way to write what is large."""
    import json
    import subprocess
    import sys

    probe = (
        "import os, resource, json; from node.media import child; child.limit();"
        "print(json.dumps([resource.getrlimit(getattr(resource, name))[1] for name in"
        " ('RLIMIT_AS', 'RLIMIT_CPU', 'RLIMIT_FSIZE', 'RLIMIT_CORE')]))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == [1 << 30, 20, 64 << 20, 0]
    monkeypatch.setenv("CUICUI_PASSPHRASE", "secret")
    seen: list[object] = []
    import asyncio

    spawn = asyncio.create_subprocess_exec

    async def watched(*command: str, **how: object):  # type: ignore[no-untyped-def]
        seen.append(how["env"])
        return await spawn(*command, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    await _upload(alice, as_bytes(painted(), "JPEG"))
    (env,) = seen
    assert isinstance(env, dict)
    assert set(env) == {"PYTHONPATH", "LC_ALL"}


async def test_a_description_can_be_changed_until_it_is_posted(alice: Home) -> None:
    """Apps upload first and ask for words afterwards."""
    one = await _upload(alice, as_bytes(painted(), "JPEG"))
    media = alice.node.media
    changed = await media.describe(one.id, alt="A field", focus=(0.5, -0.25))
    assert (changed.alt, changed.focus) == ("A field", (0.5, -0.25))
    assert await media.get(one.id) == changed
    with pytest.raises(NotAllowed):
        await media.describe(one.id, alt="x" * 1501)
    with pytest.raises(NotAllowed):
        await media.describe(one.id, focus=(2.0, 0.0))
    with pytest.raises(NotFound):
        await media.describe(one.id + 1, alt="x")


async def test_a_file_can_be_taken_back(alice: Home) -> None:
    one = await _upload(alice, as_bytes(painted(), "JPEG"))
    await alice.node.media.delete(one.id)
    assert _left(alice) == []
    with pytest.raises(NotFound):
        await alice.node.media.get(one.id)


async def test_what_is_never_posted_goes_after_a_day(alice: Home, clock: FakeClock) -> None:
    """Uploads without a post, and files without a row, are not kept for ever."""
    one = await _upload(alice, as_bytes(painted(), "JPEG"))
    stray = _path(alice, "ab" * 16 + ".jpg")
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"stray")
    assert await alice.node.media.keep_order() == 0
    clock.forward(timedelta(hours=25))
    os.utime(stray, (0, 0))
    assert await alice.node.media.keep_order() == 2
    assert _left(alice) == []
    with pytest.raises(NotFound):
        await alice.node.media.get(one.id)


@pytest.mark.parametrize(
    "name", ["../../cuicui.db", "..%2f", "a" * 32, "a" * 32 + ".svg", "A" * 32 + ".jpg", "/etc/passwd", ""]
)
async def test_only_names_of_ours_lead_to_files(alice: Home, name: str) -> None:
    """security.md §8: "media path is a DB lookup"."""
    assert await alice.node.media.open_file(name) is None


async def test_a_file_that_became_something_else_is_not_served(alice: Home) -> None:
    """security.md §8: "re-check at serving"."""
    one = await _upload(alice, as_bytes(painted(), "JPEG"))
    assert await alice.node.media.open_file(one.file) is not None
    _path(alice, one.file).write_bytes(_HTML)
    assert await alice.node.media.open_file(one.file) is None
