"""The API's operations on batches: begin one, accept its items, summarise it, and retry its failed imports."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from ...documents import DocumentStore, StoreUnavailable
from ...documents.records import Record
from ...documents.search import Filter, Position
from ...errors.catalogue import ApiError
from ...errors.database import told_as_outage
from ...errors.params import ParamsError
from ...models import MAX_ID_LENGTH, Import, Status
from ...models.clock import Clock, truncate_to_milliseconds
from ...models.grants import Grant
from ...models.redaction import has_secrets
from ..accept import Accepted, Imports
from ..actions import Actions
from .items import Item

KIND: Final = "batch"
PAGE: Final = 200
NOTED_ITEMS: Final = 1000
"""Lading writes the progress of a batch after this many items,"""
NOTED_SECONDS: Final = 1.0
"""or after this many seconds, whichever comes first."""
CONCURRENCY: Final = 64
"""Imports of a batch that are retried concurrently."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Batch:
    """A batch whose items are being accepted.

    Attributes:
        record: as it is stored.
        accepted: number of items that became imports.
        replayed: number of items whose imports an earlier request with the same key made; they belong to its batch.
        rejected: number of the other items, by error code.
        has_secrets: whether the parameters of any item contain secrets.
        noted, noted_at: the number of items in the stored record, and the monotonic time of that write.
    """

    record: Record
    accepted: int = 0
    replayed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    has_secrets: bool = False
    noted: int = 0
    noted_at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        """The id of the batch."""
        return self.record.id

    @property
    def seen(self) -> int:
        """The number of all items."""
        return self.accepted + self.replayed + self.rejected.total()

    def summary(self, *, complete: bool) -> dict[str, Any]:
        """The last line of the answer."""
        rejected = dict(sorted(self.rejected.items()))
        told = {"batch_id": self.id, "accepted": self.accepted, "rejected": rejected, "complete": complete}
        return told | ({"replayed": self.replayed} if self.replayed else {})


@dataclass(frozen=True, slots=True)
class Summary:
    """The state of a batch.

    Attributes:
        counts: its imports by state.
        failed: its failed imports by code.
        not_repeatable: the failed imports with secrets, which ``Batches.failures`` leaves out.
    """

    record: Record
    counts: Mapping[Status, int]
    failed: Mapping[str, int]
    not_repeatable: int


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of all organisations, with the checks of the grants.

    Attributes:
        keep: how long Lading remembers a batch.
        max_items: the largest number of items of a batch.
    """

    imports: Imports
    actions: Actions
    store: DocumentStore
    clock: Clock
    keep: timedelta
    max_items: int

    async def begin(self, grant: Grant) -> Batch:
        """Begin a batch, without items.

        Raises:
            ApiError: ``documents_unavailable``.
        """
        now = truncate_to_milliseconds(self.clock.now())
        expires_at = truncate_to_milliseconds(self.store.clock.now()) + self.keep
        data = {"issuer_id": grant.issuer_id, "accepted": 0, "rejected": {}, "complete": False}
        record = Record(KIND, str(uuid.uuid4()), grant.organization_id, data, now, expires_at=expires_at)
        with told_as_outage():
            await self.store.records.add(record)
        return Batch(record)

    async def accept(
        self, batch: Batch, grant: Grant, item: Item, route: Mapping[str, str], request_id: str, key: str | None = None
    ) -> dict[str, Any]:
        """Accept an item and return its line of the answer, whatever goes wrong.

        Args:
            batch: the batch of the item.
            grant: the rights of the token.
            item: the item.
            route: parameters that a client cannot set.
            request_id: of the request, for the log.
            key: the ``Idempotency-Key`` of the whole request; with the item's number it makes the key of the item.
        """
        of_item = None if key is None else f"{key}\n{item.number}"  # no key of a client contains a line break
        try:
            created = await self._created(batch, grant, item, route, request_id, of_item)
        except Exception as fault:
            error = fault if isinstance(fault, ApiError | ParamsError) else ApiError("internal_error")
            if error is not fault:
                log.exception("a batch item failed unexpectedly", batch_id=batch.id, item=item.number)
            batch.rejected[error.code] += 1
            parameter = {"parameter": error.parameter} if error.parameter is not None else {}
            answer = {"line": item.number, "status": error.status.value, "code": error.code, "detail": error.detail}
            return answer | parameter
        if created.is_replayed:
            batch.replayed += 1
            return {"line": item.number, "status": 200, "id": created.document.id, "replayed": True}
        batch.accepted += 1
        batch.has_secrets = batch.has_secrets or has_secrets(created.document.params)
        return {"line": item.number, "status": 200, "id": created.document.id}

    async def _created(
        self, batch: Batch, grant: Grant, item: Item, route: Mapping[str, str], request_id: str, key: str | None
    ) -> Accepted:
        """The import of an item. The arguments are those of ``accept``; the key is the item's own.

        Raises:
            ApiError, ParamsError: the item is refused.
        """
        if item.error is not None:
            raise item.error
        if item.number > self.max_items:
            raise ApiError("batch_too_long", limit=self.max_items)
        sent = item.params or {}
        params = {**{name: value for name, value in sent.items() if name not in route}, **route}
        return await self.imports.create(grant, params, request_id, key, batch_id=batch.id)

    async def note(self, batch: Batch) -> None:
        """Write the progress of the batch, if it is time: a process that dies loses only the items since then."""
        items, seconds = batch.seen - batch.noted, time.monotonic() - batch.noted_at
        if items >= NOTED_ITEMS or (items and seconds >= NOTED_SECONDS):
            await self.end(batch, complete=False)

    async def end(self, batch: Batch, *, complete: bool) -> None:
        """Write the progress of the batch; a failure is logged."""
        batch.noted, batch.noted_at = batch.seen, time.monotonic()
        data = {
            **batch.record.data,
            "accepted": batch.accepted,
            "replayed": batch.replayed,
            "rejected": dict(batch.rejected),
            "has_secrets": batch.has_secrets,
            "complete": complete,
        }
        changed = batch.record.changed(data=data)
        try:
            if await self.store.records.replace(changed):
                batch.record = changed
            elif (found := await self.store.records.get(KIND, batch.id)) is not None:
                batch.record = found  # an earlier write succeeded, though its answer was lost
                await self.store.records.replace(found.changed(data=data))
        except StoreUnavailable as error:
            log.error("could not write the end of a batch", batch_id=batch.id, reason=str(error))  # noqa: TRY400

    async def summary(self, grant: Grant, batch_id: str) -> Summary:
        """A batch of the grant's organisation.

        Raises:
            ApiError: ``not_found``, ``documents_unavailable``.
        """
        record = await self._find(grant, batch_id)
        with told_as_outage():
            found = await self.store.search.batch_counts(batch_id)
        counts: Counter[Status] = Counter()
        failed: Counter[str] = Counter()
        for (status, code), count in found.items():
            counts[status] += count
            if code is not None:
                failed[code] += count
        not_repeatable = 0
        # If the batch was not read to its end, the stored progress may be behind.
        if counts[Status.FAILED] and (record.data.get("has_secrets", True) or not record.data["complete"]):
            async with aclosing(self._failed(grant, batch_id)) as documents:
                async for document in documents:
                    not_repeatable += has_secrets(document.params)
        return Summary(record, counts, failed, not_repeatable)

    async def failures(self, grant: Grant, batch_id: str) -> AsyncGenerator[Mapping[str, Any], None]:
        """The parameters of the failed imports, ready to be posted again, without the imports that had secrets.

        Raises:
            ApiError: while iterated: ``not_found``, ``documents_unavailable``.
        """
        await self._find(grant, batch_id)
        async for document in self._failed(grant, batch_id):
            if not has_secrets(document.params):
                names = document.params.keys() - {"controller", "action"}
                yield {name: value for name, value in document.params.items() if name in names}

    async def retry(self, grant: Grant, batch_id: str) -> tuple[int, Mapping[str, int]]:
        """Retry the failed imports; the number of retried imports, and of the others by code.

        Raises:
            ApiError: ``not_found``, ``documents_unavailable``.
        """
        await self._find(grant, batch_id)
        retried = 0
        refused: Counter[str] = Counter()
        documents = self._failed(grant, batch_id)
        turn = asyncio.Lock()

        async def work() -> None:
            nonlocal retried
            while not refused["backlog_full"]:
                async with turn:
                    document = await anext(documents, None)
                if document is None:
                    return
                try:
                    if not grant.allows("image_upload", document.album_id):
                        raise ApiError("forbidden", ability="image_upload")  # noqa: TRY301  # told as the others
                    await self.actions.lives.retry(document)
                except ApiError as error:
                    refused[error.code] += 1
                else:
                    retried += 1

        try:
            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        finally:
            await documents.aclose()
        return retried, {code: count for code, count in refused.items() if count}

    async def _failed(self, grant: Grant, batch_id: str) -> AsyncGenerator[Import, None]:
        wanted = Filter(grant.organization_id, status=Status.FAILED, batch_id=batch_id)
        after: Position | None = None
        while True:
            with told_as_outage():
                page = await self.store.search.list(wanted, PAGE, after, is_current=True)
            for document in page.documents:
                yield document
            if page.next is None:
                return
            after = page.next

    async def _find(self, grant: Grant, batch_id: str) -> Record:
        record = None
        if len(batch_id) <= MAX_ID_LENGTH:
            with told_as_outage():
                record = await self.store.records.get(KIND, batch_id)
        if record is None or record.owner != grant.organization_id:
            raise ApiError("not_found")
        return record
