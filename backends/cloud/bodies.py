"""The bodies of requests to clouds: pieces of a stream, or parts of a file.

A part is read while its bytes are sent, so memory never holds a whole part. A request may still run after its guard has
abandoned the call. Therefore the last reader of a file closes it: closed earlier, its descriptor could belong to
another file by then.
"""

import io
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...plugins.errors import ContentMismatch, StorageUnavailable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_SIZE: Final = 64 * 1024
"""The largest number of bytes in a read: the allocator keeps larger blocks for each thread."""


class SourceFile:
    """A file that is sent. Any thread may read it.

    Args:
        path: of the file.
        byte_size: the expected size in bytes.
    """

    def __init__(self, path: Path, byte_size: int) -> None:
        self.byte_size = byte_size
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._readers = 0
        self._closed = False

    def open(self) -> None:
        """Open the file. Blocks.

        Raises:
            ContentMismatch: it has more or fewer bytes.
            StorageUnavailable: it cannot be opened, or is closed.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            with self._lock:
                self._descriptor, self._readers = descriptor, 1
            try:
                found = os.fstat(descriptor).st_size
            finally:
                self._leave()
        except OSError as error:
            raise StorageUnavailable(f"the file to save cannot be opened: {error.strerror}") from error
        if found != self.byte_size:
            raise ContentMismatch(f"{found} bytes instead of {self.byte_size}")

    def read_into(self, buffer: "WriteableBuffer", offset: int) -> int:
        """Read into the buffer from ``offset`` on; the number of bytes, 0 at the end. Blocks.

        Raises:
            StorageUnavailable: it is closed, or cannot be read.
        """
        with self._lock:
            if self._closed or self._descriptor is None:
                raise StorageUnavailable("the file to save is closed")
            self._readers += 1
            descriptor = self._descriptor
        try:
            return os.preadv(descriptor, [buffer], offset)
        except OSError as error:
            raise StorageUnavailable(f"the file to save cannot be read: {error.strerror}") from error
        finally:
            self._leave()

    def close(self) -> None:
        """Close the file as soon as nobody reads it. May be called twice; does not wait."""
        with self._lock:
            self._closed = True
            self._close_if_unused()

    async def parts(self, size: int) -> "AsyncGenerator[Body, None]":
        """The whole file in parts of exactly ``size`` bytes; the last part has the rest."""
        if not self.byte_size:
            yield bytearray()
        for offset in range(0, self.byte_size, size):
            yield FilePart(self, offset, min(size, self.byte_size - offset))

    def _leave(self) -> None:
        with self._lock:
            self._readers -= 1
            self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closed and not self._readers and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FilePart(io.RawIOBase):
    """A part of a file, as a file object that HTTP libraries send in small pieces. One thread reads it at a time.

    Args:
        file: the file.
        offset: the first byte of the part.
        length: the number of its bytes.
    """

    def __init__(self, file: SourceFile, offset: int, length: int) -> None:
        super().__init__()
        self._file = file
        self._offset = offset
        self._length = length
        self._position = 0

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        """See ``io.IOBase``."""
        return True

    def seekable(self) -> bool:
        """See ``io.IOBase``."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See ``io.IOBase``."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = max(0, start + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """See ``io.RawIOBase``: up to ``size`` bytes, but no more than 64 KiB of them; all of them without a size."""
        return self.readall() if size < 0 else super().read(min(size, BLOCK_SIZE)) or b""

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """See ``io.RawIOBase``. Raises StorageUnavailable if the file has become shorter, or is closed."""
        with memoryview(buffer) as view, view[: max(0, self._length - self._position)] as wanted:
            count = self._file.read_into(wanted, self._offset + self._position)
            if wanted.nbytes and not count:
                raise StorageUnavailable("the file to save has become shorter")
        self._position += count
        return count

    def blocks(self) -> Iterator[bytes]:
        """The whole part, in blocks of up to 64 KiB; the next read begins at its first byte."""
        self.seek(0)
        while block := self.read(BLOCK_SIZE):
            yield block
        self.seek(0)

    def whole(self) -> bytearray:
        """The whole part."""
        body = bytearray()
        for block in self.blocks():
            body += block
        return body


Body = bytearray | FilePart
"""The body of a request: bytes in memory, or a part of a file."""


async def pieces(chunks: AsyncIterator[bytes], byte_size: int, size: int) -> AsyncGenerator[bytearray, None]:
    """The stream in pieces of exactly ``size`` bytes; the last piece has the rest, and comes when the stream has ended.

    Raises:
        ContentMismatch: the stream does not have ``byte_size`` bytes. An endless stream is left as soon as that is
            known.
    """
    total = 0
    piece = bytearray()
    async for chunk in chunks:
        total += len(chunk)
        if total > byte_size:
            raise ContentMismatch(f"more than {byte_size} bytes")
        rest = memoryview(chunk)
        while rest:
            if len(piece) == size:
                yield piece
                piece = bytearray()
            room = size - len(piece)
            piece += rest[:room]
            rest = rest[room:]
    if total != byte_size:
        raise ContentMismatch(f"{total} bytes instead of {byte_size}")
    yield piece
