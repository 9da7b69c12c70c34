"""Small documents other than imports: idempotency keys, batches, webhook endpoints, deliveries, uploads.

This is the part of the ``DocumentStore`` contract that keeps them. Their writers decide on their content.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Record:
    """A small document. Moments are UTC, in whole milliseconds.

    Attributes:
        kind: what it is; ids are unique within a kind.
        id: its id, at most 200 characters.
        owner: whose it is, for listing: an organisation, an issuer, or another record.
        data: what it says, as JSON can; may be secret, so it is in no repr.
        revision: number of writes so far, as of ``Import``.
        due_at: when the record is due for work, by ``DocumentStore.clock``; None for never.
        expires_at: from when on it need not be kept, by ``DocumentStore.clock``; None for never.
    """

    kind: str
    id: str
    owner: str
    data: Mapping[str, Any] = field(repr=False)
    created_at: datetime
    revision: int = 0
    due_at: datetime | None = None
    expires_at: datetime | None = None

    def changed(self, **changes: Any) -> Self:
        """The next revision."""
        return replace(self, revision=self.revision + 1, **changes)


class RecordStore(ABC):
    """Keeps records. What ``DocumentStore`` says of its methods holds for these: durable writes, ``StoreUnavailable``.

    A record that has expired may be gone at any time; until then it is there.
    """

    @abstractmethod
    async def add(self, record: Record, *, at_most: int | None = None) -> None:
        """Insert a new record; in the place of one with the same id that has expired, if there is one.

        Args:
            record: the record.
            at_most: how many records of its kind its owner may have then, this one included; None for any number. It
                holds however many calls there are at once, in however many processes. Not for kinds that expire.

        Raises:
            DuplicateId: there is one that has not expired; nothing was changed.
            TooManyRecords: there are as many already; nothing was changed.
        """

    @abstractmethod
    async def get(self, kind: str, record_id: str) -> Record | None:
        """The record, unless it has expired; or None."""

    @abstractmethod
    async def replace(self, record: Record) -> bool:
        """Compare and set: see ``DocumentStore.update``. ``kind``, ``owner`` and ``created_at`` do not change."""

    @abstractmethod
    async def delete(self, kind: str, record_id: str) -> bool:
        """Remove a record; False where there was none."""

    @abstractmethod
    async def list(
        self, kind: str, owner: str, limit: int, *, after: str | None = None, descending: bool = False
    ) -> Sequence[Record]:
        """Up to ``limit`` records of an owner that have not expired, by their ids, beginning after the id ``after``."""

    @abstractmethod
    async def due(self, kind: str, now: datetime, limit: int) -> Sequence[Record]:
        """Up to ``limit`` records of a kind that are due and have not expired, the longest due first."""

    @abstractmethod
    async def drop_expired(self, limit: int) -> int:
        """Remove up to ``limit`` records that have expired; how many they were."""
