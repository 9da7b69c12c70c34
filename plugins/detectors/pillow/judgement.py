"""The judgement of an image by what decoding it costs: puts ``headers`` and ``cost`` together. Needs Pillow."""

from collections.abc import Iterator, Sequence

from PIL import ImageFile, TiffImagePlugin

from . import cost, headers
from .cost import Cost, JpegScans
from .limits import Limits
from .structure.inspection import Size, Tile

_SMALL_MODES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes of a pixel of the modes of Pillow that have not four (its ``Imaging.h``)."""


def judge_unopened(name: str, head: bytes, sizes: Sequence[Size] | None, size: int, limits: Limits) -> None:
    """Refuse a file that Pillow allocates memory for, or decodes, while it opens it.

    Args:
        name: the format.
        head: the first bytes of the file.
        sizes: of the frames, where they are known.
        size: of the file in bytes.
        limits: of the child.

    Raises:
        Refused: it costs too much, or is too large.
    """
    if name == "WEBP" and (canvas := headers.webp_canvas(head)) is not None:
        sizes = [canvas]
        limits.check_sizes(sizes)
    if name in {"WEBP", "ICO"} and sizes:
        cost.cost_of(name, sizes, size, depth=4).check(limits.memory_limit, limits.cpu_limit)


def judged(
    image: ImageFile.ImageFile,
    name: str,
    sizes: Sequence[Size],
    size: int,
    scans: Sequence[JpegScans | None],
    tile: Tile | None,
) -> Cost:
    """The cost of decoding an opened image; its first frame is current, before and after.

    Args:
        image: the image.
        name: its format.
        sizes: of its frames.
        size: of the file in bytes.
        scans: of each picture of a JPEG, where its header was found.
        tile: of a JPEG 2000.
    """
    if name == "JPEG" and len(sizes) == 1 and (found := scans[0]) is not None:
        width, height = sizes[0]
        return cost.jpeg(width * height, size, found)
    if name == "JPEG":
        return cost.sum_of(_pictures(sizes, size, scans))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        strip = _largest_strip(image, len(sizes))
        return cost.cost_of(name, sizes, size, depth=4, extra=strip + size if strip else 0)
    depth = _SMALL_MODES.get(image.mode, 4)
    extra = 0 if tile is None else cost.jpeg2000(*tile)
    return cost.cost_of(name, sizes, size, depth=depth, extra=extra)


def _pictures(sizes: Sequence[Size], size: int, scans: Sequence[JpegScans | None]) -> Iterator[Cost]:
    """The cost of each picture of a JPEG; the bytes are those of the file, since nothing says where a picture ends."""
    for (width, height), found in zip(sizes, scans, strict=True):
        yield Cost(0, 0) if found is None else cost.jpeg(width * height, size // len(sizes), found)


def _largest_strip(image: TiffImagePlugin.TiffImageFile, count: int) -> int:
    """Bytes of the largest compressed strip or tile of all pages, decoded: libtiff decodes them one at a time.

    It is given the whole file for that. Pillow reads strips that are not compressed row by row.
    """
    largest = 0
    for page in range(count):
        image.seek(page)
        tags = image.tag_v2
        if tags.get(TiffImagePlugin.COMPRESSION, 1) == 1:
            continue
        width, height = tags[TiffImagePlugin.IMAGEWIDTH], tags[TiffImagePlugin.IMAGELENGTH]
        bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        across = tags.get(TiffImagePlugin.TILEWIDTH, width)
        down = tags.get(TiffImagePlugin.TILELENGTH, min(height, tags.get(TiffImagePlugin.ROWSPERSTRIP, height)))
        samples = max(len(bits), tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
        largest = max(largest, across * down * samples * max(bits) // 8)
    image.seek(0)
    return largest
