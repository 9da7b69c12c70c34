"""One attempt at one import: runs it, decides the next state of the document, and writes the document."""

import asyncio
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from ...plugins.contracts.quick import copied
from ...plugins.errors import (
    DetectorStalled,
    FetcherBusy,
    PluginError,
    PluginFault,
    ProcessorStalled,
    ProcessorUnavailable,
    StorageFull,
    StorageUnavailable,
)
from ...plugins.host.record import tracing
from ...plugins.host.turns import on_behalf_of
from ..documents import DocumentStore, StoreUnavailable
from ..errors.catalogue import HOST_UNAVAILABLE, INTERNAL, SECRETS_UNREADABLE, WORKER_LOST, failure_of
from ..errors.disk import failure_of_disk
from ..images.removal import Removal
from ..limits.quotas import Quotas
from ..models import Failure, Import, Status
from ..models.clock import Clock
from ..observe.metrics.meter import NO_METER, Meter, Scope
from ..observe.traces import traced
from ..secrets.vault import SecretsUnreadable
from ..webhooks.outbox import Outbox
from .awake import AwakeClock
from .changes import Changes
from .pipeline.duplicates import Sole
from .pipeline.importer import Importer
from .pipeline.outcomes import TakenOver
from .results import Result, ResultNotWritten, Transition, handing_back
from .retries import RetryPolicy

MAX_ABANDONED = 20
"""Attempts that may end without a result, because the worker died or decoding hung. The bound ends imports that kill
workers or occupy decoders.
"""
MAX_OUTAGE = timedelta(days=1)
"""The age up to which an import is retried while its attempts fail through an outage of Lading's own parts."""
MAX_FRAMES = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an attempt: its result is written, or another owner of the import made the result void.

    Attributes:
        error: the plugin's error, if a plugin failed. None if this process stood still during the attempt, since the
            error then says nothing about the origin.
        is_outage: whether the attempt failed through an outage of Lading's own parts.
        is_done: whether the attempt succeeded and made the import done.
    """

    error: PluginError | None
    is_outage: bool
    is_done: bool


@dataclass(frozen=True, slots=True)
class _Decided:
    """The result of an attempt.

    Attributes:
        document: the import as it was written last.
        transition: makes the next state of the import.
        error: the plugin's error, if a plugin failed.
        reason: of a failure without a plugin's error, for the log.
        sole: see ``Result``.
    """

    document: Import
    transition: Transition
    error: PluginError | None = None
    reason: str | None = None
    sole: Sole | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Makes attempts.

    Attributes:
        write_timeout: seconds for which a result is written again and again while the database is unavailable.
        quotas: learns when a reservation for an import has become stored bytes, or has become void.
        changes: learns of every written result.
        under_way: ids of the imports whose attempt runs and has no result yet.
        unwritten: ids of the imports whose attempt may have left an object in storage, until its result is written or
            the import is forgotten.
        outbox: takes the events of finished imports.
        awake: knows whether this process stood still during an attempt.
        written: called with the id of an import and its next state, whenever ``write`` has returned that.
        removal: removes objects that attempts leave behind when imports end.
        meter: learns of every attempt, and of its phases.
    """

    store: DocumentStore
    importer: Importer
    retry: RetryPolicy
    clock: Clock
    rng: random.Random
    write_timeout: float
    quotas: Quotas
    removal: Removal
    changes: Changes = field(default_factory=Changes)
    written: Callable[[str, Import | None], None] = lambda _import_id, _document: None
    under_way: set[str] = field(default_factory=set)
    unwritten: set[str] = field(default_factory=set)
    outbox: Outbox = field(default_factory=Outbox)
    awake: AwakeClock = field(default_factory=AwakeClock)
    meter: Meter = NO_METER

    async def run(self, document: Import) -> Ended:
        """Make one attempt at a claimed import and write its result.

        Raises:
            ResultNotWritten: the import may still run, though nobody runs it: the caller must give up the lease.
        """
        with self.meter.attempting(document, self.importer.import_type(document.url or "")) as scope:
            return await self._run(document, scope)

    async def _run(self, document: Import, scope: Scope) -> Ended:
        """See ``run``."""
        started, lost_before = time.monotonic(), self.awake.lost()
        is_stored: bool | None = None
        try:
            self.under_way.add(document.id)
            began_at = self.clock.now()
            with tracing() as trace, on_behalf_of(document.issuer_id):
                try:
                    decided = await self._decide(document)
                finally:
                    self.under_way.discard(document.id)
                    has_left = self.importer.has_left(document.id)
                    if has_left:
                        self.unwritten.add(document.id)
            took = time.monotonic() - started
            self.meter.phases(trace.phases)
            ended_at = self.clock.now()

            def recorded(running: Import, after: Import) -> Import:
                if has_left:
                    after = after.with_leftover(ended_at)
                return copied(after, trace=traced(running, after, trace, began_at, took, decided.error))

            sole = None if decided.sole is None else decided.sole.then(recorded)
            result = await self.write(lambda one: recorded(one, decided.transition(one)), decided.document, sole)
            self.unwritten.discard(document.id)
            self.changes.tell(document, result)
            is_stored = None if result is None else result.image is not None
            if result is None and has_left:
                await self.removal.settle_lost(document)
        finally:
            self.quotas.release(document.id, is_stored=is_stored)
        error = decided.error
        told = error if self.awake.lost() == lost_before else None
        if result is None:
            return Ended(told, is_outage=False, is_done=False)
        scope.note(status=result.status.value, code=result.error.code if result.error else None)
        _log_result(result, error, time.monotonic() - started, decided.reason)
        is_outage = result.status is Status.QUEUED and result.attempts < document.attempts
        if told is not error or isinstance(error, FetcherBusy | ProcessorUnavailable):
            is_outage = False  # which storage has no part in
        return Ended(told, is_outage=is_outage, is_done=result.status is Status.DONE)

    async def write(self, transition: Transition, document: Import, sole: Sole | None = None) -> Import | None:
        """Write the next state of a claimed import, and wait for the database if necessary.

        Returns:
            the import as written; None if another worker has taken the import over, which is logged.

        Raises:
            ResultNotWritten: as ``run``; also if the database stayed unavailable for ``write_timeout`` seconds.
        """
        give_up = time.monotonic() + self.write_timeout
        pause = 0.1
        result = Result(self.store, self.outbox, document, transition, sole)
        while True:
            try:
                written = await result.write()
            except StoreUnavailable as error:
                if time.monotonic() + pause > give_up:
                    raise ResultNotWritten(document.id) from error
                await asyncio.sleep(pause * self.rng.uniform(0.5, 1.0))
                pause = min(2 * pause, 2.0)
            else:
                self.written(document.id, written)
                if written is None:
                    log.warning("discarded a result: the import was taken over", import_id=document.id)
                else:
                    await self.removal.settle_quietly(written)
                return written

    def given_back(self, document: Import, run_at: datetime) -> Transition:
        """The transition of a claimed import without an attempt, or with an attempt that was ended without a result."""
        return handing_back(run_at, self.clock.now(), has_left=document.id in self.unwritten)

    def forget(self, document: Import) -> None:
        """Forget an import that this worker no longer owns."""
        self.unwritten.discard(document.id)

    def without_host(self, document: Import) -> Transition:
        """The transition of a claimed import, without an attempt, whose host has served nobody for too long."""
        failed = self._failed(HOST_UNAVAILABLE, counted=False)
        _log_result(failed(document), None, 0.0)
        return failed

    async def _decide(self, document: Import) -> "_Decided":
        if document.abandoned >= MAX_ABANDONED:
            return _Decided(document, lambda one: one.failed(WORKER_LOST, None, self.clock.now()))
        lost_before = self.awake.lost()
        try:
            outcome = await self.importer.run(document)
        except PluginError as error:
            if isinstance(error, PluginFault):
                log.error(  # noqa: TRY400  # the text of a plugin's exception may hold anything
                    "a plugin broke its contract", import_id=document.id, plugin=error.plugin, frames=_frames(error)
                )
            return _Decided(document, self._after(document, error, stood_still=self.awake.lost() > lost_before), error)
        except TakenOver:
            now = self.clock.now()
            return _Decided(document, handing_back(now, now))  # which is refused: the document has a newer revision
        except SecretsUnreadable as error:
            log.error("cannot decrypt the secrets of an import", import_id=document.id, reason=str(error))  # noqa: TRY400  # its text says it all
            # A missing key is an operator's fault, like an outage. A final failure would destroy the secrets for good.
            return _Decided(document, self._after_outage(document, SECRETS_UNREADABLE))
        except OSError as error:
            failure = failure_of_disk(error)
            if failure is None:
                log.exception("spooling failed", import_id=document.id)
            return _Decided(document, self._after_outage(document, failure or INTERNAL), reason=str(error))
        except Exception:
            log.exception("an attempt failed unexpectedly", import_id=document.id)
            return _Decided(document, self._again_or_failed(document, INTERNAL, None))
        return _Decided(
            outcome.document,
            outcome.ending(self.clock.now()),
            sole=self.importer.sole(outcome),
        )

    def _after(self, document: Import, error: PluginError, *, stood_still: bool) -> Transition:
        failure = failure_of(error)
        if isinstance(error, StorageUnavailable | StorageFull | ProcessorUnavailable | FetcherBusy):
            return self._after_outage(document, failure)
        # Timers expired and peers gave up while the process stood still, so the next attempt decides. Attempts at
        # an import older than ``MAX_OUTAGE`` count again, so that it ends even if the process keeps standing still.
        if error.retryable and stood_still and self.store.clock.now() - document.since <= MAX_OUTAGE:
            return self._after_outage(document, failure)
        if isinstance(error, DetectorStalled | ProcessorStalled):
            return self._after_stall(document, failure)
        if error.retryable:
            return self._again_or_failed(document, failure, error.retry_after)
        return self._failed(failure)

    def _again_or_failed(self, document: Import, failure: Failure, retry_after: float | None) -> Transition:
        delay = self.retry.delay(document.failures, retry_after, self.rng)
        if delay is None:
            return self._failed(failure)
        due, now = self.store.clock.now() + delay, self.clock.now()
        return lambda one: one.requeued(failure, due, now)

    def _after_outage(self, document: Import, failure: Failure) -> Transition:
        due, now = self.store.clock.now(), self.clock.now()
        if due - document.since > MAX_OUTAGE:
            return self._failed(failure)
        delay = self.retry.outage_delay(due - document.since, self.rng)
        return lambda one: one.requeued(failure, due + delay, now, counted=False)

    def _after_stall(self, document: Import, failure: Failure) -> Transition:
        """The transition after an attempt without a result, as if its worker had died. It counts with those, not as a
        failure.
        """
        if document.abandoned + 1 >= MAX_ABANDONED:
            return self._failed(failure)
        due, now = self.store.clock.now(), self.clock.now()
        run_at = due + self.retry.outage_delay(due - document.since, self.rng)
        return lambda one: one.stalled(failure, run_at, now)

    def _failed(self, failure: Failure, *, counted: bool = True) -> Transition:
        now = self.clock.now()
        return lambda one: one.failed(failure, self.importer.import_type(one.url or ""), now, counted=counted)


def _frames(error: PluginFault) -> list[str]:
    """The place where the plugin raised the exception. The exception's text is left out, since it may contain data."""
    cause = error.__cause__
    frames = traceback.extract_tb(cause.__traceback__ if cause is not None else error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames[-MAX_FRAMES:]]


def _log_result(result: Import, error: PluginError | None, seconds: float, reason: str | None = None) -> None:
    log.info(
        "import",
        import_id=result.id,
        request_id=result.request_id or None,
        status=result.status.value,
        attempts=result.attempts,
        code=result.error.code if result.error else None,
        plugin=error.plugin if error else None,
        reason=(error.internal or None) if error else reason,
        host=result.host or None,
        byte_size=result.image.byte_size if result.image and result.status is Status.DONE else None,
        seconds=round(seconds, 6),
    )
