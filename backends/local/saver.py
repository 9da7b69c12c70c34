"""Saves small objects of ``lading.backends.local.storage`` in a process of its own.

A save is eight short calls to the operating system. In a thread of the service each of them gives the interpreter's
lock away and waits for it again, behind the event loop, which waits as well: that costs an import more than all the
rest of its save. A process has a lock of its own, and costs some 10 MB of memory once.

The process starts with the first save, serves several at once, and is started anew where it died.
"""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any, Final

from ...plugins import errors
from ...plugins.errors import StorageError, StorageUnavailable
from ...plugins.host.children import Child, child_environment, json_line, python_command, start_child
from .child import MAX_LINE
from .files import Identity

END_SECONDS: Final = 5.0
"""How long the process may take to end when it is told to; then it is killed."""
_MAX_UNREAD: Final = 64 * MAX_LINE
_MODULE: Final = "lading.backends.local.child"


class _Child(Child):
    """The process."""

    def __init__(self) -> None:
        super().__init__()
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
        self._unsent += json_line({"id": number, **request})
        return future

    @property
    def is_of_use(self) -> bool:
        """Whether it may be asked for more."""
        return self.requests is not None

    def begin(self, line: bytes) -> None:
        """Send the first line."""
        self._unsent += line
        self._send()

    async def end(self) -> None:
        """Close its stdin, and wait until it has ended; kill it where it does not."""
        self._send()
        if self.requests is not None:
            self.requests.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.gone.wait()
        except TimeoutError:
            self.kill()
            await self.gone.wait()

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 (stdout is the only one)
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        self._unread = rest
        if len(rest) > _MAX_UNREAD or not all(map(self._take, lines)):
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (the exit status says more)
        self.gone.set()
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(self._ended())

    def _send(self) -> None:
        if self._unsent and self.requests is not None:
            self.requests.write(bytes(self._unsent))
        self._unsent.clear()

    def _take(self, line: bytes | bytearray) -> bool:
        """Settle what an answer is about; False where it is none."""
        try:
            answer = json.loads(line)
            error = _error(answer)
            future = self._waiting.pop(answer["id"])
        except (ValueError, KeyError, TypeError):
            return False
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        return True

    def _ended(self) -> StorageUnavailable:
        return StorageUnavailable(f"the saving process ended with status {self.returncode}")


class Saver:
    """The saving process, from the first save until ``close``. Made inside the running event loop.

    Args:
        root: the folder that objects are kept in; absolute.
        threads: how many saves run at the same time.
    """

    def __init__(self, root: Path, threads: int) -> None:
        self._start = json_line({"root": str(root), "threads": threads})
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def submit(self, key: str, path: str, identity: Identity, byte_size: int) -> asyncio.Future[None]:
        """Begin to save what the file at ``path`` holds, an absolute path that means the same in every process.

        The process may come to it when the caller has long given up; it saves nothing but the file of this identity.

        Returns:
            a future, which is not to be cancelled: OSError or ``StorageError`` where nothing was saved.

        Raises:
            StorageUnavailable: the process cannot be started.
        """
        child = self._child
        if child is None or not child.is_of_use:
            child = await self._started()
        return child.submit({"key": key, "path": path, "identity": identity, "byte_size": byte_size})

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
            child = await start_child(_Child, python_command(_MODULE), child_environment())
        except OSError as error:
            raise StorageUnavailable(f"no process could be started: {error}") from error
        child.begin(self._start)
        self._child = child
        return child


def _error(answer: dict[str, Any]) -> Exception | None:
    if "errno" in answer:
        return OSError(answer["errno"], answer["internal"])
    if "error" in answer:
        cls = getattr(errors, answer["error"], StorageUnavailable)
        return cls(answer["internal"]) if issubclass(cls, StorageError) else StorageUnavailable(answer["internal"])
    return None
