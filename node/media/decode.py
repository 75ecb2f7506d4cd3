"""Have a picture written anew by a child process, and check what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mmap
import os
import re
import signal
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from node.errors import NotAllowed
from node.media.headers import MAX_MOVING, Size, damaged, measure
from node.media.sniff import BY_EXTENSION, ENOUGH, HEIC, Format, sniff

WALL = 45.0
"""Seconds for one picture."""
AT_ONCE = 2
_ANSWER = 16 << 10
_ROOT = str(Path(__file__).resolve().parents[2])
_HASH = re.compile(r"[0-9a-f]{16}")
_BLURHASH = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,60}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it was written anew: two files in the directory that was given, `full` and `preview`."""

    format: Format
    width: int
    height: int
    preview_format: Format
    preview_width: int
    preview_height: int
    blurhash: str
    likeness: str
    frames: int = 1
    duration: float | None = None


class Decoder:
    """Runs the children, not more than two at a time."""

    def __init__(self, *, wall: float = WALL) -> None:
        self._wall = wall
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def decode(self, source: Path, found: Format, into: Path, *, shape: str = "", moving: bool = True) -> Picture:
        """Decode the picture at `source` and write it anew into the directory `into`.

        `shape` is `avatar` or `header` for one that is cut to measure; `moving` keeps the frames of an
        animation. Raises NotAllowed: damaged, too large, or more than a child may take.
        """
        if found is HEIC and find_spec("pillow_heif") is None:
            raise NotAllowed(
                "this node does not read HEIC pictures",
                hint="send it as JPEG, or install the reader: pip install 'cuicui[heic]'",
                code="bad_media",
            )
        size = await asyncio.to_thread(examine, source, found)
        animate = moving and size.moves and shape == "" and size.frames * size.width * size.height <= MAX_MOVING
        job = {
            "source": str(source),
            "into": str(into),
            "format": found.pillow,
            "shape": shape,
            "animate": animate,
        }
        async with self._turn:
            said = await self._child(json.dumps(job).encode(), into)
        return await asyncio.to_thread(_checked, said, into)

    async def _child(self, job: bytes, into: Path) -> dict[str, Any]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-B", "-m", "node.media.child"),
            cwd=into,
            env={"PYTHONPATH": _ROOT, "LC_ALL": "C.UTF-8"},  # nothing of ours: a passphrase may be in it
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            limit=_ANSWER,
        )
        try:
            async with asyncio.timeout(self._wall):
                answer, _ = await child.communicate(job)
        except TimeoutError:
            raise _too_much() from None
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                await child.wait()
        if child.returncode != 0 or len(answer) > _ANSWER:
            raise _too_much()
        try:
            said = json.loads(answer)
        except ValueError:
            raise _too_much() from None
        if not isinstance(said, dict):
            raise _too_much()
        if said.get("problem") == "memory":
            raise _too_much()
        if "problem" in said:
            raise damaged()
        return said


def _too_much() -> NotAllowed:
    return NotAllowed(
        "this picture takes more memory or time than it may",
        hint="make it smaller, or save it anew",
        code="media_too_large",
    )


def examine(path: Path, found: Format) -> Size:
    """The size in a picture's header. Raises NotAllowed."""
    with path.open("rb") as file:
        try:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return measure(data, found)
        except ValueError:  # an empty file
            raise damaged() from None


def type_of(path: Path) -> Format | None:
    """What a file is now, by its bytes. Raises OSError."""
    with path.open("rb") as file:
        return sniff(file.read(ENOUGH))


def _checked(said: dict[str, Any], into: Path) -> Picture:
    """The answer of a child, taken for what its files are and no more."""
    full, preview = into / "full", into / "preview"
    for path in (full, preview):
        if path.is_symlink() or not path.is_file():
            raise damaged()
    formats = type_of(full), type_of(preview)
    if any(one is None or one.extension not in ("jpg", "png", "gif", "webp") for one in formats):
        raise damaged()
    one, two = (found for found in formats if found is not None)
    size, small = examine(full, one), examine(preview, two)
    blurhash, likeness, duration = said.get("blurhash"), said.get("likeness"), said.get("duration")
    if not (isinstance(blurhash, str) and _BLURHASH.fullmatch(blurhash)):
        raise damaged()
    if not (isinstance(likeness, str) and _HASH.fullmatch(likeness)):
        raise damaged()
    return Picture(
        format=one,
        width=size.width,
        height=size.height,
        preview_format=two,
        preview_width=small.width,
        preview_height=small.height,
        blurhash=blurhash,
        likeness=likeness,
        frames=size.frames,
        duration=float(duration) if isinstance(duration, int | float) and 0 < duration < 1e6 else None,
    )


def format_of(name: str) -> Format | None:
    """What the ending of one of our names says."""
    return BY_EXTENSION.get(name.rpartition(".")[2])
