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
from typing import BinaryIO

# Importing a plugin registers its format; Pillow imports all that it has (Ghostscript and more) when it misses one.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    IcoImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,  # noqa: F401
)

from . import headers, structure
from .cost import Costly, JpegScans
from .formats import CONTENT_TYPES, HEAD_SIZE, identify
from .judgement import judge_unopened, judged
from .limits import Damaged, Limits, Recognised, Refused
from .structure import Size

_TEXT_CHUNK_BYTES = 16 << 20
"""Size that one compressed text of a PNG may unfold to. Pillow allows 1 MiB, which editors' histories exceed."""
_TEXT_BOMB = re.compile("MAX_TEXT_CHUNK|memory used in text chunks")
"""How Pillow says that the texts of a PNG are too large; a ``ValueError`` like many another."""


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
    try:
        return _recognise(file, limits, may_be_costly)
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


def _recognise(file: BinaryIO, limits: Limits, may_be_costly: bool) -> Recognised:
    head = file.read(HEAD_SIZE)
    name = identify(head)
    if name is None:
        raise Refused("not_an_image")
    if name not in limits.formats and not (name == "JPEG" and "MPO" in limits.formats):
        raise Refused("format_not_allowed", format=name)
    size = os.fstat(file.fileno()).st_size
    scans = _jpeg_scans(file) if name == "JPEG" else None
    sizes = _check_structure(name, file, size, limits)
    if sizes is not None:
        limits.check_sizes(sizes)
    judge_unopened(name, head, sizes, size, limits)
    with _open(file, name) as image:
        if image.format not in limits.formats:
            raise Refused("format_not_allowed", format=str(image.format))
        if sizes is None:
            sizes = _measure(image, limits)
            limits.check_sizes(sizes)
        width, height = _stored_size(image)
        recognised = Recognised(
            format=image.format,
            content_type=_content_type(image),
            width=width,
            height=height,
            # The images in an icon are renderings of one picture, not a sequence.
            frames=1 if name == "ICO" else len(sizes),
        )
        cost = judged(image, name, sizes, size, file, scans)
        cost.check(limits.memory_limit, limits.cpu_limit)
        if limits.decode_pixels:
            if cost.is_costly and not may_be_costly:
                raise Costly
            _decode(image, len(sizes))
    return recognised


def _jpeg_scans(file: BinaryIO) -> JpegScans | None:
    frame = structure.check_jpeg(file)
    return None if frame is None else headers.jpeg_scans(file, frame)


def _check_structure(name: str, file: BinaryIO, size: int, limits: Limits) -> list[Size] | None:
    """Check what Pillow does not, and give the sizes of all frames where Pillow would tell them too late."""
    match name:
        case "PNG":
            structure.check_png(file, size)
        case "BMP":
            structure.check_bmp(file, size)
        case "TIFF":
            structure.check_tiff(file, size, limits)
        case "GIF":
            return structure.measure_gif(file, limits)
        case "ICO":
            return structure.measure_icon(file, size, limits)
    return None


def _open(file: BinaryIO, name: str) -> ImageFile.ImageFile:
    image = Image.open(file, formats=[name])
    if isinstance(image, MpoImagePlugin.MpoImageFile) and _index_is_stale(image, file):
        file.seek(0)
        return JpegImagePlugin.JpegImageFile(file)
    return image


def _index_is_stale(image: MpoImagePlugin.MpoImageFile, file: BinaryIO) -> bool:
    """Whether the index of a multi-picture file speaks of pictures that are not there at all.

    Optimisers that copy every marker segment but nothing behind the first ``EOI`` leave such files. They are complete
    JPEGs, hence end with that ``EOI``; a multi-picture file that was cut off within a later picture is neither.
    """
    try:
        image.seek(1)
    except ValueError:
        file.seek(-2, os.SEEK_END)
        return file.read() == b"\xff\xd9"
    image.seek(0)
    return False


def _measure(image: ImageFile.ImageFile, limits: Limits) -> list[Size]:
    """The size of every frame, from headers alone."""
    frames: int = getattr(image, "n_frames", 1)
    limits.check_frames(frames)
    if not isinstance(image, TiffImagePlugin.TiffImageFile | MpoImagePlugin.MpoImageFile):
        return [image.size] * frames
    sizes = []
    for frame in range(frames):
        image.seek(frame)
        sizes.append(_stored_size(image))
    image.seek(0)
    return sizes


def _stored_size(image: ImageFile.ImageFile) -> Size:
    """Width and height of the current frame as stored; Pillow turns a TIFF by its orientation on its own."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def _content_type(image: ImageFile.ImageFile) -> str:
    if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        return "image/j2c" if image.codec == "j2k" else image.custom_mimetype or "image/jp2"
    return CONTENT_TYPES[str(image.format)][0]


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
    image.decoderconfig = ()  # else only the first frame of a multi-picture file would be reduced
    image.draft(None, (1, 1))
