"""What operators see of the queue: the part of the ``DocumentStore`` contract that counts imports which are not done.

It reads and never writes. No cost depends on how many imports are done or cancelled.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from ..models import Import, Status

EXAMINED: Final = 100_000
"""Imports that one reading looks at, at most."""
COUNTED: Final = 1_000_000
"""Imports of a state that ``figures`` counts, at most."""

OPEN: Final = (Status.QUEUED, Status.RUNNING, Status.WAITING, Status.FAILED)
"""The states that a ``Selection`` may ask for."""


class Entry(NamedTuple):
    """An import in few words.

    Attributes:
        code: of the error of its last attempt; None without one.
        since: when a failed import failed; when the attempt of a running one began; when any other was created, or
            retried last.
        worker_id: the lease under which it runs; None where it does not run.
    """

    id: str
    status: Status
    issuer_id: str
    host: str
    code: str | None
    since: datetime
    attempts: int
    worker_id: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which imports are meant: those of one state; None is no condition.

    Attributes:
        status: one of ``OPEN``.
        issuer_id: they are this issuer's.
        host: they come from this host; the empty text for imports without a url.
        code: their last attempt failed with this code.
        since: ``Entry.since`` is then or later.
    """

    status: Status
    issuer_id: str | None = None
    host: str | None = None
    code: str | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        if self.status not in OPEN:
            raise ValueError(f"no reading of the queue tells of imports that are {self.status}")

    def admits(self, entry: Entry) -> bool:
        """Whether the import is meant."""
        return (
            entry.status is self.status
            and self.issuer_id in (None, entry.issuer_id)
            and self.host in (None, entry.host)
            and self.code in (None, entry.code)
            and (self.since is None or entry.since >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Imports of one issuer, host and code.

    Attributes:
        oldest, newest: the earliest and the latest ``Entry.since``.
        example: id of the latest import.
    """

    issuer_id: str
    host: str
    code: str | None
    count: int
    oldest: datetime
    newest: datetime
    example: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The groups of a selection, in no order.

    Attributes:
        is_whole: whether every import that could be meant was looked at.
    """

    groups: Sequence[Group]
    is_whole: bool


class Figures(NamedTuple):
    """How many imports are not final.

    Attributes:
        waiting: for their bytes.
        queued: those that are due.
        delayed: queued, and due later.
        running: claimed.
        oldest_seconds: for how long the import has been due that has been due the longest; 0 if none is due.
    """

    waiting: int
    queued: int
    delayed: int
    running: int
    oldest_seconds: float


class ImportQueue(ABC):
    """Counts and lists imports which are not done. Its methods raise ``StoreUnavailable``, and may be called
    concurrently, as ``DocumentStore``'s. Deleted imports are not found.

    A reading looks at ``examine`` imports of the state at most: of failed imports at the latest, of others at any. It
    does not look at failed imports from before ``Selection.since``.
    """

    @abstractmethod
    async def summary(self, wanted: Selection, *, examine: int = EXAMINED) -> Summary:
        """How many imports are meant, by issuer, host and code."""

    @abstractmethod
    async def entries(self, wanted: Selection, limit: int, *, examine: int = EXAMINED) -> Sequence[Entry]:
        """Up to ``limit`` of the imports that are meant, in no order."""

    @abstractmethod
    async def figures(self, now: datetime) -> Figures:
        """The numbers of all imports that are not final, deleted ones included; ``COUNTED`` of a state at most.

        No document is read for it, but its cost depends on how many they are: callers remember the answer for a while.

        Args:
            now: the time by the store's clock.
        """


def entry_of(document: Import) -> Entry:
    """The import in few words."""
    is_as_old_as_its_state = document.status in (Status.FAILED, Status.RUNNING)
    return Entry(
        id=document.id,
        status=document.status,
        issuer_id=document.issuer_id,
        host=document.host,
        code=None if document.error is None else document.error.code,
        since=document.updated_at if is_as_old_as_its_state else document.retried_at or document.created_at,
        attempts=document.attempts,
        worker_id=document.worker_id,
    )
