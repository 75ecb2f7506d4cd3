"""Ogg Vorbis and Opus (RFC 3533, RFC 7845) without their comments, cleaned in place.

The comment packet keeps its length: its vendor string becomes spaces and the list behind it empty. The
checksums of the pages it lies on are computed anew.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, field

_MOST_PAGES = 1_000_000


@dataclass(slots=True)
class _Page:
    start: int
    body: int
    end: int
    flags: int
    granule: int
    serial: bytes
    segments: bytes


@dataclass(slots=True)
class _Stream:
    comment: bytes
    """How its comment packet begins."""
    rate: int
    skip: int = 0
    packets: int = 0
    parts: list[tuple[int, int]] = field(default_factory=list)
    pages: list[_Page] = field(default_factory=list)
    done: bool = False
    last: int = 0


def clean(data: mmap.mmap) -> float | None:
    """The duration in seconds, if it can be told. Raises ValueError for a damaged file, and for other streams."""
    streams: dict[bytes, _Stream] = {}
    for page in _pages(data):
        if page.flags & 2:
            streams[page.serial] = _begin(data, page)
        stream = streams.get(page.serial)
        if stream is None:
            raise ValueError("a page of no stream")
        if 0 < page.granule < 1 << 62:
            stream.last = page.granule
        if not stream.done:
            _follow(data, page, stream)
    if len(streams) != 1 or not all(stream.done for stream in streams.values()):
        raise ValueError("not one sound")
    (stream,) = streams.values()
    _empty(data, stream)
    return (stream.last - stream.skip) / stream.rate if stream.rate and stream.last > stream.skip else None


def _pages(data: mmap.mmap) -> Iterator[_Page]:
    at = 0
    for _ in range(_MOST_PAGES):
        if at == len(data):
            return
        if data[at : at + 5] != b"OggS\0":
            raise ValueError("no page")
        many = data[at + 26]
        segments = data[at + 27 : at + 27 + many]
        body = at + 27 + many
        end = body + sum(segments)
        if len(segments) < many or end > len(data):
            raise ValueError("cut off")
        granule = int.from_bytes(data[at + 6 : at + 14], "little")
        yield _Page(at, body, end, data[at + 5], granule, data[at + 14 : at + 18], segments)
        at = end
    raise ValueError("too many pages")


def _begin(data: mmap.mmap, page: _Page) -> _Stream:
    head = data[page.body : min(page.end, page.body + 32)]
    if head.startswith(b"\x01vorbis"):
        return _Stream(b"\x03vorbis", int.from_bytes(head[12:16], "little"))
    if head.startswith(b"OpusHead"):
        return _Stream(b"OpusTags", 48_000, int.from_bytes(head[10:12], "little"))
    raise ValueError("a stream that is neither Vorbis nor Opus")


def _follow(data: mmap.mmap, page: _Page, stream: _Stream) -> None:
    """Note where the second packet lies, which may go over many pages."""
    at = page.body
    for segment in page.segments:
        if stream.packets == 1:
            stream.parts.append((at, at + segment))
            if not stream.pages or stream.pages[-1] is not page:
                stream.pages.append(page)
        at += segment
        if segment < 255:  # where a packet ends
            stream.packets += 1
            if stream.packets == 2:
                stream.done = True
                return


def _empty(data: mmap.mmap, stream: _Stream) -> None:
    length = sum(end - start for start, end in stream.parts)
    framing = b"\x01" if stream.comment == b"\x03vorbis" else b""
    spare = length - len(stream.comment) - 8 - len(framing)
    first = stream.parts[0][0]
    if spare < 0 or data[first : first + len(stream.comment)] != stream.comment:
        raise ValueError("no comments")
    packet = stream.comment + spare.to_bytes(4, "little") + b" " * spare + bytes(4) + framing
    at = 0
    for start, end in stream.parts:
        data[start:end] = packet[at : at + end - start]
        at += end - start
    for page in stream.pages:
        data[page.start + 22 : page.start + 26] = bytes(4)
        data[page.start + 22 : page.start + 26] = checksum(data[page.start : page.end]).to_bytes(4, "little")


def checksum(page: bytes) -> int:
    """CRC-32 as Ogg has it: polynomial 0x04c11db7, not reflected, from zero."""
    table, value = _table(), 0
    for byte in page:
        value = value << 8 & 0xFFFFFFFF ^ table[value >> 24 ^ byte]
    return value


def _table() -> list[int]:
    if not _TABLE:
        for number in range(256):
            value = number << 24
            for _ in range(8):
                value = value << 1 & 0xFFFFFFFF ^ (0x04C11DB7 if value & 1 << 31 else 0)
            _TABLE.append(value)
    return _TABLE


_TABLE: list[int] = []
