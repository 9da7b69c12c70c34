"""The image formats: their names, their media types, and the first bytes by which they are told apart. No Pillow.

Only the parser of the format that a file claims to be ever sees it; being several things at once gains a file nothing.
"""

from .signatures import FOOTER, foreign

CONTENT_TYPES: dict[str, tuple[str, ...]] = {
    "JPEG": ("image/jpeg",),
    "MPO": ("image/jpeg",),
    "PNG": ("image/png",),
    "GIF": ("image/gif",),
    "WEBP": ("image/webp",),
    "TIFF": ("image/tiff",),
    "BMP": ("image/bmp",),
    "AVIF": ("image/avif",),
    "JPEG2000": ("image/jp2", "image/jpx", "image/j2c"),
    "ICO": ("image/vnd.microsoft.icon",),
}
"""The formats that can be allowed, as Pillow writes them, with their media types as registered with IANA.

A multi-picture file (CIPA DC-007) has no type of its own there and is a JPEG to every reader. An animated PNG may be
called ``image/png`` (PNG third edition, section 12.2) and keeps the one type. JPEG 2000 has three: a JP2 file, a JPX
file and the bare codestream.
"""

HEAD_SIZE = 4096
"""How many bytes of the beginning of a file ``identify`` wants to see."""
TAIL_SIZE = len(FOOTER)
"""How many bytes of the end, where the beginning tells nothing."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
)

_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_GENERIC_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf"})
_HEIF_BRANDS = frozenset({b"avci", b"avcs", b"j2ki", b"j2is", b"jpeg", b"jpgs", b"vvic", b"vvis", b"unif"})
"""HEIF with pictures in other codings: H.264, JPEG 2000, JPEG, H.266, and none."""
_CR2, _PHASE_ONE = b"CR", (b"IIII", b"MMMM")
"""What two cameras' raw files have behind the header of a TIFF, where the others have a directory or pixels."""

_DIB_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})

_SVG_BEGINNINGS = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")


def identify(head: bytes, tail: bytes = b"") -> str | None:
    """The format that a file beginning with ``head`` claims to be.

    Args:
        head: the first ``HEAD_SIZE`` bytes of the file, or all of a shorter one.
        tail: the last ``TAIL_SIZE`` bytes of the file, by which a format is told that has nothing at its beginning.

    Returns:
        Pillow's name of one of the formats that the detector can allow (a multi-picture JPEG is ``JPEG`` here), the
        common name of another image format, or None for bytes that are no image format known here.
    """
    for magic, name in _SIGNATURES:
        if head.startswith(magic):
            return _raw_of(head) or name if name == "TIFF" else name
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _iso_base_media(head)
    # Two letters begin many a text, and four nearly empty bytes many a binary: more must fit before these are believed.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _DIB_HEADER_SIZES:
        return "BMP"
    if head.startswith(b"\0\0\1\0") and head[4:6] != b"\0\0" and head[9:10] == b"\0":
        return "ICO"
    return "SVG" if _is_svg(head) else foreign(head, tail)


def _raw_of(head: bytes) -> str | None:
    """The raw file of a camera that begins as a TIFF does, if it is one that tells before its first directory."""
    if head.startswith(_CR2, 8):
        return "CR2"
    return "IIQ" if head.startswith(_PHASE_ONE, 8) else None


def _iso_base_media(head: bytes) -> str | None:
    """Tell AVIF from HEIC and other HEIF by the brands of the ``ftyp`` box (ISO/IEC 14496-12 section 4.3)."""
    brands = {head[8:12]}
    if brands <= _HEIF_BRANDS:
        return "HEIF"
    if not brands <= _AVIF_BRANDS | _HEIC_BRANDS | _GENERIC_BRANDS:
        return foreign(head, b"")
    if brands <= _GENERIC_BRANDS:
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands |= {head[at : at + 4] for at in range(16, end - 3, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & _HEIC_BRANDS else "HEIF"


def _is_svg(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(_SVG_BEGINNINGS) and b"<svg" in text and b"<html" not in text
