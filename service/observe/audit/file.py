"""The file of ``[audit]``: one JSON line for each event, which several processes append to."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import IO, Any, Final

from ..log_queue import MAX_LINES, writing_in_a_thread
from ..logs import json_formatter
from ..outages import Outage
from .actions import LOGGER

MODE: Final = 0o600
"""Of a new file: events name users and organisations."""


class AuditUnwritable(Exception):
    """The file cannot be opened for writing."""


class AuditFile(WatchedFileHandler):
    """Appends lines. It opens the file anew when that was moved, as logrotate does.

    A line is one write to a file that is open for appending, so that the lines of several processes do not mix
    (https://man7.org/linux/man-pages/man2/open.2.html, O_APPEND).

    Raises:
        AuditUnwritable: the file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self._outage = Outage("the audit file")
        try:
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise AuditUnwritable(f"{path} cannot be written: {error.strerror}") from error

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; blocks. While that fails, the lines are lost, which the log tells."""
        text = record.getMessage() if self.formatter is None else self.format(record)
        try:
            self.reopenIfNeeded()
            if self.stream is None:  # it could not be opened anew before
                self.stream = self._open()
                self._statstream()
            self.stream.write(text + self.terminator)
            self.stream.flush()
        except OSError as error:
            self._outage.failed(str(error))
        else:
            self._outage.worked()

    def _open(self) -> Any:
        return _open_private(self.baseFilename, self.errors)


def _open_private(path: str, errors: str | None) -> IO[str]:
    return open(path, "a", encoding="utf-8", errors=errors, opener=lambda name, flags: os.open(name, flags, MODE))


@contextmanager
def audit_file(path: Path | None, *, is_direct: bool = False) -> Iterator[None]:
    """Within the block, events also go to this file, if there is one. Opening it blocks.

    Args:
        path: of the file.
        is_direct: whether events are written at once, and to the file alone, as by a command. Otherwise a thread writes
            them; if too many wait, further ones are dropped and counted, as lines of the log are.

    Raises:
        AuditUnwritable: the file cannot be opened for writing.
    """
    logger = logging.getLogger(LOGGER)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    try:
        if path is None:
            logger.propagate = not is_direct
            yield
            return
        with closing(AuditFile(path)) as file:
            if not is_direct:
                with writing_in_a_thread(logger, file, json_formatter(), MAX_LINES):
                    yield
                return
            file.setFormatter(json_formatter())
            logger.propagate = False
            logger.addHandler(file)
            try:
                yield
            finally:
                logger.removeHandler(file)
    finally:
        logger.setLevel(level)
        logger.propagate = propagates
