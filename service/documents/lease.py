"""A lease on a task that one process at a time does, however many processes share the documents.

A process that dies loses its lease after a while. A process that stood still may go on for a moment beside the next
one: the task must allow for that.
"""

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ..models.clock import truncate_to_milliseconds
from .errors import DuplicateId
from .records import Record

if TYPE_CHECKING:
    from . import DocumentStore

KIND: Final = "lease"
OWNER: Final = "service"


class Lease:
    """The lease of one process. Every method may raise ``StoreUnavailable``.

    Args:
        store: keeps it, and judges when it ends.
        task: its name.
        duration: for how long it holds without being renewed.
    """

    def __init__(self, store: "DocumentStore", task: str, duration: timedelta) -> None:
        self._store = store
        self._task = task
        self._duration = duration
        self._holder = str(uuid.uuid4())

    async def take(self) -> bool:
        """Begin or renew the lease; False if another process has it."""
        now = truncate_to_milliseconds(self._store.clock.now())
        ends = now + self._duration
        found = await self._store.records.get(KIND, self._task)
        if found is not None:
            is_own = found.data["holder"] == self._holder
            return is_own and await self._store.records.replace(found.changed(expires_at=ends))
        try:
            await self._store.records.add(
                Record(KIND, self._task, OWNER, {"holder": self._holder}, now, expires_at=ends)
            )
        except DuplicateId:
            return False
        return True

    async def give_back(self) -> None:
        """End the lease, if this process has it."""
        found = await self._store.records.get(KIND, self._task)
        if found is not None and found.data["holder"] == self._holder:
            await self._store.records.delete(KIND, self._task)
