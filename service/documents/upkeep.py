"""What commands for the operator of a database need, and a running service does not: optional capabilities of a store.

Their methods also work on a store that is not open, and never upgrade a database.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[int, int], None]
"""Called with the done and the total parts of a piece of work, in any thread."""


@dataclass(frozen=True, slots=True)
class Version:
    """The version of a database.

    Attributes:
        found: of the database; None if there is no database yet.
        known: the newest that this Lading knows, to which opening the store brings the database.
    """

    found: int | None
    known: int


class Upgrading(ABC):
    """Tells what the opening of a store will change in a database of an earlier Lading."""

    @abstractmethod
    async def pending(self) -> tuple[str, ...]:
        """Each change, in words; none if there is nothing to do, or no database yet.

        Raises:
            StoreRefused: the database is not Lading's, newer than this Lading, or cannot be used as it is configured.
            StoreUnavailable: it cannot be read.
        """


class Copying(ABC):
    """Copies a database that is one file, while services write to it."""

    @abstractmethod
    async def version(self) -> Version:
        """The version of the database.

        Raises:
            StoreRefused: the database is not Lading's, or newer than this Lading.
            StoreUnavailable: it cannot be read.
        """

    @abstractmethod
    async def byte_size(self) -> int:
        """The bytes that a copy of the database takes at present.

        Raises:
            StoreUnavailable: the database cannot be read.
        """

    @abstractmethod
    async def copy_to(self, path: Path, report: Report) -> None:
        """Copy the whole database, as of one moment, to a new file of mode 0600. The file is on its disk, and alone,
        when this returns. Writers are not delayed. If this is cancelled, the file is not whole.

        Raises:
            StoreUnavailable: the database cannot be read, or the file cannot be written.
        """

    @abstractmethod
    async def faults(self, path: Path, limit: int) -> tuple[str, ...]:
        """Up to ``limit`` faults of a database in a file that no process has open; none if it is sound.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
