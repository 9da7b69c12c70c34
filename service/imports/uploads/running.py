"""An import whose bytes are being received, and how its reception is stopped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ....plugins.host.record import Trace
from ...documents import DocumentStore
from ...errors.catalogue import ApiError
from ...models import Import
from ...work.cancellation import HasStopped, Stops
from ...work.leases import Lease
from ...work.pipeline.outcomes import TakenOver


@dataclass(eq=False, slots=True)
class Reception:
    """An import whose bytes are being received.

    Attributes:
        document: the running import.
        lease: the lease that it runs under.
        is_over: whether its result is written.
        trace, began_at, started: the attempt's trace, and its beginning by the clock and in monotonic seconds.
        refuse: answers the request with an error while its body still comes.
        is_stopped: whether the import was found to belong to this request no longer.
        has_left: whether storage may hold an object of the attempt.
    """

    document: Import
    lease: Lease
    began_at: datetime
    is_over: bool = False
    trace: Trace = field(default_factory=Trace)
    started: float = 0.0
    refuse: Callable[[ApiError], None] = lambda _: None
    is_stopped: bool = False
    has_left: bool = False
    _scope: asyncio.Timeout | None = None
    _has_ended: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """``stop`` ends the block.

        Raises:
            TakenOver: the reception was stopped.
        """
        try:
            if self.is_stopped:
                raise TakenOver(self.document.id)
            async with asyncio.timeout(None) as self._scope:
                yield
        except TimeoutError as error:
            if self.is_stopped:
                raise TakenOver(self.document.id) from error
            raise
        finally:
            self._has_ended.set()

    async def stop(self, error: ApiError) -> None:
        """End the reception: the body, which is answered with the error, or the attempt. Returns when the attempt has
        ended. May be called twice.
        """
        self.is_stopped = True
        if self._scope is None:
            self.refuse(error)
            return
        if not self._has_ended.is_set():
            self._scope.reschedule(asyncio.get_running_loop().time())
            await self._has_ended.wait()


class Receptions:
    """The receptions of this process.

    Args:
        overtaken: the error for the client of an import that this process no longer owns.
        has_stopped: see ``Stops``.

    Attributes:
        under_way: ids of the imports whose reception has no result yet.
        stops: ends the receptions of cancelled imports.
    """

    def __init__(
        self, store: DocumentStore, overtaken: Callable[[str], Awaitable[ApiError]], has_stopped: HasStopped
    ) -> None:
        self._overtaken = overtaken
        self._receptions: dict[str, Reception] = {}
        self._lease_of: dict[str, Lease] = {}
        self.under_way: set[str] = set()
        self.stops = Stops(store, self._lease_of, self.under_way, self._abandon, has_stopped)

    def add(self, reception: Reception) -> None:
        """A reception begins."""
        import_id = reception.document.id
        self._receptions[import_id] = reception
        self._lease_of[import_id] = reception.lease
        reception.lease.held[import_id] = reception.document
        self.under_way.add(import_id)

    def remove(self, reception: Reception) -> None:
        """Forget a reception that has ended, but no later one of the same import."""
        import_id = reception.document.id
        if self._receptions.get(import_id) is reception:
            del self._receptions[import_id]
            del self._lease_of[import_id]
            self.under_way.discard(import_id)
        if self._lease_of.get(import_id) is not reception.lease:  # no later one runs under the same lease
            reception.lease.held.pop(import_id, None)

    async def _abandon(self, documents: Collection[Import]) -> None:
        for document in documents:
            reception = self._receptions.get(document.id)
            if reception is None:
                continue
            self.under_way.discard(document.id)
            try:
                error = await self._overtaken(document.id)
            except ApiError as unavailable:
                error = unavailable
            await reception.stop(error)
