"""Writing what becomes of a claimed import, so that none is left that nobody owns.

The document is written by compare-and-set. Whoever loses reads it again, and knows by its claim whose it is:

- It still runs, and it is the same run: the transition is made again, of what others have made of the document.
- It does not run under this worker's lease: it was cancelled, deleted or recovered, and belongs to others.
- It runs under this worker's lease, and it is another run: the worker was given it anew while it still held it, and
  does not know. Then only the end of the lease returns it to the queue (``lading.service.work.leases``).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ..documents import DocumentStore
from ..models import Import, Status
from ..webhooks.outbox import Outbox

MISSES = 10
"""How often the document is read anew. Only the worker writes an import that runs and goes on running."""

Transition = Callable[[Import], Import]
"""Makes of a running import what becomes of it."""


def handing_back(run_at: datetime, now: datetime) -> Transition:
    """See ``Import.handed_back``."""
    return lambda running: running.handed_back(run_at, now)


class ResultNotWritten(Exception):
    """The import may still run under the lease, with nobody who runs it: the lease is to be given up."""


class Result:
    """What becomes of an import, until it is written.

    Args:
        outbox: takes the event of the transition.
        claimed: the import as it was claimed, or as it was read since.
        transition: made of the import as it is when it is written; it may be called more than once.
    """

    def __init__(self, store: DocumentStore, outbox: Outbox, claimed: Import, transition: Transition) -> None:
        self._store = store
        self._outbox = outbox
        self._claimed = claimed
        self._transition = transition
        self._before = claimed
        self._after = transition(claimed)

    async def write(self) -> Import | None:
        """Write it. May be called again where it has raised ``StoreUnavailable``: it is written once at most.

        Returns:
            the import as it was written; None where it is not the worker's any more.

        Raises:
            StoreUnavailable: it is not known whether it was written.
            ResultNotWritten: it is known not to be, and will not be.
        """
        for _ in range(MISSES):
            after = await self._outbox.with_event(self._before, self._after)
            if await self._store.update(after):
                self._outbox.written(after)
                return after
            present = await self._store.get(self._claimed.id)
            if present is not None and _is_same(present, after):  # by an earlier call, whose answer was lost
                self._outbox.written(after)
                return after
            if present is None or not _is_of_worker(present, self._claimed):
                return None
            if not present.is_run_of(self._claimed):
                break
            self._before, self._after = present, self._transition(present)
        raise ResultNotWritten(self._claimed.id)


def _is_of_worker(present: Import, claimed: Import) -> bool:
    return present.status is Status.RUNNING and present.worker_id == claimed.worker_id


def _is_same(present: Import, written: Import) -> bool:
    """Whether a document is as it was written. Its outbox may have been emptied, and its trace is shown to people."""
    return _comparable(present) == _comparable(written)


def _comparable(document: Import) -> Import:
    return replace(document, params={}, outbox=(), new_events=(), trace=())
