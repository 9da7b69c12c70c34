"""Uploads that can be resumed: their bytes come in several requests, and become an import's when all are there.

An upload and its import have one id. A record says how long it is going to be, its file how far it has come. The last
request makes of the bytes what is to be made of them; where that is not possible, since storage is away, asking how far
the upload has come tries it again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import structlog

from ...documents import DocumentStore, StoreUnavailable
from ...documents.records import Record
from ...errors.catalogue import ApiError
from ...errors.database import told_as_outage
from ...models import Import, Status
from ...models.clock import shown
from ...models.grants import Grant
from ...observe.outages import Outage
from ..accept import Imports
from .files import UploadFile, UploadFolder, UploadLocked
from .receiving import Receiving

KIND: Final = "upload"
SWEEP_SECONDS: Final = 300.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload.

    Attributes:
        document: its import.
        length: bytes that it is going to have.
        offset: bytes that have come.
    """

    document: Import
    length: int
    offset: int

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have come."""
        return self.offset == self.length


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of all organisations, behind the grants of their tokens.

    Every method raises ``ApiError`` alone: ``not_found``, ``forbidden`` and ``documents_unavailable`` beside what it
    names.

    Attributes:
        max_bytes: length of the longest.
    """

    imports: Imports
    receiving: Receiving
    store: DocumentStore
    folder: UploadFolder
    max_bytes: int

    async def create(self, grant: Grant, length: int, params: Mapping[str, Any], request_id: str) -> Upload:
        """A new upload, and the import that waits for it.

        Raises:
            ApiError: ``request_body_too_large``; ``content_missing``; ``parameter_invalid``; what ``Imports.create``
                raises.
        """
        if length > self.max_bytes:
            raise ApiError("request_body_too_large", limit=self.max_bytes)
        if not length:
            raise ApiError("content_missing")
        if params.get("url"):
            raise ApiError("parameter_invalid", parameter="url", reason="cannot be sent with an upload")
        document = (await self.imports.create(grant, params, request_id)).document
        record = Record(
            KIND, document.id, document.organization_id, {"length": length}, document.created_at,
            expires_at=document.run_at,
        )  # fmt: skip
        with told_as_outage():
            await self.store.records.add(record)
        return Upload(document, length, 0)

    async def find(self, grant: Grant, upload_id: str) -> Upload:
        """An upload as it is.

        Raises:
            ApiError: ``upload_gone``, where its import has failed, was cancelled, or has expired.
        """
        document = await self.imports.get(grant, upload_id)
        if not grant.allows("image_upload", document.album_id):
            raise ApiError("forbidden", ability="image_upload")
        with told_as_outage():
            record = await self.store.records.get(KIND, upload_id)
        if record is None and document.url is not None:
            raise ApiError("not_found")
        if document.status in (Status.FAILED, Status.CANCELLED) or record is None:
            raise ApiError("upload_gone")
        length = int(record.data["length"])
        if document.status is Status.DONE:
            return Upload(document, length, length)
        return Upload(document, length, await self._blocking(self.folder.size, upload_id))

    def expires_at(self, upload: Upload) -> datetime:
        """When a waiting upload is given up, by the machine's clock."""
        return shown(upload.document.run_at, self.store.clock, self.imports.clock)

    @asynccontextmanager
    async def opened(self, upload: Upload) -> AsyncIterator[UploadFile]:
        """The file of an upload, for the request that has it alone; what was written is durable when the block ends.

        Raises:
            ApiError: ``upload_locked``; ``upload_gone``, where it came to its end before it was this request's.
        """
        try:
            file = await self._blocking(self.folder.open, upload.document.id)
        except UploadLocked as error:
            raise ApiError("upload_locked", retry_after=1) from error
        try:
            with told_as_outage():
                document = await self.store.get(upload.document.id)
            if document is None or document.status.is_final:
                await self._blocking(self.folder.remove, upload.document.id)  # which may be made anew by this request
                raise ApiError("upload_gone")
            yield file
        finally:
            try:
                await self._blocking(file.sync)
            finally:
                file.close()

    async def append(self, file: UploadFile, data: bytes) -> None:
        """Write at the end of an open file."""
        await self._blocking(file.append, data)

    async def completed(self, upload: Upload) -> Upload:
        """Make of a complete upload what is to be made of it, unless that was done.

        Raises:
            ApiError: see ``Receiving.finish``; ``content_in_progress``, while another request does so.
        """
        if upload.document.status is Status.DONE:
            return upload
        path = self.folder.path(upload.document.id)
        try:
            with self.receiving.spools.open() as spool:
                async with self.receiving.place(), self.receiving.reception(upload.document) as reception:
                    await spool.adopt(path)
                    document = await self.receiving.finish(reception, spool)
        except ApiError as error:
            if error.status.value == 422:  # noqa: PLR2004  # the import has failed
                await self._blocking(self.folder.remove, upload.document.id)
            raise
        await self._blocking(self.folder.remove, document.id)
        return Upload(document, upload.length, upload.length)

    async def terminate(self, grant: Grant, upload_id: str, cancel: Callable[[Grant, str], Any]) -> None:
        """End an upload before it is complete: its import is cancelled, and its bytes go."""
        upload = await self.find(grant, upload_id)
        if upload.document.status is Status.DONE:
            raise ApiError("upload_gone")
        async with self.opened(upload):
            await cancel(grant, upload_id)
            await self._blocking(self.folder.remove, upload_id)
        with told_as_outage():
            await self.store.records.delete(KIND, upload_id)

    async def run(self) -> None:
        """Sweep again and again, until cancelled."""
        outage = Outage("the removal of files of uploads")
        while True:
            try:
                await self.sweep()
                outage.worked()
            except (StoreUnavailable, OSError) as error:
                outage.failed(str(error))
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Remove the files of uploads whose import is over, or gone; how many they were.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        removed = 0
        for upload_id in await self._blocking(lambda: list(self.folder.ids())):
            document = await self.store.get(upload_id)
            if document is None or document.status.is_final or document.deleted_at is not None:
                await self._blocking(self.folder.remove, upload_id)
                removed += 1
        if removed:
            log.info("removed files of ended uploads", files=removed)
        return removed

    async def _blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do what blocks in a thread. A cancelled caller waits for its end: the file must not be closed before."""
        future = asyncio.get_running_loop().run_in_executor(self.receiving.spools.executor, work, *arguments)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait((future,))
            raise
