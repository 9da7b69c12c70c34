"""The images that are imported: many of about 45 KB, or some of 20 MB. All are valid, and no two are the same."""

import random
from io import BytesIO
from pathlib import Path

from PIL import Image

PATTERNS = 16


def make_small(root: Path, count: int, byte_size: int = 45_000) -> list[str]:
    """Write JPEGs of about that size in folders of a thousand; their paths below ``root``, with a leading slash."""
    patterns = [_pattern(number, byte_size) for number in range(min(count, PATTERNS))]
    paths = []
    for number in range(count):
        path = f"/{number // 1000:04}/{number:08}.jpg"
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        pattern = patterns[number % len(patterns)]
        # A comment makes each one different (ITU-T T.81 section B.2.4.5).
        comment = f"image {number:08}".encode()
        marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (root / path[1:]).write_bytes(pattern[:2] + marker + pattern[2:])
        paths.append(path)
    return paths


def make_large(root: Path, count: int, byte_size: int = 20_000_000) -> list[str]:
    """Write PNGs of noise, stored without compression, of about that size; their paths, with a leading slash."""
    side = int((byte_size / 3) ** 0.5)
    pixels = random.Random(side).randbytes(3 * side * side)  # noqa: S311  # noise, no secret
    paths = []
    for number in range(count):
        start = 3 * side * (number + 1)  # another first row each
        picture = Image.frombytes("RGB", (side, side), pixels[start:] + pixels[:start])
        paths.append(f"/{number:04}.png")
        picture.save(root / paths[-1][1:], "PNG", compress_level=0)
    return paths


def _pattern(seed: int, byte_size: int) -> bytes:
    """A JPEG of 512 by 384 pixels, noisy enough to be about that large."""
    rng = random.Random(seed)  # noqa: S311  # noise, no secret
    small = Image.frombytes("RGB", (128, 96), rng.randbytes(128 * 96 * 3))
    picture = small.resize((512, 384), Image.Resampling.BICUBIC)
    best = b""
    for quality in range(20, 96, 3):
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        if not best or abs(len(buffer.getvalue()) - byte_size) < abs(len(best) - byte_size):
            best = buffer.getvalue()
    return best
