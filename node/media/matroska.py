"""WebM (RFC 8794, RFC 9559) without what tells of its making, cleaned in place.

An element that is not needed to play becomes `Void`, of the same length and filled with zeros.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass

from node.media.sounds import blank

_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_INFO, _TRACKS, _ENTRY, _VIDEO = 0x1549A966, 0x1654AE6B, 0xAE, 0xE0
_VOID = 0xEC
_LEVEL_1 = {0x114D9B74: "SeekHead", _INFO: "Info", _TRACKS: "Tracks", _CLUSTER: "Cluster", 0x1C53BB6B: "Cues"}
_IN_INFO = {0x2AD7B1: "TimestampScale", 0x4489: "Duration"}
_NEEDED_TEXTS = {0x4D80: "MuxingApp", 0x5741: "WritingApp"}
"""Both must be there; what they say need not."""
_UNWANTED_IN_ENTRY = {0x536E: "Name", 0xBF: "CRC-32", 0x6240: "ContentEncodings", 0x41E4: "BlockAdditionMapping"}
_PLAYED = (1, 2)
"""Track types: video and audio."""
_MOST = 500_000


@dataclass(slots=True)
class _Found:
    width: int = 0
    height: int = 0
    scale: int = 1_000_000
    units: float = 0.0
    played: int = 0
    clusters: int = 0


def clean(data: mmap.mmap) -> tuple[int | None, int | None, float | None]:
    """Width, height and seconds, as far as the headers tell. Raises ValueError for a damaged file."""
    found, at, seen = _Found(), 0, 0
    while at < len(data):
        id, start, end = _element(data, at, len(data))
        if id == _SEGMENT:
            seen += 1
            _segment(data, start, end, found)
        elif id != _EBML or at != 0:
            _void(data, at, end)
        at = end
    if seen != 1 or not found.played or not found.clusters:
        raise ValueError("nothing to play")
    seconds = found.units * found.scale / 1e9
    return found.width or None, found.height or None, seconds if 0 < seconds < 1e7 else None


def _segment(data: mmap.mmap, start: int, end: int, found: _Found) -> None:
    at, left = start, _MOST
    while at < end:
        left -= 1
        if left < 0:
            raise ValueError("too many elements")
        id, inside, after = _element(data, at, end)
        if id == _CLUSTER:
            found.clusters += 1
            if _is_open(data, at):
                after = _open_cluster(data, inside, end)
        elif id == _INFO:
            _info(data, inside, after, found)
        elif id == _TRACKS:
            _each(data, inside, after, lambda one, first, last, head: _track(data, one, first, last, head, found))
        elif id not in _LEVEL_1:
            _void(data, at, after)
        at = after


def _open_cluster(data: mmap.mmap, at: int, end: int) -> int:
    """A cluster of unknown size, as a live recording writes it, ends where an element of the first level begins."""
    while at < end:
        id, _, after = _element(data, at, end)
        if id in _LEVEL_1 or id in (0x1254C367, 0x1941A469, 0x1043A770):
            return at
        at = after
    return end


def _info(data: mmap.mmap, start: int, end: int, found: _Found) -> None:
    def one(id: int, first: int, last: int, head: int) -> None:
        if id == 0x2AD7B1:
            found.scale = int.from_bytes(data[first:last], "big") or 1_000_000
        elif id == 0x4489 and last - first in (4, 8):
            (found.units,) = struct.unpack(">f" if last - first == 4 else ">d", data[first:last])
        elif id in _NEEDED_TEXTS:
            data[first:last] = b" " * (last - first)
        elif id not in _IN_INFO:
            _void(data, head, last)

    _each(data, start, end, one)


def _track(data: mmap.mmap, id: int, start: int, end: int, head: int, found: _Found) -> None:
    if id != _ENTRY:
        _void(data, head, end)
        return

    def one(id: int, first: int, last: int, head: int) -> None:
        if id == 0x83:
            if int.from_bytes(data[first:last], "big") not in _PLAYED:
                # Its blocks lie among the others in the clusters.
                raise ValueError("a track that is neither picture nor sound")
            found.played += 1
        elif id == _VIDEO:
            _each(data, first, last, video)
        elif id in _UNWANTED_IN_ENTRY:
            _void(data, head, last)

    def video(id: int, first: int, last: int, _head: int) -> None:
        if id == 0xB0:
            found.width = max(found.width, int.from_bytes(data[first:last], "big"))
        elif id == 0xBA:
            found.height = max(found.height, int.from_bytes(data[first:last], "big"))

    _each(data, start, end, one)


def _each(data: mmap.mmap, start: int, end: int, do: Callable[[int, int, int, int], None]) -> None:
    """`do` gets the id, where the content starts and ends, and where the element itself starts."""
    at = start
    while at < end:
        id, first, last = _element(data, at, end)
        do(id, first, last, at)
        at = last


def _element(data: mmap.mmap, at: int, end: int) -> tuple[int, int, int]:
    """The id of the element at `at`, and where its content starts and ends; of unknown size, with what is around it."""
    id_length = 9 - data[at].bit_length()
    if not 1 <= id_length <= 4:
        raise ValueError("no element")
    size_at = at + id_length
    length = 9 - data[size_at].bit_length()
    start = size_at + length
    if length > 8 or start > end:
        raise ValueError("no size")
    bits = 7 * length
    size = int.from_bytes(data[size_at:start], "big") & (1 << bits) - 1
    stop = end if size == (1 << bits) - 1 else start + size
    if stop > end:
        raise ValueError("an element that does not fit")
    return int.from_bytes(data[at:size_at], "big"), start, stop


def _is_open(data: mmap.mmap, at: int) -> bool:
    size_at = at + 9 - data[at].bit_length()
    length = 9 - data[size_at].bit_length()
    bits = 7 * length
    return int.from_bytes(data[size_at : size_at + length], "big") & (1 << bits) - 1 == (1 << bits) - 1


def _void(data: mmap.mmap, at: int, end: int) -> None:
    """The same bytes long: one for the id, one or eight for the size."""
    total = end - at
    if total < 2:
        raise ValueError("no room")
    data[at] = _VOID
    if total <= 0x7E + 2:
        data[at + 1] = 0x80 | (total - 2)
        blank(data, at + 2, end)
    else:
        data[at + 1 : at + 9] = (1 << 56 | total - 9).to_bytes(8, "big")
        blank(data, at + 9, end)
