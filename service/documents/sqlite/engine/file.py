"""The SQLite file: creation, checks, upgrades, connections, and error texts for operators."""

import contextlib
import errno
import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

from ... import StoreRefused, StoreUnavailable
from ..schema import SCHEMA_VERSION, VERSIONS
from .transactions import transaction

APPLICATION_ID = 0x4C414447
"""``LADG``: marks the file as Lading's in its header (https://sqlite.org/pragma.html#pragma_application_id)."""

_OLDEST_SQLITE = (3, 38, 0)  # the operator ->>, https://sqlite.org/json1.html
_WAL_LIMIT_BYTES = 64 * 1024 * 1024
_RETRY_SECONDS = 0.01

# By primary result code, https://sqlite.org/rescode.html
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another process kept it locked for too long",
    sqlite3.SQLITE_FULL: "there is no space left for it",
    sqlite3.SQLITE_IOERR: "its disk does not work",
    sqlite3.SQLITE_READONLY: "this user must be able to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "this user must be able to write the file and its folder",
}
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a database, or is damaged: restore it from a backup",
}
"""As a fresh connection finds it. One that could not read before may say so of a file that is whole."""
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def unavailable(path: Path, error: Exception) -> StoreUnavailable:
    """What ``error`` means, told to the operator with the path of the file; to be raised ``from`` it."""
    code = _primary_code(error)
    advice = f"Lading opens it anew; if this goes on, {_DAMAGE[code]}" if code in _DAMAGE else _ADVICE.get(code)
    reason = "out of memory" if isinstance(error, MemoryError) else error
    return StoreUnavailable(f"SQLite database {path}: {reason}" + (f"; {advice}" if advice else ""))


def refused(path: Path, problem: str) -> StoreRefused:
    """The file, and not its disk, keeps Lading from using it."""
    return StoreRefused(f"SQLite database {path} {problem}", "documents.sqlite", "path")


def is_unavailability(error: Exception) -> bool:
    """Whether ``error`` speaks of the database's condition, and not of a wrong call of the library.

    The Python module makes a ``MemoryError`` of SQLITE_NOMEM.
    """
    condition = sqlite3.OperationalError | sqlite3.InternalError | MemoryError
    return isinstance(error, condition) or type(error) is sqlite3.DatabaseError


def casts_doubt(error: Exception) -> bool:
    """Whether ``error``, an unavailability, may be the connection's own: another connection might have done better.

    It might not where somebody else holds a lock, or where there is no space.
    """
    return _primary_code(error) not in {*_LOCKED, sqlite3.SQLITE_FULL}


def create_file(path: Path) -> None:
    """Create the file, and the folders above it, where they are missing. Blocks.

    Raises:
        StoreRefused: a folder above it is a file.
        StoreUnavailable: it cannot be created.
    """
    try:
        _create_file(path)
    except OSError as error:
        problem = f"cannot be created: {error.strerror}"
        if error.errno == errno.ENOTDIR:
            raise refused(path, problem) from error
        raise StoreUnavailable(f"SQLite database {path} {problem}") from error


def connect_writer(path: Path, busy_timeout: timedelta) -> sqlite3.Connection:
    """Connect to an existing file for writing, and create or check its schema. Blocks.

    Args:
        path: the file.
        busy_timeout: how long to wait for the locks of other processes, here and in every later transaction.

    Raises:
        StoreRefused: the file is damaged, is not Lading's, or has a newer schema.
        StoreUnavailable: it cannot be read or written.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise refused(path, f"needs SQLite 3.38 or newer, and this is {sqlite3.sqlite_version}")
    try:
        return _retry_while_busy(path, busy_timeout)
    except (sqlite3.Error, MemoryError) as error:
        if damage := _DAMAGE.get(_primary_code(error)):
            raise refused(path, f"cannot be used: {error}; {damage}") from error
        raise unavailable(path, error) from error


def connect_reader(path: Path, busy_timeout: timedelta) -> sqlite3.Connection:
    """Connect to an existing file for reading alone. Blocks.

    Raises:
        StoreUnavailable: the file cannot be read.
    """
    try:
        connection = _connect(path, busy_timeout, "ro")
        try:
            _header(connection)  # the file is opened when it is first read
        except BaseException:
            connection.close()
            raise
    except (sqlite3.Error, MemoryError) as error:
        raise unavailable(path, error) from error
    return connection


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file, None where it cannot be reached. Blocks."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _create_file(path: Path) -> None:
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)
    # SQLite gives the -wal and -shm files the mode of this one. A file that exists is left alone: closing a descriptor
    # of it would drop every lock that this process holds on it (https://sqlite.org/howtocorrupt.html section 2.2).
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        _sync_folder(path.absolute().parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _retry_while_busy(path: Path, busy_timeout: timedelta) -> sqlite3.Connection:
    # Two processes that set up one new file at once can be told SQLITE_BUSY without the busy handler being asked: where
    # both hold a lock that the other waits for (https://sqlite.org/c3ref/busy_handler.html).
    deadline = time.monotonic() + busy_timeout.total_seconds()
    while True:
        connection = _connect(path, busy_timeout, "rw")
        try:
            _set_up(connection, path)
        except sqlite3.OperationalError as error:
            connection.close()
            if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        except BaseException:
            connection.close()
            raise
        else:
            return connection


def _connect(path: Path, busy_timeout: timedelta, mode: str) -> sqlite3.Connection:
    # Transactions are begun and ended in plain SQL: isolation_level None keeps the module from doing so itself.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_timeout.total_seconds(),
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    check_owner(connection, path)
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise refused(path, "cannot use a write-ahead log; it must lie on a local disk")
    # FULL: the log is synced at every commit, so that an answer given after it survives a loss of power (P1).
    # fullfsync: fsync alone does not reach the medium on macOS; it means nothing elsewhere.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    # What is dropped (secrets of imports, keys of issuers) is overwritten, rather than left in free space.
    connection.execute("PRAGMA secure_delete = ON")
    # What a statement needs to undo itself, and sorts, is small, and not worth a file.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    _check_writable(connection)
    if _header(connection)[1] < SCHEMA_VERSION:
        _upgrade_schema(connection)


def _check_writable(connection: sqlite3.Connection) -> None:
    """SQLite opens a file for reading that it cannot open for writing, and would refuse every write from then on."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        with transaction(connection) as kept:
            kept.is_kept = False
            # IMMEDIATE alone is not refused (https://sqlite.org/lang_transaction.html, section 2.2).
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except sqlite3.OperationalError as error:
        if _primary_code(error) not in _LOCKED:  # a lock is asked for where the file can be written, and there alone
            raise
    connection.execute(f"PRAGMA busy_timeout = {patience}")


def check_owner(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version; 0 of an empty file. Blocks.

    Raises:
        StoreRefused: it is another application's file, or newer than this Lading.
        sqlite3.Error: it cannot be read.
    """
    connection.execute("BEGIN")  # one snapshot: another process may be creating the schema just now
    application_id, version = _header(connection)
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    connection.execute("COMMIT")
    if application_id != APPLICATION_ID and (application_id, version, tables) != (0, 0, 0):
        raise refused(path, "belongs to another application")
    if version > SCHEMA_VERSION:
        raise refused(
            path,
            f"has schema version {version}, newer than {SCHEMA_VERSION}, the newest that this version of Lading knows: "
            "upgrade Lading, or restore the backup made before the upgrade",
        )
    return version


def _upgrade_schema(connection: sqlite3.Connection) -> None:
    """Bring the file to ``SCHEMA_VERSION``, from nothing or from any earlier version, whole or not at all."""
    with transaction(connection):
        _, version = _header(connection)  # another process may have been quicker
        for statements in VERSIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")


def _header(connection: sqlite3.Connection) -> tuple[int, int]:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    return application_id, connection.execute("PRAGMA user_version").fetchone()[0]


def _primary_code(error: Exception) -> int:
    # Errors that the Python module raises by itself have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
