"""Image files written byte by byte, so that they may lie, and damage to files of any kind.

Everything is a pure function that returns bytes, and the same bytes on every call. No Pillow.
"""

import random
import struct
import zlib

# --- damage -----------------------------------------------------------------------------------------------------------


def truncations(data: bytes, count: int, seed: int = 0) -> list[bytes]:
    """Shorter and shorter beginnings of ``data``: all that lack 1 to 25 bytes, and ``count`` random ones."""
    lengths = {len(data) - missing for missing in range(1, 26)}
    rng = random.Random(seed)
    lengths.update(rng.randrange(len(data)) for _ in range(count))
    return [data[:length] for length in sorted(lengths, reverse=True) if length > 0]


def bit_flips(data: bytes, count: int, seed: int = 0) -> list[bytes]:
    """``count`` copies of ``data`` in which one to eight bits are wrong, a third of them among the first 64 bytes."""
    rng = random.Random(seed)
    copies = []
    for number in range(count):
        copy = bytearray(data)
        end = min(64, len(data)) if number % 3 == 0 else len(data)
        for _ in range(rng.randint(1, 8)):
            copy[rng.randrange(end)] ^= 1 << rng.randrange(8)
        copies.append(bytes(copy))
    return copies


# --- files whose headers claim anything -------------------------------------------------------------------------------


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with its length and CRC."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """A greyscale PNG whose header may lie: it claims any size, and has the ``pixels`` that it is given."""
    return _png(width, height, 0, b"".join(chunks), zlib.compress(pixels))


def black_png(side: int) -> bytes:
    """A square of black pixels in RGB."""
    packer, row = zlib.compressobj(1), bytes(1 + 3 * side)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return _png(side, side, 2, b"", pixels)


def _png(width: int, height: int, color_type: int, chunks: bytes, compressed: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunks + png_chunk(b"IDAT", compressed) + png_chunk(b"IEND", b"")


def jpeg_of_bits(bits: int, frame: int = 0xC1) -> bytes:
    """A good grey JPEG of 8 by 8 pixels with samples of so many bits, in a frame of the kind that the marker tells."""

    def segment(marker: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    one_code = bytes((1, *bytes(15), 0))  # a table of one code of one bit, for zero
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xDB, bytes((0, *[1] * 64))),
            segment(frame, struct.pack(">BHHBBBB", bits, 8, 8, 1, 1, 0x11, 0)),
            segment(0xC4, b"\0" + one_code + b"\x10" + one_code),
            segment(0xDA, bytes((1, 1, 0, 0, 63, 0))),
            b"\x3f\xff\xd9",
        )
    )


def png_text_bomb(megabytes: int = 64) -> bytes:
    """A good pixel, and a compressed text of so many megabytes."""
    text = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(megabytes << 20)))
    return png(1, 1, text, pixels=b"\0\0")


def apng_bomb(frames: int) -> bytes:
    """A PNG that claims so many frames and has one."""
    return png(1, 1, png_chunk(b"acTL", struct.pack(">II", frames, 0)), pixels=b"\0\0")


def gif(frames: int, width: int = 1, height: int = 1, screen: tuple[int, int] = (1, 1)) -> bytes:
    """A GIF of so many frames of one repeated pixel, each of which claims that size."""
    header = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return header + frame * frames + b";"


def tiff(pages: int, width: int = 1, height: int = 1) -> bytes:
    """A TIFF of so many uncompressed pages, each of which claims that size, and one pixel for them all."""
    out = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    for page in range(pages):
        fields = (
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 0),
            (277, 1),
            (278, height),
            (279, 1),
        )
        out += struct.pack("<H", len(fields))
        for tag, value in fields:
            out += struct.pack("<HHII", tag, 4, 1, value)
        out += struct.pack("<I", 0 if page == pages - 1 else len(out) + 4)
    return bytes(out)


def ico(*images: bytes) -> bytes:
    """An icon of these PNG files, in a directory that calls each of them 16 x 16."""
    offset = 6 + 16 * len(images)
    directory, body = struct.pack("<HHH", 0, 1, len(images)), b""
    for image in images:
        directory += struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(image), offset + len(body))
        body += image
    return directory + body


SVG_EXTERNAL = b"""<?xml version="1.0"?>
<!DOCTYPE svg [<!ENTITY file SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><text>&file;</text></svg>
"""
"""An SVG that asks its reader for a file of the machine."""


def svg_entities(levels: int = 9) -> bytes:
    """An SVG whose text is ten to the power of ``levels`` words long, by entities that are made of one another."""
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels + 1))
    text = (
        f'<!DOCTYPE svg [<!ENTITY e0 "word">{entities}]><svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">'
    )
    return f"{text}<text>&e{levels};</text></svg>".encode()


def progressive_jpeg(scans: int, width: int = 64, height: int = 48) -> bytes:
    """A good grey JPEG of so many scans of few bytes, each of which passes over all blocks."""
    blocks = -(-width // 8) * -(-height // 8)
    # The tables have one code each, of one bit: no difference for DC, and for AC the end of a band of 2^14 + n blocks.
    tables = b"\xff\xdb\0\x43\0" + b"\1" * 64
    tables += b"".join(
        b"\xff\xc4\0\x14" + bytes([kind, 1, *[0] * 15, code]) for kind, code in ((0x00, 0), (0x10, 0xE0))
    )
    frame = b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", height, width) + b"\1\1\x11\0"
    bands = _packed(("0" + "1" * 14) * -(-blocks // 32767))
    parts = [b"\xff\xd8", tables, frame, b"\xff\xda\0\x08\1\1\0\0\0\0", _packed("0" * blocks)]
    for number in range(scans - 1):
        band = 1 + number % 63
        parts += [b"\xff\xda\0\x08\1\1\0" + bytes([band, band, 0]), bands]
    return b"".join((*parts, b"\xff\xd9"))


def _packed(bits: str) -> bytes:
    """Entropy-coded bits of a JPEG: filled up with ones, each 0xFF followed by a zero."""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def slow_png(chunks: int) -> bytes:
    """A good pixel that takes seconds to read, which its size does not tell: so many chunks that nobody knows."""
    empty = png_chunk(b"teSt", b"")
    return png(1, 1, empty * chunks, pixels=b"\0\0")
