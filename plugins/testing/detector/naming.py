"""The names of formats that the service knows, by media type. Pillow's names, or those that the service refuses by."""

from collections.abc import Mapping
from typing import Final

NAMES: Final[Mapping[str, frozenset[str]]] = {
    "image/jpeg": frozenset({"JPEG", "MPO"}),
    "image/png": frozenset({"PNG"}),
    "image/gif": frozenset({"GIF"}),
    "image/webp": frozenset({"WEBP"}),
    "image/tiff": frozenset({"TIFF"}),
    "image/bmp": frozenset({"BMP"}),
    "image/avif": frozenset({"AVIF"}),
    "image/jp2": frozenset({"JPEG2000"}),
    "image/jpx": frozenset({"JPEG2000"}),
    "image/j2c": frozenset({"JPEG2000"}),
    "image/vnd.microsoft.icon": frozenset({"ICO"}),
    "image/heic": frozenset({"HEIC", "HEIF"}),
    "image/heif": frozenset({"HEIC", "HEIF"}),
    "image/heic-sequence": frozenset({"HEIC", "HEIF"}),
    "image/heif-sequence": frozenset({"HEIC", "HEIF"}),
    "image/svg+xml": frozenset({"SVG"}),
    "image/vnd.adobe.photoshop": frozenset({"PSD"}),
    "image/icns": frozenset({"ICNS"}),
    "application/pdf": frozenset({"PDF"}),
    "application/postscript": frozenset({"EPS"}),
}
"""By media types of https://www.iana.org/assignments/media-types/ where there is one."""

_ONE_FORMAT: Final = frozenset({"HEIC", "HEIF"})
"""Two names of one format: libheif and pillow-heif call HEIC files HEIF."""


def are_one_format(name: str, other: str) -> bool:
    """Whether two names mean one format."""
    return name == other or {name, other} == _ONE_FORMAT


def may_be_called(content_type: str, name: str) -> bool:
    """Whether the service may call a file of the media type so; True of a type that it does not know."""
    return name in NAMES.get(content_type, {name})


def assert_named(content_type: str, name: str, what: str) -> None:
    """The format has the name that the service knows for its media type.

    Raises:
        AssertionError: it has another. The message has the right ones.
    """
    names = " or ".join(sorted(NAMES.get(content_type, ())))
    assert may_be_called(content_type, name), (
        f"{what}: the format of {content_type} is called {name}, and the service calls it {names}: use {names}, or the "
        "media type of the other format"
    )
