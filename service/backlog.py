"""The bound on queued imports: beyond it, a client is asked to come back rather than promised what takes hours."""

import asyncio
import time

from service.documents import DocumentStore, StoreUnavailable

SHARE = 0.05
"""The most of the time that counting may take."""
OLDEST = 10.0
"""Seconds after which a count is not used any more, whatever the next one costs."""


class Backlog:
    """Knows, without asking the database for every request, whether the queue is full.

    Args:
        limit: queued imports at which new ones are refused.
        max_age: seconds for which a count is used; what this process accepted meanwhile is added to it. Where a count
            takes long, because much is queued, it is used for longer: up to ``OLDEST``, so that counts take no more
            than ``SHARE`` of the time.
    """

    def __init__(self, store: DocumentStore, limit: int, max_age: float = 1.0) -> None:
        self._store = store
        self._limit = limit
        self._min_age = max_age
        self._max_age = max_age
        self._count = 0
        self._counted_at = float("-inf")
        self._failed_at = float("-inf")
        self._lock = asyncio.Lock()

    async def is_full(self) -> bool:
        """Whether no more imports should be accepted now.

        Raises:
            StoreUnavailable: it is not known.
        """
        asked_at = time.monotonic()
        if asked_at - self._counted_at > self._max_age:
            async with self._lock:
                if self._failed_at >= asked_at:
                    raise StoreUnavailable("the queue could not be counted while this request waited")
                if time.monotonic() - self._counted_at > self._max_age:
                    await self._ask()
        return self._count >= self._limit

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._count = await self._store.queued(self._limit)
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise
        self._counted_at = time.monotonic()
        self._max_age = min(max(self._min_age, (self._counted_at - began) / SHARE), max(OLDEST, self._min_age))

    def added(self) -> None:
        """Count one that was accepted just now."""
        self._count += 1
