"""MP3, WAV and FLAC without their tags and cover pictures. Each takes a file mapped for writing, and cleans in place.

They return the duration in seconds, if the headers tell, and how many bytes of the file are left.
Raise ValueError or IndexError for a damaged file.
"""

from __future__ import annotations

import mmap

from node.media.sniff import frame_header

_FEWEST_FRAMES = 3


def mp3(data: mmap.mmap) -> tuple[float | None, int]:
    """The frames alone, moved together: ID3, APE, Lyrics3 and whatever else stands between them goes."""
    at = kept = frames = 0
    seconds = 0.0
    if data[:3] == b"ID3":
        at = 10 + _syncsafe(data[6:10])
    end = len(data)
    while at < end:
        found = frame_header(data[at : at + 4], 0)
        if found is None or at + found[2] > end:
            at = data.find(b"\xff", at + 1)
            while at >= 0 and not _starts(data, at):
                at = data.find(b"\xff", at + 1)
            if at < 0:
                break
            continue
        _, rate, length = found
        if at != kept:
            data.move(kept, at, length)
        kept, at, frames = kept + length, at + length, frames + 1
        seconds += (1152 if rate >= 32000 else 576) / rate
    if frames < _FEWEST_FRAMES:
        raise ValueError("no sound")
    return seconds, kept


def _starts(data: mmap.mmap, at: int) -> bool:
    """A frame with another behind it, or with which the file ends."""
    found = frame_header(data[at : at + 4], 0)
    if found is None:
        return False
    after = at + found[2]
    return after == len(data) or frame_header(data[after : after + 4], 0) is not None


def _syncsafe(four: bytes) -> int:
    return four[0] << 21 | four[1] << 14 | four[2] << 7 | four[3]


_WAV_KEPT = (b"fmt ", b"data", b"fact")


def wav(data: mmap.mmap) -> tuple[float | None, int]:
    """RIFF: only the format and the samples; other chunks are blanked and called JUNK."""
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    rate, size, at = 0, None, 12
    while at + 8 <= end:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        stop = min(at + 8 + length, end)
        if name == b"fmt ":
            rate = int.from_bytes(data[at + 16 : at + 20], "little")
        elif name == b"data":
            size = stop - at - 8
        if name not in _WAV_KEPT:
            data[at : at + 4] = b"JUNK"
            blank(data, at + 8, stop)
        at = stop + (length & 1)
    if size is None or rate == 0:
        raise ValueError("no sound")
    return size / rate, end


_FLAC_KEPT = (0, 3)
"""STREAMINFO and SEEKTABLE; comments, pictures, cue sheets and the rest become PADDING."""


def flac(data: mmap.mmap) -> tuple[float | None, int]:
    """RFC 9639 §8: the metadata blocks before the first frame."""
    at, last, duration = 4, False, None
    while not last:
        last, kind = bool(data[at] & 0x80), data[at] & 0x7F
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        if at + 4 + length > len(data) or (at == 4) != (kind == 0):
            raise ValueError("a block that does not fit")
        if kind == 0:
            info = int.from_bytes(data[at + 14 : at + 22], "big")
            rate, samples = info >> 44, info & (1 << 36) - 1
            duration = samples / rate if rate and samples else None
        if kind not in _FLAC_KEPT:
            data[at] = (0x80 if last else 0) | 1
            blank(data, at + 4, at + 4 + length)
        at += 4 + length
    if data[at : at + 1] != b"\xff":
        raise ValueError("no sound")
    end = len(data)
    if data[end - 128 : end - 125] == b"TAG":
        end -= 128
    return duration, end


def blank(data: mmap.mmap, start: int, stop: int) -> None:
    """Zeros, in pieces: a hole in a large file needs no memory of its size."""
    while start < stop:
        part = min(1 << 20, stop - start)
        data[start : start + part] = bytes(part)
        start += part
