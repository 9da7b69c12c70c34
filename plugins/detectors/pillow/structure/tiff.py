"""The directories of a TIFF: its pages, where their pixels lie, and whether it is a camera's raw file."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..limits import Damaged, Limits, Refused
from .directories import MAX_VALUES, Directories, Directory
from .inspection import Inspection, Size
from .reading import Readable

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_MAKE, _SAMPLES, _ROWS_PER_STRIP, _PLANAR, _SAMPLE_FORMAT = 271, 277, 278, 284, 339
_STRIP_OFFSETS, _STRIP_COUNTS = 273, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_SUBDIRECTORIES, _DNG_VERSION = 330, 0xC612

_REDUCED: Final = 1
"""The bit of NewSubfileType that calls a page a smaller copy of another."""
_UNCOMPRESSED: Final = 1
_YCBCR: Final = 6
_RAW_PHOTOMETRICS: Final = frozenset({32803, 34892})
"""A colour filter array, and LinearRaw (TIFF/EP, and DNG 1.7 chapter 4)."""
_RAW_COMPRESSIONS: Final = {34713: "NEF", 32767: "ARW", 65535: "PEF", 65000: "DCR"}
_RAW_MAKES: Final = {
    b"NIKON": "NEF",
    b"SONY": "ARW",
    b"CANON": "CR2",
    b"PENTAX": "PEF",
    b"RICOH": "PEF",
    b"SAMSUNG": "SRW",
    b"HASSELBLAD": "3FR",
    b"OLYMPUS": "ORF",
    b"PANASONIC": "RW2",
    b"KODAK": "DCR",
    b"SEIKO EPSON": "ERF",
    b"MAMIYA": "MEF",
    b"LEAF": "MOS",
    b"PHASE ONE": "IIQ",
}
"""The names of raw files by the beginning of their maker's name, in capitals."""
_CAMERA_RAW: Final = "camera RAW"
_LONGEST_MAKE: Final = 64
_MOST_SUBDIRECTORIES: Final = 16
_MOST_VARIANTS: Final = 2
"""Pages of which a refusal tells the kind of pixels."""

READ: Final = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000})
"""The compressions that Pillow's libtiff decodes."""
_OTHERS: Final = {
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34661: "JBIG",
    34887: "LERC",
    34892: "lossy JPEG",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_COLOURS: Final = {
    0: "grey",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
}
_FORMATS: Final = {2: "signed integers", 3: "floating point", 5: "complex integers", 6: "complex floating point"}


def check_tiff(file: Readable, size: int, limits: Limits) -> Inspection:
    """Walk the chain of directories: each, each value that it refers to, and all of its pixels lie within the file.

    Not more than ``max_frames`` directories are followed. A chain that leads back to one that it has passed ends there,
    as it does for Pillow. Subdirectories, which hold thumbnails and smaller copies, are no frames.
    """
    directories = Directories(file, size)
    pages: list[_Page] = []
    seen: set[int] = set()
    at = directories.first
    while at and at not in seen:
        seen.add(at)
        limits.check_frames(len(seen))
        directory = directories.read(at)
        pages.append(_Page.of(directories, directory))
        _refuse_raw(directories, directory, is_first=len(pages) == 1)
        at = directory.next_at
    if not pages:
        raise Damaged("a TIFF without a directory")
    limits.check_sizes([page.size for page in pages])
    for page in pages:
        if page.compression not in READ:
            name = _OTHERS.get(page.compression, str(page.compression))
            raise Refused("image_not_supported", format="TIFF", reason=f"compression {name}")
    _check_pixels(directories, pages, size)
    variants = dict.fromkeys(page.variant(directories) for page in pages[:_MOST_VARIANTS])
    return Inspection(orientation=directories.orientation(pages[0].directory), variant="; ".join(variants))


@dataclass(frozen=True, slots=True)
class _Page:
    """A directory, and the values of it that say how much there must be."""

    directory: Directory
    size: Size
    compression: int
    photometric: int
    bits: tuple[int, ...]
    samples: int
    is_planar: bool

    @classmethod
    def of(cls, directories: Directories, directory: Directory) -> "_Page":
        bits = directories.numbers(directory, _BITS, 64) or (1,)
        return cls(
            directory=directory,
            size=(directories.number(directory, _WIDTH), directories.number(directory, _HEIGHT)),
            compression=directories.number(directory, _COMPRESSION, _UNCOMPRESSED),
            photometric=directories.number(directory, _PHOTOMETRIC),
            bits=bits,
            samples=directories.number(directory, _SAMPLES, len(bits)),
            is_planar=directories.number(directory, _PLANAR, 1) == 2,  # noqa: PLR2004 - PlanarConfiguration
        )

    @property
    def bits_per_pixel(self) -> int:
        """Bits of one pixel in one strip or tile."""
        if self.is_planar:
            return self.bits[0]
        return sum(self.bits) if len(self.bits) == self.samples else self.bits[0] * self.samples

    def variant(self, directories: Directories) -> str:
        """The kind of its pixels, for one who cannot read them."""
        form = _FORMATS.get(directories.number(self.directory, _SAMPLE_FORMAT, 1))
        bits = "/".join(map(str, sorted(set(self.bits))))
        kind = "" if form is None else f" ({form})"
        plural = "" if self.samples == 1 else "s"
        colour = _COLOURS.get(self.photometric, f"photometric {self.photometric}")
        return f"{colour}, {self.samples} sample{plural} of {bits} bits{kind}"


# --- raw files of cameras ---------------------------------------------------------------------------------------------


def _refuse_raw(directories: Directories, directory: Directory, *, is_first: bool) -> None:
    """Refuse a raw file, of which the page would be the thumbnail, by its name."""
    below = list(_subdirectories(directories, directory))
    make = directories.content(directory, _MAKE, _LONGEST_MAKE).upper()
    name = next((name for maker, name in _RAW_MAKES.items() if make.startswith(maker)), _CAMERA_RAW)
    if _DNG_VERSION in directory.fields:
        raise Refused("format_not_allowed", format="DNG")
    for one in (directory, *below):
        compression = directories.number(one, _COMPRESSION, _UNCOMPRESSED)
        is_raw = directories.number(one, _PHOTOMETRIC) in _RAW_PHOTOMETRICS
        if is_raw or (make and compression in _RAW_COMPRESSIONS):
            raise Refused("format_not_allowed", format=_RAW_COMPRESSIONS.get(compression, name))
    if is_first and directories.number(directory, _SUBFILE_TYPE) & _REDUCED:
        width = directories.number(directory, _WIDTH)
        for one in below:
            if not directories.number(one, _SUBFILE_TYPE) & _REDUCED and directories.number(one, _WIDTH) > width:
                if make:
                    raise Refused("format_not_allowed", format=name)
                raise Refused("image_not_supported", format="TIFF", reason="the picture is in a subdirectory")


def _subdirectories(directories: Directories, directory: Directory) -> Iterator[Directory]:
    """The subdirectories that can be read."""
    for at in directories.numbers(directory, _SUBDIRECTORIES, _MOST_SUBDIRECTORIES):
        try:
            yield directories.read(at)
        except Damaged:
            continue


# --- pixels -----------------------------------------------------------------------------------------------------------


def _check_pixels(directories: Directories, pages: list[_Page], size: int) -> None:
    """Make sure that the strips or tiles of all pages lie within the file; very many are left to the decoder."""
    left = MAX_VALUES
    for page in pages:
        is_tiled = _TILE_OFFSETS in page.directory.fields
        offsets_tag, counts_tag = (_TILE_OFFSETS, _TILE_COUNTS) if is_tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
        offsets = directories.numbers(page.directory, offsets_tag, left)
        left -= len(offsets)
        if left <= 0:
            return
        if page.compression != _UNCOMPRESSED:
            counts = directories.numbers(page.directory, counts_tag, len(offsets))
            _check_within(zip(offsets, counts, strict=False), size)
        elif page.photometric != _YCBCR:  # else subsampling has a say
            _check_within(zip(offsets, _lengths(directories, page, is_tiled), strict=False), size)


def _check_within(pieces: Iterator[tuple[int, int]], size: int) -> None:
    if any(offset + length > size for offset, length in pieces):
        raise Damaged("pixels of a TIFF lie past the end of the file")


def _lengths(directories: Directories, page: _Page, is_tiled: bool) -> Iterator[int]:
    """Bytes of each uncompressed strip or tile in turn: what the decoder reads of it, whatever its count says."""
    width, height = page.size
    if is_tiled:
        across, down = (directories.number(page.directory, tag, 1) or 1 for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    else:
        across, down = width, min(directories.number(page.directory, _ROWS_PER_STRIP, height) or height, height)
    line = (across * page.bits_per_pixel + 7) // 8
    for _ in range(page.samples if page.is_planar else 1):
        for top, left in itertools.product(range(0, height, down), range(0, width, across)):
            visible = (min(across, width - left) * page.bits_per_pixel + 7) // 8
            yield line * (min(down, height - top) - 1) + visible
