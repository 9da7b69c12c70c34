"""Saves small objects of ``lading.backends.local.storage`` in a process of its own.

A save is eight short calls to the operating system. In a thread of the service, each call gives up the interpreter's
lock and waits for it again, behind the event loop, which waits as well: for an import that costs more than the rest of
its save. A process has a lock of its own, and costs some 10 MB of memory once.

The process starts with the first save, makes several saves concurrently, and is restarted if it dies.
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
"""Seconds that the process may take to end; then it is killed."""
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
        """Send a request; the future has its result: ``StorageError`` or OSError if it failed."""
        if not self.is_of_use:
            raise self._ended()
        number, loop = next(self._numbers), asyncio.get_running_loop()
        future = self._waiting[number] = loop.create_future()
        # The requests of this turn of the loop go out together, since waking the process costs most.
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent += json_line({"id": number, **request})
        return future

    @property
    def is_of_use(self) -> bool:
        """Whether the process accepts more requests."""
        return self.requests is not None

    def begin(self, line: bytes) -> None:
        """Send the first line."""
        self._unsent += line
        self._send()

    async def end(self) -> None:
        """Close its stdin, and wait for its end; kill it after a while."""
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
        """Settle the future of an answer; False if no request has this answer."""
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
    """The saving process, from the first save until ``close``. Created inside the running event loop.

    Args:
        root: the folder of the objects, absolute.
        threads: the number of concurrent saves.
    """

    def __init__(self, root: Path, threads: int) -> None:
        self._start = json_line({"root": str(root), "threads": threads})
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def submit(self, key: str, path: str, identity: Identity, byte_size: int) -> asyncio.Future[None]:
        """Begin to save the file at ``path``, an absolute path that means the same in every process.

        The process may start this save long after the caller has given up; it saves only a file with this identity.

        Returns:
            a future, which must not be cancelled: OSError or ``StorageError`` if nothing was saved.

        Raises:
            StorageUnavailable: the process cannot be started.
        """
        child = self._child
        if child is None or not child.is_of_use:
            child = await self._started()
        return child.submit({"key": key, "path": path, "identity": identity, "byte_size": byte_size})

    async def close(self) -> None:
        """End the process; every submitted save should have its result by now. May be called twice."""
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
                await starting  # the next save uses it
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
