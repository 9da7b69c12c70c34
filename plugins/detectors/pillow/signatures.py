"""The bytes by which files of formats that are never allowed are told, so that a refusal has their name. No Pillow."""

import re
from typing import Final

HEADS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"%PDF-", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"gimp xcf", "XCF"),
    (b"Paint Shop Pro Image File\n\x1a", "PSP"),
    (b"icns", "ICNS"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"\x97JB2\r\n\x1a\n", "JBIG2"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE\n", "Radiance HDR"),
    (b"#?RGBE\n", "Radiance HDR"),
    (b"qoif", "QOI"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"DDS ", "DDS"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "KTX"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "KTX2"),
    (b"\x13\xab\xa1\x5c", "ASTC"),
    (b"SIMPLE  =", "FITS"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"\x80\x2a\x5f\xd7", "Cineon"),
    (b"\x59\xa6\x6a\x95", "Sun raster"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\x01\0\x09\0\0\x03", "WMF"),
    (b"/* XPM */", "XPM"),
    (b"IIRO", "ORF"),
    (b"IIRS", "ORF"),
    (b"MMOR", "ORF"),
    (b"IIU\0", "RW2"),
    (b"FUJIFILMCCD-RAW ", "RAF"),
    (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
    (b"\0MRM", "MRW"),
    (b"FOVb", "X3F"),
)
"""Format names by first bytes."""

PLACED: Final[tuple[tuple[int, bytes, int, bytes, str], ...]] = (
    (4, b"ftyp", 8, b"crx ", "CR3"),
    (0, b"\x01\0\0\0", 40, b" EMF", "EMF"),
    (0, b"FORM", 8, b"ILBM", "ILBM"),
    (0, b"FORM", 8, b"PBM ", "ILBM"),
    (0, b"RIFF", 8, b"ACON", "ANI"),
    (0, b"AT&TFORM", 12, b"DJV", "DjVu"),
    (0, b"", 128, b"DICM", "DICOM"),
)
"""Format names by what stands at two offsets."""

FOOTER: Final = b"TRUEVISION-XFILE.\0"
"""The end of a TGA of version 2; one of version 1 has no signature."""

_TGA: Final = re.compile(rb".[\0\x01][\x01-\x03\x09-\x0b].{13}[\x08\x0f\x10\x18\x20]", re.DOTALL)
"""The beginning of every TGA (Truevision TGA 2.0, fields 2, 3 and 5.5), and of other files: no signature."""

_PATTERNS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (re.compile(rb"P[14]\s+(?:#[^\n]*\n\s*)*\d+\s+\d"), "PBM"),
    (re.compile(rb"P[25]\s+(?:#[^\n]*\n\s*)*\d+\s+\d"), "PGM"),
    (re.compile(rb"P[36]\s+(?:#[^\n]*\n\s*)*\d+\s+\d"), "PPM"),
    (re.compile(rb"P7\n(?:#[^\n]*\n)*(?:WIDTH|HEIGHT|DEPTH|MAXVAL|TUPLTYPE) "), "PAM"),
    (re.compile(rb"P[Ff]\n\d+\s+\d+\s+-?\d"), "PFM"),
    (re.compile(rb"#define [A-Za-z_0-9]+_width +\d"), "XBM"),
    (re.compile(rb"\x0a[\0\x02-\x05]\x01[\x01\x02\x04\x08].{60}\0[\x01-\x04]", re.DOTALL), "PCX"),
    (re.compile(rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]"), "SGI"),
    (re.compile(rb"\0\0\x02\0(?!\0\0)..{3}\0", re.DOTALL), "CUR"),
)
"""Formats whose first bytes are too few to be believed alone."""


def may_have_footer(head: bytes) -> bool:
    """Whether a file that begins so may be of the format that only its footer tells."""
    return _TGA.match(head) is not None


def foreign(head: bytes, tail: bytes) -> str | None:
    """The name of the format of a file with these first and last bytes, if it has one that is known here."""
    for magic, name in HEADS:
        if head.startswith(magic):
            return name
    for at, magic, other_at, other, name in PLACED:
        if head.startswith(magic, at) and head.startswith(other, other_at):
            return name
    for pattern, name in _PATTERNS:
        if pattern.match(head):
            return name
    return "TGA" if tail.endswith(FOOTER) else None
