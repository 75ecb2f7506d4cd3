"""Video and audio: kept as they are, without what tells where, when and with what they were made.

Nothing is decoded here, nothing transcoded: each cleaner walks the container of one format and blanks what
is not picture or sound, in place, so that no offset inside the file changes. What lies inside the coded
stream itself (SEI messages of H.264, say) is not looked at.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node.errors import NotAllowed
from node.media import iso, matroska, ogg, sounds
from node.media.headers import MAX_PIXELS, MAX_SIDE, damaged
from node.media.sniff import FLAC, M4A, MOV, MP3, MP4, OGG, WAV, WEBM, Format


@dataclass(frozen=True, slots=True)
class About:
    """What the headers say; None where they say nothing."""

    width: int | None = None
    height: int | None = None
    duration: float | None = None


Cleaner = Callable[[mmap.mmap], tuple[About, int]]
"""Cleans in place; returns what there is, and how many bytes of the file are left."""


def _mp3(data: mmap.mmap) -> tuple[About, int]:
    duration, size = sounds.mp3(data)
    return About(duration=duration), size


def _wav(data: mmap.mmap) -> tuple[About, int]:
    duration, size = sounds.wav(data)
    return About(duration=duration), size


def _flac(data: mmap.mmap) -> tuple[About, int]:
    duration, size = sounds.flac(data)
    return About(duration=duration), size


def _ogg(data: mmap.mmap) -> tuple[About, int]:
    return About(duration=ogg.clean(data)), len(data)


def _iso(data: mmap.mmap) -> tuple[About, int]:
    return About(*iso.clean(data)), len(data)


def _webm(data: mmap.mmap) -> tuple[About, int]:
    return About(*matroska.clean(data)), len(data)


_CLEANERS: dict[Format, Cleaner] = {
    MP3: _mp3,
    WAV: _wav,
    FLAC: _flac,
    OGG: _ogg,
    MP4: _iso,
    MOV: _iso,
    M4A: _iso,
    WEBM: _webm,
}


def clean(path: Path, found: Format) -> About:
    """Clean the file at `path`. Blocks. Raises NotAllowed for what is damaged, or cannot be cleaned."""
    cleaner = _CLEANERS.get(found)
    if cleaner is None:
        raise NotAllowed(f"{found.media_type} is not taken", code="bad_media")
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
            about, size = cleaner(data)
            data.flush()
        with path.open("r+b") as file:
            file.truncate(size)
    except (ValueError, IndexError):
        raise damaged() from None
    wide, high = about.width or 0, about.height or 0
    if wide > MAX_SIDE or high > MAX_SIDE or wide * high > MAX_PIXELS:
        raise NotAllowed(f"a video of {wide} × {high} pixels is too large", code="media_too_large")
    return about
