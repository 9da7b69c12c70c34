"""``Range`` and ``If-Range``: the requested bytes of a representation (RFC 9110 sections 13.1.5 and 14).

Where the RFC leaves a choice, Lading does what nginx does. It refuses ranges that are malformed or name no existing
byte (416). It ignores ranges that are too many, or together longer than the whole, so that no body is larger than the
image or costs more than a few reads. Unlike nginx, it reads numbers of any length.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .preconditions import http_date

MAX_RANGES: Final = 16
"""Each range opens the object in storage once."""
_DIGITS: Final = 19
"""Digits of a position that is behind the end of every representation, whatever it is exactly."""

_UNIT: Final = "bytes="
_SPEC: Final = re.compile(r" *(?:([0-9]+) *- *([0-9]*)|-([0-9]+)) *")


class RangeNotSatisfiable(Exception):
    """The header is malformed, or names no byte that exists."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``length`` bytes, at least 1, from ``offset``, at least 0."""

    offset: int
    length: int

    def content_range(self, byte_size: int) -> str:
        """The value of ``Content-Range``."""
        return f"bytes {self.offset}-{self.offset + self.length - 1}/{byte_size}"


def wanted_ranges(header: str | None, byte_size: int, *, max_ranges: int = MAX_RANGES) -> tuple[ByteRange, ...]:
    """The ranges of a ``Range`` header, in its order; empty if the answer is the whole representation.

    Args:
        header: its value, or None without one.
        byte_size: of the whole.
        max_ranges: the largest number of answered ranges; a request with more gets the whole.

    Raises:
        RangeNotSatisfiable: the answer is 416.
    """
    if header is None or header[: len(_UNIT)].lower() != _UNIT or len(header) == len(_UNIT):
        return ()
    ranges: list[ByteRange] = []
    for spec in header[len(_UNIT) :].split(","):
        found = _parsed(spec, byte_size)
        if found is None:
            continue
        ranges.append(found)
        if len(ranges) > max_ranges:
            return ()
    if not ranges:
        raise RangeNotSatisfiable(header)
    if sum(one.length for one in ranges) > byte_size:
        return ()
    return tuple(ranges)


def range_applies(if_range: str | None, etag: str, last_modified: datetime) -> bool:
    """Whether ``If-Range`` allows the ranges; without it, they are allowed. It needs an exact match.

    Args:
        if_range: its value, an entity tag or a date, or None without one.
        etag: the strong entity tag of the representation, with its quotes.
        last_modified: of the representation, whole seconds.
    """
    if if_range is None:
        return True
    if if_range.endswith('"'):
        return if_range == etag
    return http_date(if_range) == last_modified


def _parsed(spec: str, byte_size: int) -> ByteRange | None:
    """One range, cut at the end of the representation; None if none of its bytes exist."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise RangeNotSatisfiable(spec)
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, byte_size - _position(suffix)), byte_size
    else:
        start = _position(first)
        end = min(_position(last) + 1, byte_size) if last else byte_size
    return ByteRange(start, end - start) if start < end else None


def _position(digits: str) -> int:
    """A number of any length: behind the end, its value does not matter (RFC 9110 section 14.1.2)."""
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) < _DIGITS else 10**_DIGITS
