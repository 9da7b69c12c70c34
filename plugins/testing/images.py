"""Images for tests, made on the spot: good ones of every format, broken ones, bombs, and what is no image at all.

Everything is a pure function that returns bytes, and the same bytes on every call.
"""

import functools
import io
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from .forged import (
    SVG_EXTERNAL,
    apng_bomb,
    bit_flips,
    gif,
    ico,
    jpeg_of_bits,
    png,
    png_chunk,
    png_text_bomb,
    progressive_jpeg,
    slow_png,
    svg_entities,
    tiff,
    truncations,
)

__all__ = [
    "FOREIGN",
    "NOT_IMAGES",
    "POLYGLOTS",
    "SAMPLE_NAMES",
    "SVG_EXTERNAL",
    "Sample",
    "animated",
    "apng_bomb",
    "bit_flips",
    "bmp_run_length",
    "bombs",
    "broken",
    "encode",
    "gif",
    "ico",
    "jpeg",
    "jpeg_of_bits",
    "multi_picture",
    "noise",
    "noise_jpeg",
    "png",
    "png_chunk",
    "png_text_bomb",
    "progressive_jpeg",
    "sample",
    "samples",
    "slow_gif",
    "slow_png",
    "svg_entities",
    "tiff",
    "truncations",
]

WIDTH, HEIGHT = 64, 48
"""Size in pixels of the samples, icons aside."""
BASELINE, PANORAMA, DISPARITY, MULTI_ANGLE = 0x030000, 0x020001, 0x020002, 0x020003
"""Types of pictures in an index of several (CIPA DC-007 section 5.2.3.3)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A good image and what a detector must say of it.

    Attributes:
        tail: how many of the last bytes hold no pixel, such as an end marker. A detector may refuse a file without
            them, or recognise it with a note.
    """

    name: str
    data: bytes
    format: str
    content_type: str
    width: int = WIDTH
    height: int = HEIGHT
    frames: int = 1
    orientation: int = 1
    tail: int = 0


def noise(width: int = WIDTH, height: int = HEIGHT, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture of random pixels."""
    length = width * height * len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), random.Random(seed).randbytes(length))


def encode(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002
    """The file that Pillow writes."""
    file = io.BytesIO()
    image.copy().save(file, format, **options)
    return file.getvalue()


def animated(format: str, frames: int = 4, **options: Any) -> bytes:  # noqa: A002
    """A file of several different frames."""
    first, *rest = (noise(seed=seed) for seed in range(frames))
    return encode(first, format, save_all=True, append_images=rest, **options)


def multi_picture(*kinds: int) -> bytes:
    """A file of several JPEGs (CIPA DC-007), with an index that calls each of them a picture of that kind."""
    data = bytearray(animated("MPO", len(kinds)))
    base = data.index(b"MPF\0") + 4
    entries = base + 8 + 2 + 3 * 12 + 4  # behind the header and a directory of three fields
    start = 0
    for number, kind in enumerate(kinds):
        end = data.find(b"\xff\xd9\xff\xd8", start) + 2 if number < len(kinds) - 1 else len(data)
        offset = start - base if number else 0
        struct.pack_into("<LLLHH", data, entries + 16 * number, kind, end - start, offset, 0, 0)
        start = end
    return bytes(data)


def jpeg(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> bytes:
    """A small good JPEG; another ``seed`` makes another picture."""
    return encode(noise(width, height, seed=seed), "JPEG")


def noise_jpeg(kilobytes: int, seed: int = 0) -> bytes:
    """A good JPEG of about so many kilobytes, which does not compress any further."""
    side = max(8, round((kilobytes * 1000 / 0.79) ** 0.5 / 8) * 8)
    return encode(noise(side, side, "L", seed), "JPEG", quality=90)


# --- good images ------------------------------------------------------------------------------------------------------


def bmp_run_length() -> bytes:
    """A good BMP in BI_RLE8, which Pillow reads and does not write: rows of one colour each."""
    rows = b"".join(bytes((WIDTH, row, 0, 0)) for row in range(HEIGHT)) + b"\0\1"
    palette = b"".join(bytes((value, 255 - value, value // 2, 0)) for value in range(256))
    offset = 14 + 40 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return header + info + palette + rows


_PNG_TAIL = 16  # the CRC of the last pixels, and IEND
_ICON_SIZES = [(16, 16), (32, 32), (48, 48)]

_ICON = {"format": "ICO", "content_type": "image/vnd.microsoft.icon", "width": 48, "height": 48}
_SAMPLES: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "jpeg": (jpeg, {"format": "JPEG", "content_type": "image/jpeg", "tail": 2}),
    "jpeg-progressive": (
        lambda: encode(noise(), "JPEG", progressive=True),
        {"format": "JPEG", "content_type": "image/jpeg", "tail": 2},
    ),
    "jpeg-cmyk": (
        lambda: encode(noise(mode="CMYK"), "JPEG"),
        {"format": "JPEG", "content_type": "image/jpeg", "tail": 2},
    ),
    "mpo": (lambda: multi_picture(DISPARITY, DISPARITY), {"format": "MPO", "content_type": "image/jpeg", "frames": 2}),
    "png": (lambda: encode(noise(), "PNG"), {"format": "PNG", "content_type": "image/png", "tail": _PNG_TAIL}),
    "png-palette": (
        lambda: encode(noise(mode="L").convert("P"), "PNG"),
        {"format": "PNG", "content_type": "image/png", "tail": _PNG_TAIL},
    ),
    "apng": (lambda: animated("PNG"), {"format": "PNG", "content_type": "image/png", "tail": _PNG_TAIL, "frames": 4}),
    "gif": (lambda: encode(noise(), "GIF"), {"format": "GIF", "content_type": "image/gif", "tail": 2}),
    "gif-animated": (lambda: animated("GIF"), {"format": "GIF", "content_type": "image/gif", "tail": 2, "frames": 4}),
    "webp": (lambda: encode(noise(), "WEBP"), {"format": "WEBP", "content_type": "image/webp"}),
    "webp-lossless": (
        lambda: encode(noise(mode="RGBA"), "WEBP", lossless=True),
        {"format": "WEBP", "content_type": "image/webp"},
    ),
    "webp-animated": (lambda: animated("WEBP"), {"format": "WEBP", "content_type": "image/webp", "frames": 4}),
    "tiff": (lambda: encode(noise(), "TIFF"), {"format": "TIFF", "content_type": "image/tiff"}),
    "tiff-lzw": (
        lambda: encode(noise(), "TIFF", compression="tiff_lzw"),
        {"format": "TIFF", "content_type": "image/tiff"},
    ),
    "tiff-jpeg": (
        lambda: encode(noise(), "TIFF", compression="jpeg"),
        {"format": "TIFF", "content_type": "image/tiff"},
    ),
    "tiff-fax": (
        lambda: encode(noise(mode="L").convert("1"), "TIFF", compression="group4"),
        {"format": "TIFF", "content_type": "image/tiff"},
    ),
    "tiff-big": (lambda: encode(noise(), "TIFF", big_tiff=True), {"format": "TIFF", "content_type": "image/tiff"}),
    # Pillow leaves four bytes at the end that belong to nothing, so that their loss is none.
    "tiff-pages": (
        lambda: animated("TIFF").removesuffix(bytes(4)),
        {"format": "TIFF", "content_type": "image/tiff", "frames": 4},
    ),
    "bmp": (lambda: encode(noise(), "BMP"), {"format": "BMP", "content_type": "image/bmp"}),
    "bmp-run-length": (bmp_run_length, {"format": "BMP", "content_type": "image/bmp"}),
    "avif": (lambda: encode(noise(), "AVIF"), {"format": "AVIF", "content_type": "image/avif"}),
    "avif-animated": (lambda: animated("AVIF"), {"format": "AVIF", "content_type": "image/avif", "frames": 4}),
    "jpeg2000": (lambda: encode(noise(), "JPEG2000"), {"format": "JPEG2000", "content_type": "image/jp2", "tail": 2}),
    "jpeg2000-codestream": (
        lambda: encode(noise(), "JPEG2000", no_jp2=True),
        {"format": "JPEG2000", "content_type": "image/j2c", "tail": 2},
    ),
    "ico": (
        lambda: encode(noise(48, 48, "RGBA"), "ICO", sizes=_ICON_SIZES),
        {**_ICON, "tail": _PNG_TAIL},
    ),
    "ico-bitmaps": (
        lambda: encode(noise(48, 48), "ICO", sizes=_ICON_SIZES, bitmap_format="bmp"),
        _ICON,
    ),
}

SAMPLE_NAMES = tuple(_SAMPLES)
"""Names for ``sample``: at least one for every format that can be allowed."""


@functools.cache
def sample(name: str) -> Sample:
    """The good image of that name."""
    make, facts = _SAMPLES[name]
    return Sample(name=name, data=make(), **facts)


def samples() -> Mapping[str, Sample]:
    """All good images, by name."""
    return {name: sample(name) for name in SAMPLE_NAMES}


# --- bombs and broken images ------------------------------------------------------------------------------------------


def slow_gif(frames: int = 400, side: int = 1000) -> bytes:
    """A small good GIF that takes seconds to decode: every frame is a whole canvas."""
    first = Image.new("P", (side, side))
    first.putpalette([0, 0, 0, 255, 255, 255])
    still = encode(first, "GIF")
    start, end = still.index(b","), len(still) - 1
    return still[:start] + still[start:end] * frames + b";"


@functools.cache
def bombs() -> Mapping[str, bytes]:
    """Files of a few kilobytes that claim, or turn into, far more than anyone has memory for; each by name."""
    pixel = png(1, 1, pixels=b"\0\0")
    return {
        "png": png(60000, 60000),
        "gif": gif(1, 60000, 60000),
        "gif-screen": gif(1, screen=(60000, 60000)),
        "tiff": tiff(1, 60000, 60000),
        "icon": ico(png(60000, 60000)),
        "second-in-icon": ico(pixel, png(50000, 50000)),
        "jpeg": jpeg().replace(b"\x08\x00\x30\x00\x40", b"\x08\xff\xf0\xff\xf0"),
        "webp": sample("webp-animated").data.replace(b"\x3f\0\0\x2f\0\0", b"\x3f\x3f\0\x2f\x3f\0", 1),
        "jpeg-scans": progressive_jpeg(500, 5000, 5000),
        "jpeg2000": sample("jpeg2000-codestream").data.replace(b"\0\0\0\x40\0\0\0\x30", b"\0\0\xff\x40\0\0\xff\x30", 1),
        "bmp": sample("bmp").data.replace(b"\x40\0\0\0\x30\0\0\0", b"\x40\xff\0\0\x30\xff\0\0", 1),
        "gif-total": gif(100, 5000, 5000),
        "tiff-total": tiff(30, 7000, 7000),
        "png-side": png(30000, 10),
        "gif-side": gif(1, 10, 30000),
        "tiff-side": tiff(1, 30000, 10),
        "icon-side": ico(png(10, 30000)),
        "gif-frames": gif(2000),
        "tiff-frames": tiff(1001),
        "png-frames": apng_bomb(2**31 - 1),
        "icon-frames": ico(*[pixel] * 1001),
        "png-text": png_text_bomb(),
        "svg-entities": svg_entities(),
        "svg-external": SVG_EXTERNAL,
        "svg-depth": b'<svg xmlns="http://www.w3.org/2000/svg">' + b"<g>" * 100_000,
    }


@functools.cache
def broken() -> Mapping[str, bytes]:
    """Every sample without its second half (``jpeg-truncated``), and every bomb (``png-bomb``)."""
    truncated = {f"{name}-truncated": good.data[: len(good.data) // 2] for name, good in samples().items()}
    return truncated | {f"{name}-bomb": data for name, data in bombs().items()}


# --- something else ---------------------------------------------------------------------------------------------------

POLYGLOTS: dict[str, bytes] = {
    "gif-script": gif(1) + b"/*<script>alert(1)</script>*/",
    "jpeg-zip": jpeg() + b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
    "png-pdf": png(1, 1, pixels=b"\0\0") + b"%PDF-1.4\n1 0 obj\n%%EOF",
}
"""Good images with something else behind them; they are the image that they begin as."""

NOT_IMAGES: dict[str, bytes] = {
    "empty": b"",
    "one-byte": b"\xff",
    "text": b"Bitte nur ein Bild.\n" * 50,
    "text-like-bmp": b"BM is what two letters of a bitmap are, and of this sentence.",
    "html": b"<!doctype html><html><body><svg></svg></body></html>",
    "json": b'{"error": "not found"}',
    "zip": b"PK\x03\x04" + bytes(100),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(100),
    "mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "zeros": bytes(4096),
    "noise": random.Random(5).randbytes(4096),
    "html-before-jpeg": b"<html></html>" + jpeg(),
}
"""Bytes that are of no image format."""

FOREIGN: dict[str, tuple[str, bytes]] = {
    "svg": ("SVG", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    "pdf": ("PDF", b"%PDF-1.7\n" + jpeg()),
    "psd": ("PSD", b"8BPS\0\1" + bytes(100)),
    "eps": ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/etc/passwd) run\n"),
    "heic": ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)),
    "heic-generic": ("HEIC", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(100)),
    "icns": ("ICNS", b"icns\0\0\0\x08"),
}
"""Images of formats that are never allowed: the name a detector calls the format by, and the bytes."""
