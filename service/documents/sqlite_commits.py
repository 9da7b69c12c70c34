"""How the thread that writes makes one transaction of many calls."""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence

from service.documents.sqlite_threads import Call
from service.documents.sqlite_writes import Write


def commit_together(connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
    """Run the calls in one transaction, each in a savepoint of its own, or with its like; a writer's ``process``.

    The outcomes are delivered after this returned, so that nothing is reported as written before it is durable.

    Raises:
        sqlite3.Error: the transaction failed as a whole, and nothing was written.
    """
    if not calls:
        return
    if _commit_alike(connection, calls):
        return
    # IMMEDIATE takes the write lock at the beginning: a transaction that begins as a reader and then writes can be
    # refused at once, without the busy timeout (https://sqlite.org/isolation.html).
    connection.execute("BEGIN IMMEDIATE")
    try:
        for alike in _alike(calls):
            writes = [call.operation for call in alike if isinstance(call.operation, Write)]
            if len(writes) <= 1 or not _run_together(connection, alike, writes):
                for call in alike:
                    _run(connection, call)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _commit_alike(connection: sqlite3.Connection, calls: Sequence[Call]) -> bool:
    """Commit writes that are all of one kind, with no need for savepoints; False where that is not possible, and
    nothing was written.
    """
    writes = [call.operation for call in calls if isinstance(call.operation, Write)]
    if len(writes) < len(calls) or len({write.together for write in writes}) > 1:
        return False
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = writes[0].together(connection, [write.document for write in writes])
        connection.execute("COMMIT" if outcomes is not None else "ROLLBACK")
    except sqlite3.IntegrityError:
        outcomes = None  # one of them is at fault: by itself, it has its own error
        connection.execute("ROLLBACK")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    if outcomes is None:
        return False
    for call, outcome in zip(calls, outcomes, strict=True):
        call.result = outcome
    return True


def _alike(calls: Sequence[Call]) -> Iterator[Sequence[Call]]:
    """The calls in their order, in runs that can be made together."""
    for together, run in itertools.groupby(calls, _together):
        if together is None:
            yield from ((call,) for call in run)
        else:
            yield tuple(run)


def _together(call: Call) -> object:
    return call.operation.together if isinstance(call.operation, Write) else None


def _run_together(connection: sqlite3.Connection, calls: Sequence[Call], writes: Sequence[Write]) -> bool:
    """Make writes of one kind together; False where they have to be made one by one, and nothing was written."""
    connection.execute("SAVEPOINT writes")
    try:
        outcomes = writes[0].together(connection, [write.document for write in writes])
    except Exception:
        if not connection.in_transaction:
            raise  # after some errors, such as a full disk, SQLite has rolled everything back
        outcomes = None  # one of them is at fault: by itself, it has its own error
    if outcomes is None:
        connection.execute("ROLLBACK TO writes")
    connection.execute("RELEASE writes")
    if outcomes is not None:
        for call, outcome in zip(calls, outcomes, strict=True):
            call.result = outcome
    return outcomes is not None


def _run(connection: sqlite3.Connection, call: Call) -> None:
    connection.execute("SAVEPOINT call")
    try:
        call.result = call.operation(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # see above
        connection.execute("ROLLBACK TO call")
        call.error = error
    connection.execute("RELEASE call")
