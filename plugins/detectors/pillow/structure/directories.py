"""Directories as TIFF has them (TIFF 6.0 section 2, BigTIFF): of TIFF files, of EXIF, and of multi-picture indexes."""

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ..limits import Damaged
from .reading import Readable, read_exactly

_BIG_VERSIONS = (b"+\0", b"\0+")
_VALUE_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
"""Bytes of one value of each field type; fields of other types are skipped."""
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
"""Codes of ``struct`` for the types of whole numbers."""
MAX_VALUES = 1 << 20
"""Values that are read of one field; an image of 20,000 pixels a side in tiles of 16 has somewhat more."""
ORIENTATION = 274
_UPRIGHT = 1
ORIENTATIONS = range(1, 9)
"""The values of an orientation (EXIF 3.0 section 4.6.5.1)."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field: the type and the number of its values, where they lie, and their size in bytes."""

    kind: int
    count: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory: its fields by their tags, and the offset of the next directory, or 0."""

    fields: Mapping[int, Field]
    next_at: int


class Directories:
    """The directories of a file.

    Args:
        file: begins with the header of a TIFF.
        size: of the file, in bytes.
        is_strict: whether a field that reaches past the end of the file is damage; else it is left out.

    Attributes:
        first: offset of the first directory, or 0.

    Raises:
        Damaged: there is no such header.
    """

    def __init__(self, file: Readable, size: int, *, is_strict: bool = True) -> None:
        file.seek(0)
        header = read_exactly(file, 8)
        self._file = file
        self._size = size
        self._is_strict = is_strict
        self._order = "<" if header.startswith(b"II") else ">"
        is_big = header[2:4] in _BIG_VERSIONS
        count, entry, pointer = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
        self._count, self._entry, self._pointer = (struct.Struct(self._order + one) for one in (count, entry, pointer))
        self.first: int = self._pointer.unpack(read_exactly(file, 8) if is_big else header[4:])[0]

    def read(self, at: int) -> Directory:
        """The directory at an offset.

        Raises:
            Damaged: it lies not within the file, or one of its fields does not.
        """
        if at >= self._size:
            raise Damaged("a TIFF directory lies past the end of the file")
        self._file.seek(at)
        (count,) = self._count.unpack(read_exactly(self._file, self._count.size))
        if count * self._entry.size > self._size:
            raise Damaged("a TIFF directory is larger than the file")
        fields: dict[int, Field] = {}
        entries = read_exactly(self._file, count * self._entry.size)
        value_at = at + self._count.size - self._pointer.size
        for tag, kind, values, pointer in self._entry.iter_unpack(entries):
            value_at += self._entry.size
            length = values * _VALUE_SIZES.get(kind, 0)
            offset: int = self._pointer.unpack(pointer)[0] if length > self._pointer.size else value_at
            if offset + length <= self._size:
                fields.setdefault(tag, Field(kind, values, offset, length))
            elif self._is_strict:
                raise Damaged("a TIFF field lies past the end of the file")
        next_at: int = self._pointer.unpack(read_exactly(self._file, self._pointer.size))[0]
        return Directory(fields, next_at)

    def numbers(self, directory: Directory, tag: int, most: int = MAX_VALUES) -> tuple[int, ...]:
        """The first values of a field, ``most`` at most; none where the field is missing or holds no whole numbers."""
        field = directory.fields.get(tag)
        if field is None or field.kind not in _NUMBERS:
            return ()
        count = min(field.count, most)
        form = struct.Struct(f"{self._order}{count}{_NUMBERS[field.kind]}")
        self._file.seek(field.offset)
        return form.unpack(read_exactly(self._file, form.size))

    def number(self, directory: Directory, tag: int, default: int = 0) -> int:
        """The first value of a field of whole numbers, or else the default."""
        return next(iter(self.numbers(directory, tag, 1)), default)

    def content(self, directory: Directory, tag: int, most: int) -> bytes:
        """The first bytes of a field's values as they are, ``most`` at most; none where the field is missing."""
        field = directory.fields.get(tag)
        if field is None:
            return b""
        self._file.seek(field.offset)
        return read_exactly(self._file, min(field.length, most))

    def orientation(self, directory: Directory) -> int:
        """1 to 8: 1 where nothing else is said."""
        said = self.number(directory, ORIENTATION, _UPRIGHT)
        return said if said in ORIENTATIONS else _UPRIGHT


def exif_orientation(exif: bytes) -> int:
    """The orientation that EXIF data tell, with or without the identifier that JPEG has before them.

    Data that cannot be read tell none, which is 1: they are no part of the picture.
    """
    data = exif.removeprefix(b"Exif\0\0")
    if not data.startswith((b"II*\0", b"MM\0*")):
        return _UPRIGHT
    try:
        directories = Directories(io.BytesIO(data), len(data), is_strict=False)
        return directories.orientation(directories.read(directories.first))
    except Damaged:
        return _UPRIGHT
