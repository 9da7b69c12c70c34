"""The bound on queued imports. Beyond it, Lading asks clients to come back instead of accepting hours of work."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from ..documents import DocumentStore, StoreUnavailable

SHARE = 0.05
"""The largest share of time that counting may take."""
OLDEST = 10.0
"""Seconds after which the queue is counted again, at any cost."""
NEAR = 0.5
"""The share of the limit beyond which requests wait for a new count; below it they use the last count. At most a half:
an issuer that has queued less than that has queued less than there is room for."""


MAX_ISSUERS = 1024
"""Issuers whose part of the queue is remembered."""


class Backlog:
    """Knows whether an issuer may queue one more import, without a query for every request.

    An issuer may queue one more only while fewer imports of its own are queued than there is room for. One issuer can
    fill half of the queue, and leaves the other half to further issuers (P7).

    Args:
        limit: number of queued imports at which new imports of every issuer are refused.
        max_age: seconds for which a count is used, plus the imports that this process has accepted since. If a count
            takes long, because the queue is long, it is used for longer, up to ``OLDEST``, so that counting takes no
            more than ``SHARE`` of the time.

    No request waits for a new count while the last count was far from the limit (``NEAR``) and is not older than twice
    ``OLDEST``. So only half a full queue of new imports within seconds can exceed the limit, and an old count never
    refuses a request. Below ``NEAR``, no issuer can have too much, so its own imports are not counted.
    """

    def __init__(self, store: DocumentStore, limit: int, max_age: float = 1.0) -> None:
        self._store = store
        self._limit = limit
        self._max_age = max_age
        self._all = _Count(lambda: store.queued(limit), NEAR * limit, max_age)
        self._of: OrderedDict[str, _Count] = OrderedDict()

    async def is_full(self, issuer_id: str) -> bool:
        """Whether no more imports of the issuer should be accepted now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        queued = await self._all.present()
        if queued < NEAR * self._limit:
            return False
        return queued >= self._limit or await self._issuer(issuer_id).present() >= self._limit - queued

    def _issuer(self, issuer_id: str) -> "_Count":
        found = self._of.get(issuer_id)
        if found is None:
            found = _Count(lambda: self._store.queued(self._limit, issuer_id), 0, self._max_age)
            self._of[issuer_id] = found
            if len(self._of) > MAX_ISSUERS:
                self._of.popitem(last=False)
        self._of.move_to_end(issuer_id)
        return found

    async def close(self) -> None:
        """Cancel a running count, and start no more. May be called twice."""
        await self._all.close()

    def added(self, issuer_id: str) -> None:
        """Count an import that was accepted just now."""
        self._all.added()
        if issuer_id in self._of:
            self._of[issuer_id].added()


class _Count:
    """A number that the store counts, and that is used for a while; see ``Backlog``.

    Args:
        count: asks the store.
        near: a number below this may be old: nobody waits for a new count.
        max_age: seconds for which a count is used at least.
    """

    def __init__(self, count: Callable[[], Awaitable[int]], near: float, max_age: float) -> None:
        self._ask_store = count
        self._near = near
        self._min_age = max_age
        self._max_age = max_age
        self._number = 0
        self._counted_at = float("-inf")
        self._failed_at = float("-inf")
        self._lock = asyncio.Lock()
        self._counting: asyncio.Task[None] | None = None
        self._closed = False

    async def present(self) -> int:
        """The number, as far as it must be known.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        asked_at = time.monotonic()
        age = asked_at - self._counted_at
        if age > self._max_age:
            if age <= 2 * OLDEST and self._number < self._near:
                self._count_aside(asked_at)
            else:
                await self._count_anew(asked_at)
        return self._number

    def _count_aside(self, asked_at: float) -> None:
        if not self._closed and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._try_to_count(asked_at), name="count of the queue")

    async def _try_to_count(self, asked_at: float) -> None:
        # If the database is down, adding the import fails and tells the client.
        with contextlib.suppress(StoreUnavailable):
            await self._count_anew(asked_at)

    async def _count_anew(self, asked_at: float) -> None:
        """Count the queue, unless another caller has just done so."""
        async with self._lock:
            if self._failed_at >= asked_at:
                raise StoreUnavailable("the queue could not be counted while this request waited")
            if time.monotonic() - self._counted_at > self._max_age:
                await self._ask()

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._number = await self._ask_store()
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise
        self._counted_at = time.monotonic()
        self._max_age = min(max(self._min_age, (self._counted_at - began) / SHARE), max(OLDEST, self._min_age))

    async def close(self) -> None:
        """Cancel a running count, and start no more. May be called twice."""
        self._closed = True
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})

    def added(self) -> None:
        """Count one more."""
        self._number += 1
