"""One look at the structure of a file of each format."""

from typing import BinaryIO

from ..limits import Limits
from .bitmaps import check_bmp, measure_icon
from .boxes import check_avif, check_jpeg2000
from .gif import measure_gif
from .inspection import Inspection
from .jpeg import check_jpeg
from .png import check_png
from .tiff import check_tiff


def inspect(name: str, file: BinaryIO, size: int, limits: Limits) -> Inspection:
    """Check what Pillow does not, and find what it would tell too late, or not at all.

    Args:
        name: of the format, as ``formats.identify`` tells it.
        file: opened in binary mode.
        size: of the file, in bytes.
        limits: which the image has to keep.

    Raises:
        Refused: the file is not accepted.
    """
    match name:
        case "JPEG":
            return check_jpeg(file, size, limits)
        case "PNG":
            return check_png(file, size)
        case "GIF":
            return measure_gif(file, size, limits)
        case "TIFF":
            return check_tiff(file, size, limits)
        case "BMP":
            return check_bmp(file, size, limits)
        case "ICO":
            return measure_icon(file, size, limits)
        case "JPEG2000":
            return check_jpeg2000(file, size, limits)
        case "AVIF":
            check_avif(file, size)
    return Inspection(orientation=None)
