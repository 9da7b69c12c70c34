"""Pieces of a body that wait for one common write, without being copied one by one."""

from typing import Final

LONG: Final = 8 * 1024
"""Pieces of at least this size are kept as they came; shorter ones are joined, since each costs memory."""
_PUT_TOGETHER: Final = 64 * 1024


class Gathered:
    """Pieces in their order.

    Attributes:
        byte_size: their total size.
    """

    def __init__(self) -> None:
        self.byte_size = 0
        self._pieces: list[bytes | bytearray] = []
        self._short = bytearray()

    def add(self, piece: bytes) -> None:
        """Add a piece of any length."""
        self.byte_size += len(piece)
        if len(piece) >= LONG:
            self._end_short()
            self._pieces.append(piece)
            return
        self._short += piece
        if len(self._short) >= _PUT_TOGETHER:
            self._end_short()

    def take(self) -> bytes:
        """All pieces as one; none is left."""
        pieces = self.take_pieces()
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return pieces[0]
        return b"".join(pieces)

    def take_pieces(self) -> list[bytes | bytearray]:
        """All pieces, with the short ones joined; none is left."""
        self._end_short()
        pieces, self._pieces, self.byte_size = self._pieces, [], 0
        return pieces

    def _end_short(self) -> None:
        if self._short:
            self._pieces.append(self._short)
            self._short = bytearray()
