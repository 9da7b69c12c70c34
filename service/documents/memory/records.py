"""Records of the reference store, in a dictionary. See ``RecordStore``."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from ...models.clock import Clock
from ..errors import DuplicateId, TooManyRecords
from ..records import Record, RecordStore


class MemoryRecordStore(RecordStore):
    """Keeps records in memory.

    Args:
        clock: judges what has expired.
        check_open: raises where the store is not open.
    """

    def __init__(self, clock: Clock, check_open: Callable[[], None]) -> None:
        self._clock = clock
        self._check_open = check_open
        self._records: dict[tuple[str, str], Record] = {}

    async def add(self, record: Record, *, at_most: int | None = None) -> None:
        """See ``RecordStore.add``."""
        if at_most is not None and len(await self.list(record.kind, record.owner, at_most)) >= at_most:
            raise TooManyRecords(f"the owner has {at_most} records of the kind {record.kind}")
        if await self.get(record.kind, record.id) is not None:
            raise DuplicateId(f"there is a {record.kind} with this id already")
        self._records[record.kind, record.id] = _detached(record)

    async def get(self, kind: str, record_id: str) -> Record | None:
        """See ``RecordStore.get``."""
        self._check_open()
        record = self._records.get((kind, record_id))
        return None if record is None or self._has_expired(record) else _detached(record)

    async def replace(self, record: Record) -> bool:
        """See ``RecordStore.replace``."""
        self._check_open()
        stored = self._records.get((record.kind, record.id))
        if stored is None or stored.revision != record.revision - 1:
            return False
        self._records[record.kind, record.id] = _detached(record)
        return True

    async def delete(self, kind: str, record_id: str) -> bool:
        """See ``RecordStore.delete``."""
        self._check_open()
        return self._records.pop((kind, record_id), None) is not None

    async def list(
        self, kind: str, owner: str, limit: int, *, after: str | None = None, descending: bool = False
    ) -> Sequence[Record]:
        """See ``RecordStore.list``."""
        self._check_open()
        found = [
            one
            for one in self._records.values()
            if (one.kind, one.owner) == (kind, owner) and not self._has_expired(one)
        ]
        found.sort(key=lambda one: one.id, reverse=descending)
        rest = [one for one in found if after is None or (one.id < after if descending else one.id > after)]
        return [_detached(one) for one in rest[:limit]]

    async def due(self, kind: str, now: datetime, limit: int) -> Sequence[Record]:
        """See ``RecordStore.due``."""
        self._check_open()
        found = [
            (one.due_at, one.id, one)
            for one in self._records.values()
            if one.kind == kind and one.due_at is not None and one.due_at <= now and not self._has_expired(one)
        ]
        return [_detached(one) for _, _, one in sorted(found, key=lambda one: one[:2])[:limit]]

    async def drop_expired(self, limit: int) -> int:
        """See ``RecordStore.drop_expired``."""
        self._check_open()
        expired = [key for key, one in self._records.items() if self._has_expired(one)][:limit]
        for key in expired:
            del self._records[key]
        return len(expired)

    def _has_expired(self, record: Record) -> bool:
        return record.expires_at is not None and record.expires_at <= self._clock.now()


def _detached(record: Record) -> Record:
    return replace(record, data=copy.deepcopy(dict(record.data)))
