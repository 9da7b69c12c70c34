"""The progress of fetches: known at once in their own process, and after about a second in other processes.

Best effort: lost progress changes nothing. Fetches of less than a second are never written.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Protocol

from ...documents import DocumentStore, DuplicateId, StoreUnavailable
from ...documents.records import Record
from ...models.clock import truncate_to_milliseconds

KIND: Final = "progress"
INTERVAL: Final = 1.0
"""Seconds between two writes of the same fetch, and before the first."""
LIFETIME: Final = timedelta(seconds=60)


class HasSize(Protocol):
    """An object that grows while it is filled, such as a spool."""

    byte_size: int


@dataclass(frozen=True, slots=True)
class Amount:
    """The bytes of an image.

    Attributes:
        received: bytes that have arrived.
        total: bytes that the origin announced; None without an announcement.
    """

    received: int
    total: int | None

    @property
    def document(self) -> dict[str, Any]:
        """The amount as JSON."""
        return {"received": self.received, "total": self.total}


@dataclass(slots=True)
class _Fetch:
    fills: HasSize
    total: int | None
    began_at: float = field(default_factory=time.monotonic)
    written: Record | None = None

    @property
    def amount(self) -> Amount:
        return Amount(self.fills.byte_size, self.total)


class Progress:
    """The running fetches of a process."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._fetches: dict[str, _Fetch] = {}

    def begin(self, import_id: str, fills: HasSize, total: int | None) -> None:
        """A fetch begins. The size of ``fills`` is its progress."""
        self._fetches[import_id] = _Fetch(fills, total)

    def end(self, import_id: str) -> None:
        """The fetch has ended, successfully or not."""
        self._fetches.pop(import_id, None)

    async def of(self, import_id: str) -> Amount | None:
        """The progress of an import, in whichever process it runs; None if it is unknown.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        here = self._fetches.get(import_id)
        if here is not None:
            return here.amount
        record = await self._store.records.get(KIND, import_id)
        return None if record is None else Amount(record.data["received"], record.data["total"])

    async def run(self) -> None:
        """Write the progress of the longer fetches, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            for import_id, fetch in tuple(self._fetches.items()):
                if time.monotonic() - fetch.began_at >= INTERVAL:
                    with contextlib.suppress(StoreUnavailable, DuplicateId):
                        await self._write(import_id, fetch)

    async def _write(self, import_id: str, fetch: _Fetch) -> None:
        now = truncate_to_milliseconds(self._store.clock.now())
        data = fetch.amount.document
        if fetch.written is None:
            await self._store.records.delete(KIND, import_id)  # of an earlier attempt
            record = Record(KIND, import_id, import_id, data, now, expires_at=now + LIFETIME)
            await self._store.records.add(record)
        elif fetch.written.data == data:
            return
        else:
            record = fetch.written.changed(data=data, expires_at=now + LIFETIME)
            await self._store.records.replace(record)
        fetch.written = record
