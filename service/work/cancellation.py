"""Ends the attempts at cancelled imports: in this process at once, in other processes after their next poll."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import structlog

from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..observe.outages import Outage
from .leases import Lease

POLL_SECONDS = 1.0
"""Seconds between two polls for imports that the worker has lost."""

HasStopped = Callable[[str], Awaitable[None]]
"""Awaited with the id of each import whose attempt was ended. It raises nothing."""

log = structlog.get_logger(__name__)


class Stops:
    """Finds out which of a worker's imports were cancelled.

    Args:
        lease_of: the lease of each held import, by the id of the import. The worker changes this mapping.
        under_way: ids of the imports whose attempt runs and has no result yet. It changes too.
        abandon: ends the attempts at imports, and forgets these.
        has_stopped: see ``HasStopped``.
    """

    def __init__(
        self,
        store: DocumentStore,
        lease_of: Mapping[str, Lease],
        under_way: Collection[str],
        abandon: Callable[[Collection[Import]], Awaitable[None]],
        has_stopped: HasStopped | None,
    ) -> None:
        self._store = store
        self._lease_of = lease_of
        self._under_way = under_way
        self._abandon = abandon
        self._has_stopped = has_stopped
        self._asked: set[str] = set()
        self._wake = asyncio.Event()

    def ask(self, import_id: str) -> None:
        """Check at once whether this import was cancelled, if the worker holds it."""
        if import_id in self._lease_of:
            self._asked.add(import_id)
            self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled. While no import runs, there is no query."""
        outage = Outage("the look for cancelled imports")
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, set()
            try:
                await self.look(asked)
                outage.worked()
            except StoreUnavailable as error:
                outage.failed(str(error))
            except Exception:
                log.exception("could not stop cancelled imports")

    async def look(self, asked: Collection[str] = ()) -> None:
        """End the attempts at imports that no longer run under their lease.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        # Other held imports have no attempt yet, or their result is being written, and the store may be ahead of this
        # worker.
        looked_at = {
            one: document
            for one in self._lease_of
            if (one in self._under_way or one in asked) and (document := self._held(one)) is not None
        }
        if not looked_at:
            return
        held = await self._store.search.held_by({self._lease_of[one].worker_id for one in looked_at})
        gone = [
            document
            for one, document in looked_at.items()
            # An import that ended meanwhile and was claimed again is not the import of the query.
            if one not in held and self._held(one) is document and (one in self._under_way or one in asked)
        ]
        if not gone:
            return
        log.info("ended the attempts of cancelled imports", imports=[one.id for one in gone])
        await self._abandon(gone)
        if self._has_stopped is not None:
            await asyncio.gather(*(self._has_stopped(one.id) for one in gone))

    def _held(self, import_id: str) -> Import | None:
        """The import as the worker holds it, or None."""
        lease = self._lease_of.get(import_id)
        return None if lease is None else lease.held.get(import_id)


async def cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their end, whatever they raise."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
