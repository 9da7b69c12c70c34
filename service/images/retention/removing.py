"""Removes old imports in groups, each followed by a long pause.

Each import goes by the steps of a client's DELETE (``lading.service.images.removal``), so that an image that another
import shares stays, and a step that is not completed is completed by the purger. Webhooks are not told: a million
events would delay all others.

One process at a time removes, under a lease in the documents. After a process was killed, another one begins anew with
the oldest imports that are left.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from ...documents import DocumentStore, StoreUnavailable
from ...documents.lease import Lease
from ...errors.catalogue import ApiError
from ...models import Import
from ...models.clock import Clock
from ...observe.audit.actions import Action
from ...observe.audit.recording import SERVICE, recorded
from ...observe.metrics.meter import NO_METER, Meter
from ...observe.outages import Outage
from ...storages.routes import Storages
from ..removal import Removal
from .policy import Policy
from .survey import too_old

INTERVAL: Final = 60.0
"""Seconds between two looks for old imports."""
LEASE: Final = timedelta(seconds=60)
RENEWED: Final = 15.0
"""Seconds after which the lease is renewed, and the longest pause."""
BATCH: Final = 16
"""Imports that are read, and removed at the same time: the store commits their writes together, so that a group makes
the disk sync hardly more often than a single import does. A request that arrives meanwhile waits for some of that,
which is why a pause is many times as long."""
REST_AFTER_READING: Final = 2.0
"""A pause after imports of which none must go is at most so many times as long as to read them: nothing is synced, and
there may be a million imports that are kept before the first old one."""
LEAST_PAUSE: Final = 0.005
"""Seconds."""
FAILURES: Final = 3
"""After so many failures in a row, a sweep ends, since the imports are not at fault."""
TASK: Final = "retention"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Removed:
    """What a sweep has removed.

    Attributes:
        imports: number of imports.
        byte_size: of the images that were deleted with them.
        failure: of the last import whose removal was begun and not completed; the purger completes it.
        in_a_row: failures without a success in between.
    """

    imports: int = 0
    byte_size: int = 0
    failure: ApiError | None = None
    in_a_row: int = 0


class Retention:
    """Removes what the policy says.

    Args:
        store: the documents.
        storages: the images.
        clock: the machine's.
        rng: spreads the looks of several processes.
        policy: which imports are too old.
        meter: counts what is removed.
        actor: in the audit log.
    """

    def __init__(
        self,
        store: DocumentStore,
        storages: Storages,
        clock: Clock,
        rng: random.Random,
        policy: Policy,
        meter: Meter = NO_METER,
        actor: Mapping[str, str] = SERVICE,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._policy = policy
        self._meter = meter
        self._actor = actor
        self._removal = Removal(store, storages, clock)
        self._lease = Lease(store, TASK, LEASE)
        self._renewed = 0.0

    def take_over(self, policy: Policy) -> None:
        """Follow another policy from the next import on."""
        self._policy = policy

    async def run(self) -> None:
        """Work until cancelled."""
        outage = Outage("the removal of old imports")
        while True:
            # First, so that processes that start together do not begin together.
            await asyncio.sleep(INTERVAL * self._rng.uniform(0.5, 1.0))
            try:
                removed = await self.sweep() or Removed()
                if removed.failure is None:
                    outage.worked()
                else:
                    outage.failed(str(removed.failure))
            except StoreUnavailable as error:
                outage.failed(str(error))
            except Exception:
                log.exception("removing old imports failed unexpectedly")

    async def sweep(self, report: Callable[[Removed], None] = lambda _: None) -> Removed | None:
        """Remove every import that is too old; None if another process is at it.

        Args:
            report: called after each page of imports, unless the sweep ends early with it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        if not self._policy.statuses:
            return Removed()
        if not await self._take_lease():
            return None
        removed = Removed()
        try:
            with recorded(Action.RETENTION_RUN, self._actor) as event:
                try:
                    await self._remove_all(removed, report)
                finally:
                    event.facts = {"imports": removed.imports, "bytes": removed.byte_size}
                    event.is_void = not removed.imports
        finally:
            with suppress(StoreUnavailable):  # it ends by itself
                await self._lease.give_back()
        return removed

    async def _remove_all(self, removed: Removed, report: Callable[[Removed], None]) -> None:
        began = time.monotonic()
        async with aclosing(too_old(self._store, self._policy, self._clock.now(), BATCH)) as pages:
            async for documents in pages:
                async for _ in self._groups(documents, removed):
                    rest = self._policy.rest if documents else min(self._policy.rest, REST_AFTER_READING)
                    if removed.in_a_row >= FAILURES or not await self._may_go_on(began, rest):
                        return
                    began = time.monotonic()
                report(removed)

    async def _groups(self, documents: Sequence[Import], removed: Removed) -> AsyncIterator[None]:
        """Remove imports, at least one group of them. A group is one import until a removal has succeeded."""
        rest = list(documents)
        while True:
            size = BATCH if removed.imports and not removed.in_a_row else 1
            group, rest = rest[:size], rest[size:]
            async with asyncio.TaskGroup() as tasks:
                for document in group:
                    tasks.create_task(self._remove(document, removed))
            yield
            if not rest:
                return

    async def _may_go_on(self, began: float, rest: float) -> bool:
        """Rest after the work since ``began``, so many times as long; whether this process still holds the lease."""
        await asyncio.sleep(min(RENEWED, max(LEAST_PAUSE, rest * (time.monotonic() - began))))
        if time.monotonic() - self._renewed > RENEWED:
            return await self._take_lease()
        return True

    async def _take_lease(self) -> bool:
        self._renewed = time.monotonic()
        return await self._lease.take()

    async def _remove(self, document: Import, removed: Removed) -> None:
        try:
            size = await self.retire(document)
        except ApiError as error:
            if error.code == "write_conflict":  # others write it, or have removed it
                return
            removed.failure = error
            # A storage that is not configured any more keeps its own images alone.
            removed.in_a_row += error.code != "image_elsewhere"
        else:
            removed.in_a_row = 0
            if size is not None:
                removed.imports += 1
                removed.byte_size += size

    async def retire(self, document: Import) -> int | None:
        """Remove an import; the bytes of its image that went, or None if it is not too old any more.

        Raises:
            ApiError: see ``Removal``.
        """
        policy = self._policy
        if not policy.keeps_images:
            self._removal.check_image(document)

        size = 0
        own: Import | None = None

        def retired(one: Import, now: datetime) -> Import:
            nonlocal size, own
            size = 0 if policy.keeps_images else one.stored_bytes
            own = one.retired(now, keeps_image=policy.keeps_images)
            return own

        # It may have been retried or deleted since it was found.
        after = await self._removal.write(document, lambda one: not policy.is_too_old(one, self._clock.now()), retired)
        if after is not own:
            return None
        self._meter.retired(document.status.value, size)
        await self._removal.settle(after)
        return size
