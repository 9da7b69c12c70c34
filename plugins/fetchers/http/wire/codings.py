"""Content codings: what a body was encoded with, and its decoding as a bounded stream (RFC 9110 section 8.4.1).

No coding is asked for. Some origins encode all the same: object stores send files as they were stored, whatever a
request accepts. As WHATWG Fetch has it, a name that is no known coding says nothing about the bytes.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from ....errors import (
    BodyEmpty,
    BodyTooLarge,
    BodyTruncated,
    ContentEncodingBomb,
    ContentEncodingCorrupt,
    ContentEncodingNotAllowed,
    ContentEncodingTruncated,
)

_ALIASES: Final = {b"x-gzip": b"gzip"}  # RFC 9110 section 8.4.1.3
_DECODED: Final = frozenset({b"gzip", b"deflate"})
_REFUSED: Final = frozenset({b"br", b"zstd", b"dcb", b"dcz"})
"""Codings that browsers know, and that need a decoder which Python lacks; the last two need a dictionary besides."""
_MAX_CODINGS: Final = 5
"""Codings on top of each other; curl refuses more as well. Images have one."""
_MAX_QUOTED: Final = 64
_PIECE: Final = 64 * 1024
_TURN_BYTES: Final = 256 * 1024
"""After so many decoded bytes other work has its turn: a few compressed bytes make many of them, without a wait."""
_FREE_BYTES: Final = 1024 * 1024
_MAX_RATIO: Final = 256
"""How often a body may be as long as what it was decoded from, beyond the first MiB. Empty bitmaps reach 200, and the
format ends at 1032."""
_FREE_MEMBERS, _MEMBER_BYTES = 16, 16 * 1024
"""A gzip file may have 16 members (RFC 1952 section 2.2), and another for every 16 KiB that they hold: each of them
costs its setting up, however little it holds. The members of block compressors hold 64 KiB."""
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZLIB_WINDOW, _RAW_WINDOW, _GZIP_WINDOW = 15, -15, 31  # the wbits of zlib.decompressobj


class ContentEncodingNotDecoded(ContentEncodingNotAllowed):
    """The error of the contract, which names no encoding, with the name."""

    public_text = "The origin sent the content encoding '{coding}', which the service does not decode."


def codings_of(values: Sequence[bytes]) -> tuple[str, ...]:
    """The codings to undo, the one that was applied first at the front.

    Args:
        values: of the fields named ``Content-Encoding``.

    Raises:
        ContentEncodingNotDecoded: one of them cannot be undone, or they are too many.
    """
    if not values:
        return ()
    value = b", ".join(values)
    names = [_ALIASES.get(name, name) for name in (part.strip(b" \t").lower() for part in value.split(b","))]
    codings = tuple(name.decode() for name in names if name in _DECODED)
    if len(codings) > _MAX_CODINGS or not _REFUSED.isdisjoint(names):
        raise ContentEncodingNotDecoded(coding=_quotable(value))
    return codings


def _quotable(value: bytes) -> str:
    """A stranger's text, in a sentence that people read."""
    text = value[:_MAX_QUOTED].decode("ascii", "replace")
    return "".join(char if char.isascii() and char.isprintable() and char != "'" else "?" for char in text)


class Decoded:
    """Iterates over a body without its codings, once; see ``Fetched.chunks``.

    Args:
        encoded: the body as it comes.
        codings: see ``codings_of``; at least one.
        max_bytes: most bytes that any of the codings may give.
        is_framed: whether the origin has said where the body ends; otherwise it may have been cut.
    """

    def __init__(
        self, encoded: AsyncIterator[bytes], codings: Sequence[str], max_bytes: int, *, is_framed: bool
    ) -> None:
        self._encoded = encoded
        self._is_framed = is_framed
        self._layers: list[_Layer] = []
        for coding in reversed(codings):
            self._layers.append(_Layer(coding, max_bytes, self._layers[-1] if self._layers else None))
        self._is_empty = True
        self._turn = 0

    def __aiter__(self) -> "Decoded":
        return self

    async def __anext__(self) -> bytes:
        first, last = self._layers[0], self._layers[-1]
        while not (piece := last.take()) and not last.is_over and (encoded := await anext(self._encoded, b"")):
            first.feed(encoded)
        if not piece:
            self._check_end()
            raise StopAsyncIteration
        self._is_empty = False
        self._turn += len(piece)
        if self._turn >= _TURN_BYTES:
            self._turn = 0
            await asyncio.sleep(0)
        return piece

    def _check_end(self) -> None:
        if not self._layers[-1].is_over:
            for layer in self._layers:
                if not layer.may_end:
                    raise ContentEncodingTruncated(coding=layer.coding) if self._is_framed else BodyTruncated
        if self._is_empty:
            raise BodyEmpty


class _Layer:
    """Undoes one coding, bounded.

    Args:
        coding: ``gzip`` or ``deflate``.
        max_bytes: most that may come out.
        below: the layer whose output this one reads, or None for the first, which is fed.
    """

    def __init__(self, coding: str, max_bytes: int, below: "_Layer | None") -> None:
        self.coding = coding
        self._max_bytes = max_bytes
        self._below = below
        self._held = b""
        self._stream: zlib._Decompress | None = None
        self._has_more = False
        self._members = 0
        self._taken = 0
        self._given = 0
        self.is_over = False
        """Whether the encoded data has ended; what follows it is ignored, as browsers do."""

    @property
    def may_end(self) -> bool:
        """Whether what was fed may be all: nothing, or complete data."""
        return self.is_over or (self._stream is None and (self._members > 0 or not self._taken))

    def feed(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._taken += len(data)
        self._held += data

    def take(self) -> bytes:
        """The next decoded bytes, at most 64 KiB; empty where more must be fed first, or where the data is over.

        Raises:
            FetchError: the data is not what it is said to be, or too much.
        """
        while not self.is_over:
            stream = self._stream or self._next_member()
            if stream is not None and (self._held or self._has_more):
                if piece := self._inflate(stream):
                    return piece
            elif self.is_over or not self._pull():
                break
        return b""

    def _pull(self) -> bool:
        data = self._below.take() if self._below else b""
        self.feed(data)
        return bool(data)

    def _next_member(self) -> "zlib._Decompress | None":
        """Begin to read a member; None where more bytes must come first, or where what comes is none."""
        if len(self._held) < len(_GZIP_MAGIC):
            return None
        if self._members and not (self.coding == "gzip" and self._held.startswith(_GZIP_MAGIC)):
            self.is_over = True
            return None
        self._members += 1
        if self._members > _FREE_MEMBERS + self._given // _MEMBER_BYTES:
            raise ContentEncodingCorrupt(f"{self._members} members", coding=self.coding)
        self._stream = zlib.decompressobj(_GZIP_WINDOW if self.coding == "gzip" else _deflate_window(self._held))
        return self._stream

    def _inflate(self, stream: "zlib._Decompress") -> bytes:
        try:
            piece = stream.decompress(self._held, _PIECE)
        except zlib.error as error:
            raise ContentEncodingCorrupt(str(error), coding=self.coding) from error
        self._held = stream.unconsumed_tail
        self._has_more = len(piece) == _PIECE  # what the limit held back may need no further bytes
        if stream.eof:
            self._held, self._stream, self._has_more = stream.unused_data, None, False
        self._given += len(piece)
        if self._given > self._max_bytes:
            raise BodyTooLarge(limit=self._max_bytes)
        if self._given > _FREE_BYTES and self._given > (self._taken - len(self._held)) * _MAX_RATIO:
            raise ContentEncodingBomb(coding=self.coding, limit=_MAX_RATIO)
        return piece


def _deflate_window(data: bytes) -> int:
    """``deflate`` is the zlib format (RFC 1950); some servers send raw deflate (RFC 1951), which browsers read too."""
    is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
    return _ZLIB_WINDOW if is_zlib else _RAW_WINDOW
