"""TIFF files and EXIF data, written field by field."""

import struct
from collections.abc import Mapping, Sequence

Values = int | bytes | Sequence[int]
PIXELS = 8
"""Where the pixels of every file begin: behind the header."""


def tiff_of(
    *pages: Mapping[int, Values],
    pixels: bytes = bytes(64),
    below: Sequence[Mapping[int, Values]] = (),
    order: str = "<",
) -> bytes:
    """A TIFF of these directories, each a tag and its values; those ``below`` are subdirectories of the first."""
    out = bytearray(struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 0) + pixels)
    at_below = []
    for fields in below:
        at_below.append(len(out) + len(out) % 2)
        _append(out, fields, order)
    last = 4
    for number, fields in enumerate(pages):
        struct.pack_into(order + "I", out, last, len(out) + len(out) % 2)
        last = _append(out, {**fields, 330: at_below} if below and not number else fields, order)
    return bytes(out)


def _append(out: bytearray, fields: Mapping[int, Values], order: str) -> int:
    """Write a directory and what it refers to; give the offset of its pointer to the next."""
    out += bytes(len(out) % 2)
    start = len(out)
    out += bytes(2 + 12 * len(fields) + 4)
    struct.pack_into(order + "H", out, start, len(fields))
    for number, (tag, value) in enumerate(sorted(fields.items())):
        kind, count, content = _content(value, order)
        entry = start + 2 + 12 * number
        struct.pack_into(order + "HHI", out, entry, tag, kind, count)
        if len(content) <= 4:
            out[entry + 8 : entry + 8 + len(content)] = content
        else:
            struct.pack_into(order + "I", out, entry + 8, len(out))
            out += content
    return start + 2 + 12 * len(fields)


def _content(value: Values, order: str) -> tuple[int, int, bytes]:
    if isinstance(value, bytes):
        return 2, len(value), value
    values = [value] if isinstance(value, int) else list(value)
    kind, code = (3, "H") if max(values) < 1 << 16 else (4, "I")
    return kind, len(values), struct.pack(f"{order}{len(values)}{code}", *values)


def page(width: int = 8, height: int = 8, bits: Values = 8, **changes: Values) -> dict[int, Values]:
    """The fields of an uncompressed grey page of one strip; ``t`` and a tag changes a field."""
    fields: dict[int, Values] = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: PIXELS, 278: height}
    fields |= {277: 1 if isinstance(bits, int) else len(bits), 279: width * height}
    return fields | {int(name[1:]): value for name, value in changes.items()}


def exif(orientation: int, order: str = "<") -> bytes:
    """EXIF data of one field."""
    return b"Exif\0\0" + tiff_of({274: orientation}, pixels=b"", order=order)
