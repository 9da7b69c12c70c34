"""Whether a JPEG that ends before its ``EOI`` has all its pixels. With Pillow: for the child process alone."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from PIL import JpegImagePlugin

from .structure.jpeg import END
from .structure.reading import spliced
from .structure.scans import data_end, read_scans

_FILLERS: Final = 8
"""Fillers that are tried; ``cost.repeated`` knows what that takes."""
_FILLER_BYTES: Final = 8
_RESTARTS: Final = tuple(bytes((0xFF, marker)) for marker in range(0xD0, 0xD8))
_ROWS: Final = 64
"""Rows of a picture that are looked at together."""


def is_whole(file: BinaryIO) -> bool:
    """Whether all pixels of a JPEG without ``EOI`` are there. Blocks.

    libjpeg fills what is missing with grey, and tells nobody. But what follows the data has no say in a picture that is
    complete, while a block that misses a bit takes it from there: so the picture is decoded, whole, with one filler
    after another behind the data, until two pictures differ. Bits that make no difference are not missed.
    """
    file.seek(0)
    data = file.read()
    scans = read_scans(data)
    if not scans.are_all_there:
        return False
    end = data_end(data)
    first: bytes | None = None
    for filler in _fillers(
        _RESTARTS[scans.restarts % 8 :] + _RESTARTS[: scans.restarts % 8] if scans.has_restarts else ()
    ):
        picture = _digest(spliced(file, 0, end, [scans.whole_blocks], filler + END))
        if first is not None and picture != first:
            return False
        first = picture
    return True


def _fillers(restarts: Sequence[bytes]) -> Iterator[bytes]:
    """Nothing, and bytes that are read as data where data are missing: in each interval behind one of the ``restarts``.

    No two begin with the same bits. They are short: noise soon makes libjpeg give a whole block up.
    """
    yield b""
    rng = random.Random(0)  # noqa: S311 - noise, no secret
    for number in range(_FILLERS):
        first = number * 256 // _FILLERS
        noises = [
            bytes(
                (first + rng.randrange(256 // _FILLERS - 1), *(rng.randrange(0xFF) for _ in range(_FILLER_BYTES - 1)))
            )
            for _ in range(len(_RESTARTS) + 1)
        ]
        yield noises[-1] + b"".join(map(bytes.__add__, restarts, noises))


def _digest(file: BinaryIO) -> bytes:
    """A digest of all pixels, taken some rows at a time: a copy of a large picture is as large."""
    digest = hashlib.blake2b()
    with JpegImagePlugin.JpegImageFile(file) as image:
        image.load()
        width, height = image.size
        for top in range(0, height, _ROWS):
            digest.update(image.crop((0, top, width, min(top + _ROWS, height))).tobytes())
    return digest.digest()
