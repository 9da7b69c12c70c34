"""Writes the results of claimed imports, so that every import keeps an owner.

A result is a compare-and-set. A worker that loses it reads the document again, and decides by the claim:

- The import still runs, as the same run: the worker applies the transition to the newer document.
- The import no longer runs under this worker's lease, since it was cancelled, deleted or recovered: the worker forgets
  it.
- The import runs under this worker's lease, as another run: the store gave it to the worker again while the worker
  still held it. Only the end of the lease returns such an import to the queue (``lading.service.work.leases``).
"""

from collections.abc import Callable
from datetime import datetime

from ...plugins.contracts.quick import copied
from ..documents import DocumentStore, StoredAlready
from ..models import Import, Status
from ..webhooks.outbox import Outbox
from .pipeline.duplicates import Sole
from .pipeline.outcomes import TakenOver

MISSES = 10
"""How often the document is read again. Only the worker writes a running import that stays running."""

Transition = Callable[[Import], Import]
"""Makes the next state of a running import."""


def handing_back(run_at: datetime, now: datetime, *, has_left: bool = False) -> Transition:
    """See ``Import.handed_back``; with a leftover, if the attempt may have left an object."""
    if has_left:
        return lambda running: running.handed_back(run_at, now).with_leftover(now)
    return lambda running: running.handed_back(run_at, now)


class ResultNotWritten(Exception):
    """The import may still run under the lease, though nobody runs it: the worker must give up the lease."""


class Result:
    """The next state of an import, until it is written.

    Args:
        outbox: takes the event of the transition.
        claimed: the import as claimed, or as read since then.
        transition: applied to the newest document; it may be called several times.
        sole: the other end of the import, if it keeps its own image only unless another import has the same bytes.
    """

    def __init__(
        self,
        store: DocumentStore,
        outbox: Outbox,
        claimed: Import,
        transition: Transition,
        sole: Sole | None = None,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._claimed = claimed
        self._transition = transition
        self._sole = sole
        self._before = claimed
        self._after = transition(claimed)

    async def write(self) -> Import | None:
        """Write the result. After ``StoreUnavailable`` the caller may call this again: the result is written once at
        most.

        Returns:
            the import as written; None if the worker no longer owns it.

        Raises:
            StoreUnavailable: the result may or may not be written.
            ResultNotWritten: the result is not written, and never will be.
        """
        for _ in range(MISSES):
            after = await self._outbox.with_event(self._before, self._after)
            try:
                is_written = await self._update(after)
            except StoredAlready as other:
                await self._share(other.found)
                continue
            if is_written:
                self._outbox.written(self._before, after)
                return after
            present = await self._store.get(self._claimed.id)
            if present is not None and _is_same(present, after):  # by an earlier call whose answer was lost
                self._outbox.written(self._before, after)
                return after
            if present is None or not _is_of_worker(present, self._claimed):
                return None
            if not present.is_run_of(self._claimed):
                break
            self._before, self._after = present, self._transition(present)
        raise ResultNotWritten(self._claimed.id)

    async def _update(self, after: Import) -> bool:
        return await (self._store.update(after) if self._sole is None else self._sole.write(after))

    async def _share(self, other: Import) -> None:
        """End with the image of another import from now on, unless that was deleted meanwhile."""
        if self._sole is None:
            return
        try:
            running = await self._sole.refer(self._before, other)
        except TakenOver:
            return  # the next write is refused, and shows whose the import is
        if running.duplicate is not None:
            self._transition, self._sole = self._sole.shared, None
        self._before, self._after = running, self._transition(running)


def _is_of_worker(present: Import, claimed: Import) -> bool:
    return present.status is Status.RUNNING and present.worker_id == claimed.worker_id


def _is_same(present: Import, written: Import) -> bool:
    """Whether a document is as it was written. The announcer may have emptied its outbox; its trace does not matter."""
    return _comparable(present) == _comparable(written)


def _comparable(document: Import) -> Import:
    return copied(document, params={}, outbox=(), new_events=(), trace=())
