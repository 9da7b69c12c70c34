"""``multipart/byteranges``: several ranges as one body, laid out as nginx does (RFC 9110 section 14.6)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .ranges import ByteRange

_BOUNDARY_DIGITS: Final = 20


def new_boundary() -> str:
    """A boundary that no stored image can contain on purpose, since each answer has a new one."""
    return f"{secrets.randbelow(10**_BOUNDARY_DIGITS):0{_BOUNDARY_DIGITS}d}"


@dataclass(frozen=True, slots=True)
class MultipartRanges:
    """The frame around the bytes of several ranges.

    Attributes:
        content_type: of the representation; each part repeats it.
        byte_size: of the whole representation.
    """

    ranges: Sequence[ByteRange]
    content_type: str
    byte_size: int
    boundary: str = field(default_factory=new_boundary)

    @property
    def media_type(self) -> str:
        """The ``Content-Type`` of the answer."""
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def content_length(self) -> int:
        """Size of the whole body in bytes."""
        heads = sum(len(self.head(one)) + one.length for one in self.ranges)
        return heads + len(self.tail)

    def head(self, part: ByteRange) -> bytes:
        """The text before the bytes of a part."""
        return (
            f"\r\n--{self.boundary}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Range: {part.content_range(self.byte_size)}\r\n\r\n"
        ).encode()

    @property
    def tail(self) -> bytes:
        """The text after the last part."""
        return f"\r\n--{self.boundary}--\r\n".encode()
