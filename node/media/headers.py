"""How large a picture says it is, and of how many frames: read from its bytes, before anything is decoded. Pure.

Own parsers, total and small: they decide whether a decoder may see the file at all (security.md §8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from node.errors import NotAllowed
from node.media.sniff import AVIF, GIF, HEIC, JPEG, PNG, WEBP, Format

MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
MAX_FRAMES = 500
MAX_MOVING = 80_000_000
"""Pixels of all frames of a picture that moves."""


class Bytes(Protocol):
    """bytes, or a file mapped into memory."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Size:
    width: int
    height: int
    frames: int = 1

    @property
    def moves(self) -> bool:
        return self.frames > 1


def measure(data: Bytes, found: Format) -> Size:
    """The size that a picture claims. Raises NotAllowed when it is damaged, or larger than we decode."""
    try:
        size = _READERS[found](data)
    except (IndexError, ValueError):
        size = None
    if size is None or size.width < 1 or size.height < 1:
        raise damaged()
    if size.width > MAX_SIDE or size.height > MAX_SIDE or size.width * size.height > MAX_PIXELS:
        raise NotAllowed(
            f"a picture of {size.width} × {size.height} pixels is too large",
            hint=f"at most {MAX_PIXELS // 1_000_000} million pixels, and {MAX_SIDE} on a side",
            code="media_too_large",
        )
    if size.frames > MAX_FRAMES:
        raise NotAllowed(f"a picture of more than {MAX_FRAMES} frames", hint="shorten it", code="media_too_large")
    return size


def damaged() -> NotAllowed:
    return NotAllowed("this file is damaged, or not what it seems", hint="save it anew", code="bad_media")


def _int(data: Bytes, start: int, length: int, order: Literal["big", "little"] = "big") -> int:
    part = data[start : start + length]
    if len(part) < length:
        raise ValueError("cut off")
    return int.from_bytes(part, order)


def _png(data: Bytes) -> Size | None:
    """PNG (W3C), the chunks before the pixels: IHDR is the first; acTL tells the frames of an animation."""
    if data[12:16] != b"IHDR":
        return None
    frames, at = 1, 8
    while at < len(data) and (kind := data[at + 4 : at + 8]) != b"IDAT":
        if kind == b"acTL":
            frames = _int(data, at + 8, 4)
        at += 12 + _int(data, at, 4)
    return Size(_int(data, 16, 4), _int(data, 20, 4), max(1, frames))


def _gif(data: Bytes) -> Size | None:
    """GIF 89a, block by block; a frame may lie outside the screen, and counts with it."""
    width, height = _int(data, 6, 2, "little"), _int(data, 8, 2, "little")
    flags, frames, at = _int(data, 10, 1), 0, 13
    at += 3 << (flags & 7) + 1 if flags & 0x80 else 0
    while frames <= MAX_FRAMES:
        kind = data[at : at + 1]
        if kind == b"!":
            at = _past_sub_blocks(data, at + 2)
        elif kind == b",":
            left, top, wide, high = (_int(data, at + offset, 2, "little") for offset in (1, 3, 5, 7))
            width, height, frames = max(width, left + wide), max(height, top + high), frames + 1
            local = _int(data, at + 9, 1)
            at = _past_sub_blocks(data, at + 11 + (3 << (local & 7) + 1 if local & 0x80 else 0))
        else:
            break  # the trailer, or where the file was cut off
    return Size(width, height, frames) if frames else None


def _past_sub_blocks(data: Bytes, at: int) -> int:
    while size := _int(data, at, 1):
        at += 1 + size
    return at + 1


def _jpeg(data: Bytes) -> Size | None:
    """JPEG (ITU T.81 annex B): segment by segment to the first frame header."""
    at = 2
    while at + 4 <= len(data):
        if data[at : at + 1] != b"\xff":
            return None
        marker = _int(data, at + 1, 1)
        if marker == 0xFF:
            at += 1
        elif marker in (0x01, *range(0xD0, 0xD9)):
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return Size(_int(data, at + 7, 2), _int(data, at + 5, 2))
        else:
            at += 2 + max(2, _int(data, at + 2, 2))
    return None


def _webp(data: Bytes) -> Size | None:
    """WebP (RFC 9649): the canvas of VP8X, or the one frame there is."""
    kind = data[12:16]
    if kind == b"VP8X":
        frames = sum(1 for name, _, _ in _chunks(data, 12) if name == b"ANMF")
        return Size(_int(data, 24, 3, "little") + 1, _int(data, 27, 3, "little") + 1, max(1, frames))
    if kind == b"VP8L":
        bits = _int(data, 21, 4, "little")
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        return Size(_int(data, 26, 2, "little") & 0x3FFF, _int(data, 28, 2, "little") & 0x3FFF)
    return None


def _chunks(data: Bytes, at: int) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a RIFF file: name, where the content starts, and its length."""
    for _ in range(4 * MAX_FRAMES):
        if at + 8 > len(data):
            return
        length = _int(data, at + 4, 4, "little")
        yield data[at : at + 4], at + 8, length
        at += 8 + length + (length & 1)


def _heif(data: Bytes) -> Size | None:
    """HEIF and AVIF (ISO 23008-12): the largest `ispe` among the item properties; a sequence counts its samples."""
    sizes: list[tuple[int, int]] = []
    frames = 1
    for path, _, start, end in boxes(data, 0, len(data)):
        if path[-1] == b"ispe" and end - start >= 12:
            sizes.append((_int(data, start + 4, 4), _int(data, start + 8, 4)))
        elif path[-1] == b"stsz" and end - start >= 12:
            frames = max(frames, _int(data, start + 8, 4))
        elif path[-1] == b"tkhd" and end - start >= 84:
            sizes.append((_int(data, end - 8, 4) >> 16, _int(data, end - 4, 4) >> 16))
    if not sizes:
        return None
    return Size(max(width for width, _ in sizes), max(height for _, height in sizes), frames)


_NESTED = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"meta", b"iprp", b"ipco", b"moof", b"traf", b"edts", b"mvex"}
_MOST_BOXES = 20_000


def boxes(data: Bytes, start: int, end: int) -> Iterator[tuple[tuple[bytes, ...], int, int, int]]:
    """Every box of an ISO base media file (ISO 14496-12 §4.2): its path, where it starts, and where its content lies.

    Raises ValueError for a box that does not fit into the one around it, and for endlessly many.
    """
    left = _MOST_BOXES
    waiting: list[tuple[tuple[bytes, ...], int, int]] = [((), start, end)]
    while waiting:
        path, at, stop = waiting.pop()
        while at + 8 <= stop:
            left -= 1
            if left < 0:
                raise ValueError("too many boxes")
            size, kind, head = _int(data, at, 4), data[at + 4 : at + 8], 8
            if size == 1:
                size, head = _int(data, at + 8, 8), 16
            elif size == 0:
                size = stop - at
            if size < head or at + size > stop:
                raise ValueError("a box that does not fit")
            here = (*path, kind)
            yield here, at, at + head, at + size
            if kind in _NESTED and len(here) < 8:
                # `meta` is a full box (version and flags first), except in QuickTime files.
                full = kind == b"meta" and data[at + head + 4 : at + head + 8] not in (b"hdlr", b"keys", b"ilst")
                waiting.append((here, at + head + (4 if full else 0), at + size))
            at += size


_READERS = {JPEG: _jpeg, PNG: _png, GIF: _gif, WEBP: _webp, AVIF: _heif, HEIC: _heif}
