"""The connection of a thread: between two uses it is outside of any transaction, or the thread replaces it."""

import contextlib
import sqlite3
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from ... import StoreUnavailable
from .file import casts_doubt, is_unavailability
from .transactions import end_transaction

FIRST_PAUSE: Final = 0.1
MAX_PAUSE: Final = 5.0
"""Seconds between two replacements: the pause doubles until the connection has worked."""

log = structlog.get_logger(__name__)


class HeldConnection:
    """A connection to the SQLite file, replaced after errors that may be its own. For one thread.

    SQLite opens a file for reading alone while it cannot be written, and knows nothing of a disk that came back: such a
    connection would fail for ever. Until it can be replaced the old one is used, which may work by then.

    Args:
        connect: opens a connection. Blocks; raises ``StoreUnavailable``.
        now: seconds of a steady clock.

    Raises:
        StoreUnavailable: from ``connect``.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], now: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._now = now
        self._connection: sqlite3.Connection | None = connect()
        self._is_doubtful = False
        self._pause = FIRST_PAUSE
        self._not_before = now()
        self._reason = ""

    def get(self) -> sqlite3.Connection:
        """The connection, outside of any transaction. Blocks while it is replaced.

        Raises:
            StoreUnavailable: there is none; at once, where the last attempt to connect was a moment ago.
        """
        if (self._is_doubtful or self._connection is None) and self._now() >= self._not_before:
            self._replace()
        if self._connection is None:
            raise StoreUnavailable(self._reason)
        return self._connection

    def settle(self, errors: Sequence[Exception]) -> None:
        """Prepare for the next use, whatever the last one has left behind. Raises nothing.

        Args:
            errors: what it has raised. The variables of their frames are cleared: a cursor among them would keep its
                snapshot of the file, and a closed connection its locks.
        """
        for error in errors:
            _clear_frames(error)
        doubts = [error for error in errors if is_unavailability(error) and casts_doubt(error)]
        if doubts:
            self._is_doubtful = True
            self._reason = str(doubts[0]) or type(doubts[0]).__name__
        elif self._connection is not None and not self._is_doubtful:
            self._pause = FIRST_PAUSE
        if self._connection is not None and not end_transaction(self._connection):
            # It keeps others from writing: rather none.
            _close(self._connection)
            self._connection = None
            self._reason = "a transaction could not be ended, and its connection was closed"

    def close(self) -> None:
        """Close the connection. Raises nothing."""
        if self._connection is not None:
            _close(self._connection)
            self._connection = None

    def _replace(self) -> None:
        reason = self._reason
        self._not_before = self._now() + self._pause
        self._pause = min(2 * self._pause, MAX_PAUSE)
        try:
            fresh = self._connect()
        except (StoreUnavailable, sqlite3.Error, MemoryError) as error:
            self._reason = str(error) or type(error).__name__
            return
        self.close()  # the fresh one is open already, so no other is the last to close the file, and folds its log
        self._connection = fresh
        self._is_doubtful = False
        log.warning("replaced a database connection", reason=reason)


def _close(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error, MemoryError):
        connection.close()


def _clear_frames(error: BaseException | None) -> None:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
