"""Data that a document carries in ``data:`` URLs (RFC 2397): which is let through, and what it must begin with.

What is embedded is not decoded: a viewer shows it as an image or a font or not at all. It is only made sure that it is
base64 and begins as its type does, so that no other document hides there.
"""

import binascii
from collections.abc import Collection
from typing import Final

SIGNATURES: Final[dict[str, tuple[tuple[int, bytes], ...]]] = {
    "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
    "image/jpeg": ((0, b"\xff\xd8\xff"),),
    "image/gif": ((0, b"GIF8"),),
    "image/webp": ((0, b"RIFF"), (8, b"WEBP")),
    "image/avif": ((4, b"ftypavi"),),
    "font/woff": ((0, b"wOFF"),),
    "font/woff2": ((0, b"wOF2"),),
}
"""The types that can be allowed, each with what its files have at which place."""

_ALIASES: Final = {"image/jpg": "image/jpeg"}
"""Types that are not registered and that editors write all the same."""


def is_data_url(url: str) -> bool:
    """Whether it is one, for a reader as lenient as a browser."""
    return url[:5].lower() == "data:"


def may_be_embedded(url: str, allowed: Collection[str]) -> bool:
    """Whether a data: URL is base64 of one of the allowed types and begins as files of that type do.

    Args:
        url: of which ``is_data_url`` is true.
        allowed: keys of ``SIGNATURES``.
    """
    head, _, payload = url[5:].partition(",")
    media_type, separator, encoding = (part.strip().lower() for part in head.partition(";"))
    media_type = _ALIASES.get(media_type, media_type)
    if media_type not in allowed or not separator or encoding != "base64":
        return False
    try:
        # Editors break the lines of base64, and a browser skips the breaks.
        data = binascii.a2b_base64("".join(payload.split()).encode("ascii"), strict_mode=True)
    except ValueError:
        return False
    return all(data.startswith(magic, at) for at, magic in SIGNATURES[media_type])
