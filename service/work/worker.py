"""The worker: claims imports under a lease, runs them within their limits, and stops cleanly."""

import asyncio
import math
import random
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import structlog

from ..documents import Bounds, DocumentStore, StoreUnavailable, SupportsWaiting
from ..documents.dispatch import ByDocuments, Dispatch
from ..models import Import
from ..observe.outages import Outage
from .attempts import Attempts
from .cancellation import HasStopped, Stops, cancel
from .leases import Lease, Leases
from .options import WorkerOptions
from .orders.crew import Identity
from .orders.inbox import Orders
from .pipeline.importer import Importer
from .politeness import Politeness, verdict_of
from .results import Transition
from .slots import Cooling, Slots
from .storage_health import StorageSuspicion

CLAIM_SECONDS = 0.02
"""The longest time in seconds between a claim and the next one while nearly all slots are taken."""
RECOVER_BATCH = 500
COOLING_SECONDS = 1.0
"""Seconds without a claim from an issuer after the worker handed an import of it back."""
PAUSED_COOLING_SECONDS = 0.1
"""The same after an import of a paused host: the issuer's other imports may lie behind many of that host."""

log = structlog.get_logger(__name__)


class Worker:
    """Runs imports until it is stopped. ``run`` owns its tasks; ``cancellation`` explains ``has_stopped``;
    ``slots`` and ``presence`` are for operators to see. ``holds(import_id)`` is true from a claim to its told result.
    """

    def __init__(
        self,
        *,
        store: DocumentStore,
        importer: Importer,
        attempts: Attempts,
        options: WorkerOptions,
        rng: random.Random,
        identity: Identity,
        has_stopped: HasStopped | None = None,
        dispatch: Dispatch | None = None,
    ) -> None:
        self._store = store
        self._dispatch = dispatch or ByDocuments(store)
        self._attempts = attempts
        self._options = options
        self._rng = rng
        self._politeness = Politeness(
            options.limits.per_host,
            patience=options.host_patience,
            max_pause=options.max_host_pause,
            now=attempts.awake.now,
        )
        self._orders = Orders(store, identity, options.lease, self.wake, self._let_go)
        self.presence = self._orders.presence
        self._slots = self.slots = Slots(options.limits, self._politeness, self._orders.cover)
        self._leases = Leases(store, options.lease, identity.id)
        self._lease_of: dict[str, Lease] = {}
        self.holds = self._lease_of.__contains__
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cooling = Cooling()
        self._claiming = asyncio.Lock()
        self._claimed_at, self._left_nothing = -math.inf, False
        self._storage = StorageSuspicion(importer)
        self._queue_outage = Outage("the queue of imports")
        self._recovery_outage = Outage("the recovery of dead workers' imports")
        self._wake = asyncio.Event()
        self._stops = Stops(store, self._lease_of, attempts.under_way, self._abandon, has_stopped)
        self._stopping = False

    def wake(self) -> None:
        """Poll the queue now: an import was queued."""
        self._wake.set()

    def stop_import(self, import_id: str) -> None:
        """End the attempt at a cancelled or deleted import now, if it runs here."""
        self._stops.ask(import_id)

    def stop(self) -> None:
        """Claim no more imports; ``run`` returns when the running imports have ended or the grace is over."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until ``stop`` is called, or until cancelled. Either way the worker returns its remaining imports."""
        # Asked once: ``isinstance`` with a protocol costs more than everything else between two imports.
        news = self._dispatch.news
        beat = asyncio.create_task(self._beat_forever(), name="worker heartbeat")
        stops = asyncio.create_task(self._stops.run(), name="worker stops")
        orders = asyncio.create_task(self._orders.run(), name="worker orders")
        try:
            while not self._stopping:
                self._wake.clear()
                await self._turn_away(self._slots.stranded())
                await self._gather_places()
                if not await self._claim():
                    await self._idle(news)
            await self._give_back(self._slots.waiting)
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=self._options.grace)
        finally:
            try:
                await cancel((stops, orders, *self._tasks.values()))
                await self._give_back(self._held)
            finally:
                await cancel((beat,))
                await self._leases.release_all()
                await self.presence.end()

    # --- claiming -----------------------------------------------------------------------------------------------------

    async def _gather_places(self) -> None:
        """Wait for a moment after a claim while few slots are free: one claim for several imports costs less."""
        wait = self._claimed_at + CLAIM_SECONDS - time.monotonic()
        if wait > 0 and 0 < self._slots.free < self._options.limits.concurrency / 4:
            await asyncio.sleep(wait)

    async def _claim(self) -> bool:
        """Claim as many imports as there is room for, and start them; whether another claim may find more now."""
        self._left_nothing = False
        enough = min(self._slots.free, self._options.limits.per_issuer)
        if enough <= 0 or not await self._storage.works():
            return False
        async with self._claiming:
            claimed = await self._claim_under_lease(enough)
            refused = [document for document in claimed if self._stopping or not self._admit(document)]
        self._left_nothing &= not refused
        await (self._give_back(refused) if self._stopping else self._turn_away(refused))
        return len(claimed) >= enough

    async def _claim_under_lease(self, enough: int) -> Sequence[Import]:
        if self._stopping:
            return ()
        lease: Lease | None = None
        try:
            paused = await self._orders.known()
            if paused.everything:
                return ()
            lease = await self._leases.current()
            left_out = {*self._slots.full_issuers(), *self._cooling.issuers(), *paused.issuers}
            bounds = Bounds(left_out, paused.hosts, self._options.limits.per_issuer)
            documents = await self._dispatch.claim(lease.worker_id, self._slots.free, bounds)
        except StoreUnavailable as error:
            self._queue_outage.failed(str(error))
            if lease is not None:
                lease.retired = True
            return ()
        self._queue_outage.worked()
        if documents:
            self._claimed_at = time.monotonic()
        self._left_nothing = len(documents) < enough and not (left_out or paused.hosts)
        # An attempt that handed an import back, and does not know yet, ends first; then the store recovers the import.
        fresh = {document.id: document for document in documents if document.id not in self._lease_of}
        lease.retired |= len(fresh) < len(documents)
        lease.held |= fresh
        self._lease_of |= dict.fromkeys(fresh, lease)
        return tuple(fresh.values())

    def _admit(self, document: Import) -> bool:
        """Start a claimed import or let it wait; False if there is no room for it."""
        if self._slots.start(document):
            self._start(document)
        elif not self._slots.wait(document):
            cooling = PAUSED_COOLING_SECONDS if self._politeness.pause(document) else COOLING_SECONDS
            self._cooling.add(document.issuer_id, cooling)
            return False
        return True

    async def _turn_away(self, documents: Collection[Import]) -> None:
        """Return claimed imports without room."""
        if documents:
            now = self._store.clock.now()
            await asyncio.gather(*(self._part_with(one, self._turned_away(one, now)) for one in documents))

    def _turned_away(self, document: Import, now: datetime) -> Transition:
        """The transition of an import without room. If its issuer has no room, it returns after a moment; if its host
        has none, at its turn. It fails if its host has served nobody for too long.
        """
        if self._politeness.is_hopeless(document, (now - document.since).total_seconds()):
            return self._attempts.without_host(document)
        delay = COOLING_SECONDS * self._rng.uniform(1.0, 2.0)
        if self._slots.has_room_for_issuer(document):
            delay = max(delay, self._politeness.turn(document))
        return self._attempts.given_back(document, now + timedelta(seconds=delay))

    async def _idle(self, news: SupportsWaiting | None) -> None:
        """Wait for something to do, no longer than the poll interval."""
        waits: list[asyncio.Task[None]] = []
        # News from the store matter only if a claim may follow.
        if news is not None and self._slots.free > 0 and not self._storage.is_suspect:
            waits.append(asyncio.create_task(news.wait_for_work(self._options.poll_interval), name="wait for work"))
            waits[0].add_done_callback(lambda _: self._wake.set())
        timer = asyncio.get_running_loop().call_later(self._options.poll_interval, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
            await cancel(waits)

    # --- running ------------------------------------------------------------------------------------------------------

    def _start(self, document: Import) -> None:
        self._tasks[document.id] = asyncio.create_task(self._run(document), name=f"import {document.id}")

    async def _run(self, document: Import) -> None:
        """Own one running import: when it has ended, its slot is free and waiting imports have had their turn.

        The worker still holds a cancelled import, until whoever cancelled it returns or forgets it.
        """
        lease = self._lease_of[document.id]
        began = time.monotonic()
        try:
            ended = await self._attempts.run(document)
        except Exception:
            log.exception("could not write a result; the import will be recovered", import_id=document.id)
            lease.retired = True
        else:
            self._storage.is_suspect |= ended.is_outage
            self._left_nothing &= ended.is_done  # otherwise the import itself may be due again
            if ended.error is not None or ended.is_done:  # otherwise the attempt says nothing about the host
                seconds, retry_after = time.monotonic() - began, (ended.error and ended.error.retry_after) or 0.0
                self._politeness.learn(document, verdict_of(ended.error), seconds, retry_after)
        self._forget(document)
        self._begin_waiting()

    def _begin_waiting(self) -> None:
        for document in () if self._stopping else self._slots.startable():
            self._start(document)
        # A place brings work only if the last claim left imports out.
        if not self._left_nothing or self._slots.waiting:
            self._wake.set()

    def _forget(self, document: Import) -> None:
        self._slots.finish(document)
        self._attempts.forget(document)
        self._dispatch.let_go(document.id)
        self._tasks.pop(document.id, None)
        if (lease := self._lease_of.pop(document.id, None)) is not None:
            lease.held.pop(document.id, None)

    @property
    def _held(self) -> Collection[Import]:
        """All claimed imports that are neither finished nor returned."""
        return tuple(lease.held[import_id] for import_id, lease in self._lease_of.items())

    async def _give_back(self, documents: Collection[Import]) -> None:
        """Return claimed imports to the queue without an attempt, due at once."""
        due = self._store.clock.now()
        await asyncio.gather(*(self._part_with(one, self._attempts.given_back(one, due)) for one in documents))

    async def _part_with(self, document: Import, transition: Transition) -> None:
        """Write the transition of an import that does not run."""
        lease = self._lease_of.get(document.id)
        if lease is None:
            return  # its lease was lost at this very moment
        try:
            await self._attempts.write(transition, document)
        except Exception:
            log.exception("could not return an import to the queue; it will be recovered", import_id=document.id)
            lease.retired = True
        self._forget(document)

    # --- leases -------------------------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        """Renew the leases, and recover the imports of dead workers, at each heartbeat."""
        while True:
            try:
                # No claim meanwhile: the imports of a lost lease may be queued again, and must be forgotten before they
                # are claimed again.
                async with self._claiming:
                    await self._renew()
                await self.presence.beat()
                while await self._store.recover(RECOVER_BATCH):
                    self._wake.set()
                self._recovery_outage.worked()
            except StoreUnavailable as error:
                self._recovery_outage.failed(str(error))
            except Exception:
                # A worker without a heartbeat would lose its leases one by one and seem alive.
                log.exception("the heartbeat failed unexpectedly")
            await asyncio.sleep(self._options.beat * self._rng.uniform(0.8, 1.0))

    async def _renew(self) -> None:
        for lease in await self._leases.beat():
            await self._lost(lease)

    async def _let_go(self) -> bool:
        """Release the leases of the drained worker; False while it holds imports or the store may believe so."""
        if self._lease_of or self._claiming.locked():
            return False
        async with self._claiming:
            self._leases.retire()
            await self._renew()
        return self._leases.are_over

    async def _lost(self, lease: Lease) -> None:
        """Stop the imports of a lease that the store has ended: other workers run them now."""
        log.error("lost the lease; other workers take over its imports", imports=len(lease.held))
        await self._abandon(tuple(lease.held.values()))

    async def _abandon(self, documents: Collection[Import]) -> None:
        """Stop the imports that the worker no longer owns, and forget them."""
        await cancel(tuple(self._tasks[document.id] for document in documents if document.id in self._tasks))
        for document in documents:
            self._forget(document)
        self._begin_waiting()
