"""The composition root: opens the components of the settings, and closes them again.

Only this module, ``opening`` and ``dispatching`` know which class implements which contract. Components close in the
reverse order.
"""

import random
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version

from ...backends.guard.capabilities import files_of, signer_of
from ...backends.guard.storage import GuardedStorage
from ...plugins.capabilities import SupportsFiles
from ...plugins.host.watch import Watch
from ..config import Components, Settings
from ..documents import DocumentStore
from ..documents.dispatch import Dispatch
from ..images.operations import Images, places_for_downloads
from ..images.purger import Purger
from ..images.retention.policy import Policy
from ..images.retention.removing import Retention
from ..imports.events.progress import Progress
from ..limits.places import Places
from ..limits.quotas import Quotas
from ..models.clock import Clock
from ..observe.logs import set_level
from ..observe.metrics.meter import NO_METER, Meter
from ..observe.metrics.stores import measure
from ..observe.plugin_calls import log_blocking, observer_for
from ..observe.telemetry.opening import with_telemetry
from ..secrets.vault import Vault
from ..storages.backfill import Copyist, Mirroring
from ..storages.mirror import mirror_of
from ..storages.routes import Storages
from ..storages.saving import by_rules
from ..storages.spool import Spools
from ..webhooks.outbox import Outbox
from ..webhooks.wiring import WebhookParts, make_webhooks
from ..work.attempts import Attempts
from ..work.awake import AwakeClock
from ..work.changes import Changes
from ..work.options import WorkerOptions
from ..work.orders.crew import Identity
from ..work.pipeline.duplicates import Duplicates
from ..work.pipeline.importer import Importer
from ..work.retries import RetryPolicy
from ..work.slots import Limits
from ..work.worker import Worker
from .dispatching import opened_dispatch
from .opening import Opening, make_store, open_store
from .plugins import (
    GuardedPlugins,
    formats_of,
    guarded_plugins,
    longest_url_of,
    longest_url_of_one,
    storages_for,
)
from .signals.parts import Fetchers, Section
from .signals.reloading import Reloadables

IMPORT_TYPES = frozenset({"url", "data", "upload"})
"""Values of ``import_type`` that clients may send, in addition to the kinds of the configured fetchers."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The opened components. The store may still be closed: see ``opening``."""

    settings: Settings
    clock: Clock
    rng: random.Random
    store: DocumentStore
    opening: Opening
    dispatch: Dispatch
    storages: Storages
    importer: Importer
    plugins: GuardedPlugins
    spools: Spools
    vault: Vault
    quotas: Quotas
    import_types: frozenset[str]
    changes: Changes
    progress: Progress
    awake: AwakeClock
    downloads: Places
    formats: Mapping[str, frozenset[str]] | None = None
    longest_url: int = 0
    meter: Meter = NO_METER
    webhooks: WebhookParts | None = None
    reloadables: Reloadables = field(default_factory=Reloadables)

    @property
    def storage(self) -> GuardedStorage:
        """The storage for new images to which no rule applies."""
        return self.storages.backend

    @property
    def outbox(self) -> Outbox:
        """The outbox that writers of documents fill."""
        return Outbox(self.meter) if self.webhooks is None else self.webhooks.outbox


@asynccontextmanager
async def open_parts(
    settings: Settings, components: Components, clock: Clock, meter: Meter = NO_METER
) -> AsyncIterator[Parts]:
    """Open the store and the plugins, all of them measured by ``meter``; close them on exit.

    If the database is away, the store is opened while the block runs: until then its methods raise
    ``StoreUnavailable``.

    Raises:
        SettingsError: the store cannot be used as it is configured. ``Parts.opening.task`` may raise this later.
    """
    async with AsyncExitStack() as stack:
        meter = await stack.enter_async_context(with_telemetry(settings, meter))
        rng = random.SystemRandom()
        store = make_store(settings, clock)
        stack.push_async_callback(store.close)
        opening = await stack.enter_async_context(Opening(store, settings, rng))
        if meter is not NO_METER:
            measure(store, meter)
        await opening.first_try()
        dispatch = await stack.enter_async_context(opened_dispatch(settings, store, rng, meter))
        awake = AwakeClock()
        stack.enter_context(awake.ticking())
        # A blocked loop sends no heartbeat, and the leases must not be lost with it.
        limit = min(settings.worker.blocking_limit, settings.worker.lease / 2)
        watch = stack.enter_context(Watch(log_blocking, limit))
        observer = observer_for(meter)
        plugins = guarded_plugins(settings, components, stack, watch, observer)
        storages = storages_for(settings, components, watch, observer)
        stack.push_async_callback(storages.close)
        executor = ThreadPoolExecutor(min(32, settings.worker.concurrency), thread_name_prefix="spool")
        stack.callback(executor.shutdown, cancel_futures=True)
        vault = Vault([key.get_secret_value() for key in settings.documents.encryption_keys])
        quotas = Quotas(store, settings.limits.organization_stored_bytes)
        progress = Progress(store)
        spools = make_spools(settings, files := files_of(storages.backend), executor)
        importer = Importer(
            fetchers=plugins.fetchers,
            detectors=plugins.detectors,
            storage=storages.backend,
            storage_name=storages.main,
            files=files,
            routed=by_rules(storages),
            processors=plugins.processors,
            max_processed_bytes=settings.process.max_bytes,
            mirror=mirror_of(storages),
            spools=spools,
            vault=vault,
            admit=quotas.hold,
            duplicates=Duplicates(store, clock),
            progress=progress,
            meter=meter,
        )
        reloadables = Reloadables()
        reloadables.add(Section("service", lambda new: set_level(new.service.log_level), "log_level"))
        reloadables.add(Section("limits", lambda new: quotas.take_over(new.limits.organization_stored_bytes)))
        reloadables.add(
            Fetchers(plugins.fetchers, {one.plugin.name: longest_url_of_one(one) for one in components.fetchers})
        )
        yield Parts(
            settings=settings,
            clock=clock,
            rng=rng,
            store=store,
            opening=opening,
            dispatch=dispatch,
            storages=storages,
            importer=importer,
            plugins=plugins,
            spools=spools,
            vault=vault,
            quotas=quotas,
            import_types=IMPORT_TYPES | {fetcher.kind for fetcher in plugins.fetchers.values()},
            changes=Changes(),
            progress=progress,
            awake=awake,
            downloads=places_for_downloads(settings.images.max_downloads),
            formats=formats_of(components),
            longest_url=longest_url_of(components),
            meter=meter,
            webhooks=make_webhooks(settings, plugins.fetchers, store, vault, clock, rng, meter),
            reloadables=reloadables,
        )


def make_spools(settings: Settings, files: SupportsFiles | None, executor: Executor) -> Spools:
    """Makes spools. By default a long body is spooled where it can become the stored object."""
    worker = settings.worker
    make_file = files.make_file if files is not None and worker.spool_directory is None else None
    return Spools(worker.spool_memory_bytes, worker.spool_directory, executor, make_file)


@asynccontextmanager
async def opened_store(settings: Settings, clock: Clock) -> AsyncIterator[DocumentStore]:
    """Open the document store; close it on exit.

    Raises:
        SettingsError: it cannot be used as it is configured.
        StoreUnavailable: the database cannot be opened.
    """
    store = make_store(settings, clock)
    try:
        await open_store(store, settings)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_storages(
    settings: Settings, components: Components, clock: Clock
) -> AsyncIterator[tuple[DocumentStore, Storages]]:
    """Open the store and the storages only, for commands that work on stored images; close them on exit.

    Raises as ``opened_store``; ``PluginError`` from the block, or if a storage could not be closed.
    """
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings, clock))
        storages = storages_for(settings, components)
        stack.push_async_callback(storages.close)
        yield store, storages


def make_worker(parts: Parts, process: str) -> Worker:
    """A worker on the opened parts, in the process of a command. The caller owns the task of ``Worker.run``."""
    images = make_images(parts)
    options = parts.settings.worker
    attempts = Attempts(
        store=parts.store,
        importer=parts.importer,
        retry=RetryPolicy(options.attempts, options.retry_base, options.retry_max),
        clock=parts.clock,
        rng=parts.rng,
        write_timeout=options.lease,
        quotas=parts.quotas,
        removal=images.removal,
        changes=parts.changes,
        outbox=parts.outbox,
        awake=parts.awake,
        meter=parts.meter,
        written=parts.dispatch.written,
    )
    return Worker(
        store=parts.store,
        importer=parts.importer,
        attempts=attempts,
        options=WorkerOptions(
            limits=Limits(options.concurrency, options.per_issuer, options.per_host),
            host_patience=options.host_patience,
            max_host_pause=options.retry_max,
            lease=timedelta(seconds=options.lease),
            poll_interval=options.poll_interval,
            grace=parts.settings.service.shutdown_timeout,
        ),
        rng=parts.rng,
        identity=Identity(process, version("lading")),
        has_stopped=images.removal.settle_stopped,
        dispatch=parts.dispatch,
    )


def make_images(parts: Parts) -> Images:
    """The images on the opened parts."""
    options = parts.settings.images
    signers = {name: signer for name, one in parts.storages.by_name.items() if (signer := signer_of(one))}
    return Images(
        store=parts.store,
        storages=parts.storages,
        clock=parts.clock,
        downloads=parts.downloads,
        signers=signers if options.redirect else {},
        url_lifetime=timedelta(seconds=options.redirect_lifetime),
        outbox=parts.outbox,
    )


def make_mirroring(parts: Parts) -> Mirroring:
    """Makes pending second copies. The caller owns the task of ``Mirroring.run``."""
    return Mirroring(Copyist(parts.store, parts.storages, parts.clock), parts.rng)


def make_purger(parts: Parts) -> Purger:
    """Completes deletions. The caller owns the task of ``Purger.run``."""
    return Purger(make_images(parts), parts.store, parts.clock, parts.rng)


def make_retention(parts: Parts) -> Retention:
    """Removes old imports. The caller owns the task of ``Retention.run``."""
    policy = Policy.of(parts.settings.retention)
    retention = Retention(parts.store, parts.storages, parts.clock, parts.rng, policy, parts.meter)
    parts.reloadables.add(Section("retention", lambda new: retention.take_over(Policy.of(new.retention))))
    return retention
