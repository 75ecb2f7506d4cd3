"""Files to upload: real ones made by Pillow, and forged ones made by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

from PIL import Image, ImageDraw

GPS = b"SecretPlace-48.8584N-2.2945E"
MAKER = "SecretCamera-4711"


def painted(width: int = 320, height: int = 200, mode: str = "RGB", turn: int = 0) -> Image.Image:
    """A picture with an up and a down, a left and a right; `turn` moves the colours along."""
    image = Image.linear_gradient("L").resize((width, height))
    other = image.transpose(Image.Transpose.ROTATE_90).resize((width, height))
    painted = Image.merge("RGB", (image, other, Image.new("L", (width, height), turn % 256)))
    draw = ImageDraw.Draw(painted)
    draw.rectangle((0, 0, width // 4, height // 4), fill=(255, 0, turn % 256))
    return painted.convert(mode)


def as_bytes(image: Image.Image, format: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **how)
    return out.getvalue()


def with_metadata(format: str, *, orientation: int = 1, size: tuple[int, int] = (320, 200)) -> bytes:
    """A photo that tells where it was taken, by EXIF, XMP and a comment."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x010E] = orientation, MAKER, GPS.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 30.0), 3: "E", 4: (2.0, 17.0, 40.0), 29: GPS.decode()})
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + GPS + b"</x:xmpmeta>"
    how: dict[str, Any] = {"exif": exif}
    if format in ("JPEG", "WEBP", "AVIF"):
        how["xmp"] = xmp
    if format == "JPEG":
        how["comment"] = GPS
    if format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_text("Comment", GPS.decode())
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        how["pnginfo"] = info
    return as_bytes(painted(*size), format, **how)


def moving(format: str, frames: int = 4, size: tuple[int, int] = (60, 40)) -> bytes:
    first, *others = (painted(*size, turn=number * 60) for number in range(frames))
    return as_bytes(first, format, save_all=True, append_images=others, duration=80, loop=0)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A header that claims so much, over pixels that inflate for as long as anybody reads."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + _chunk(b"IEND", b"")
    )


def gif_of(frames: int, size: tuple[int, int] = (1, 1)) -> bytes:
    """A GIF with that many frames of one pixel, 17 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b";"


async def pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    """As a request brings it."""
    for start in range(0, len(data), size):
        yield data[start : start + size]
