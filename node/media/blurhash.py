"""BlurHash: a picture as some thirty characters, to be shown while the real one loads. Only encoding, pure.

The algorithm of https://github.com/woltapp/blurhash/blob/master/Algorithm.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
Colour = tuple[float, float, float]


def encode(pixels: Sequence[tuple[int, int, int]], width: int, height: int, across: int = 4, down: int = 3) -> str:
    """The hash of `width` × `height` sRGB pixels, row by row; `across` × `down` (1 to 9) waves are kept."""
    linear = [(_LINEAR[red], _LINEAR[green], _LINEAR[blue]) for red, green, blue in pixels]
    columns = [[cos(pi * i * x / width) for x in range(width)] for i in range(across)]
    rows = [[cos(pi * j * y / height) for y in range(height)] for j in range(down)]
    waves = [_wave(linear, columns[i], rows[j], i, j) for j in range(down) for i in range(across)]
    average, *others = waves
    text = _base83(across - 1 + (down - 1) * 9, 1)
    most = max((abs(value) for wave in others for value in wave), default=0.0)
    level = max(0, min(82, int(most * 166 - 0.5))) if others else 0
    text += _base83(level, 1)
    red, green, blue = (_srgb(value) for value in average)
    text += _base83((red << 16) + (green << 8) + blue, 4)
    scale = (level + 1) / 166 if others else 1.0
    for wave in others:
        red, green, blue = (_step(value / scale) for value in wave)
        text += _base83((red * 19 + green) * 19 + blue, 2)
    return text


def _wave(linear: Sequence[Colour], column: Sequence[float], row: Sequence[float], across: int, down: int) -> Colour:
    red = green = blue = 0.0
    at = 0
    for vertical in row:
        for horizontal in column:
            weight = vertical * horizontal
            one = linear[at]
            red, green, blue = red + weight * one[0], green + weight * one[1], blue + weight * one[2]
            at += 1
    scale = (1.0 if across == down == 0 else 2.0) / (len(column) * len(row))
    return red * scale, green * scale, blue * scale


def _to_linear(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


_LINEAR = tuple(_to_linear(value) for value in range(256))


def _srgb(value: float) -> int:
    value = max(0.0, min(1.0, value))
    part = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return int(part * 255 + 0.5)


def _step(value: float) -> int:
    """One of 19 steps from -1 to 1, finer near zero."""
    root = abs(value) ** 0.5
    return max(0, min(18, int((root if value >= 0 else -root) * 9 + 9.5)))


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**power % 83] for power in range(length - 1, -1, -1))
