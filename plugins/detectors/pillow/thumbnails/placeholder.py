"""Describes an image in a few bytes, for what a page shows before the image: a colour and a ThumbHash.

ThumbHash is Evan Wallace's format: its reference, https://evanw.github.io/thumbhash/, has no other specification than
the encoder and the decoder. It keeps the lowest frequencies of the luminance, of two differences of colours, and of the
transparency. Needs Pillow: for the child process alone.
"""

import base64
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

from .. import cost
from ..limits import Limits, Placeholder
from .making import small

SIDE: Final = 32
"""Pixels of the longest side of the thumbnail that is described. ThumbHash keeps at most 7 frequencies of it."""
_COLOURS: Final = 16
_OPAQUE: Final = 128
_DIGITS: Final = 9
"""Beyond these, numbers are noise of the arithmetic; scaled up, it would differ from machine to machine."""
Channel = Sequence[float]


def describe(file: BinaryIO, limits: Limits, *, may_be_costly: bool) -> Placeholder:
    """The placeholder of the first frame of the image in ``file``. Arguments and errors are those of ``make``."""
    seconds = math.inf if may_be_costly else cost.COSTLY_SECONDS
    image = small(file, limits, SIDE, seconds).convert("RGBA")
    return Placeholder(dominant_colour(image), base64.b64encode(thumbhash(image)).decode("ascii"))


def dominant_colour(image: Image.Image) -> str | None:
    """The mean of the largest group of similar colours, as ``#rrggbb``; None where nothing is opaque.

    Args:
        image: in RGBA.
    """
    pixels = [pixel[:3] for pixel in _pixels(image) if pixel[3] >= _OPAQUE]
    if not pixels:
        return None
    row = Image.frombytes("RGB", (len(pixels), 1), bytes(value for pixel in pixels for value in pixel))
    groups = row.quantize(_COLOURS, Image.Quantize.FASTOCTREE)
    counts = groups.histogram()
    largest = counts.index(max(counts))
    members = [pixel for pixel, group in zip(pixels, groups.tobytes(), strict=True) if group == largest]
    return "#" + "".join(f"{round(sum(values) / len(members)):02x}" for values in zip(*members, strict=True))


def thumbhash(image: Image.Image) -> bytes:
    """The ThumbHash of an image in RGBA with sides of at most 100 pixels, 1 to 25 bytes long."""
    pixels = _pixels(image)
    opacity = [pixel[3] / 255 for pixel in pixels]
    has_alpha = min(opacity) < 1
    weight = sum(opacity) or 1.0
    mean = [sum(p[band] / 255 * a for p, a in zip(pixels, opacity, strict=True)) / weight for band in range(3)]
    red, green, blue = (
        [mean[band] * (1 - a) + a * p[band] / 255 for p, a in zip(pixels, opacity, strict=True)] for band in range(3)
    )
    longest, most = max(image.size), 5 if has_alpha else 7
    across, down = (max(1, _rounded(most * side / longest)) for side in image.size)
    colours = list(zip(red, green, blue, strict=True))
    encoded = [
        _Encoded.of([(r + g + b) / 3 for r, g, b in colours], image.size, max(3, across), max(3, down)),
        _Encoded.of([(r + g) / 2 - b for r, g, b in colours], image.size, 3, 3),
        _Encoded.of([r - g for r, g, _ in colours], image.size, 3, 3),
    ]
    light, yellow, ruddy = encoded
    is_landscape = image.width > image.height
    first = _rounded(63 * light.mean) | _rounded(31.5 + 31.5 * yellow.mean) << 6
    first |= _rounded(31.5 + 31.5 * ruddy.mean) << 12 | _rounded(31 * light.scale) << 18 | has_alpha << 23
    second = (down if is_landscape else across) | _rounded(63 * yellow.scale) << 3
    second |= _rounded(63 * ruddy.scale) << 9 | is_landscape << 15
    head = first.to_bytes(3, "little") + second.to_bytes(2, "little")
    if has_alpha:
        alpha = _Encoded.of(opacity, image.size, 5, 5)
        head += bytes([_rounded(15 * alpha.mean) | _rounded(15 * alpha.scale) << 4])
        encoded.append(alpha)
    waves = [_rounded(15 * wave) for channel in encoded for wave in channel.waves]
    waves += [0] * (len(waves) % 2)
    return head + bytes(low | high << 4 for low, high in zip(waves[::2], waves[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A channel by its frequencies: the mean, the further ones from 0 to 1, and what these were divided by."""

    mean: float
    waves: tuple[float, ...]
    scale: float

    @classmethod
    def of(cls, channel: Channel, size: tuple[int, int], across: int, down: int) -> "_Encoded":
        """The lowest frequencies of a channel, at most so many in each direction."""
        width, height = size
        found = []
        columns = [_wave(width, number) for number in range(across)]
        rows = [_wave(height, number) for number in range(down)]
        lines = [channel[start : start + width] for start in range(0, width * height, width)]
        sums = [[_product(line, column) for line in lines] for column in columns]
        for y in range(down):
            kept = (x for x in range(across) if x * down < across * (down - y))
            found += [round(_product(sums[x], rows[y]) / (width * height), _DIGITS) for x in kept]
        mean, *waves = found
        scale = max(map(abs, waves))
        return cls(mean, tuple(0.5 + 0.5 * wave / scale if scale else wave for wave in waves), scale)


def _wave(length: int, number: int) -> list[float]:
    return [math.cos(math.pi / length * number * (place + 0.5)) for place in range(length)]


def _product(one: Channel, other: Channel) -> float:
    return sum(map(operator.mul, one, other), 0.0)


def _pixels(image: Image.Image) -> list[tuple[int, int, int, int]]:
    data = image.tobytes()
    return [(data[at], data[at + 1], data[at + 2], data[at + 3]) for at in range(0, len(data), 4)]


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)
