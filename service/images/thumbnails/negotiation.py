"""The media type of a thumbnail, by the ``Accept`` field of its request (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

WEBP: Final = "image/webp"
JPEG: Final = "image/jpeg"

# Every repetition is possessive: a hostile field must not make the match try anything twice.
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # noqa: S105 - the grammar's name (section 5.6.2)
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+(?:"|\Z)'
_ELEMENT: Final = re.compile(rf'(?:[^",]|{_QUOTED})++', re.DOTALL)
_RANGE: Final = re.compile(
    rf"[ \t]*+({_TOKEN})/({_TOKEN})((?:[ \t]*+;[ \t]*+(?:{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))?+)*+)[ \t]*+", re.DOTALL
)
_PARAMETER: Final = re.compile(rf"({_TOKEN})=({_TOKEN}|{_QUOTED})", re.DOTALL)
_WEIGHT: Final = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?")


class _Range(NamedTuple):
    """A media range with its weight."""

    name: str
    weight: float


def preferred_type(accept: str | None) -> str:
    """The media type for a request: that with the higher weight.

    With the same weight it is WebP if the field names WebP itself, and JPEG otherwise, since a client that accepts any
    image may be too old for WebP. If the field accepts neither, Lading disregards it, as the RFC allows, and the type
    is JPEG.

    Args:
        accept: the value of the field, several fields joined; None without one. Malformed elements are ignored.
    """
    ranges = tuple(_ranges(accept or ""))
    webp, jpeg = _weight(WEBP, ranges), _weight(JPEG, ranges)
    if webp == jpeg:
        return WEBP if webp and any(one.name == WEBP for one in ranges) else JPEG
    return WEBP if webp > jpeg else JPEG


def _weight(media_type: str, ranges: tuple[_Range, ...]) -> float:
    """The weight of the most specific range that matches; the highest weight of equal ranges; 0 without a match."""
    kind = media_type.partition("/")[0]
    for name in (media_type, f"{kind}/*", "*/*"):
        weights = [one.weight for one in ranges if one.name == name]
        if weights:
            return max(weights)
    return 0.0


def _ranges(accept: str) -> Iterator[_Range]:
    for element in _ELEMENT.findall(accept):
        match = _RANGE.fullmatch(element)
        if match is None:
            continue
        weight = 1.0
        for name, value in _PARAMETER.findall(match[3]):
            if name.lower() != "q" or not _WEIGHT.fullmatch(value):
                break  # the weight is malformed, or the range asks for a variant that no thumbnail is
            weight = float(value)
        else:
            yield _Range(f"{match[1]}/{match[2]}".lower(), weight)
