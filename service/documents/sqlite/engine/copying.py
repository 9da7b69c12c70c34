"""Copies the SQLite file by the online backup API (https://sqlite.org/backup.html). Everything here blocks."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Final

from ... import StoreUnavailable
from ...upkeep import Report
from .file import check_owner, connect_reader, file_identity, unavailable

_STEP_PAGES: Final = 256
"""Pages between two reports, 1 MiB of most databases."""
_INSTRUCTIONS: Final = 100_000
"""Instructions of SQLite's machine between two looks at ``stop``: milliseconds."""


def version_of(path: Path, busy_timeout: timedelta) -> int | None:
    """The schema's version; None without a file, or in an empty one.

    Raises:
        StoreRefused: it is another application's file, or newer than this Lading.
        StoreUnavailable: it cannot be read.
    """
    if file_identity(path) is None:
        return None
    with closing(connect_reader(path, busy_timeout)) as connection:
        try:
            return check_owner(connection, path) or None
        except sqlite3.Error as error:
            raise unavailable(path, error) from error


def copied_bytes(path: Path, busy_timeout: timedelta) -> int:
    """The bytes of all pages.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    with closing(connect_reader(path, busy_timeout)) as connection:
        pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        return int(pages) * int(size)


def copy_file(path: Path, target: Path, busy_timeout: timedelta, report: Report, stop: Event) -> None:
    """Copy the database as of one moment to a new file.

    Args:
        path: the database.
        target: the new file; its folder exists.
        busy_timeout: how long to wait for the locks of other processes.
        report: called with the copied and all pages.
        stop: set to end early; the copy is not whole then.

    Raises:
        StoreUnavailable: the file cannot be read, or the new one cannot be written.
    """

    def step(_status: int, remaining: int, total: int) -> None:
        if stop.is_set():
            raise InterruptedError
        report(total - remaining, total)

    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(connect_reader(path, busy_timeout)) as source, closing(_connect(target)) as copy:
            # A reader's snapshot: a write of another process would otherwise make the copying begin again, and on a
            # busy service it would never end. The log grows meanwhile, since no page of it may be folded into the file.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(copy, pages=_STEP_PAGES, progress=step)
        _sync(target)
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    except InterruptedError:
        return
    except OSError as error:
        raise StoreUnavailable(f"SQLite database {path} cannot be copied to {target}: {error.strerror}") from error


def faults_of(path: Path, limit: int, stop: Event) -> tuple[str, ...]:
    """What ``PRAGMA integrity_check`` finds in a file that nobody writes to, beside which it leaves nothing.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    try:
        # Immutable: without a look at a write-ahead log, and also in a folder that cannot be written.
        with closing(_connect(path, "?mode=ro&immutable=1")) as connection:
            connection.set_progress_handler(stop.is_set, _INSTRUCTIONS)
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({limit})")]
    except sqlite3.OperationalError as error:
        raise unavailable(path, error) from error
    except sqlite3.DatabaseError as error:
        return (str(error),)
    return () if found == ["ok"] else tuple(found)


def _connect(path: Path, options: str = "?mode=rw") -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}{options}", uri=True, isolation_level=None)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
