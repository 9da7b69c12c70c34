"""docs/explanation/detection.md: which images fit by default is what the judgement of cost says."""

import math
from pathlib import Path

import pytest

from lading.plugins.detectors.pillow import cost
from lading.plugins.detectors.pillow.cost import Cost, JpegScans
from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Refused

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "detection.md"
LIMITS = PillowOptions().limits


def jpeg(pixels: int, samples: float) -> Cost:
    blocks = round(pixels * samples / 64)
    return cost.jpeg(pixels, 0, JpegScans(blocks, 10 * blocks, is_single=samples == 0))


def other(name: str, pixels: int, *, depth: int = 4, frames: int = 1, held: float = 0) -> Cost:
    return cost.cost_of(name, [(pixels, 1)] * frames, 0, depth=depth, extra=pixels * held)


COSTS = {
    "JPEG, baseline": lambda pixels: jpeg(pixels, 0),
    "JPEG, progressive, 4:2:0": lambda pixels: jpeg(pixels, 1.5),
    "JPEG, progressive, 4:4:4": lambda pixels: jpeg(pixels, 3),
    "JPEG, progressive, CMYK": lambda pixels: jpeg(pixels, 4),
    "PNG, interlaced or not": lambda pixels: other("PNG", pixels),
    "PNG, animated": lambda pixels: other("PNG", pixels, frames=2),
    "GIF": lambda pixels: other("GIF", pixels, depth=1),
    "GIF, animated": lambda pixels: other("GIF", pixels, depth=1, frames=2),
    "WebP, animated or not": lambda pixels: other("WEBP", pixels, frames=2),
    "TIFF, uncompressed": lambda pixels: other("TIFF", pixels),
    "TIFF, compressed, in one strip": lambda pixels: other("TIFF", pixels, held=3),
    "BMP, ICO": lambda pixels: other("BMP", pixels),
    "AVIF": lambda pixels: other("AVIF", pixels),
    "AVIF, animated": lambda pixels: other("AVIF", pixels, frames=2),
    "JPEG 2000, untiled": lambda pixels: other("JPEG2000", pixels, held=cost.jpeg2000(1000, 3, 8) / 1000),
}


def rows() -> dict[str, tuple[float, int]]:
    """Bytes for a pixel, and the largest frame in megapixels, by what the page calls the image."""
    table = PAGE.read_text(encoding="utf-8").partition("| image |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {name: (float(held.split()[0]), int(largest.split()[0].replace(",", ""))) for name, held, largest in cells}


def passes(name: str, megapixels: int) -> bool:
    """Whether a square frame of that size passes."""
    side = math.isqrt(megapixels * 1_000_000)
    try:
        LIMITS.check_sizes([(side, side)])
        COSTS[name](megapixels * 1_000_000).check(LIMITS.memory_limit, LIMITS.cpu_limit)
    except Refused:
        return False
    return True


def test_the_table_has_all() -> None:
    assert list(rows()) == list(COSTS)


@pytest.mark.parametrize("name", COSTS)
def test_the_largest_frame_passes_and_a_larger_one_does_not(name: str) -> None:
    held, largest = rows()[name]
    assert passes(name, largest)
    assert not passes(name, largest + 1)
    assert COSTS[name](10**9).memory / 1e9 == pytest.approx(held, abs=0.05)
