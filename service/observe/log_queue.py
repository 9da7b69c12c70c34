"""Logging that never blocks: lines wait in a bounded queue for a thread that writes them, and are dropped beyond that.

A pipe that nobody reads would otherwise stop the event loop at the first line that does not fit, and every request with
it.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler, QueueListener
from queue import Full, Queue
from typing import Final, TextIO

import structlog

MAX_LINES: Final = 10_000
"""Lines that wait; more are dropped, and counted."""
LAST_CHANCE: Final = 1.0
"""Seconds for which the end of the process waits for lines to be written."""

log = structlog.get_logger(__name__)


class _Lines(logging.Handler):
    """Writes lines that are formatted already.

    It writes to the descriptor itself: the interpreter could not end while a thread holds the lock of ``sys.stderr``.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._descriptor = stream.fileno()

    def createLock(self) -> None:  # noqa: N802 - as ``logging.Handler`` has it
        """One thread alone writes; its lock would keep ``logging.shutdown`` from ending the process."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        rest = memoryview((record.getMessage() + "\n").encode("utf-8", "backslashreplace"))
        with suppress(OSError):  # nobody reads any more
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


class _Queued(QueueHandler):
    """Puts lines into the queue. It formats them first: what is told of a moment is what is true of it.

    Attributes:
        dropped: lines that were dropped and not told of yet.
        dropped_ever: all lines that were dropped.
    """

    queue: "Queue[logging.LogRecord]"

    def __init__(self, formatter: logging.Formatter | None, lines: logging.Handler, max_lines: int) -> None:
        super().__init__(Queue(max_lines))
        self.setFormatter(formatter)
        self.lines = lines
        self.dropped = self.dropped_ever = 0
        self.writer: int | None = None

    def enqueue(self, record: logging.LogRecord) -> None:
        if threading.get_ident() == self.writer:
            self.lines.handle(record)
            return
        try:
            self.queue.put_nowait(record)
        except Full:
            self.dropped += 1  # under this handler's lock
            self.dropped_ever += 1

    def take_dropped(self) -> int:
        """How many lines were dropped since this was asked last."""
        with self.lock or threading.RLock():
            dropped, self.dropped = self.dropped, 0
        return dropped


class _Writer(QueueListener):
    """The thread that writes what waits."""

    _thread: threading.Thread | None

    def __init__(self, queued: _Queued) -> None:
        super().__init__(queued.queue, queued.lines)
        self._queued = queued

    def handle(self, record: logging.LogRecord) -> None:
        self._queued.writer = threading.get_ident()
        super().handle(record)
        if dropped := self._queued.take_dropped():
            log.error("log lines were dropped, since nobody read them", count=dropped)

    def finish(self) -> None:
        """Write what waits, but for no longer than ``LAST_CHANCE``."""
        with suppress(Full):
            self.queue.put(self._sentinel, timeout=LAST_CHANCE)  # type: ignore[attr-defined]
        if self._thread is not None:
            self._thread.join(LAST_CHANCE)


def dropped_lines() -> int:
    """The number of lines that this process has dropped so far, of the log and of files beside it."""
    handlers = {one for logger in (logging.getLogger(), *_loggers) for one in logger.handlers}
    return sum(handler.dropped_ever for handler in handlers if isinstance(handler, _Queued))


_loggers: set[logging.Logger] = set()
"""Those that ``writing_in_a_thread`` has given a handler."""


@contextmanager
def writing_in_a_thread(
    logger: logging.Logger, lines: logging.Handler, formatter: logging.Formatter, max_lines: int
) -> Iterator[None]:
    """Within the block, the logger's lines go to a handler that may block, too. Afterwards what waits has been written,
    if that takes no longer than ``LAST_CHANCE``.

    Args:
        logger: whose lines.
        lines: gets records whose message is a formatted line.
        formatter: makes the lines.
        max_lines: that wait; more are dropped, and counted.
    """
    queued = _Queued(formatter, lines, max_lines)
    writer = _Writer(queued)
    logger.addHandler(queued)
    _loggers.add(logger)
    writer.start()
    try:
        yield
    finally:
        logger.removeHandler(queued)
        writer.finish()


@contextmanager
def queued_lines(max_lines: int = MAX_LINES) -> Iterator[None]:
    """Within the block no log line blocks; afterwards what waits has been written, if anybody reads it.

    It takes the place of the one handler that ``lading.service.observe.logs.configure`` has given the root logger.
    """
    root = logging.getLogger()
    (direct,) = root.handlers
    if not isinstance(direct, logging.StreamHandler):
        raise TypeError(f"{type(direct).__name__} is no StreamHandler")
    queued = _Queued(direct.formatter, _Lines(direct.stream), max_lines)
    writer = _Writer(queued)
    root.handlers[:] = [queued]
    writer.start()
    try:
        yield
    finally:
        writer.finish()
        if not queued.queue.qsize():  # or else the lines that follow are dropped as well
            root.handlers[:] = [direct]
