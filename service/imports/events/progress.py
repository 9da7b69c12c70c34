"""How far fetches have come: known at once in their own process, and about a second later in others.

Best effort: what is not told changes nothing. Fetches that take no longer than a second are never written down.
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
    """What grows while it is filled, such as a spool."""

    byte_size: int


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes of an image.

    Attributes:
        received: so far.
        total: as the origin has announced it; None where it has not.
    """

    received: int
    total: int | None

    @property
    def document(self) -> dict[str, Any]:
        """As JSON has it."""
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
    """The fetches under way in a process."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._fetches: dict[str, _Fetch] = {}

    def begin(self, import_id: str, fills: HasSize, total: int | None) -> None:
        """A fetch begins; the size of what it fills is how far it has come."""
        self._fetches[import_id] = _Fetch(fills, total)

    def end(self, import_id: str) -> None:
        """It has ended, in whatever way."""
        self._fetches.pop(import_id, None)

    async def of(self, import_id: str) -> Amount | None:
        """How far an import has come, wherever it runs; None where that is not known.

        Raises:
            StoreUnavailable: it cannot be told.
        """
        here = self._fetches.get(import_id)
        if here is not None:
            return here.amount
        record = await self._store.records.get(KIND, import_id)
        return None if record is None else Amount(record.data["received"], record.data["total"])

    async def run(self) -> None:
        """Write down how far the longer fetches have come, until cancelled."""
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
