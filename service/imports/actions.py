"""What clients do to imports that exist: cancel, retry, delete. Knows no HTTP but the codes of its errors."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..documents import DocumentStore
from ..errors.catalogue import ApiError
from ..errors.database import RETRY_AFTER_OUTAGE, told_as_outage
from ..images.operations import Images
from ..models import Import, Status
from ..models.clock import Clock
from ..models.grants import Grant
from ..models.redaction import has_secrets
from ..webhooks.outbox import Outbox
from ..work.backlog import Backlog
from ..work.changes import Changes
from .accept import RETRY_AFTER_BACKLOG, Imports

RETRY_AFTER_STOPPING = 5
STOPPING_LOOKS = 20
STOPPING_PAUSE = 0.1
"""Seconds between two looks whether the attempt at a deleted import has ended, and so many looks at most: workers of
other processes see within a second that it has to."""
WRITE_ATTEMPTS = 10
"""How often a change is tried against others that write the same import: a worker that begins, or ends, an attempt."""


@dataclass(frozen=True, slots=True)
class Actions:
    """Changes of imports, behind the grants of their tokens.

    Every method raises ``ApiError`` alone: ``not_found``, ``forbidden`` and ``documents_unavailable`` beside what it
    names.

    Attributes:
        accepted: called for every import that is queued.
        stopped: called with the id of every import that is not to run any more, so that a worker of this process ends
            its attempt at once; those of others look by themselves.
        expire_after: for how long an import waits for the bytes that its client sends.
        stopping_looks: how often it is looked whether the attempt at a deleted import has ended.
    """

    imports: Imports
    images: Images
    store: DocumentStore
    backlog: Backlog
    changes: Changes
    outbox: Outbox
    clock: Clock
    accepted: Callable[[], None]
    stopped: Callable[[str], None]
    expire_after: timedelta
    stopping_looks: int = STOPPING_LOOKS

    async def cancel(self, grant: Grant, import_id: str) -> Import:
        """Cancel an import that is not final; one that was cancelled before is answered as it is.

        Raises:
            ApiError: ``not_cancellable``.
        """
        document = await self._find(grant, import_id, "image_upload")

        def cancelled(one: Import, now: datetime) -> Import | None:
            if one.status is Status.CANCELLED:
                return None
            if one.status.is_final:
                raise ApiError("not_cancellable", status=one.status.value)
            return one.cancelled(now)

        document = await self._write(document, cancelled)
        self.stopped(import_id)
        return document

    async def retry(self, grant: Grant, import_id: str) -> Import:
        """Try a failed or cancelled import anew, with all its attempts.

        Raises:
            ApiError: ``not_retryable``; ``secrets_dropped``; ``still_stopping``; ``backlog_full``.
        """
        return await self.retry_found(await self._find(grant, import_id, "image_upload"))

    async def retry_found(self, document: Import) -> Import:
        """The same, for an import that the grant was asked for already."""
        with told_as_outage():
            if await self.backlog.is_full():
                raise ApiError("backlog_full", retry_after=RETRY_AFTER_BACKLOG)
        document = await self._write(document, self._retried)
        if document.status is Status.QUEUED:
            self.backlog.added()
            self.accepted()
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

    async def delete(self, grant: Grant, import_id: str) -> bool:
        """Delete an import with its image. It is gone for everyone when this returns.

        Returns:
            whether its bytes are gone too, or another import has them. Else they go without anybody asking: an attempt
            at it is still being stopped, or an import that runs may yet share them.

        Raises:
            ApiError: ``image_elsewhere`` or ``image_unavailable``, where its image is not gone yet: it goes later.
        """
        document = await self._find(grant, import_id, "image_delete")
        was_running = False

        def deleted(one: Import, now: datetime) -> Import | None:
            nonlocal was_running
            was_running = one.status is Status.RUNNING
            if one.deleted_at is not None:
                raise ApiError("not_found")
            return one.deleted(now)

        document = await self._write(document, deleted)
        self.stopped(import_id)
        if was_running:
            return await self._has_stopped(import_id)
        return not (await self.images.purge(document)).is_stopping

    async def _has_stopped(self, import_id: str) -> bool:
        """Wait a little for the worker that has the import, which ends its attempt and removes what that has stored.

        A worker that does not may be lost. So what there is by then is removed here; should the worker live, and store
        it after that, the worker removes it, or the purger does.
        """
        document: Import | None = None
        for _ in range(self.stopping_looks):
            await asyncio.sleep(STOPPING_PAUSE)
            with told_as_outage():
                document = await self.store.get(import_id)
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

    async def _write(self, document: Import, change: Callable[[Import, datetime], Import | None]) -> Import:
        """Write what ``change`` makes of the import as it is by then; nothing where that is None."""
        for _ in range(WRITE_ATTEMPTS):
            after = change(document, self.clock.now())
            if after is None:
                return document
            with told_as_outage():
                after = await self.outbox.with_event(document, after)
                if await self.store.update(after):
                    self.outbox.written(after)
                    self.changes.tell(after.id, after.organization_id)
                    return after
                found = await self.store.get(document.id)
            if found is None or found.deleted_at is not None:
                raise ApiError("not_found")
            document = found
        raise ApiError("documents_unavailable", internal="others keep writing it", retry_after=RETRY_AFTER_OUTAGE)
