"""Ending the attempts at imports that were cancelled: here at once, and by other processes as soon as that shows."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog

from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..observe.outages import Outage
from .leases import Lease

POLL_SECONDS = 1.0
"""Seconds between two looks at which imports are not the worker's own any more."""

HasStopped = Callable[[str], Awaitable[None]]
"""Awaited with the id of every import whose attempt was ended; raises nothing."""

log = structlog.get_logger(__name__)


class Stops:
    """Looks, for a worker, which of its imports were cancelled.

    Args:
        lease_of: the leases of what the worker holds, by the ids of the imports; the worker's own, changing.
        under_way: ids of those at which an attempt is made and has no result yet; changing too.
        abandon: ends the attempts at imports, and forgets them.
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
        """Look now whether this import was cancelled, if the worker holds it."""
        if import_id in self._lease_of:
            self._asked.add(import_id)
            self._wake.set()

    async def run(self) -> None:
        """Look again and again, until cancelled. Nothing is asked of the store while nothing runs."""
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
        """End the attempts at imports that do not run under their lease any more.

        Raises:
            StoreUnavailable: that cannot be told.
        """
        # What is not under way has no attempt yet, or one whose result is being written: the store may be ahead of us.
        looked_at = {
            one: lease.held[one] for one, lease in self._lease_of.items() if one in self._under_way or one in asked
        }
        if not looked_at:
            return
        held = await self._store.search.held_by({self._lease_of[one].worker_id for one in looked_at})
        gone = [
            document
            for one, document in looked_at.items()
            # One that has ended meanwhile, and was claimed again, is not the one that was looked for.
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
