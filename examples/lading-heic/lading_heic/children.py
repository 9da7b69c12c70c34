"""Runs ``work`` in a process for each file.

A process of its own bounds memory and CPU time, and keeps what a hostile file may do to the decoder away from the
service. It starts in a fifth of a second.
"""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

MAX_ANSWER: Final = 4096
_COMMAND: Final = (sys.executable, "-I", "-B", str(Path(__file__).with_name("work.py")))


class Refused(Exception):
    """The process refuses the file: ``pixels``, ``memory``, ``time``, ``output`` or ``corrupt``."""


class Crashed(Exception):
    """The process gave no answer, which says nothing of the file."""


class Children:
    """Processes, a bounded number at once.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)
        self._running: set[_Child] = set()
        self._works: set[asyncio.Future[Any]] = set()
        self.is_closed = False

    async def run(self, file: BinaryIO, limits: Mapping[str, float], output: BinaryIO | None = None) -> dict[str, Any]:
        """The answer of a process about a file. When this call ends, however it ends, the process has ended.

        Args:
            file: without a buffer. The process reads it from its beginning.
            limits: see ``work``.
            output: where it writes, for a JPEG file.

        Raises:
            Refused, Crashed: there is no answer.
        """
        async with self._places:
            if self.is_closed:
                raise Crashed("closed")
            child = _Child()
            self._running.add(child)
            work = asyncio.ensure_future(asyncio.to_thread(child.run, file, limits, output))
            self._works.add(work)
            try:
                await ended(work, child.end)
            finally:
                self._running.discard(child)
                self._works.discard(work)
        return _understood(*work.result())

    async def close(self) -> None:
        """End all processes; running calls raise ``Crashed``."""
        self.is_closed = True
        for child in tuple(self._running):
            child.end()
        if self._works:
            await asyncio.wait(tuple(self._works))


async def ended(work: asyncio.Future[Any], on_cancel: Any = lambda: None) -> None:
    """Wait for the end of work in a thread, which nothing can interrupt; a cancellation is passed on after that."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError:
            cancelled = True
            on_cancel()
    if cancelled:
        work.exception()
        raise asyncio.CancelledError


class _Child:
    """A process for one file. It may be ended from another thread, also before it has begun."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_ended = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, file: BinaryIO, limits: Mapping[str, float], output: BinaryIO | None) -> tuple[int, bytes]:
        """Its return code, and what it printed. Blocks."""
        file.seek(0)
        passed: Sequence[int] = () if output is None else (output.fileno(),)
        arguments = json.dumps(dict(limits) if output is None else {**limits, "output": output.fileno()})
        with self._lock:
            if self._is_ended:
                return -signal.SIGKILL, b""
            self._process = process = subprocess.Popen(  # noqa: S603 - our own program
                (*_COMMAND, arguments),
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                env={},
            )
        with process:
            printed = process.stdout.read(MAX_ANSWER + 1) if process.stdout else b""
            if len(printed) > MAX_ANSWER:
                process.kill()
        return process.returncode, printed

    def end(self) -> None:
        with self._lock:
            self._is_ended = True
            if self._process is not None and self._process.poll() is None:
                self._process.kill()


def _understood(code: int, printed: bytes) -> dict[str, Any]:
    if code == -signal.SIGPROF:
        raise Refused("time")
    try:
        told = json.loads(printed)
    except ValueError as error:
        raise Crashed(f"the process ended with {code}") from error
    if code or not isinstance(told, dict):
        raise Crashed(f"the process ended with {code}")
    if "failed" in told:
        raise Refused(str(told["failed"]))
    return told
