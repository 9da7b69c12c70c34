"""The lines of the answer to a batch. A file keeps the lines that the client has not read yet."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from typing import IO, Any, Final, TypeVar

from ....plugins.host.waits import to_its_end

PIECE: Final = 64 * 1024
"""Bytes that are sent at a time."""
MAX_PENDING: Final = 256 * 1024
"""Bytes that are kept in memory."""

T = TypeVar("T")


class Results:
    """A queue of lines between the request that makes them and the answer that sends them.

    Args:
        executor: writes and reads the file.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._pending = bytearray()
        self._file: IO[bytes] | None = None
        self._written = 0
        self._read = 0
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._is_over = False

    def add(self, line: bytes) -> None:
        """Add a line. Call ``settle`` before many more follow."""
        self._pending += line
        self._news.set()

    def end(self) -> None:
        """No more lines follow."""
        self._is_over = True
        self._news.set()

    async def settle(self) -> None:
        """Write the lines that exceed the bound on memory to the file.

        Raises:
            OSError: the disk does not accept them.
        """
        if len(self._pending) <= MAX_PENDING:
            return
        async with self._turn:
            data = bytes(self._pending)
            if self._file is None:
                self._file = await self._blocking(lambda: tempfile.TemporaryFile(buffering=0))  # noqa: SIM115  # see close
            await self._blocking(os.pwrite, self._file.fileno(), data, self._written)
            self._written += len(data)
            del self._pending[: len(data)]  # after the write, so that a failed write loses nothing

    async def next(self) -> bytes:
        """The next piece, as soon as there is one; empty at the end.

        Raises:
            OSError: the disk cannot be read.
        """
        while True:
            async with self._turn:
                if self._file is not None and self._read < self._written:
                    length = min(PIECE, self._written - self._read)
                    data: bytes = await self._blocking(os.pread, self._file.fileno(), length, self._read)
                    self._read += len(data)
                    return data
                if self._pending:
                    data, self._pending = bytes(self._pending[:PIECE]), self._pending[PIECE:]
                    return data
                if self._is_over:
                    return b""
                self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        """Drop the remaining lines. May be called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        return await to_its_end(future)  # a thread may still use the file
