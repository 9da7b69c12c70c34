"""The bound on unfinished imports: queued, running, or waiting for their bytes. Beyond it, Lading asks clients to come
back instead of accepting hours of work.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Self

from ...plugins.host.turns import on_behalf_of_all
from ..documents import DocumentStore, StoreUnavailable

SHARE = 0.05
"""The largest share of time that counting may take."""
OLDEST = 10.0
"""Seconds after which the imports are counted again, at any cost."""
NEAR = 0.5
"""The share of the limit beyond which requests wait for a new count; below it they use the last count. At most a half:
an issuer that has fewer than that has fewer than there is room for."""
MAX_ISSUERS = 1024
"""Issuers whose part of the backlog is remembered."""


class Backlog:
    """Knows whether an issuer may add one more import, without a query for every request.

    An issuer may add one more only while fewer imports of its own are unfinished than there is room for. One issuer can
    fill half of the backlog, and leaves the other half to further issuers (P7). An import counts from its acceptance,
    or its retry, until it is final, whatever it waits for; no transition between the states in between is refused.

    Args:
        limit: number of unfinished imports at which new imports of every issuer are refused.
        max_age: seconds for which a count is used, plus the imports that this process has accepted since. If a count
            takes long, because the imports are many, it is used for longer, up to ``OLDEST``, so that counting takes no
            more than ``SHARE`` of the time.

    The imports of one process never exceed the limit together: each has its place before it is added. Imports that
    other processes add count from the next count on. No request waits for a new count while the last count was far from
    the limit (``NEAR``) and is not older than twice ``OLDEST``. So only half a full backlog of new imports of other
    processes within seconds can exceed the limit, and an old count never refuses a request. Below ``NEAR``, no issuer
    can have too much, so its own imports are not counted.
    """

    def __init__(self, store: DocumentStore, limit: int, max_age: float = 1.0) -> None:
        self._store = store
        self._limit = limit
        self._max_age = max_age
        self._all = _Count(self._counted, NEAR * limit, max_age)
        self._of: OrderedDict[str, _Count] = OrderedDict()
        self._held: dict[str, int] = {}

    async def is_full(self, issuer_id: str) -> bool:
        """Whether no more imports of the issuer should be accepted now. Nothing is awaited after the answer is known.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        held = self._held.values()
        if await self._all.present() + sum(held) < NEAR * self._limit:
            return False
        own = self._issuer(issuer_id)
        await own.present()
        room = self._limit - self._all.number - sum(held)
        return room <= 0 or own.number + self._held.get(issuer_id, 0) >= room

    def place(self, issuer_id: str) -> "Place":
        """A place for one import of the issuer, which is to be taken, and used, within its block."""
        return Place(self, issuer_id, self._held)

    async def _counted(self) -> int:
        with on_behalf_of_all():  # the requests of all issuers wait for this count
            return await self._store.unfinished(self._limit)

    def _issuer(self, issuer_id: str) -> "_Count":
        found = self._of.get(issuer_id)
        if found is None:
            found = _Count(lambda: self._store.unfinished(self._limit, issuer_id), 0, self._max_age)
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


class Place:
    """The place of one import; see ``Backlog.place``. Its block leaves it.

    Args:
        held: the places that are taken and whose imports are not added yet, by issuer.
    """

    def __init__(self, backlog: Backlog, issuer_id: str, held: dict[str, int]) -> None:
        self._backlog = backlog
        self._issuer_id = issuer_id
        self._held = held
        self._is_taken = False
        self._is_used = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    async def take(self) -> bool:
        """Take the place; whether the issuer may have it, or has it already.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if not self._is_taken:
            if await self._backlog.is_full(self._issuer_id):
                return False
            self._held[self._issuer_id] = self._held.get(self._issuer_id, 0) + 1
            self._is_taken = True
        return True

    def used(self) -> None:
        """The import is about to be added. It counts, even if the answer of the database is lost."""
        self._is_used = True

    def leave(self) -> None:
        """Give the place to the import that was added; free it if none was."""
        if not self._is_taken:
            return
        self._is_taken = False
        self._held[self._issuer_id] -= 1
        if not self._held[self._issuer_id]:
            del self._held[self._issuer_id]
        if self._is_used:
            self._backlog.added(self._issuer_id)


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
        self._counted = 0
        self._added = 0
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
            if age <= 2 * OLDEST and self.number < self._near:
                self._count_aside(asked_at)
            else:
                await self._count_anew(asked_at)
        return self.number

    @property
    def number(self) -> int:
        """The last count, and those added since it began."""
        return self._counted + self._added

    def _count_aside(self, asked_at: float) -> None:
        if not self._closed and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._try_to_count(asked_at), name="count of the backlog")

    async def _try_to_count(self, asked_at: float) -> None:
        # If the database is down, adding the import fails and tells the client.
        with contextlib.suppress(StoreUnavailable):
            await self._count_anew(asked_at)

    async def _count_anew(self, asked_at: float) -> None:
        """Count anew, unless another caller has just done so."""
        async with self._lock:
            if self._failed_at >= asked_at:
                raise StoreUnavailable("the backlog could not be counted while this request waited")
            if time.monotonic() - self._counted_at > self._max_age:
                await self._ask()

    async def _ask(self) -> None:
        began, before = time.monotonic(), self._added
        try:
            self._counted = await self._ask_store()
        except StoreUnavailable:
            self._failed_at = time.monotonic()
            raise
        # What was added meanwhile may be in the count or not: until the next count, too many are better than too few.
        self._added -= before
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
        self._added += 1
