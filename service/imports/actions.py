"""Changes of existing imports: cancel, retry, delete. It knows no HTTP but the codes of its errors."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..documents import DocumentStore
from ..documents.contention import tries
from ..errors.catalogue import ApiError
from ..errors.database import contended, told_as_outage
from ..images.operations import Images
from ..models import Import, Status
from ..models.clock import Clock
from ..models.grants import Grant
from ..models.redaction import has_secrets
from ..observe.audit.actions import Action
from ..observe.audit.recording import audited
from ..webhooks.outbox import Outbox
from ..work.backlog import Backlog
from ..work.changes import Changes
from .accept import RETRY_AFTER_BACKLOG, Imports

RETRY_AFTER_STOPPING = 5
STOPPING_LOOKS = 20
STOPPING_PAUSE = 0.1
"""Seconds between two checks whether the attempt at a deleted import has ended, and the number of checks. Workers of
other processes notice within a second that they must end it.
"""


@dataclass(frozen=True, slots=True)
class Lives:
    """Cancels and retries imports, whoever asks: a client, whose grant ``Actions`` checks, or an operator.

    Every method may raise ``ApiError`` with ``not_found``, ``write_conflict`` or ``documents_unavailable``, or with the
    codes that it names, and nothing else.

    Attributes:
        accepted: called for every queued import.
        stopped: called with the id of every import that must stop, so that this process ends its attempt, or its
            reception, at once. Other processes poll.
        discard: awaited with the id of every import that must stop and whose bytes its client sends: removes what has
            come of a resumable upload.
        expire_after: how long an import waits for the bytes that its client sends.
    """

    store: DocumentStore
    backlog: Backlog
    changes: Changes
    outbox: Outbox
    clock: Clock
    accepted: Callable[[Import], None]
    stopped: Callable[[str], None]
    expire_after: timedelta
    discard: Callable[[str], Awaitable[None]]

    async def cancel(self, document: Import) -> Import:
        """Cancel an import that is not final. A cancelled import is returned as it is.

        Raises:
            ApiError: ``not_cancellable``.
        """

        def cancelled(one: Import, now: datetime) -> Import | None:
            if one.status is Status.CANCELLED:
                return None
            if one.status.is_final:
                raise ApiError("not_cancellable", status=one.status.value)
            return one.cancelled(now)

        document = await self.write(document, cancelled)
        await self.stop(document)
        return document

    async def retry(self, document: Import) -> Import:
        """Queue a failed or cancelled import again, with all of its attempts.

        Raises:
            ApiError: ``not_retryable``; ``secrets_dropped``; ``still_stopping``; ``backlog_full``.
        """
        with self.backlog.place(document.issuer_id) as place:
            with told_as_outage():
                if not await place.take():
                    raise ApiError("backlog_full", retry_after=RETRY_AFTER_BACKLOG)

            def retried(one: Import, now: datetime) -> Import:
                after = self._retried(one, now)
                place.used()
                return after

            document = await self.write(document, retried)
        if document.status is Status.QUEUED:
            self.accepted(document)
        return document

    def _retried(self, one: Import, now: datetime) -> Import:
        if one.status not in (Status.FAILED, Status.CANCELLED):
            raise ApiError("not_retryable", status=one.status.value)
        if has_secrets(one.params):
            raise ApiError("secrets_dropped")
        if one.is_stopping:
            raise ApiError("still_stopping", retry_after=RETRY_AFTER_STOPPING)
        due = self.store.clock.now()
        return one.retried(due if one.url else due + self.expire_after, now)

    async def stop(self, document: Import) -> None:
        """End what still works for an import that was cancelled or deleted."""
        self.stopped(document.id)
        if document.url is None:
            await self.discard(document.id)

    async def write(self, document: Import, change: Callable[[Import, datetime], Import | None]) -> Import:
        """Write the result of ``change`` on the newest document; nothing if the result is None. It raises what
        ``change`` raises.
        """
        async for _ in tries():
            after = change(document, self.clock.now())
            if after is None:
                return document
            with told_as_outage():
                after = await self.outbox.with_event(document, after)
                if await self.store.update(after):
                    self.outbox.written(document, after)
                    self.changes.tell(after, after)
                    return after
                found = await self.store.get(document.id)
            if found is None or found.deleted_at is not None:
                raise ApiError("not_found")
            document = found
        raise contended()


@dataclass(frozen=True, slots=True)
class Actions:
    """Changes of imports, with the checks of the grants.

    Every method may raise ``ApiError`` with ``not_found``, ``forbidden`` or ``documents_unavailable``, or with the
    codes that it names, and nothing else.

    Attributes:
        lives: cancels and retries imports.
        stopping_looks: number of checks whether the attempt at an import has ended.
    """

    imports: Imports
    images: Images
    lives: Lives
    stopping_looks: int = STOPPING_LOOKS

    async def cancel(self, grant: Grant, import_id: str) -> Import:
        """See ``Lives.cancel``."""
        return await self.lives.cancel(await self._find(grant, import_id, "image_upload"))

    async def retry(self, grant: Grant, import_id: str) -> Import:
        """See ``Lives.retry``; waits a little for the end of an attempt at a cancelled import, see ``_has_stopped``."""
        document = await self._find(grant, import_id, "image_upload")
        if document.is_stopping and document.status in (Status.FAILED, Status.CANCELLED):
            if document.status is Status.CANCELLED:
                await self._has_stopped(import_id)
            else:
                await self.images.removal.settle_quietly(document)
            document = await self._find(grant, import_id, "image_upload")
        return await self.lives.retry(document)

    @audited(Action.IMPORT_DELETED, "import_id")
    async def delete(self, grant: Grant, import_id: str) -> bool:
        """Delete an import with its image. When this returns, nobody can read it any more.

        Returns:
            whether its bytes are gone too, or belong to another import now. Otherwise they go without a further
            request: an attempt at the import is still being stopped, or a running import may yet share them.

        Raises:
            ApiError: ``image_elsewhere`` or ``image_unavailable``, if its image is not gone yet; the purger removes it
                later.
        """
        document = await self._find(grant, import_id, "image_delete")
        was_running = False

        def deleted(one: Import, now: datetime) -> Import | None:
            nonlocal was_running
            was_running = one.status is Status.RUNNING
            if one.deleted_at is not None:
                raise ApiError("not_found")
            return one.deleted(now)

        document = await self.lives.write(document, deleted)
        await self.lives.stop(document)
        if was_running:
            return await self._has_stopped(import_id)
        return not (await self.images.purge(document)).is_stopping

    async def _has_stopped(self, import_id: str) -> bool:
        """Wait a little for the worker that runs the import to end its attempt and to remove the object of the attempt.

        If the worker does not, it may be dead, so this removes the object. If the worker lives and stores an object
        after that, the worker or the purger removes it.
        """
        document: Import | None = None
        for _ in range(self.stopping_looks):
            await asyncio.sleep(STOPPING_PAUSE)
            with told_as_outage():
                document = await self.lives.store.get(import_id)
            if document is None or not document.is_stopping:
                return True
        if document is not None:
            await self.images.removal.settle_quietly(document)
        return False

    async def _find(self, grant: Grant, import_id: str, ability: str) -> Import:
        document = await self.imports.get(grant, import_id)
        if not grant.allows(ability, document.album_id):
            raise ApiError("forbidden", ability=ability)
        return document
