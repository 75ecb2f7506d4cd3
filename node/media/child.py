"""Decode one picture and write it anew: a process of its own, with little memory and time (security.md §8).

`python -m node.media.child` reads one job as JSON from standard input and writes what came of it as JSON
to standard output. It opens the one file it is told, writes `full` and `preview` into the one directory it
is told, and sets its own limits before it looks at either. The parent believes nothing it says unchecked.
Only this file and blurhash.py are loaded beside Pillow: nothing of the node, no keys, no database.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

MEMORY = 1 << 30
"""Bytes of address space: 40 million pixels need 160 MB decoded, and two or three copies on the way."""
CPU = 20
"""Seconds of processor time."""
FILE = 64 << 20
"""Bytes of a file it may write."""

FULL_AREA = 3840 * 2160
PREVIEW_AREA = 640 * 360
MAX_PIXELS = 40_000_000
AVATAR = (400, 400)
HEADER = (1500, 500)


def limit() -> None:
    """From here on no more than this is had, whatever the picture asks for."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU),
        (resource.RLIMIT_FSIZE, FILE),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (value, value))
    os.nice(5)


def main() -> None:
    """One job in, one answer out."""
    limit()
    job = json.loads(sys.stdin.buffer.read(64 << 10))
    try:
        said = process(job)
    except MemoryError:
        said = {"problem": "memory"}
    except Exception as error:  # a decoder may raise anything on a forged file; the parent only hears that it did
        said = {"problem": "damaged", "why": f"{type(error).__name__}: {error}"[:200]}
    sys.stdout.write(json.dumps(said))


def process(job: dict[str, Any]) -> dict[str, Any]:
    """Write the picture at `job["source"]` anew into the directory `job["into"]`."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    _plugin(job["format"])
    into, shape = Path(job["into"]), job["shape"]
    with Image.open(job["source"], formats=[job["format"]]) as image:
        if image.width * image.height > MAX_PIXELS:
            return {"problem": "damaged", "why": "larger than its header"}
        if job["animate"] and getattr(image, "n_frames", 1) > 1:
            said = _moving(image, into, job["format"])
            image.seek(0)
            first = _clean(image)
        else:
            if job["format"] == "JPEG" and shape != "likeness":
                image.draft("RGB", _fitting(image.size, FULL_AREA))  # decoded smaller where it is to be smaller
            first = _clean(ImageOps.exif_transpose(image))
            said = {}
    if shape == "avatar":
        first = ImageOps.fit(first, _at_most(first.size, AVATAR), Image.Resampling.LANCZOS)
    elif shape == "header":
        first = ImageOps.fit(first, _at_most(first.size, HEADER), Image.Resampling.LANCZOS)
    if not said:
        full = _resized(first, FULL_AREA)
        said = {"full": _save(full, into / "full", job["format"]), "width": full.width, "height": full.height}
    preview = _resized(first, PREVIEW_AREA)
    square = (min(preview.size),) * 2  # of any picture what would be seen of it as a face
    said |= {
        "preview": _save(preview, into / "preview", "JPEG"),
        "preview_width": preview.width,
        "preview_height": preview.height,
        "blurhash": _blurhash(preview),
        "likeness": _likeness(ImageOps.fit(preview, square)),
    }
    return said


def _plugin(name: str) -> None:
    """The one decoder that is needed, and the three that write."""
    import importlib

    if name == "HEIF":
        importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    for plugin in {"JPEG": ("Jpeg",), "AVIF": ("Avif", "Jpeg"), "HEIF": ("Jpeg",)}.get(name, ()):
        importlib.import_module(f"PIL.{plugin}ImagePlugin")
    for plugin in ("Png", "Gif", "WebP", "Jpeg"):
        importlib.import_module(f"PIL.{plugin}ImagePlugin")


def _clean(image: Any) -> Any:
    """The pixels alone, as sRGB, with alpha where there is some: no metadata comes along."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    profile = image.info.get("icc_profile")
    transparent = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if transparent else "RGB")
    if profile:
        image = _as_srgb(image, profile)
    mode = "RGBA" if transparent else "L" if image.mode in ("L", "1") else "RGB"
    clean = image.convert(mode) if image.mode != mode else image.copy()
    if mode == "RGBA" and clean.getextrema()[3][0] == 255:
        clean = clean.convert("RGB")
    clean.info = {}
    return clean


def _as_srgb(image: Any, profile: bytes) -> Any:
    """Colours as most screens show them; a profile that cannot be read is left out of account."""
    import io

    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = image.mode if image.mode in ("RGB", "RGBA") else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _fitting(size: tuple[int, int], area: int) -> tuple[int, int]:
    """The size within `area` pixels, with the same proportions; never larger."""
    width, height = size
    scale = min(1.0, (area / (width * height)) ** 0.5)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _at_most(size: tuple[int, int], most: tuple[int, int]) -> tuple[int, int]:
    """The proportions of `most`, and not larger than the picture is."""
    scale = min(1.0, size[0] / most[0], size[1] / most[1])
    return max(1, round(most[0] * scale)), max(1, round(most[1] * scale))


def _resized(image: Any, area: int) -> Any:
    from PIL import Image

    fitting = _fitting(image.size, area)
    return image if fitting == image.size else image.resize(fitting, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _save(image: Any, path: Path, format: str) -> str:
    """Which format it was written in: what every server and browser shows (so no AVIF, no HEIC)."""
    if format in ("PNG", "GIF"):
        image.save(path, "PNG", optimize=False)
        return "PNG"
    if image.mode == "RGBA" or format == "WEBP":
        image.save(path, "WEBP", quality=86, method=4)
        return "WEBP"
    image.save(path, "JPEG", quality=88, optimize=True, progressive=True)
    return "JPEG"


def _moving(image: Any, into: Path, format: str) -> dict[str, Any]:
    """All frames, written anew: a GIF stays one, everything else becomes WebP."""
    from PIL import GifImagePlugin, ImageSequence

    GifImagePlugin.LOADING_STRATEGY = GifImagePlugin.LoadingStrategy.RGB_AFTER_DIFFERENT_PALETTE_ONLY
    loop = {"loop": int(image.info["loop"])} if "loop" in image.info else {}  # a GIF without plays once
    frames, pauses = [], []
    for frame in ImageSequence.Iterator(image):
        one = frame.copy() if format == "GIF" else frame.convert("RGBA")  # decoded: WebP knows its pause only now
        pauses.append(max(20, min(10_000, int(frame.info.get("duration", 100) or 100))))
        one.info = {name: value for name, value in one.info.items() if name in ("transparency", "disposal")}
        frames.append(one)
    first, *others = frames
    path = into / "full"
    if format == "GIF":
        first.save(path, "GIF", save_all=True, append_images=others, duration=pauses, disposal=2, **loop)
    else:
        first.save(path, "WEBP", save_all=True, append_images=others, duration=pauses, quality=80, method=2, **loop)
    return {
        "full": "GIF" if format == "GIF" else "WEBP",
        "width": first.width,
        "height": first.height,
        "frames": len(frames),
        "duration": sum(pauses) / 1000,
    }


def _blurhash(preview: Any) -> str:
    from PIL import Image

    from node.media import blurhash

    small = _flat(preview).resize((32, 32), Image.Resampling.BOX)
    data = small.tobytes()
    pixels = [(data[at], data[at + 1], data[at + 2]) for at in range(0, len(data), 3)]
    return blurhash.encode(pixels, 32, 32)


def _likeness(square: Any) -> str:
    """A difference hash (64 bits, hex): the same for the same picture, scaled or saved again."""
    from PIL import Image

    small = _flat(square).convert("L").resize((9, 8), Image.Resampling.BOX)
    data, bits = small.tobytes(), 0
    for row in range(8):
        for column in range(8):
            at = row * 9 + column
            bits = bits << 1 | (data[at] > data[at + 1])
    return f"{bits:016x}"


def _flat(image: Any) -> Any:
    """On white, where one could look through it."""
    from PIL import Image

    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return ground.convert("RGB")


if __name__ == "__main__":
    main()
