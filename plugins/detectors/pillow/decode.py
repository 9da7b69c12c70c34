"""Recognising an image with Pillow. Imported by the child process alone: the service itself never decodes.

The order of things: the format is told by the first bytes; the structure is checked; Pillow reads the headers; all
frames are measured; their cost is judged; only then is the first pixel decoded. Some of Pillow's plugins allocate or
decode while they open a file (WebP, ICO): those files are judged before.
"""

import errno
import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

# Importing a plugin registers its format; Pillow imports all that it has (Ghostscript and more) when it misses one.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from . import headers
from .cost import Cost, Costly, JpegScans, repeated
from .formats import CONTENT_TYPES, HEAD_SIZE, TAIL_SIZE, identify
from .judgement import judge_unopened, judged
from .limits import Damaged, Limits, Recognised, Refused
from .structure.directories import exif_orientation
from .structure.inspection import Inspection, Picture, Size
from .structure.look import inspect
from .structure.reading import spliced
from .tails import is_whole

_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "ICO": IcoImagePlugin.IcoImageFile,
}
"""Pillow's class for each format that ``identify`` tells."""
_TEXT_CHUNK_BYTES = 16 << 20
"""Size that one compressed text of a PNG may unfold to. Pillow allows 1 MiB, which editors' histories exceed."""
_TEXT_BOMB = re.compile("MAX_TEXT_CHUNK|memory used in text chunks")
"""How Pillow says that the texts of a PNG are too large; a ``ValueError`` like many another."""
_NOT_READ = re.compile(
    "unknown pixel mode|unknown data organization|cannot handle .*-layer images|Unsupported BMP|Windows Media Photo"
)
"""How Pillow says that it does not read the kind of image that a header tells of."""
_MAX_REASON = 100


def configure(limits: Limits) -> None:
    """Set what Pillow keeps in global variables; once per process, before ``recognise``."""
    # Pillow raises DecompressionBombError above twice this number, and merely warns below it.
    Image.MAX_IMAGE_PIXELS = (limits.largest_frame + 1) // 2
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    PngImagePlugin.MAX_TEXT_CHUNK = _TEXT_CHUNK_BYTES
    # Threads would each cost address space and burn the CPU time together.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    warnings.simplefilter("ignore")
    logging.disable()


def recognise(file: BinaryIO, limits: Limits, *, may_be_costly: bool = True) -> Recognised:
    """Say what the image in ``file``, opened in binary mode, is. Blocks, for seconds where the image is large.

    Raises:
        Refused: it is not accepted, whatever Pillow raises.
        Costly: it would be decoded, but ``may_be_costly`` is false.
        MemoryError: decoding it needs more memory than there is.
        OSError: the device failed to read.
    """
    with refusing(limits), opened(file, limits) as image:
        recognised, cost = _judged(image, limits)
        if limits.decode_pixels or image.found.notes:
            if cost.is_costly and not may_be_costly:
                raise Costly
            _decode_all(image.images, image.found, file)
    return recognised


@contextmanager
def refusing(limits: Limits) -> Iterator[None]:
    """Around work on an image with Pillow: a fault of the image is raised as ``Refused``.

    Raises:
        Refused: see ``recognise``; so are ``MemoryError`` and ``OSError``.
    """
    try:
        yield
    except (Refused, Costly, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise Refused("too_many_pixels", str(error), limit=limits.largest_frame) from error
    except Exception as error:  # hostile files draw a dozen unrelated classes out of Pillow
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise
        if isinstance(error, ValueError) and _TEXT_BOMB.search(str(error)):
            raise Refused("image_too_complex", str(error), resource="memory for metadata") from error
        raise Damaged(f"{type(error).__name__}: {error}") from error


class Opened(NamedTuple):
    """An image whose headers Pillow has read, and none of whose pixels are decoded.

    Attributes:
        name: the format.
        images: what Pillow reads: one image, or one for each view.
        found: what its structure tells.
        size: of the file in bytes.
        scans: of each picture of a JPEG.
    """

    name: str
    images: Sequence[ImageFile.ImageFile]
    found: Inspection
    size: int
    scans: Sequence[JpegScans | None]


@contextmanager
def opened(file: BinaryIO, limits: Limits) -> Iterator[Opened]:
    """Tell the format of an image, check its structure, and have Pillow read its headers. Within ``refusing``.

    Raises:
        Refused: the image is not accepted; from the block, where Pillow does not read this variant of the format.
    """
    head = file.read(HEAD_SIZE)
    name = _identify(head, file)
    if name is None:
        raise Refused("not_an_image")
    if name not in limits.formats and not (name == "JPEG" and "MPO" in limits.formats):
        raise Refused("format_not_allowed", format=name)
    size = os.fstat(file.fileno()).st_size
    found = inspect(name, file, size, limits)
    format_name = "MPO" if found.has_views else name
    if format_name not in limits.formats:
        raise Refused("format_not_allowed", format=format_name)
    if found.sizes is not None:
        limits.check_sizes(found.sizes)
    judge_unopened(name, head, found.sizes, size, limits)
    scans = [_scans(file, picture) for picture in found.pictures]
    try:
        yield Opened(format_name, _open(name, file, size, found), found, size, scans)
    except (SyntaxError, OSError) as error:
        if _NOT_READ.search(str(error)):
            reason = found.variant or str(error)[:_MAX_REASON]
            raise Refused("image_not_supported", str(error), format=name, reason=reason) from error
        raise


def measured(image: Opened, limits: Limits) -> Sequence[Size]:
    """The size of every frame, from headers alone.

    Raises:
        Refused: a limit refuses them.
    """
    if image.found.sizes is not None:
        return image.found.sizes
    sizes = [one.size for one in image.images] if image.found.has_views else _measure(image.images[0], limits)
    limits.check_sizes(sizes)
    return sizes


def orientation_of(image: Opened) -> int:
    """The orientation of the first frame as stored, 1 to 8 as in EXIF."""
    return _orientation(image.images[0]) if image.found.orientation is None else image.found.orientation


def _judged(image: Opened, limits: Limits) -> tuple[Recognised, Cost]:
    """Measure what Pillow has opened, and judge what decoding it costs."""
    first, found = image.images[0], image.found
    sizes = measured(image, limits)
    width, height = _stored_size(first)
    recognised = Recognised(
        format=image.name,
        content_type=_content_type(image.name, first),
        width=width,
        height=height,
        frames=_count_frames(first, len(sizes)),
        orientation=orientation_of(image),
        notes=found.notes,
    )
    cost = judged(first, str(first.format), sizes, image.size, image.scans, found.tile)
    if found.notes and image.scans:
        cost = repeated(cost, width * height)
    cost.check(limits.memory_limit, limits.cpu_limit)
    return recognised, cost


def _decode_all(images: Sequence[ImageFile.ImageFile], found: Inspection, file: BinaryIO) -> None:
    """Decode everything. Where the tail is missing, decoding alone tells that nothing else is."""
    if found.notes and found.pictures:
        if not is_whole(file):
            raise Damaged("a JPEG was cut off")
        return
    for image in images:
        _decode(image, getattr(image, "n_frames", 1) if found.sizes is None else len(found.sizes))


def _scans(file: BinaryIO, picture: Picture) -> JpegScans | None:
    if picture.frame is None or not picture.scan_at:
        return None
    file.seek(picture.scan_at + 2)
    return headers.jpeg_scans(file, picture.frame)


def _identify(head: bytes, file: BinaryIO) -> str | None:
    name = identify(head)
    if name is not None or len(head) < HEAD_SIZE:
        return name or identify(head, head[-TAIL_SIZE:])
    if not file.seekable():  # a pipe has no end to look at
        return None
    file.seek(-TAIL_SIZE, os.SEEK_END)
    return identify(head, file.read())


def _open(name: str, file: BinaryIO, size: int, found: Inspection) -> list[ImageFile.ImageFile]:
    """What Pillow reads: one image, or one for each view."""
    opener = _OPENERS[name]
    if found.has_views:
        return [opener(spliced(file, picture.offset, size)) for picture in found.pictures]
    file.seek(0)
    return [opener(found.as_decoded(file, size))]


def _measure(image: ImageFile.ImageFile, limits: Limits) -> list[Size]:
    """The size of every frame, from headers alone."""
    frames: int = getattr(image, "n_frames", 1)
    limits.check_frames(_count_frames(image, frames))
    if image.format != "TIFF":
        return [image.size] * frames
    sizes = []
    for frame in range(frames):
        image.seek(frame)
        sizes.append(_stored_size(image))
    image.seek(0)
    return sizes


def _count_frames(image: ImageFile.ImageFile, pictures: int) -> int:
    """How many of the pictures in an image are frames: those of an icon are renderings of one.

    The default image of an animated PNG is a frame only where the animation begins with it (PNG third edition,
    section 4.9).
    """
    if image.format == "ICO":
        return 1
    return pictures - 1 if getattr(image, "default_image", False) else pictures


def _stored_size(image: ImageFile.ImageFile) -> Size:
    """Width and height of the current frame as stored; Pillow turns a TIFF by its orientation on its own."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def _orientation(image: ImageFile.ImageFile) -> int:
    """The orientation that Pillow tells: for AVIF, of the boxes ``irot`` and ``imir``."""
    return exif_orientation(image.info.get("exif", b""))


def _content_type(name: str, image: ImageFile.ImageFile) -> str:
    if name == "JPEG2000" and isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        return "image/j2c" if image.codec == "j2k" else image.custom_mimetype or "image/jp2"
    return CONTENT_TYPES[name][0]


def _decode(image: ImageFile.ImageFile, count: int) -> None:
    """Decode the first ``count`` frames; there are as many, so an early end is an error."""
    if isinstance(image, IcoImagePlugin.IcoImageFile):
        for index in range(count):
            image.ico.frame(index).load()
        return
    for frame in range(count):
        image.seek(frame)
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            _reduce(image)
        image.load()


def _reduce(image: JpegImagePlugin.JpegImageFile) -> None:
    """Have the current frame of a JPEG reconstructed with an eighth of its sides.

    Whatever can be wrong with a JPEG shows when its entropy-coded data are decoded, and all of them still are; the
    inverse DCT, interpolation and conversion of colours, which are left out, take any coefficients (ITU-T T.81
    section A.3.3).
    """
    image.draft(None, (1, 1))
