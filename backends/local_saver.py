"""Saves small objects of ``backends.local`` in a process of its own.

A save is eight short calls to the operating system. In a thread of the service each of them gives the interpreter's
lock away and waits for it again, behind the event loop, which waits as well: that costs an import more than all the
rest of its save. A process has a lock of its own, and costs some 10 MB of memory once.

The process starts with the first save, serves several at once, and is started anew where it died.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any, Final, cast

from backends.local_child import MAX_LINE
from plugins import errors
from plugins.children import child_environment, python_command
from plugins.errors import StorageError, StorageUnavailable

END_SECONDS: Final = 5.0
"""How long the process may take to end when it is told to; then it is killed."""
_MAX_UNREAD: Final = 64 * MAX_LINE
_MODULE: Final = "backends.local_child"


class _Child(asyncio.SubprocessProtocol):
    """The process; all methods are called in the event loop."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        """Set when it was reaped and its pipes are closed."""
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._unread = bytearray()
        self._unsent = bytearray()

    def submit(self, request: dict[str, Any]) -> asyncio.Future[None]:
        """Send a request; the future tells what becomes of it: ``StorageError`` or OSError where it failed."""
        if not self.is_of_use:
            raise self._ended()
        number, loop = next(self._numbers), asyncio.get_running_loop()
        future = self._waiting[number] = loop.create_future()
        # What this turn of the loop submits goes together: to wake the process is what costs most.
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent += _line({"id": number, **request})
        return future

    @property
    def is_of_use(self) -> bool:
        """Whether it may be asked for more."""
        return self._requests is not None

    def begin(self, line: bytes) -> None:
        """Send the first line."""
        self._unsent += line
        self._send()

    async def end(self) -> None:
        """Close its stdin, and wait until it has ended; kill it where it does not."""
        self._send()
        if self._requests is not None:
            self._requests.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.gone.wait()
        except TimeoutError:
            self._kill()
            await self.gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 (stdout is the only one)
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        self._unread = rest
        if len(rest) > _MAX_UNREAD or not all(map(self._take, lines)):
            self._kill()

    def process_exited(self) -> None:
        # A pipe that somebody else still holds open must not keep the rest waiting.
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the exit status says more)
        self.gone.set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(self._ended())

    @property
    def _requests(self) -> asyncio.WriteTransport | None:
        """Where requests are written; None where the process is ending."""
        requests = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        # The pipe breaks before the end of the process is known; uvloop refuses to write to it then.
        return None if self.gone.is_set() or requests is None or requests.is_closing() else requests

    def _send(self) -> None:
        if self._unsent and self._requests is not None:
            self._requests.write(bytes(self._unsent))
        self._unsent.clear()

    def _take(self, line: bytes | bytearray) -> bool:
        """Settle what an answer is about; False where it is none."""
        try:
            answer = json.loads(line)
            future = self._waiting.pop(answer["id"])
            error = _error(answer)
        except (ValueError, KeyError, TypeError):
            return False
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        return True

    def _ended(self) -> StorageUnavailable:
        return StorageUnavailable(f"the saving process ended with status {self._transport.get_returncode()}")

    def _kill(self) -> None:
        # Not Popen.kill: it polls, which would take the exit status away from the event loop's own child watcher.
        if self._transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._transport.get_pid(), signal.SIGKILL)


class Saver:
    """The saving process, from the first save until ``close``. Made inside the running event loop.

    Args:
        root: the folder that objects are kept in; absolute.
        threads: how many saves run at the same time.
    """

    def __init__(self, root: Path, threads: int) -> None:
        self._start = _line({"root": str(root), "threads": threads})
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def submit(self, key: str, path: str, byte_size: int) -> asyncio.Future[None]:
        """Begin to save what the file at ``path`` holds, an absolute path that means the same in every process.

        Returns:
            a future, which is not to be cancelled: OSError or ``StorageError`` where nothing was saved.

        Raises:
            StorageUnavailable: the process cannot be started.
        """
        child = self._child
        if child is None or not child.is_of_use:
            child = await self._started()
        return child.submit({"key": key, "path": path, "byte_size": byte_size})

    async def close(self) -> None:
        """End the process; what was submitted should have its outcome by now. May be called twice."""
        self._closed = True
        async with self._starting:
            child, self._child = self._child, None
            if child is not None:
                await child.end()

    async def _started(self) -> _Child:
        async with self._starting:
            if self._closed:
                raise StorageUnavailable("the storage is closed")
            if self._child is not None:
                if self._child.is_of_use:
                    return self._child
                await self._child.end()
                self._child = None
            starting = asyncio.ensure_future(self._spawn())
            try:
                return await asyncio.shield(starting)
            except asyncio.CancelledError:
                await starting  # it is kept for the next save
                raise

    async def _spawn(self) -> _Child:
        try:
            _, child = await asyncio.get_running_loop().subprocess_exec(
                _Child,
                *python_command(_MODULE),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                cwd="/",
                env=child_environment(),
            )
        except OSError as error:
            raise StorageUnavailable(f"no process could be started: {error}") from error
        child.begin(self._start)
        self._child = child
        return child


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode("ascii") + b"\n"


def _error(answer: dict[str, Any]) -> Exception | None:
    if "errno" in answer:
        return OSError(answer["errno"], answer["internal"])
    if "error" in answer:
        cls = getattr(errors, answer["error"], StorageUnavailable)
        return cls(answer["internal"]) if issubclass(cls, StorageError) else StorageUnavailable(answer["internal"])
    return None
