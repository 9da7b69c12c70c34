"""Transactions and savepoints of the SQLite file: this module begins and ends all of them.

A statement that ends a transaction can fail like any other, for example because the disk is full. SQLite may then have
rolled the transaction back, or left it open (https://sqlite.org/lang_transaction.html, section 3). This module leaves
neither to chance: after any error the transaction is over, or the thread replaces the connection; see ``threads``.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class Whole:
    """Statements that are kept all or none.

    Attributes:
        is_kept: whether they are kept where nothing is raised.
    """

    def __init__(self) -> None:
        self.is_kept = True


def whole(connection: sqlite3.Connection) -> contextlib.AbstractContextManager[Whole]:
    """Keep the statements of the block all or none: in the transaction that there is, or in one of their own.

    Nothing of them is kept where the block raises, or sets ``Whole.is_kept`` to false. Blocks the thread.

    Raises:
        sqlite3.Error, MemoryError: the block is not kept. Where it shares a transaction and could not be undone by
            itself, the transaction must be rolled back: ``is_unavailability`` holds for the error.
    """
    return savepoint(connection, "whole") if connection.in_transaction else transaction(connection)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[Whole]:
    """A transaction of the block's own. See ``whole``."""
    # IMMEDIATE takes the write lock at the beginning: a transaction that begins as a reader and then writes can be
    # refused at once, without the busy timeout (https://sqlite.org/isolation.html).
    connection.execute("BEGIN IMMEDIATE")
    kept = Whole()
    try:
        yield kept
        # Never RELEASE of an outermost savepoint: where it cannot commit, SQLite keeps the transaction open.
        connection.execute("COMMIT" if kept.is_kept else "ROLLBACK")
    except BaseException:
        end_transaction(connection)
        raise


@contextmanager
def savepoint(connection: sqlite3.Connection, name: str) -> Iterator[Whole]:
    """A part of the transaction that there is. See ``whole``.

    Args:
        connection: where the transaction is.
        name: of the savepoint; none that is open has it.
    """
    connection.execute(f"SAVEPOINT {name}")
    kept = Whole()
    try:
        yield kept
    except BaseException:
        # After some errors SQLite has rolled back the whole transaction, and there is nothing left to undo.
        if connection.in_transaction:
            _undo(connection, name)
        raise
    if kept.is_kept:
        connection.execute(f"RELEASE {name}")
    else:
        _undo(connection, name)


def end_transaction(connection: sqlite3.Connection) -> bool:
    """Roll back the transaction, if there is one; False where that could not be done. Raises nothing."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except (sqlite3.Error, MemoryError):
        return False
    return not connection.in_transaction


def _undo(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(f"ROLLBACK TO {name}")
    connection.execute(f"RELEASE {name}")
