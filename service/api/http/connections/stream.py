"""A connection as a stream of bytes: it reads in small pieces, closes in time, and tells clients why it closes."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from tornado.iostream import IOStream, UnsatisfiableReadError

from .early_answers import EarlyAnswers
from .long_heads import Refusals

LITTLE: Final = 4096
"""Bytes that are read at once while a head or a short body comes. For each read, Tornado fills a buffer with zeros: for
one of its 64 KiB, that costs as much as to parse a form."""

END_OF_HEAD: Final = rb"\n\r?\n"
"""Ends where Tornado's own expression for the end of a head does. That begins with what may be missing, so that it is
tried at each byte."""


class Deadline:
    """When something is to have happened at the latest. Create it inside the running event loop.

    Deadlines are met, nearly all of them, and to make a timer for each takes longer than to read a head. One timer goes
    on for many of them: it looks when the first of them would have passed, and goes on from there.

    Args:
        passed: called when it has not happened in time.
    """

    def __init__(self, passed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._passed: Callable[[], None] | None = passed
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0

    def set(self, seconds: float) -> None:
        """It is to happen within so many seconds from now; nothing after ``end``."""
        if self._passed is None:
            return
        self._due = self._loop.time() + seconds
        if self._timer is None or self._due < self._looks_at:
            self._look_at(self._due)

    def clear(self) -> None:
        """It has happened."""
        self._due = None

    def end(self) -> None:
        """It need not happen any more, and no timer holds what waits for it."""
        self._due = self._passed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at(self, moment: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = moment
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._due is None or self._passed is None:
            return
        if self._due > self._loop.time():
            self._look_at(self._due)
        else:
            self._passed()


class Stream(IOStream):
    """A connection that knows whether it reads a head, and how it is to be closed.

    Attributes:
        is_answered_early: whether the present request is answered although not all of it has come.
        deadline: of the head or the body that is read at present; the connection closes when it has passed.

    Args:
        connection: the socket.
        idle_seconds: time for a head, and before it.
        refusals, early_answers: serve connections that close.
        options: see ``IOStream``.
    """

    def __init__(
        self,
        connection: socket.socket,
        idle_seconds: float,
        refusals: Refusals,
        early_answers: EarlyAnswers,
        **options: Any,
    ) -> None:
        self._idle_seconds = idle_seconds
        self.deadline = Deadline(self.close)
        self._refusals = refusals
        self._early_answers = early_answers
        self._is_in_head = False
        self.is_answered_early = False
        super().__init__(connection, **options)
        self._much: int = self.read_chunk_size

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Any:  # noqa: ARG002 - see below
        """See ``IOStream.read_until_regex``, which ``HTTP1Connection`` calls for the head alone."""
        self._is_in_head = True
        self.deadline.set(self._idle_seconds)
        self.read_chunk_size = LITTLE
        return super().read_until_regex(END_OF_HEAD, max_bytes)

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Any:
        """See ``IOStream.read_until``, which reads the sizes of chunks."""
        self._is_in_head = False
        return super().read_until(delimiter, max_bytes)

    def read_bytes(self, num_bytes: int, partial: bool = False) -> Any:
        """See ``IOStream.read_bytes``, which ``HTTP1Connection`` calls for pieces of a body."""
        self.read_chunk_size = min(max(num_bytes, LITTLE), self._much)
        return super().read_bytes(num_bytes, partial)

    def close(self, exc_info: Any = False) -> None:
        """See ``IOStream.close``. A head that does not fit has its error, and an early answer reaches the client."""
        if self.closed():
            return
        self.deadline.end()
        if self._is_in_head and isinstance(exc_info, UnsatisfiableReadError):
            self._refusals.begin(self.socket)
        elif self.is_answered_early:
            self._early_answers.begin(self.socket)
        super().close(exc_info)
