"""The parts of a TIFF file that stay: TIFF 6.0, sections 2 and 8, and Exif 2.32 for what cameras add.

The file is laid out anew, since its directories may lie anywhere, and secrets between them: for each page its pixels,
the values of its fields, and its directory. Pixels are copied as they are compressed.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from .exif import SIZES
from .pieces import Original, Piece, Range, Unreadable, size_of

_SHOW: Final = frozenset(
    {254, 255, *range(256, 260), *range(262, 267), 274, 277, 278, *range(280, 285), *range(290, 294), 296, 297, 301}
    | {*range(317, 324), 332, 334, 336, *range(338, 343), 347, 512, *range(529, 533), 34675}
)
"""What shows the picture: its pixels, their colours, the orientation, the resolution, the colour profile."""
_CAMERA: Final = frozenset({271, 272, 305, 306, 315, 316, 33432, 34665})
"""What stays beside if the location alone goes: the camera, the time, the author, the directory of Exif."""
_OFFSETS: Final = {273: 279, 324: 325}
"""Where strips or tiles lie, and the field with their sizes."""
_EXIF: Final = 34665
_NOT_OF_EXIF: Final = frozenset({0x927C, 0xA005})
"""Notes of the maker, and a directory that no value needs."""
_COMPRESSION, _OLD_JPEG = 259, 6
_SHORT, _LONG = 3, 4
_INLINE: Final = 4
_MOST_PAGES: Final = 1000
_MOST_FIELDS: Final = 1000
_MOST_PARTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Field:
    tag: int
    kind: int
    count: int
    at: int
    """Of the value, in the original."""

    @property
    def size(self) -> int:
        return SIZES[self.kind] * self.count


@dataclass(slots=True)
class _Layout:
    """The new file, as far as it goes."""

    pieces: list[Piece] = field(default_factory=list)
    size: int = 0

    def add(self, piece: Piece) -> int:
        """Append a piece at an even offset, as section 2 wants it; the offset."""
        if self.size % 2:
            self.pieces.append(b"\0")
            self.size += 1
        at = self.size
        self.pieces.append(piece)
        self.size += size_of([piece])
        return at


def pieces(original: Original) -> Iterator[Piece]:
    """All pages, and nothing that lies between or behind them.

    Raises:
        Unreadable: the directories are not what they should be, or the file is a BigTIFF.
    """
    yield from _Writer(original).written()


class _Writer:
    def __init__(self, original: Original) -> None:
        self._original = original
        head = original.take(0, 8)
        self._order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4], "")
        if not self._order:
            raise Unreadable("it does not begin with the header of a TIFF")
        self._layout = _Layout([head[:4] + bytes(4)], 8)
        self._budget = len(original.data)

    def written(self) -> list[Piece]:
        links, seen = [(0, 4)], set[int]()
        start = self._number(self._original.take(4, 4))
        while start:
            if start in seen or len(seen) == _MOST_PAGES:
                raise Unreadable("its directories have no end")
            seen.add(start)
            fields, start = self._directory(start)
            at, end = self._page(fields)
            self._link(links[-1], at)
            links.append((len(self._layout.pieces) - 1, end))
        if not seen:
            raise Unreadable("it has no page")
        return self._layout.pieces

    def _link(self, link: tuple[int, int], at: int) -> None:
        """Write the offset of the next directory into the piece before it."""
        number, place = link
        piece = self._layout.pieces[number]
        assert isinstance(piece, bytes)  # noqa: S101 - a header or a directory
        self._layout.pieces[number] = piece[:place] + self._packed("I", at) + piece[place + 4 :]

    def _directory(self, start: int) -> tuple[list[_Field], int]:
        """The fields of a directory in the original, and where the next one is."""
        (count,) = struct.unpack(f"{self._order}H", self._original.take(start, 2))
        if count > _MOST_FIELDS:
            raise Unreadable("a directory has too many fields")
        entries = self._original.take(start + 2, 12 * count)
        found = []
        for number in range(count):
            tag, kind, values, value = struct.unpack_from(f"{self._order}HHII", entries, 12 * number)
            if kind not in SIZES:
                continue
            inline = SIZES[kind] * values <= _INLINE
            found.append(_Field(tag, kind, values, start + 2 + 12 * number + 8 if inline else value))
        following = self._original.data[start + 2 + 12 * count : start + 6 + 12 * count]
        return found, self._number(following) if len(following) == _INLINE else 0

    def _page(self, fields: list[_Field]) -> tuple[int, int]:
        """Write a page; the offset of its directory, and the place within it that leads to the next one."""
        of = {one.tag: one for one in reversed(fields)}
        if _COMPRESSION in of and self._numbers(of[_COMPRESSION])[:1] == (_OLD_JPEG,):
            raise Unreadable("its pixels are compressed in the old way of JPEG")
        entries = {}
        for offsets, sizes in _OFFSETS.items():
            if offsets in of:
                if sizes not in of:
                    raise Unreadable("it does not say how long its strips are")
                places = self._pixels(self._numbers(of[offsets]), self._numbers(of[sizes]))
                entries[offsets] = self._longs(offsets, places)
                entries[sizes] = self._copied(of[sizes])
        if not entries:
            raise Unreadable("a page has no pixels")
        for tag in _SHOW if self._original.everything else _SHOW | _CAMERA:
            if tag == _EXIF and tag in of:
                entries[tag] = self._exif(of[tag])
            elif tag in of and tag not in entries:
                entries[tag] = self._copied(of[tag])
        return self._ended(entries)

    def _pixels(self, offsets: tuple[int, ...], sizes: tuple[int, ...]) -> list[int]:
        """Copy the strips or tiles; their new offsets."""
        if len(offsets) != len(sizes):
            raise Unreadable("it has more or fewer strips than sizes of strips")
        self._budget -= sum(sizes)
        if self._budget < 0:
            raise Unreadable("its strips lie one upon another")
        places = []
        for offset, size in zip(offsets, sizes, strict=True):
            self._original.check(offset, size)
            places.append(self._layout.add(Range(offset, offset + size)) if size else 0)
        return places

    def _exif(self, pointer: _Field) -> bytes:
        (start,) = self._numbers(pointer)[:1] or (0,)
        fields, _ = self._directory(start)
        entries = {one.tag: self._copied(one) for one in reversed(fields) if one.tag not in _NOT_OF_EXIF}
        return self._longs(_EXIF, [self._ended(entries)[0]])

    def _copied(self, one: _Field) -> bytes:
        """The entry of a field with its value, which is copied."""
        self._original.check(one.at, one.size)
        head = struct.pack(f"{self._order}HHI", one.tag, one.kind, one.count)
        if one.size <= _INLINE:
            return head + self._original.take(one.at, one.size).ljust(_INLINE, b"\0")
        self._budget -= one.size
        if self._budget < 0:
            raise Unreadable("its values lie one upon another")
        return head + self._packed("I", self._layout.add(Range(one.at, one.at + one.size)))

    def _longs(self, tag: int, numbers: list[int]) -> bytes:
        """The entry of a field of our own."""
        head = struct.pack(f"{self._order}HHI", tag, _LONG, len(numbers))
        value = self._packed(f"{len(numbers)}I", *numbers)
        return head + (value if len(value) == _INLINE else self._packed("I", self._layout.add(value)))

    def _ended(self, entries: dict[int, bytes]) -> tuple[int, int]:
        """Write a directory, the last one as yet."""
        body = b"".join(entries[tag] for tag in sorted(entries))
        return self._layout.add(self._packed("H", len(entries)) + body + bytes(4)), 2 + len(body)

    def _numbers(self, one: _Field) -> tuple[int, ...]:
        if one.kind not in (_SHORT, _LONG) or one.count > _MOST_PARTS:
            raise Unreadable("a field has no whole numbers, or too many")
        form = f"{self._order}{one.count}{'H' if one.kind == _SHORT else 'I'}"
        return struct.unpack(form, self._original.take(one.at, one.size))

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self._order == "<" else "big")

    def _packed(self, form: str, *numbers: int) -> bytes:
        try:
            return struct.pack(self._order + form, *numbers)
        except struct.error as error:
            raise Unreadable("it would be longer than a TIFF may be") from error
