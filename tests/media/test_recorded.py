"""Video and audio: what plays stays as it is, byte for byte; what tells of its making goes."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from node.errors import NotAllowed
from node.media import recorded
from node.media.headers import boxes
from node.media.sniff import MOV, MP3, MP4, OGG, sniff
from tests.support.homes import Home
from tests.support.pictures import pieces

VECTORS = Path(__file__).parent.parent / "vectors" / "media"
SECRET = b"SecretPlace+48.8584"


def _cleaned(tmp_path: Path, data: bytes) -> tuple[recorded.About, bytes]:
    path = tmp_path / "file"
    path.write_bytes(data)
    found = sniff(data)
    assert found is not None
    return recorded.clean(path, found), path.read_bytes()


@pytest.mark.parametrize(
    ("name", "media_type", "size", "seconds"),
    [
        ("video.mp4", "video/mp4", (64, 48), 0.4),
        ("fragments.mp4", "video/mp4", (64, 48), None),
        ("video.mov", "video/quicktime", (64, 48), 0.4),
        ("sound.m4a", "audio/mp4", (None, None), 0.13),
        ("video.webm", "video/webm", (64, 48), 0.4),
        ("live.webm", "video/webm", (64, 48), None),
        ("sound.mp3", "audio/mpeg", (None, None), 0.2),
        ("sound.ogg", "audio/ogg", (None, None), 0.12),
        ("sound.flac", "audio/flac", (None, None), 0.13),
        ("sound.wav", "audio/wav", (None, None), 0.13),
    ],
)
async def test_a_recording_is_taken_without_its_metadata(
    alice: Home, name: str, media_type: str, size: tuple[int | None, int | None], seconds: float | None
) -> None:
    """security.md §8: "strip all metadata at upload … video atoms"."""
    data = (VECTORS / name).read_bytes()
    assert SECRET in data
    one = await alice.node.media.upload(pieces(data), alt="A tone")
    assert (one.kind, one.media_type) == (media_type.partition("/")[0], media_type)
    assert (one.width, one.height) == size
    assert one.duration == (None if seconds is None else pytest.approx(seconds, abs=0.05))
    found = await alice.node.media.open_file(one.file)
    assert found is not None
    kept = found[0].read_bytes()
    assert SECRET not in kept
    assert b"48.8584" not in kept
    if not name.endswith((".mp3",)):
        assert len(kept) == len(data), "nothing moves"


@pytest.mark.parametrize("name", ["video.mp4", "fragments.mp4", "video.mov", "sound.m4a"])
def test_samples_and_their_offsets_stay(tmp_path: Path, name: str) -> None:
    """Cleaned in place: what the tables point to is where it was."""
    data = (VECTORS / name).read_bytes()
    _, kept = _cleaned(tmp_path, data)
    for path, at, start, end in boxes(data, 0, len(data)):
        if path[-1] in (b"mdat", b"stco", b"co64", b"stsz", b"stsc", b"stts", b"stsd", b"trun", b"tfhd"):
            assert kept[at:end] == data[at:end], path
        if path[-1] in (b"mvhd", b"tkhd", b"mdhd"):
            assert kept[start + 4 : start + 12] == bytes(8), "no dates"
    left = {path[-1] for path, _, _, _ in boxes(kept, 0, len(kept))}
    assert not left & {b"udta", b"meta", b"uuid", b"ilst", b"keys"}


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def _track(handler: bytes, chunk: int, size: int) -> bytes:
    table = _box(
        b"stbl",
        _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
        _box(b"stsz", struct.pack(">III", 0, size, 1)),
        _box(b"stco", struct.pack(">III", 0, 1, chunk)),
    )
    head = _box(b"hdlr", bytes(8), handler, bytes(12), b"GoPro MET\0")
    return _box(b"trak", _box(b"tkhd", bytes(84)), _box(b"mdia", _box(b"mdhd", bytes(24)), head, _box(b"minf", table)))


def _with_telemetry(*, fragments: bool = False, chunk: int | None = None) -> bytes:
    """A video with a track beside it that says where the camera was, second by second."""
    start = _box(b"ftyp", b"isom", bytes(4), b"isommp42")
    picture, places = b"P" * 100, SECRET * 3
    movie = b""
    for _ in range(2):  # the second time with the offsets that the first one gives
        first = len(start) + len(movie) + 8
        movie = _box(
            b"moov",
            _box(b"mvhd", bytes(100)),
            _track(b"vide", first, len(picture)),
            _track(b"meta", first + len(picture) if chunk is None else chunk, len(places)),
        )
    return (
        start + movie + _box(b"mdat", picture, places) + (_box(b"moof", _box(b"mfhd", bytes(8))) if fragments else b"")
    )


def test_a_track_of_places_goes_with_its_samples(tmp_path: Path) -> None:
    """Action cameras and drones write GPS as a track of its own, between the pictures."""
    data = _with_telemetry()
    _, kept = _cleaned(tmp_path, data)
    assert SECRET not in kept
    assert b"P" * 100 in kept
    assert len(kept) == len(data)
    assert [path for path, _, _, _ in boxes(kept, 0, len(kept)) if path == (b"moov", b"trak")] == [(b"moov", b"trak")]


def _crc(page: bytes) -> int:
    """RFC 3533 §6, bit by bit."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


def _page(flags: int, number: int, granule: int, *packets: bytes) -> bytes:
    lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
    head = b"OggS\0" + bytes([flags]) + struct.pack("<QII", granule, 7, number)
    page = head + bytes(4) + bytes([len(lacing)]) + lacing + b"".join(packets)
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _vorbis(comment: bytes) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 2, 48000, 0, 0, 0, 0xB8, 1)
    said = b"\x03vorbis" + struct.pack("<I", 4) + b"Test" + struct.pack("<II", 1, len(comment)) + comment + b"\x01"
    return _page(2, 0, 0, head) + _page(0, 1, 0, said, b"\x05vorbis setup") + _page(4, 2, 96000, b"sound")


def test_vorbis_comments_become_empty_and_checksums_right(tmp_path: Path) -> None:
    """RFC 3533: a page whose checksum is wrong is not played."""
    about, kept = _cleaned(tmp_path, _vorbis(b"LOCATION=" + SECRET + b"." * 600))
    assert SECRET not in kept
    assert about.duration == 2.0
    pages = kept.split(b"OggS")[1:]
    assert len(pages) == 3
    for page in (b"OggS" + page for page in pages):
        assert struct.unpack("<I", page[22:26])[0] == _crc(page[:22] + bytes(4) + page[26:])
    assert b"\x05vorbis setup" in kept


def test_an_mp3_is_its_frames_and_nothing_else(tmp_path: Path) -> None:
    """ID3 before, behind and in between; APE; and a page that hides among them."""
    data = (VECTORS / "sound.mp3").read_bytes()
    _, frames = _cleaned(tmp_path, data)
    apart = b"<script>alert(1)</script>" + SECRET
    about, kept = _cleaned(tmp_path, data + apart + frames + b"TAG" + SECRET.ljust(125, b"\0"))
    assert kept == frames + frames
    assert about.duration is not None


_VIDEO = (VECTORS / "video.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("an MP4 cut off", _VIDEO[:-500]),
        ("an MP4 of nothing", _VIDEO[:40]),
        ("an MP4 without its movie", _VIDEO.replace(b"moov", b"mooo", 1)),
        ("boxes without end", _VIDEO[:32] + _box(b"moov", _box(b"trak") * 30_000)),
        ("telemetry in fragments", _with_telemetry(fragments=True)),
        ("telemetry outside the file", _with_telemetry(chunk=1 << 30)),
        ("telemetry over the head", _with_telemetry(chunk=0)),
        ("a WebM cut off", (VECTORS / "video.webm").read_bytes()[:300]),
        ("a Matroska file", (VECTORS / "video.webm").read_bytes().replace(b"webm", b"mtrs", 1)),
        ("a FLAC cut off", (VECTORS / "sound.flac").read_bytes()[:60]),
        ("an Ogg cut off", (VECTORS / "sound.ogg").read_bytes()[:400]),
        ("an Ogg of two sounds", _vorbis(b"A=b") + (VECTORS / "sound.ogg").read_bytes()),
        ("a WAV without samples", (VECTORS / "sound.wav").read_bytes()[:40]),
        ("an MP3 of one frame", (VECTORS / "sound.mp3").read_bytes()[45:900]),
    ],
)
async def test_a_damaged_recording_is_not_taken(alice: Home, name: str, data: bytes) -> None:
    """What cannot be read to its end cannot be cleaned."""
    with pytest.raises(NotAllowed):
        await alice.node.media.upload(pieces(data))
    assert [path for path in alice.settings.media.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", [b"trak", b"udta"])
def test_thousands_of_boxes_take_bounded_time(tmp_path: Path, kind: bytes) -> None:
    """security.md §10: a file of a few hundred kilobytes is not worth seconds of work."""
    start = time.thread_time()
    with pytest.raises(NotAllowed):
        _cleaned(tmp_path, _VIDEO[:32] + _box(b"moov", _box(kind, _box(b"free")) * 9_000))
    assert time.thread_time() - start < 1


async def test_recordings_have_a_limit_of_their_own(alice: Home) -> None:
    sent = 0

    async def endless():  # type: ignore[no-untyped-def]
        nonlocal sent
        yield _VIDEO
        while True:
            sent += 1 << 20
            yield bytes(1 << 20)

    with pytest.raises(NotAllowed, match="larger than 40 MiB"):
        await alice.node.media.upload(endless())
    assert sent <= 41 << 20


def test_types_are_told_apart() -> None:
    assert sniff((VECTORS / "video.mov").read_bytes()) is MOV
    assert sniff(_VIDEO) is MP4
    assert sniff((VECTORS / "sound.ogg").read_bytes()) is OGG
    assert sniff((VECTORS / "sound.mp3").read_bytes()) is MP3
    assert sniff(b"#!/bin/sh\n" * 10) is None
