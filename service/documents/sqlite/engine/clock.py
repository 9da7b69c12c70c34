"""The clock of the SQLite store: one for all processes of the machine, which never steps while the machine runs.

The file keeps the start of the machine by this clock. The kernel counts the time since then, equally for all processes
(``CLOCK_BOOTTIME``), whatever anybody sets the machine's own clock to. After a restart of the machine, the clock
continues from the machine's own clock, but never from before the last moment that the heartbeats of workers noted. No
process survives a restart, so every lease has ended.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from ....models.clock import TimeCounter, count_nanoseconds
from ..rows import from_milliseconds, to_milliseconds
from .transactions import transaction

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MILLISECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Boot:
    """The time from one start of a machine to the next.

    Attributes:
        id: unique.
        counter: nanoseconds since the start, the same for all processes.
    """

    id: str
    counter: TimeCounter


def present_boot() -> Boot | None:
    """The boot of this machine, as random(4) names it; None where the system has no such name. Reads a small file."""
    try:
        return Boot(_BOOT_ID.read_text().strip(), count_nanoseconds)
    except OSError:
        return None


def started_at(connection: sqlite3.Connection, boot: Boot, now: Callable[[], datetime]) -> datetime:
    """When the machine was started, by the clock of the store. The first process of a boot decides it, and ends the
    leases of the boot before. Blocks.

    Args:
        connection: of the thread that writes, in no transaction.
        boot: the present one.
        now: the time by the machine's own clock.
    """
    row = _row(connection)
    if row is not None and row["boot_id"] == boot.id:
        return from_milliseconds(row["started_at"])
    with transaction(connection):
        return from_milliseconds(_started(connection, boot, now))


def _started(connection: sqlite3.Connection, boot: Boot, now: Callable[[], datetime]) -> int:
    row = _row(connection)
    if row is not None and row["boot_id"] == boot.id:  # another process was quicker
        started: int = row["started_at"]
        return started
    moment = max(to_milliseconds(now()), 0 if row is None else row["reached_at"])
    started = moment - boot.counter() // _MILLISECOND
    connection.execute("DELETE FROM workers")
    connection.execute(
        "INSERT OR REPLACE INTO clock (id, boot_id, started_at, reached_at) VALUES (1, ?, ?, ?)",
        (boot.id, started, moment),
    )
    return started


def note(connection: sqlite3.Connection, moment: datetime) -> None:
    """Remember that the clock has come as far as ``moment``; within a transaction of others."""
    connection.execute("UPDATE clock SET reached_at = max(reached_at, ?)", (to_milliseconds(moment),))


def _row(connection: sqlite3.Connection) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute("SELECT boot_id, started_at, reached_at FROM clock").fetchone()
    return row
