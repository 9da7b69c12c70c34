"""The service's core on memory stores: a document store that fails on command, and a worker's whole surroundings."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeVar

from lading.backends.guard.storage import GuardedStorage
from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.contracts import Source
from lading.plugins.host.guards import GuardedDetector, GuardedFetcher
from lading.service.documents import StoreUnavailable
from lading.service.documents.memory.store import MemoryDocumentStore
from lading.service.images.removal import Removal
from lading.service.limits.quotas import Quotas
from lading.service.models import Import, Status
from lading.service.models.clock import Clock, SystemClock, TimeCounter
from lading.service.secrets.vault import Vault
from lading.service.storages.routes import Storages
from lading.service.storages.spool import Spools
from lading.service.work.attempts import Attempts
from lading.service.work.options import WorkerOptions
from lading.service.work.orders.crew import Identity
from lading.service.work.pipeline.duplicates import Duplicates
from lading.service.work.pipeline.importer import Importer
from lading.service.work.retries import RetryPolicy
from lading.service.work.slots import Limits
from lading.service.work.worker import Worker
from tests.support.plugins.scripted import ScriptedDetector, ScriptedFetcher, body_of, make_import

_Result = TypeVar("_Result")


class HasStore(Protocol):
    """A test's surroundings with a store of documents."""

    @property
    def store(self) -> MemoryDocumentStore: ...


_OnStore = TypeVar("_OnStore", bound=HasStore)
Fault = Literal["before", "after"] | Exception | None
"""A call fails before it took effect, or after; or it raises something that no store should."""


@asynccontextmanager
async def opened_with(make: Callable[[], _OnStore]) -> AsyncIterator[_OnStore]:
    """What is made, while its store is open."""
    made = make()
    await made.store.open()
    try:
        yield made
    finally:
        await made.store.close()


class ScriptedStore(MemoryDocumentStore):
    """The reference store behind a connection that fails on command; every call suspends before and after its effect.

    Attributes:
        fault: asked for every call, by the method's name and how often it was called, counted from 1.
        calls: how often each method was called.
        finished: how often each import was brought into a final state.
        on_call: awaited when a call has taken effect, before it returns.
    """

    def __init__(self, clock: Clock | None = None, counter: TimeCounter | None = None) -> None:
        super().__init__(clock or SystemClock(), counter)
        self.fault: Callable[[str, int], Fault] = lambda _name, _number: None
        self.on_call: Callable[[str], Awaitable[None]] | None = None
        self.calls: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()

    async def update(self, document: Import) -> bool:
        async def counted() -> bool:
            written = await MemoryDocumentStore.update(self, document)
            self.finished[document.id] += written and document.status.is_final
            return written

        return await self._call("update", counted)

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        async def counted() -> bool:
            written = await MemoryDocumentStore.update_unless_stored(self, document, albums)
            self.finished[document.id] += written
            return written

        return await self._call("update", counted)

    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        announced = super().announced
        await self._call("announced", lambda: announced(import_id, event_ids))

    async def claim(
        self,
        worker_id: str,
        limit: int,
        *,
        exclude_issuers: Collection[str] = (),
        exclude_hosts: Collection[str] = (),
        per_issuer: int | None = None,
    ) -> Sequence[Import]:
        claim = super().claim
        return await self._call(
            "claim",
            lambda: claim(
                worker_id,
                limit,
                exclude_issuers=exclude_issuers,
                exclude_hosts=exclude_hosts,
                per_issuer=per_issuer,
            ),
        )

    async def register(self, worker_id: str, lease: timedelta) -> None:
        register = super().register
        await self._call("register", lambda: register(worker_id, lease))

    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        heartbeat = super().heartbeat
        return await self._call("heartbeat", lambda: heartbeat(worker_id, lease))

    async def recover(self, limit: int) -> int:
        recover = super().recover
        return await self._call("recover", lambda: recover(limit))

    async def release(self, worker_id: str) -> None:
        release = super().release
        await self._call("release", lambda: release(worker_id))

    @property
    def leases(self) -> list[str]:
        """Workers that have a lease."""
        return list(self._leases)

    @property
    def imports(self) -> Sequence[Import]:
        """Every document, as it is now."""
        return tuple(self._imports.values())

    def statuses(self) -> Counter[Status]:
        return Counter(document.status for document in self.imports)

    async def _call(self, name: str, effect: Callable[[], Awaitable[_Result]]) -> _Result:
        await asyncio.sleep(0)
        self.calls[name] += 1
        fault = self.fault(name, self.calls[name])
        if isinstance(fault, Exception):
            raise fault
        if fault == "before":
            raise StoreUnavailable(f"{name} failed")
        result = await effect()
        if self.on_call is not None:
            await self.on_call(name)
        if fault == "after":
            raise StoreUnavailable(f"the answer to {name} was lost")
        await asyncio.sleep(0)
        return result


class Often(WorkerOptions):
    """Heartbeats come often, however long the lease is."""

    @property
    def beat(self) -> float:
        return min(0.05, super().beat)


class Core:
    """A worker's whole surroundings, on memory stores. Only where ``lease`` is given is it lost, or does it end.

    By ``counter`` the store's clock goes on, where it is to be another than ``clock``.

    Use ``async with core.working()`` to have its worker run, or run one of ``make_worker`` otherwise.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        counter: TimeCounter | None = None,
        limits: Limits | None = None,
        lease: float = 60.0,
        grace: float = 30.0,
        poll_interval: float = 0.005,
        attempts: int = 3,
        write_timeout: float = 5.0,
        deadline: float = 30.0,
        host_patience: float = 600.0,
        quota: int = 0,
        fetcher: ScriptedFetcher | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.store = ScriptedStore(self.clock, counter)
        self.fetcher = fetcher or ScriptedFetcher()
        self.detector = ScriptedDetector()
        self.backend = MemoryStorage(MemoryStorageOptions())
        self.storage = GuardedStorage(self.backend, name="memory", deadline=deadline)
        self.executor = ThreadPoolExecutor(1)  # makes its thread when it is first used
        self.quotas = Quotas(self.store, quota, max_age=0.05)
        self.importer = Importer(
            fetchers={"test": GuardedFetcher(self.fetcher, "scripted", deadline)},
            detectors=(GuardedDetector(self.detector, "scripted", deadline),),
            storage=self.storage,
            storage_name="memory",
            spools=Spools(1024 * 1024, None, self.executor),
            vault=Vault(),
            admit=self.quotas.hold,
            duplicates=Duplicates(self.store, self.clock),
        )
        self.rng = random.Random(7)
        self.removal = Removal(self.store, Storages({"memory": self.storage}, "memory"), self.clock)
        self.attempts = Attempts(
            store=self.store,
            importer=self.importer,
            retry=RetryPolicy(attempts, 0.01, 0.02),
            clock=self.clock,
            rng=self.rng,
            write_timeout=write_timeout,
            quotas=self.quotas,
            removal=self.removal,
        )
        self.options = Often(
            limits=limits or Limits(8, 8, 8),
            host_patience=host_patience,
            max_host_pause=600.0,
            lease=timedelta(seconds=lease),
            poll_interval=poll_interval,
            grace=grace,
        )
        self.worker = self.make_worker()

    def make_worker(self) -> Worker:
        return Worker(
            store=self.store,
            importer=self.importer,
            attempts=self.attempts,
            options=self.options,
            rng=self.rng,
            identity=Identity("worker", "0"),
        )

    async def add(self, count: int = 1, **facts: Any) -> list[Import]:
        """Queue so many new imports; see ``make_import``."""
        documents = [make_import(self.clock, **facts) for _ in range(count)]
        for document in documents:
            await self.store.add(document)
        return documents

    async def get(self, document: Import) -> Import:
        found = await self.store.get(document.id)
        assert found is not None
        return found

    async def final(self, document: Import) -> Import:
        """The import once it is final; the test's own timeout bounds the wait."""
        while not (found := await self.get(document)).status.is_final:
            await asyncio.sleep(0.002)
        return found

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        await self.store.open()
        try:
            yield
        finally:
            await self.store.close()
            self.executor.shutdown()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[None]]:
        """The open store, and the worker's task; at the end it is stopped, and has to have ended without an error."""
        async with self.opened():
            task = asyncio.create_task(self.worker.run())
            try:
                yield task
                self.worker.stop()
                await task
            finally:
                task.cancel()
                await asyncio.wait((task,))

    async def assert_all_done_once(self, documents: Collection[Import]) -> None:
        """P2, P3 and P5: every import is done, was finished once, and storage has its bytes and nothing else."""
        stored = dict(self.backend._objects)
        for document in documents:
            found = await self.get(document)
            assert found.status is Status.DONE, found
            assert found.image is not None
            assert document.url is not None
            data = body_of(document.url)
            assert (found.image.byte_size, found.image.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert bytes(stored.pop(found.image.key)) == data
            assert self.store.finished[document.id] == 1
            assert found.failures == 1, "what was our own fault is not the import's attempt"
        assert stored == {}


class Gate:
    """Holds every fetch, or those of one host, until it is opened."""

    def __init__(self, core: Core, host: str = "") -> None:
        self._open = asyncio.Event()
        self._host = host
        core.fetcher.on_open = self._pass

    async def _pass(self, source: Source) -> None:
        if source.url.startswith(f"test://{self._host}"):
            await self._open.wait()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def open(self) -> None:
        self._open.set()


def assert_nothing_held(core: Core) -> None:
    """Every place is free again, and the accounting of issuers and hosts is empty."""
    slots = core.worker._slots
    assert slots.free == core.options.limits.concurrency
    assert (slots._issuers, slots._hosts) == (Counter(), Counter())
    assert (core.worker._tasks, core.worker._lease_of) == ({}, {})
