"""Images whose bytes the client sends: from a waiting import, by way of ``running``, to a done or failed one.

While Lading receives its bytes, the import runs under a lease of this process, as a fetched import runs under a
worker's. If the process dies, the import waits for its bytes again as soon as the lease has expired. If the import is
cancelled or deleted, its reception ends at once, in whichever process it runs (``lading.service.work.cancellation``).
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import structlog

from ....plugins.errors import PluginError, StorageFull, StorageUnavailable
from ....plugins.host.record import tracing
from ...documents import DocumentStore, DuplicateId, StoreUnavailable
from ...errors.catalogue import ApiError, failure_of
from ...errors.database import RETRY_AFTER_OUTAGE, told_as_outage
from ...errors.disk import is_full, outage
from ...images.removal import Removal
from ...limits.places import Places
from ...limits.quotas import Quotas
from ...models import Failure, Import, Status
from ...models.clock import Clock
from ...models.grants import Grant
from ...observe.traces import traced
from ...storages.spool import Spool, Spools
from ...webhooks.outbox import Outbox
from ...work.changes import Changes
from ...work.leases import Leases
from ...work.pipeline.duplicates import Sole
from ...work.pipeline.importer import Importer
from ...work.pipeline.outcomes import TakenOver
from ...work.results import Result, ResultNotWritten, Transition, handing_back
from ..accept import Imports
from .running import Reception, Receptions

KIND: Final = "upload"
"""``import_type`` of these imports."""
RETRY_AFTER_UPLOADS: Final = 2

log = structlog.get_logger(__name__)


def too_many() -> ApiError:
    """The error for an upload without a place."""
    return ApiError("too_many_uploads", retry_after=RETRY_AFTER_UPLOADS)


class Receiving:
    """Receives images; ``run`` renews the leases.

    Args:
        removal: removes objects that attempts leave behind when imports end.
        concurrency: the largest number of concurrent uploads, of which each issuer leaves some to others.
        lease: how long an import keeps running after the last heartbeat of a process that died.
    """

    def __init__(
        self,
        *,
        imports: Imports,
        store: DocumentStore,
        importer: Importer,
        spools: Spools,
        quotas: Quotas,
        outbox: Outbox,
        removal: Removal,
        changes: Changes,
        clock: Clock,
        rng: random.Random,
        concurrency: int,
        lease: timedelta,
    ) -> None:
        self._imports = imports
        self._store = store
        self._importer = importer
        self.spools = spools
        self._quotas = quotas
        self._outbox = outbox
        self._removal = removal
        self._changes = changes
        self._clock = clock
        self._rng = rng
        self.places = Places(concurrency, too_many, name="uploads")
        """The places of uploads, and of what else holds a client's bytes: batches and preflights."""
        self._lease = lease
        self._leases = Leases(store, lease)
        self._receptions = Receptions(store, self._overtaken, removal.settle_stopped)

    def stop_import(self, import_id: str) -> None:
        """End the reception of a cancelled or deleted import now, if it runs here."""
        self._receptions.stops.ask(import_id)

    async def run(self) -> None:
        """Renew the leases, and stop receptions of cancelled imports, until cancelled; then release the leases."""
        stops = asyncio.create_task(self._receptions.stops.run(), name="stops of uploads")
        try:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3 * self._rng.uniform(0.8, 1.0))
                try:
                    if await self._leases.beat():
                        log.error("lost the lease of uploads; their results are discarded")
                except Exception:
                    # Without a heartbeat every upload would be given to others, although this process lives.
                    log.exception("the heartbeat of uploads failed unexpectedly")
        finally:
            stops.cancel()
            await asyncio.wait({stops})
            await self._leases.release_all()

    async def waiting(self, grant: Grant, import_id: str) -> Import:
        """A waiting import that the grant may send bytes to.

        Raises:
            ApiError: ``not_found``, ``forbidden``, ``content_in_progress``, ``content_not_expected``,
                ``documents_unavailable``.
        """
        document = await self._imports.get(grant, import_id)
        if not grant.allows("image_upload", document.album_id):
            raise ApiError("forbidden", ability="image_upload")
        _check_waits(document)
        return document

    @asynccontextmanager
    async def reception(self, document: Import, *, is_new: bool = False) -> AsyncIterator[Reception]:
        """Receive an import's bytes within the block. Without ``finish``, the import waits for them again.

        Args:
            document: a waiting import.
            is_new: whether it is not stored yet.

        Raises:
            ApiError: ``content_in_progress``, ``content_not_expected`` or ``documents_unavailable``.
        """
        _check_waits(document)
        with told_as_outage():
            lease = await self._leases.current()
            running = document.receiving(lease.worker_id, self._clock.now())
            with lease.begins():
                try:
                    await self._begin(running, is_new=is_new)
                except BaseException as error:
                    if not isinstance(error, ApiError | DuplicateId):
                        lease.retired = True  # the write may have succeeded: then the store recovers the import
                    raise
                reception = Reception(running, lease, running.updated_at)
                self._receptions.add(reception)
        try:
            yield reception
        finally:
            try:
                await self._leave(reception)
            finally:
                self._receptions.remove(reception)

    async def _begin(self, running: Import, *, is_new: bool) -> None:
        if is_new:
            await self._store.add(running)
        elif not await self._store.update(running):
            found = await self._store.get(running.id)
            if found is None:
                raise ApiError("not_found")
            _check_waits(found)
            raise ApiError("content_in_progress", retry_after=RETRY_AFTER_UPLOADS)

    async def finish(self, reception: Reception, spool: Spool, filename: str | None = None) -> Import:
        """Detect and store the received bytes. ``filename`` is the sender's, for an import without a file name.

        Returns:
            the import, done.

        Raises:
            ApiError: the code of a fault in the bytes, 422: the import has failed with it; ``quota_exceeded``;
                ``storage_unavailable`` and the like, 503: the import waits for the bytes again.
        """
        with self._importer.meter.attempting(reception.document, KIND) as scope:
            done = await self._finished(reception, spool, filename)
            scope.note(status=done.status.value)
            return done

    async def _finished(self, reception: Reception, spool: Spool, filename: str | None) -> Import:
        """See ``finish``."""
        await self._check_wanted(reception)
        document = reception.document
        is_stored: bool | None = None
        try:
            reception.began_at, reception.started = self._clock.now(), time.monotonic()
            try:
                async with reception.attempt():
                    with tracing() as reception.trace:
                        try:
                            outcome = await self._importer.keep(document, spool, document.filename or filename, KIND)
                        finally:
                            reception.has_left = self._importer.has_left(document.id)
            except PluginError as error:
                is_stored = False
                raise await self._refused(reception, error) from error
            except TakenOver as error:
                is_stored = False
                raise await self._overtaken(document.id) from error  # ``_leave`` ends the import
            except OSError as error:
                is_stored = False
                if not is_full(error):
                    log.exception("spooling an upload failed", import_id=document.id)
                raise outage(error) from error
            is_stored = False if outcome.is_duplicate else None
            reception.document = outcome.document
            done = await self._write(reception, outcome.ending(self._clock.now()), sole=self._importer.sole(outcome))
            is_stored = done.image is not None
            return done
        finally:
            self._quotas.release(document.id, is_stored=is_stored)

    async def _check_wanted(self, reception: Reception) -> None:
        """Refuse to store an import that was cancelled or deleted meanwhile: nobody would remove the object."""
        with told_as_outage():
            present = await self._store.get(reception.document.id)
        if present is None or not present.is_run_of(reception.document):
            raise await self._overtaken(reception.document.id)  # ``_leave`` ends the import
        reception.document = present

    async def _refused(self, reception: Reception, error: PluginError) -> ApiError:
        """Write the result of an error; the error for the client."""
        failure = failure_of(error)
        internal = f"[{error.plugin}] {error.internal}"
        if isinstance(error, StorageUnavailable | StorageFull) or error.retryable:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            answer = ApiError.of(failure.code, status, failure.detail, internal=internal)
            answer.retry_after = RETRY_AFTER_OUTAGE
            return answer
        now = self._clock.now()
        await self._write(reception, lambda one: one.failed(failure, KIND, now), error)
        return ApiError.of(failure.code, HTTPStatus.UNPROCESSABLE_ENTITY, failure.detail, internal=internal)

    async def _write(
        self,
        reception: Reception,
        transition: Transition,
        error: PluginError | None = None,
        sole: Sole | None = None,
    ) -> Import:
        """Write the result of the import, which ends it."""
        self._receptions.under_way.discard(reception.document.id)
        seconds = time.monotonic() - reception.started
        ended_at = self._clock.now()

        def told(running: Import, after: Import) -> Import:
            if reception.has_left:
                after = after.with_leftover(ended_at)
            trace = traced(running, after, reception.trace, reception.began_at, seconds, error)
            return replace(after, trace=trace)

        sole = None if sole is None else sole.then(told)
        result = Result(self._store, self._outbox, reception.document, lambda one: told(one, transition(one)), sole)
        with told_as_outage():
            # If this raises that the result is not written, ``_leave`` gives up the lease.
            after = await result.write()
        reception.is_over = True
        self._importer.meter.phases(reception.trace.phases)
        if after is None:
            await self._removal.settle_lost(reception.document)
            raise await self._overtaken(reception.document.id)
        await self._removal.settle_quietly(after)
        self._changes.tell(after, after)
        _log_result(after)
        return after

    async def _overtaken(self, import_id: str) -> ApiError:
        """The error for a client whose bytes were not accepted, since this request no longer owns the import."""
        with told_as_outage():
            present = await self._store.get(import_id)
        if present is None or present.status.is_final:
            return ApiError("content_not_expected", status="deleted" if present is None else present.status.value)
        # The lease was lost: the import waits for its bytes again, or another request sends them by now.
        return ApiError("content_in_progress", retry_after=RETRY_AFTER_UPLOADS)

    async def _leave(self, reception: Reception) -> None:
        """Let the import wait again. If that cannot be written, the store recovers the import. If the import has ended,
        remove the object of the attempt.
        """
        document, lease, removal = reception.document, reception.lease, self._removal
        self._receptions.under_way.discard(document.id)
        try:
            if not reception.is_over:
                transition = handing_back(self._store.clock.now(), self._clock.now(), has_left=reception.has_left)
                back = Result(self._store, self._outbox, document, transition)
                if reception.is_stopped or await asyncio.shield(back.write()) is None:
                    lost = reception.has_left
                    await (removal.settle_lost(document) if lost else removal.settle_stopped(document.id))
        except (ResultNotWritten, StoreUnavailable):
            lease.retired = True
        except BaseException:
            lease.retired = True
            raise


def _check_waits(document: Import) -> None:
    if document.status is Status.RUNNING and document.url is None:
        raise ApiError("content_in_progress", retry_after=RETRY_AFTER_UPLOADS)
    if document.status is not Status.WAITING:
        raise ApiError("content_not_expected", status=document.status.value)


def _log_result(document: Import) -> None:
    error: Failure | None = document.error
    log.info(
        "import",
        import_id=document.id,
        request_id=document.request_id or None,
        status=document.status.value,
        code=None if error is None else error.code,
        byte_size=None if document.image is None else document.image.byte_size,
    )
