"""Edits a block of Exif, which is a small TIFF file: TIFF 6.0 section 2, Exif 2.32 section 4.6.

An edit never moves a value, since makers refer to places in their own ways. Whatever looks odd gives None: then the
caller leaves the whole block out.
"""

import struct
from typing import Final

PREFIX: Final = b"Exif\0\0"
_ORIENTATION: Final = 0x0112
_EXIF: Final = 0x8769
_GPS: Final = 0x8825
_GOES: Final = frozenset({_GPS, 0x927C, 0x02BC, 0x83BB, 0x8649})
"""The GPS directory, and what may repeat it: notes of the maker, XMP, IPTC, Photoshop's resources."""
SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of a value, by the type of its field."""
_MAGIC: Final = 42
_ENTRY: Final = 12
_MOST_DIRECTORIES: Final = 8
_MOST_REMOVED: Final = 16
"""More entries that go are no camera's. Each costs as much as the block is long."""


class _Odd(Exception):
    """The block is not what it should be."""


def orientation_alone(orientation: int) -> bytes:
    """A block that tells the orientation, and nothing else."""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, _ORIENTATION, 3, 1, orientation, 0, 0)


def without_location(block: bytes, orientation: int) -> bytes | None:
    """The block without its location; None if it has to go as a whole.

    Args:
        block: without the prefix that JPEG has.
        orientation: as detected. A block that tells another one afterwards goes.
    """
    try:
        editor = _Editor(block)
        editor.edit()
        found = editor.orientation
    except (_Odd, struct.error):
        return None
    return bytes(editor.data) if found in (orientation, None if orientation == 1 else orientation) else None


class _Editor:
    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block)
        self.order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]), "")
        if not self.order or self._short(2) != _MAGIC:
            raise _Odd
        self.orientation: int | None = None
        self._removed = 0
        self._budget = 2 * len(block)

    def edit(self) -> None:
        """Remove what goes, from every directory that readers look at."""
        waiting, seen = [self._long(4)], set[int]()
        while waiting:
            start = waiting.pop()
            if start in seen or len(seen) == _MOST_DIRECTORIES:
                raise _Odd
            seen.add(start)
            waiting += self._directory(start)

    def _directory(self, start: int) -> list[int]:
        """Edit one directory; the starts of further ones."""
        further = []
        count = self._short(start)
        end = start + 2 + _ENTRY * count
        if start < 8 or end + 4 > len(self.data):  # noqa: PLR2004 - the header
            raise _Odd
        at = start + 2
        while at < end:
            tag, kind, number = struct.unpack_from(f"{self.order}HHI", self.data, at)
            if tag in _GOES:
                self._removed += 1
                if self._removed > _MOST_REMOVED:
                    raise _Odd
                if tag == _GPS:
                    self._clear_directory(self._long(at + 8))
                self._clear_value(at, kind, number)
                # The following entries and the pointer to the next directory move up.
                self.data[at : end + 4] = self.data[at + _ENTRY : end + 4] + bytes(_ENTRY)
                end -= _ENTRY
                struct.pack_into(f"{self.order}H", self.data, start, self._short(start) - 1)
                continue
            if tag == _EXIF:
                further.append(self._long(at + 8))
            if tag == _ORIENTATION and self.orientation is None:
                self.orientation = self._short(at + 8)
            at += _ENTRY
        if following := self._long(end):
            further.append(following)
        return further

    def _clear_directory(self, start: int) -> None:
        count = self._short(start)
        end = start + 2 + _ENTRY * count
        if start < 8 or end + 4 > len(self.data):  # noqa: PLR2004 - the header
            raise _Odd
        for at in range(start + 2, end, _ENTRY):
            _tag, kind, number = struct.unpack_from(f"{self.order}HHI", self.data, at)
            self._clear_value(at, kind, number)
        self.data[start : end + 4] = bytes(end + 4 - start)

    def _clear_value(self, at: int, kind: int, number: int) -> None:
        """Clear the value of an entry, where it is elsewhere."""
        if kind not in SIZES:
            raise _Odd
        size = SIZES[kind] * number
        if size <= 4:  # noqa: PLR2004 - it is in the entry
            return
        start = self._long(at + 8)
        if start < 8 or start + size > len(self.data):  # noqa: PLR2004
            raise _Odd
        self._budget -= size  # values that overlap would be cleared again and again
        if self._budget < 0:
            raise _Odd
        self.data[start : start + size] = bytes(size)

    def _short(self, at: int) -> int:
        return int(struct.unpack_from(f"{self.order}H", self.data, at)[0])

    def _long(self, at: int) -> int:
        return int(struct.unpack_from(f"{self.order}I", self.data, at)[0])
