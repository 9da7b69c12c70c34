"""Combines many calls into one transaction of the writer thread."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ..writes import Write
from .file import is_unavailability
from .threads import Call
from .transactions import savepoint, transaction


def commit_together(connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
    """Run the calls in one transaction, each in a savepoint of its own, or with its like; a writer's ``process``.

    They come all at the same time, so their order is nobody's. The outcomes are delivered after this returned, so that
    nothing is reported as written before it is durable.

    Raises:
        sqlite3.Error, MemoryError: the transaction failed as a whole, and nothing was written; or, where its commit
            failed, what was written is unknown until the file is read.
    """
    if not calls:
        return
    kinds, others = _kinds(calls)
    # Writes of one kind are a transaction by themselves.
    if not others and len(kinds) == 1 and _run_together(connection, kinds[0]):
        return
    with transaction(connection):
        for alike in kinds:
            with savepoint(connection, "kind") as kept:
                kept.is_kept = are_written = _run_together(connection, alike)
            if not are_written:
                _run_each(connection, alike)
        _run_each(connection, others)


def _kinds(calls: Sequence[Call]) -> tuple[list[list[Call]], list[Call]]:
    """The writes that can be made together, and the other calls."""
    kinds: dict[object, list[Call]] = defaultdict(list)
    others: list[Call] = []
    for call in calls:
        (kinds[call.operation.together] if isinstance(call.operation, Write) else others).append(call)
    return list(kinds.values()), others


def _run_together(connection: sqlite3.Connection, calls: Sequence[Call]) -> bool:
    """Make writes of one kind together; False where each has to be made by itself, and nothing was written."""
    writes: list[Write[Any, Any]] = [call.operation for call in calls if isinstance(call.operation, Write)]
    outcomes: Sequence[Any] | None = None
    try:
        outcomes = writes[0].together(connection, [write.item for write in writes])
    except Exception as error:
        if is_unavailability(error):
            raise
        if len(calls) == 1:
            calls[0].error = error
            return True
        # One of them is at fault: by itself, it has its own error.
    if outcomes is None:
        return False
    for call, outcome in zip(calls, outcomes, strict=True):
        call.result = outcome
    return True


def _run_each(connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
    for call in calls:
        _run(connection, call)


def _run(connection: sqlite3.Connection, call: Call) -> None:
    with savepoint(connection, "call") as kept:
        try:
            call.result = call.operation(connection)
        except Exception as error:
            # Without the transaction, nothing of the earlier calls was written either.
            if not connection.in_transaction:
                raise
            kept.is_kept = False
            call.error = error
