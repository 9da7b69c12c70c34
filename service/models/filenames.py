"""Names of files that fit what is stored: a processor may have made another format of the file that had the name."""

from typing import Final

_ENDINGS: Final = {
    "image/jpeg": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "image/png": ("png", "apng"),
    "image/apng": ("apng", "png"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "image/tiff": ("tif", "tiff"),
    "image/bmp": ("bmp", "dib"),
    "image/avif": ("avif", "avifs"),
    "image/heic": ("heic", "heif", "hif"),
    "image/heif": ("heif", "heic", "hif"),
    "image/jp2": ("jp2", "j2k", "jpx"),
    "image/jxl": ("jxl",),
    "image/svg+xml": ("svg",),
    "image/vnd.microsoft.icon": ("ico",),
}
"""By media type, the endings of its files; the first one is the usual one."""
_KNOWN: Final = frozenset(ending for endings in _ENDINGS.values() for ending in endings)


def fitting(filename: str | None, content_type: str) -> str | None:
    """The name with the ending of the media type, if it has that of another type of images; else as it is.

    ``IMG_1.HEIC`` of a JPEG becomes ``IMG_1.jpg``. A name without an ending, or with one that is of no image, stays.

    Args:
        filename: of a stranger, or None.
        content_type: of the stored bytes.
    """
    endings = _ENDINGS.get(content_type)
    if not filename or endings is None:
        return filename
    stem, dot, ending = filename.rpartition(".")
    if not (stem and dot) or ending.lower() in endings or ending.lower() not in _KNOWN:
        return filename
    return f"{stem}.{endings[0]}"
