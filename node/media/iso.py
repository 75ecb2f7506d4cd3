"""MP4, MOV and M4A (ISO 14496-12) without what tells of their making, cleaned in place.

A box that is not needed to play is called `free` and filled with zeros: nothing moves, so every offset in
the file stays right. What goes: user data and metadata at every level (titles, places, devices), XMP, tracks
that are neither picture nor sound (telemetry, where GPS hides) with their samples, and all dates.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from node.media.headers import boxes
from node.media.sounds import blank

Path = tuple[bytes, ...]

_KEPT: dict[Path, frozenset[bytes]] = {
    (): frozenset((b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"wide")),
    (b"moov",): frozenset((b"mvhd", b"trak", b"mvex", b"iods")),
    (b"moov", b"trak"): frozenset((b"tkhd", b"edts", b"mdia", b"tapt")),
    (b"moov", b"trak", b"mdia"): frozenset((b"mdhd", b"hdlr", b"minf", b"elng")),
    (b"moov", b"trak", b"mdia", b"minf"): frozenset((b"vmhd", b"smhd", b"gmhd", b"nmhd", b"hdlr", b"dinf", b"stbl")),
    (b"moof",): frozenset((b"mfhd", b"traf")),
    (b"moof", b"traf"): frozenset((b"tfhd", b"tfdt", b"trun", b"sdtp", b"sbgp", b"sgpd", b"subs")),
}
"""What stays where; a level that is not named is left as it is."""

_DATED = {b"mvhd", b"tkhd", b"mdhd"}
_MOST_SAMPLES = 2_000_000


@dataclass(slots=True)
class _Track:
    start: int
    end: int
    handler: bytes = b""
    size: tuple[int, int] = (0, 0)
    tables: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_played(self) -> bool:
        return self.handler in (b"vide", b"soun")


class _Stretches:
    """Parts of a file that lie apart, found by what lies in them: a file may hold thousands."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> None:
        place = bisect_right(self._starts, start)
        self._starts.insert(place, start)
        self._ends.insert(place, end)

    def around(self, at: int) -> int | None:
        """Where the one starts that this place lies in."""
        place = bisect_right(self._starts, at) - 1
        return self._starts[place] if place >= 0 and at < self._ends[place] else None


def clean(data: mmap.mmap) -> tuple[int | None, int | None, float | None]:
    """Width, height and seconds, as far as the headers tell. Raises ValueError for a damaged file."""
    tracks: dict[int, _Track] = {}
    inside, left_out = _Stretches(), _Stretches()
    unneeded: list[tuple[int, int, int]] = []
    dated: list[int] = []
    named: list[tuple[int, int]] = []
    duration: float | None = None
    fragments = False
    for path, at, start, end in boxes(data, 0, len(data)):
        kind = path[-1]
        if left_out.around(at) is not None:
            continue
        track = None if (around := inside.around(at)) is None else tracks[around]
        kept = _KEPT.get(path[:-1])
        if kept is not None and kind not in kept:
            unneeded.append((at, start, end))
            left_out.add(at, end)
        elif kind == b"trak":
            tracks[at] = _Track(at, end)
            if track is None:
                inside.add(at, end)
        elif kind == b"moof":
            fragments = True
        elif kind == b"mvhd":
            duration = _duration(data, start)
        elif kind == b"hdlr":
            named.append((start, end))
        if kind in _DATED:
            dated.append(start)
        if track is not None:
            _note(data, track, path, start, end)
    played = [one for one in tracks.values() if one.is_played]
    if not played:
        raise ValueError("nothing to play")
    for track in tracks.values():
        if not track.is_played:
            if fragments:
                raise ValueError("a track of other things, in fragments")
            for start, end in _samples(data, track):
                blank(data, start, end)
            unneeded.append((track.start, track.start + 8, track.end))
    for start in dated:
        wide = data[start] == 1
        blank(data, start + 4, start + (20 if wide else 12))
    for start, end in named:
        blank(data, min(start + 24, end), end)  # "Core Media Handler", or worse; the name is for people
    for at, start, end in unneeded:
        data[at + 4 : at + 8] = b"free"
        blank(data, start, end)
    width, height = max((one.size for one in played), default=(0, 0))
    return width or None, height or None, duration


def _duration(data: mmap.mmap, start: int) -> float | None:
    scale, units = (
        (_int(data, start + 20, 4), _int(data, start + 24, 8))
        if data[start] == 1
        else (
            _int(data, start + 12, 4),
            _int(data, start + 16, 4),
        )
    )
    return units / scale if scale and 0 < units < 1 << 62 and units != 0xFFFFFFFF else None


def _note(data: mmap.mmap, track: _Track, path: Path, start: int, end: int) -> None:
    kind = path[-1]
    if kind == b"hdlr" and path[-2] == b"mdia":
        track.handler = data[start + 8 : start + 12]
    elif kind == b"tkhd" and end - start >= 84:
        track.size = (_int(data, end - 8, 4) >> 16, _int(data, end - 4, 4) >> 16)
    elif kind in (b"stsc", b"stsz", b"stz2", b"stco", b"co64"):
        track.tables[kind] = (start, end)


def _samples(data: mmap.mmap, track: _Track) -> Iterator[tuple[int, int]]:
    """Where the samples of a track lie in the file, chunk by chunk (ISO 14496-12 §8.7)."""
    sizes = _sizes(data, track)
    offsets, runs = _offsets(data, track), _runs(data, track)
    sample = 0
    for chunk, offset in enumerate(offsets, 1):
        per_chunk = next((count for first, count in reversed(runs) if first <= chunk), 0)
        length = sum(sizes[sample : sample + per_chunk])
        sample += per_chunk
        if offset + length > len(data) or offset < 8:
            raise ValueError("samples outside the file")
        yield offset, offset + length
    if sample < len(sizes):
        raise ValueError("samples that are nowhere")


def _sizes(data: mmap.mmap, track: _Track) -> list[int]:
    if b"stsz" not in track.tables:
        if b"stz2" in track.tables:
            raise ValueError("sizes in short")
        return []
    start, end = track.tables[b"stsz"]
    same, many = _int(data, start + 4, 4), _int(data, start + 8, 4)
    if many > _MOST_SAMPLES or (same == 0 and start + 12 + 4 * many > end):
        raise ValueError("too many samples")
    return [same] * many if same else [_int(data, start + 12 + 4 * number, 4) for number in range(many)]


def _offsets(data: mmap.mmap, track: _Track) -> list[int]:
    for kind, width in ((b"stco", 4), (b"co64", 8)):
        if kind in track.tables:
            start, end = track.tables[kind]
            many = _int(data, start + 4, 4)
            if start + 8 + width * many > end:
                raise ValueError("too many chunks")
            return [_int(data, start + 8 + width * number, width) for number in range(many)]
    return []


def _runs(data: mmap.mmap, track: _Track) -> list[tuple[int, int]]:
    """(first chunk, samples in each chunk from there on)."""
    if b"stsc" not in track.tables:
        return []
    start, end = track.tables[b"stsc"]
    many = _int(data, start + 4, 4)
    if start + 8 + 12 * many > end:
        raise ValueError("too many runs")
    return [(_int(data, start + 8 + 12 * number, 4), _int(data, start + 12 + 12 * number, 4)) for number in range(many)]


def _int(data: mmap.mmap, at: int, length: int) -> int:
    part = data[at : at + length]
    if len(part) < length:
        raise ValueError("cut off")
    return int.from_bytes(part, "big")
