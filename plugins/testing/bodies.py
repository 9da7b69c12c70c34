"""Bodies and streams for cases: generated where they are needed, so that a large body is never whole in memory."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cached_property
from typing import Final

from ..contracts import ObjectMetadata

KIB = 1024
MIB = 1024 * KIB

ORGANIZATION: Final = "194c51fb-fef1-4bdf-ab27-fed1b67cf6f1"
ISSUER: Final = "fa355b5e-d1e4-4155-adfa-0b00de50629d"
ALBUM: Final = "photos/été"
"""Whose the objects and the sources of the kit are."""

_PERIOD = 65_521


class Body:
    """Bytes that are generated where they are needed, so that a large body is never whole in memory.

    They repeat with a prime period: a piece that is lost, doubled or moved changes them.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._pattern = random.Random(seed).randbytes(_PERIOD) * (2 + MIB // _PERIOD)

    def part(self, offset: int, length: int) -> bytes:
        """Up to 1 MiB of it, from ``offset``."""
        assert length <= MIB
        start = offset % _PERIOD
        return self._pattern[start : start + max(0, min(length, self.size - offset))]

    def whole(self) -> bytes:
        """All of it; for small bodies."""
        return b"".join(self.part(offset, MIB) for offset in range(0, self.size, MIB))

    def pieces(self, size: int = 64 * KIB, *, end: int | None = None) -> Iterator[bytes]:
        """All of it, or what lies before ``end``, in pieces of that size."""
        last = self.size if end is None else min(end, self.size)
        return (self.part(offset, min(size, last - offset)) for offset in range(0, last, size))

    def chunks(self, size: int = 64 * KIB) -> AsyncIterator[bytes]:
        """All of it as a stream of pieces of that size."""
        return Stream(self.pieces(size))

    @cached_property
    def sha256(self) -> str:
        """Its SHA-256 in lower-case hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces(MIB):
            digest.update(piece)
        return digest.hexdigest()

    @property
    def metadata(self) -> ObjectMetadata:
        """What a caller of ``StorageBackend.save`` announces."""
        return ObjectMetadata(
            self.size,
            self.sha256,
            "image/jpeg",
            "image.jpg",
            "f60ae96b-2681-4885-8437-356e9fae9f6e",
            organization_id=ORGANIZATION,
            issuer_id=ISSUER,
            album_id=ALBUM,
        )


def assert_bytes(found: bytes | None, expected: bytes, what: str) -> None:
    """Assert that bytes are those that are expected, in few words: pytest's own comparison shows megabytes of them.

    Args:
        found: what was read.
        expected: what was written.
        what: was compared, for the message.
    """
    if found == expected:
        return
    if found is None:
        raise AssertionError(f"{what}: nothing is there")
    differing = (at for at, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1])
    same = next(differing, min(len(found), len(expected)))
    raise AssertionError(f"{what}: {len(found)} bytes instead of {len(expected)}, and others from byte {same} on")


class Stream(AsyncIterator[bytes]):
    """The pieces as a stream, with a chance for other tasks before each.

    It may be left at any point: unlike an async generator it has nothing to close.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration
