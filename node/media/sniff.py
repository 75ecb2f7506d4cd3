"""What a file is, by its first bytes alone: never by its name, nor by what somebody says it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ENOUGH = 4096
"""Bytes that are enough to know a type."""


@dataclass(frozen=True, slots=True)
class Format:
    """A type of file that is taken: its media type, the ending of our names for it, and what it is."""

    media_type: str
    extension: str
    kind: str
    """`image`, `video` or `audio`."""
    pillow: str = ""
    """The name under which Pillow knows it; empty for what is not decoded."""


JPEG = Format("image/jpeg", "jpg", "image", "JPEG")
PNG = Format("image/png", "png", "image", "PNG")
GIF = Format("image/gif", "gif", "image", "GIF")
WEBP = Format("image/webp", "webp", "image", "WEBP")
AVIF = Format("image/avif", "avif", "image", "AVIF")
HEIC = Format("image/heic", "heic", "image", "HEIF")
MP4 = Format("video/mp4", "mp4", "video")
MOV = Format("video/quicktime", "mov", "video")
WEBM = Format("video/webm", "webm", "video")
MP3 = Format("audio/mpeg", "mp3", "audio")
M4A = Format("audio/mp4", "m4a", "audio")
OGG = Format("audio/ogg", "ogg", "audio")
FLAC = Format("audio/flac", "flac", "audio")
WAV = Format("audio/wav", "wav", "audio")

FORMATS = (JPEG, PNG, GIF, WEBP, AVIF, HEIC, MP4, MOV, WEBM, MP3, M4A, OGG, FLAC, WAV)
"""All that is taken. SVG and HTML are not pictures but programs; nothing else was ever asked for."""

BY_EXTENSION = {one.extension: one for one in FORMATS}

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MP4_BRANDS = {
    *(b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"avc1", b"dash"),
    *(b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"mp71", b"f4v ", b"3gp4", b"3gp5", b"3gp6", b"3g2a", b"hvc1", b"XAVC"),
}


def sniff(head: bytes) -> Format | None:
    """The format of a file that starts with `head`; None for everything that is not taken."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"\x42\x82\x84webm" in head[:64] else None
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"OggS"):
        first = head[28:40]  # the first packet says which codec it is
        return OGG if first.startswith((b"\x01vorbis", b"OpusHead")) else None
    if head.startswith(b"ID3") or _is_frame(head):
        return MP3
    return None


def _by_brand(head: bytes) -> Format | None:
    """ISO base media: the major brand decides, then those it says it is compatible with."""
    size = min(int.from_bytes(head[:4], "big"), len(head), 256)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    if brands[0] == b"qt  ":
        return MOV
    if brands[0] in (b"M4A ", b"M4B "):
        return M4A
    if _AVIF_BRANDS & set(brands):
        return AVIF
    if brands[0] in _HEIC_BRANDS:
        return HEIC
    return MP4 if any(brand in _MP4_BRANDS for brand in brands) else None


def _is_frame(head: bytes) -> bool:
    """Two frames of MPEG layer III, one after the other: two bytes alone are too easily met."""
    first = frame_length(head, 0)
    return first is not None and frame_length(head, first) is not None


_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_SAMPLING = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def frame_header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Of an MPEG layer III frame at `at`: kilobits per second, samples per second, length in bytes."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, rate, sampling = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or rate in (0, 15) or sampling == 3:
        return None
    kilobits = _RATES[3 if version == 3 else 2][rate]
    samples = _SAMPLING[version][sampling]
    return kilobits, samples, (144 if version == 3 else 72) * kilobits * 1000 // samples + (head[2] >> 1 & 1)


def frame_length(data: bytes, at: int) -> int | None:
    found = frame_header(data, at)
    return None if found is None else at + found[2]
