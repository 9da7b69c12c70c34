"""When the connection of a thread is replaced, and when it is used as it is."""

import sqlite3

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.documents.sqlite.engine.connections import FIRST_PAUSE, MAX_PAUSE, HeldConnection


class Connecting:
    """Connects to databases in memory, and may fail to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.works = True
        self.tries = 0
        self.held = HeldConnection(self._connect, lambda: self.now)

    def _connect(self) -> sqlite3.Connection:
        self.tries += 1
        if not self.works:
            raise StoreUnavailable(f"try {self.tries}")
        return sqlite3.connect(":memory:", isolation_level=None)

    def get_stuck(self) -> None:
        """Have the connection be in a transaction that cannot be rolled back."""
        connection = self.held.get()
        connection.execute("BEGIN")
        connection.set_authorizer(lambda *_: sqlite3.SQLITE_DENY)
        self.held.settle([])


@pytest.fixture
def connecting() -> Connecting:
    return Connecting()


def failed(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("by design")
    error.sqlite_errorcode = code
    return error


BROKEN = failed(sqlite3.SQLITE_IOERR_WRITE)


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.mark.parametrize("error", [BROKEN, failed(sqlite3.SQLITE_READONLY), sqlite3.DatabaseError(), MemoryError()])
def test_a_connection_that_may_be_at_fault_is_replaced_once(connecting: Connecting, error: Exception) -> None:
    first = connecting.held.get()
    connecting.held.settle([LookupError(), error])
    second = connecting.held.get()
    assert is_closed(first)
    assert not is_closed(second)
    connecting.held.settle([])
    assert connecting.held.get() is second


@pytest.mark.parametrize(
    "error", [failed(sqlite3.SQLITE_BUSY), failed(sqlite3.SQLITE_FULL), sqlite3.IntegrityError(), LookupError()]
)
def test_a_connection_is_kept_where_another_would_have_failed_too(connecting: Connecting, error: Exception) -> None:
    first = connecting.held.get()
    connecting.held.settle([error])
    assert connecting.held.get() is first


def test_a_transaction_that_was_left_open_is_rolled_back(connecting: Connecting) -> None:
    first = connecting.held.get()
    first.execute("CREATE TABLE kept (id)")
    first.execute("BEGIN")
    first.execute("CREATE TABLE lost (id)")
    connecting.held.settle([])
    assert connecting.held.get() is first
    assert [row[0] for row in first.execute("SELECT name FROM sqlite_schema")] == ["kept"]


def test_until_it_can_be_replaced_the_old_connection_is_used(connecting: Connecting) -> None:
    first = connecting.held.get()
    connecting.works = False
    connecting.held.settle([BROKEN])
    assert connecting.held.get() is first
    connecting.held.settle([])
    connecting.works = True
    assert connecting.held.get() is first, "not so soon again"
    connecting.now += FIRST_PAUSE
    assert connecting.held.get() is not first


def test_a_connection_that_cannot_end_its_transaction_is_closed_at_once(connecting: Connecting) -> None:
    first = connecting.held.get()
    connecting.works = False
    connecting.get_stuck()
    assert is_closed(first)
    tries = connecting.tries
    for _ in range(5):
        with pytest.raises(StoreUnavailable, match=f"try {tries + 1}"):
            connecting.held.get()
    connecting.works = True
    connecting.now += FIRST_PAUSE
    assert not is_closed(connecting.held.get())
    assert connecting.tries == tries + 2


def test_the_pause_between_replacements_grows_until_the_connection_has_worked(connecting: Connecting) -> None:
    """Also where connecting works, and the connection does not."""
    pauses = []
    for _ in range(10):
        before = connecting.now
        connecting.held.settle([BROKEN])
        tries = connecting.tries
        while connecting.tries == tries:
            connecting.held.get()
            connecting.now += FIRST_PAUSE / 4
        pauses.append(connecting.now - before)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(MAX_PAUSE, abs=FIRST_PAUSE)
    connecting.held.settle([])
    connecting.now += MAX_PAUSE
    connecting.held.settle([BROKEN])
    connecting.held.get()
    connecting.held.settle([BROKEN])
    connecting.now += FIRST_PAUSE
    tries = connecting.tries
    connecting.held.get()
    assert connecting.tries == tries + 1


def test_an_error_keeps_no_cursor(connecting: Connecting) -> None:
    connection = connecting.held.get()
    connection.executescript("CREATE TABLE some (id); INSERT INTO some VALUES (1), (2)")
    with pytest.raises(LookupError) as kept:
        _fail_while_reading(connection)
    connecting.held.settle([kept.value])
    connection.execute("DROP TABLE some")  # locked while a statement reads it


def _fail_while_reading(connection: sqlite3.Connection) -> None:
    cursor = connection.execute("SELECT * FROM some")
    cursor.fetchone()
    try:
        int("no number")
    except ValueError as error:
        raise LookupError from error
