"""All of the service that writes imports, on one document store and two storages, each of its steps scheduled."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any, cast

from lading.backends.guard.storage import GuardedStorage
from lading.plugins.contracts import Source
from lading.plugins.errors import ConnectFailed, OriginNotFound
from lading.plugins.host.guards import GuardedDetector, GuardedFetcher
from lading.service.documents import DocumentStore
from lading.service.images.operations import Images, places_for_downloads
from lading.service.images.purger import Purger
from lading.service.imports.accept import Imports
from lading.service.imports.actions import Actions, Lives
from lading.service.imports.events.progress import Progress
from lading.service.imports.uploads.receiving import Receiving
from lading.service.limits.quotas import Quotas
from lading.service.models import Import
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.models.grants import Grant
from lading.service.secrets.vault import Vault
from lading.service.storages.backfill import Copyist, Mirroring
from lading.service.storages.mirror import Mirror
from lading.service.storages.routes import Storages
from lading.service.storages.spool import Spools
from lading.service.webhooks.delivery.announcer import Announcer
from lading.service.webhooks.delivery.record import DELIVERY
from lading.service.webhooks.directory import EndpointDirectory
from lading.service.webhooks.endpoints import Endpoint, Signing
from lading.service.webhooks.events import event_id, event_type_of
from lading.service.webhooks.outbox import WebhookOutbox
from lading.service.work.attempts import Attempts
from lading.service.work.backlog import Backlog
from lading.service.work.changes import Changes
from lading.service.work.options import WorkerOptions
from lading.service.work.orders.crew import Identity
from lading.service.work.pipeline.importer import Importer
from lading.service.work.retries import RetryPolicy
from lading.service.work.slots import Limits
from lading.service.work.worker import Worker
from tests.interleavings.scheduler import WRITER, Counted, Stepped, Steps
from tests.support.clock import SettableClock
from tests.support.plugins.scripted import ScriptedDetector, ScriptedFetcher
from tests.support.plugins.storages import ScriptedStorage

GRANT = Grant("issuer", "organization", "token", admin=True)
LEASE = timedelta(seconds=30)
ENDPOINT = "end_1"
DEADLINE = 3600.0
"""Seconds that a plugin's call may take: more than any test, so that no clock decides."""


async def nothing(_import_id: str) -> None:
    """No upload is resumable here."""


class WatchedStore(Stepped):
    """A document store whose steps are scheduled, and that remembers what became of the import.

    Attributes:
        events: the ids of the written events that receivers are to be told of.
        ends: how often the import became final.
    """

    def __init__(self, inner: DocumentStore, steps: Steps) -> None:
        super().__init__(inner, "documents", steps)
        self.search = Stepped(inner.search, "documents", steps)
        self.records = Stepped(inner.records, "records", steps)
        self.clock = inner.clock
        self.events: list[str] = []
        self.lives: Counter[str] = Counter()

    async def update(self, document: Import) -> bool:
        await self._steps.turn("documents", "update")
        return await self._written(document, self._inner.update(document))

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        await self._steps.turn("documents", "update_unless_stored")
        return await self._written(document, self._inner.update_unless_stored(document, albums))

    async def _written(self, document: Import, update: Awaitable[bool]) -> bool:
        before, written = await self._steps.made(self._update(document, update))
        if written:
            if event_type_of(before, document) is not None:
                self.events.append(event_id(document))
            if document.status.is_final and not before.status.is_final:
                self.lives["ended"] += 1
            elif before.status.is_final and not document.status.is_final:
                self.lives["retried"] += 1
        assert isinstance(written, bool)
        return written

    async def _update(self, document: Import, update: Awaitable[bool]) -> tuple[Import, bool]:
        return await self._inner.get(document.id), await update


class World:
    """The parts of a service.

    Args:
        inner: an open store, in which there is no import that is not final and settled.
        clock: the store's own.
    """

    def __init__(self, inner: DocumentStore, clock: SettableClock, executor: ThreadPoolExecutor) -> None:
        self.clock = clock
        self.inner = inner
        self.import_id = ""
        self.steps = Steps()
        self.watched = WatchedStore(inner, self.steps)
        self.store = store = cast("DocumentStore", self.watched)
        self.rng = random.Random(1)
        self.backends = {"a": ScriptedStorage(), "b": ScriptedStorage()}
        for name, backend in self.backends.items():
            backend.before = self._before(name)
        guards = {name: GuardedStorage(one, name=name, deadline=DEADLINE) for name, one in self.backends.items()}
        self.storages = Storages(guards, "a", "b")
        self.vault = Vault()
        remembered = cast("DocumentStore", Counted(inner, self.steps))
        self.directory = EndpointDirectory(remembered, 3600)
        self.outbox = WebhookOutbox(self.directory, self.vault, UTC, lambda: None)
        self.fetcher = ScriptedFetcher()
        self.fetcher.on_open = self._fetch
        self.quotas = Quotas(store, 1 << 40, max_age=3600)
        self.spools = Spools(1024 * 1024, None, executor)
        self.mirror = Mirror(guards["b"])
        self.importer = Importer(
            fetchers={"test": GuardedFetcher(self.fetcher, "scripted", DEADLINE)},
            detectors=(GuardedDetector(ScriptedDetector(), "scripted", DEADLINE),),
            storage=guards["a"],
            storage_name="a",
            spools=self.spools,
            vault=self.vault,
            admit=self.quotas.hold,
            mirror=self.mirror,
        )
        self.images = Images(store, self.storages, clock, places_for_downloads(8), outbox=self.outbox)
        self.attempts = Attempts(
            store=store,
            importer=self.importer,
            retry=RetryPolicy(3, 1.0, 2.0),
            clock=clock,
            rng=self.rng,
            write_timeout=5.0,
            quotas=self.quotas,
            removal=self.images.removal,
            outbox=self.outbox,
        )
        self.workers = [self._worker(), self._worker()]
        self.purger = Purger(self.images, store, clock, self.rng)
        self.mirroring = Mirroring(Copyist(store, self.storages, clock), self.rng)
        self.progress = Progress(store)
        self.backlog = Backlog(remembered, 1000, max_age=3600)
        self.imports = Imports(
            store=store,
            importer=self.importer,
            backlog=self.backlog,
            quotas=self.quotas,
            rules=cast("Any", None),
            clock=clock,
            vault=self.vault,
            idempotency=cast("Any", None),
            accepted=lambda _: None,
        )
        lives = Lives(
            store,
            self.backlog,
            Changes(),
            self.outbox,
            clock,
            lambda _: None,
            self._stop_import,
            timedelta(seconds=60),
            nothing,
        )
        self.actions = Actions(self.imports, self.images, lives, stopping_looks=0)
        self.receiving = Receiving(
            imports=self.imports,
            store=store,
            importer=self.importer,
            spools=self.spools,
            quotas=self.quotas,
            outbox=self.outbox,
            removal=self.images.removal,
            changes=Changes(),
            clock=clock,
            rng=self.rng,
            concurrency=4,
            lease=LEASE,
        )

    async def prepare(self) -> None:
        """Everything that is read once and then remembered is read now."""
        if not await self.directory.of("issuer"):
            now = truncate_to_milliseconds(self.clock.now())
            sealed = Signing.new().sealed(self.vault)
            endpoint = Endpoint(ENDPOINT, "issuer", "test://receiver/", ("*",), "", True, None, sealed, now, now)
            await self.inner.records.add(endpoint.record)
            self.directory._cache.clear()
            await self.directory.of("issuer")
        await self.backlog.is_full("issuer")
        await self.quotas.is_full("organization")
        for worker in self.workers:
            await worker._leases.current()
            await worker._orders.pauses.known()
        await self.receiving._leases.current()

    def announcer(self) -> Announcer:
        """One of a process of its own."""
        return Announcer(
            self.store, self.directory, self.vault, self.clock, self.rng, timedelta(days=7), 1.0, lambda: None
        )

    async def deliveries(self, owner: str = ENDPOINT) -> Sequence[str]:
        """The event ids of all deliveries."""
        records = await self.inner.records.list(DELIVERY, owner, 1000)
        return [record.data["event_id"] for record in records]

    def _stop_import(self, import_id: str) -> None:
        for worker in self.workers:
            worker.stop_import(import_id)

    def _worker(self) -> Worker:
        return Worker(
            store=self.store,
            importer=self.importer,
            attempts=replace(self.attempts, under_way=set()),
            options=WorkerOptions(Limits(4, 4, 4), 600.0, 600.0, LEASE, 1.0, 30.0),
            rng=self.rng,
            identity=Identity("worker", "0"),
            has_stopped=self.images.removal.settle_stopped,
        )

    def _before(self, name: str) -> Any:
        async def before(method: str, _key: str) -> None:
            await self.steps.turn(name, method)

        return before

    async def _fetch(self, _source: Source) -> None:
        """What a fetch comes to depends on who fetches: writers are named for it."""
        await asyncio.sleep(0)
        writer = WRITER.get() or ""
        if "failed" in writer:
            raise OriginNotFound("gone", status=404)
        if "requeued" in writer:
            raise ConnectFailed("refused")


async def beat(worker: Worker) -> None:
    """As the worker's heartbeat does."""
    async with worker._claiming:
        for lease in await worker._leases.beat():
            await worker._lost(lease)
