"""Reads a remote file in order, asking for what follows before it is wanted: else each piece costs a round trip."""

import asyncio
from collections import deque
from dataclasses import dataclass

import asyncssh

from lading.plugins.errors import BodyEmpty, BodyTooLarge, BodyTruncated
from lading_sftp.clock import Clock
from lading_sftp.errors import FileChanged, NotSftp, translated
from lading_sftp.options import SftpOptions

PIECE_BYTES = 64 * 1024
AHEAD_BYTES = 1024**2
"""How much of the file is asked for at once, and so at most kept."""
MOST_REQUESTS = 64

READ_PHASE = "the wait for the next bytes of the file"


@dataclass(frozen=True, slots=True)
class _Request:
    """A part of the file that was asked for."""

    offset: int
    size: int
    answer: asyncio.Task[bytes]


class RemoteFile:
    """The bytes of an open remote file.

    Args:
        file: opened with ``block_size=0``, so that each read is one request.
        size: as the server announced it, or None. No more than this is asked for in advance.
        piece: bytes to ask for at once, at most what the server allows.
    """

    def __init__(self, file: asyncssh.SFTPClientFile, size: int | None, piece: int) -> None:
        self._file = file
        self._size = size or 0
        self._piece = min(piece, PIECE_BYTES)
        self._most = max(1, min(AHEAD_BYTES // self._piece, MOST_REQUESTS))
        self._next = 0
        self._requests: deque[_Request] = deque()

    async def read(self) -> bytes:
        """The next piece; empty at the end. A read that is cancelled loses nothing.

        Raises:
            NotSftp: the server sent more than was asked for.
            asyncssh.Error, OSError, ValueError: what asyncssh raises.
        """
        while not self._requests or (self._next <= self._size and len(self._requests) < self._most):
            # One request ends where the file should, so that the next one sees in the same breath that it does.
            size = min(self._piece, max(self._size - self._next, 0)) or self._piece
            self._requests.append(self._request(self._next, size))
            self._next += size
        first = self._requests[0]
        await asyncio.wait((first.answer,))
        answer = first.answer.result()
        self._requests.popleft()
        if answer and len(answer) < first.size:  # a server may send less than was asked for
            rest = self._request(first.offset + len(answer), first.size - len(answer))
            self._requests.appendleft(rest)
        return answer

    async def close(self) -> None:
        """Give up what was asked for and wait until that is done; the file itself ends with its connection."""
        answers = [request.answer for request in self._requests]
        self._requests.clear()
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)

    def _request(self, offset: int, size: int) -> _Request:
        return _Request(offset, size, asyncio.create_task(self._answer(offset, size)))

    async def _answer(self, offset: int, size: int) -> bytes:
        answer: bytes = await self._file.read(size, offset)
        if len(answer) > size:  # it is dropped here and now, or it would have to be kept until its turn
            raise NotSftp(f"{len(answer)} bytes came where {size} were asked for")
        return answer


class Body:
    """Iterates over the file once; see ``Fetched.chunks``.

    Args:
        file: gives the pieces.
        announced: the length that was announced, or None.
        clock: times the whole fetch.
        options: the limits.
        place: server and path, for the operator's log.
    """

    def __init__(self, file: RemoteFile, announced: int | None, clock: Clock, options: SftpOptions, place: str) -> None:
        self._file = file
        self._announced = announced
        self._clock = clock
        self._options = options
        self._place = place
        self._size = 0

    def __aiter__(self) -> "Body":
        return self

    async def __anext__(self) -> bytes:
        async with self._clock.limit(READ_PHASE, self._options.read_timeout):
            with translated(self._place):
                piece = await self._file.read()
        if not piece:
            self._check_end()
            raise StopAsyncIteration
        self._size += len(piece)
        if self._size > self._options.max_bytes:
            raise BodyTooLarge(self._place, limit=self._options.max_bytes)
        if self._announced is not None and self._size > self._announced:
            raise FileChanged(f"{self._place}: {self._announced} bytes were announced")
        return piece

    def _check_end(self) -> None:
        if self._announced is not None and self._size < self._announced:
            raise BodyTruncated(f"{self._place}: {self._size} of {self._announced} bytes came")
        if not self._size:
            raise BodyEmpty(self._place)
