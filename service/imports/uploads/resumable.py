"""Resumable uploads: the bytes come in several requests, and become an import's image when all are there.

An upload and its import have the same id. A record keeps the length of the upload, and the length of its file is the
offset. The last request detects and stores the image. If storage is away, each request for the offset tries that again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog

from ....plugins.host.waits import to_its_end
from ...documents import DocumentStore, DuplicateId, StoreUnavailable
from ...documents.records import Record
from ...errors.catalogue import ApiError
from ...errors.database import told_as_outage
from ...models import Import, Status
from ...models.clock import shown
from ...models.grants import Grant
from ...observe.outages import Outage
from ..accept import Imports
from .files import NoUploadRoom, UploadFile, UploadFolder, UploadLocked
from .receiving import Receiving
from .state import Upload

KIND: Final = "upload"
SWEEP_SECONDS: Final = 300.0
RETRY_AFTER_ROOM: Final = 60
_GONE: Final = (Status.FAILED, Status.CANCELLED)

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploads of all organisations, with the checks of the grants.

    Every method may raise ``ApiError`` with ``not_found``, ``forbidden`` or ``documents_unavailable``, or with the
    codes that it names, and nothing else.

    Attributes:
        max_bytes: the largest length.
    """

    imports: Imports
    receiving: Receiving
    store: DocumentStore
    folder: UploadFolder
    max_bytes: int

    async def create(
        self, grant: Grant, length: int, params: Mapping[str, Any], request_id: str, key: str | None
    ) -> tuple[Upload, bool]:
        """Create an upload, and the import that waits for it.

        Returns:
            the upload, and whether an earlier request with the ``Idempotency-Key`` created it.

        Raises:
            ApiError: ``request_body_too_large``; ``content_missing``; ``parameter_invalid``; ``upload_room_full``;
                the codes of ``Imports.create``.
        """
        if length > self.max_bytes:
            raise ApiError("request_body_too_large", limit=self.max_bytes)
        if not length:
            raise ApiError("content_missing")
        if params.get("url"):
            raise ApiError("parameter_invalid", parameter="url", reason="cannot be sent with an upload")
        async with self._room(length) as take:
            created = await self.imports.create(grant, params, request_id, key, upload_length=length, before=take)
        document = created.document
        record = Record(
            KIND, document.id, document.organization_id, {"length": length}, document.created_at,
            expires_at=document.run_at,
        )  # fmt: skip
        # The earlier request has added the record, unless its process ended just before.
        with told_as_outage(), suppress(DuplicateId):
            await self.store.records.add(record)
        if not created.is_replayed:
            return Upload(document, length, 0), False
        if document.status in _GONE:  # the answer is repeated, and the upload takes no bytes
            return Upload(document, length, 0), True
        return await self.find(grant, document.id), True

    @asynccontextmanager
    async def _room(self, length: int) -> AsyncIterator[Callable[[Import], Awaitable[None]]]:
        """Takes the room for an upload, for an import that is about to be added within the block.

        Without the import, ``sweep`` gives back the room: the import may exist, though the database has not told so.
        """
        files: list[UploadFile] = []  # also of a call that is cancelled

        async def take(document: Import) -> None:
            with _told_without_room():
                await self._blocking(lambda: files.append(self.folder.begin(document.id, document.issuer_id, length)))

        try:
            yield take
        finally:
            for file in files:
                file.close()

    async def find(self, grant: Grant, upload_id: str) -> Upload:
        """The state of an upload.

        Raises:
            ApiError: ``upload_gone``, if its import has failed, was cancelled, or has expired.
        """
        document = await self.imports.get(grant, upload_id)
        if not grant.allows("image_upload", document.album_id):
            raise ApiError("forbidden", ability="image_upload")
        with told_as_outage():
            record = await self.store.records.get(KIND, upload_id)
        if record is None and document.url is not None:
            raise ApiError("not_found")
        if document.status in _GONE or record is None:
            raise ApiError("upload_gone")
        length = int(record.data["length"])
        if document.status is Status.DONE:
            return Upload(document, length, length)
        return Upload(document, length, await self._blocking(self.folder.size, upload_id))

    def expires_at(self, upload: Upload) -> datetime:
        """When a waiting upload expires, by the machine's clock."""
        return shown(upload.document.run_at, self.store.clock, self.imports.clock)

    @asynccontextmanager
    async def opened(self, upload: Upload, *, grows: bool = True) -> AsyncIterator[UploadFile]:
        """Open the file of an upload for this request alone; the written bytes are durable when the block ends.

        Args:
            upload: the upload.
            grows: whether bytes are to come, for which there must be room.

        Raises:
            ApiError: ``upload_locked``; ``upload_room_full``; ``upload_gone``, if the upload ended before this request
                got the file.
        """
        files: list[UploadFile] = []  # also of a call that is cancelled
        document, folder = upload.document, self.folder

        def open_file() -> None:
            of_upload = document.id, document.issuer_id, upload.length
            files.append(folder.resume(*of_upload) if grows else folder.open(document.id))

        try:
            with _told_without_room():
                await self._blocking(open_file)
            (file,) = files
        except UploadLocked as error:
            raise ApiError("upload_locked", retry_after=1) from error
        except BaseException:
            for one in files:
                one.close()
            raise
        try:
            with told_as_outage():
                found = await self.store.get(upload.document.id)
            if found is None or found.status.is_final:
                await self._quietly(self.folder.remove, upload.document.id)  # this request may have made it again
                raise ApiError("upload_gone")
            yield file
        finally:
            try:
                await self._blocking(file.sync)
            finally:
                file.close()
                await self._discard_if_ended(upload.document.id)

    async def append(self, file: UploadFile, data: bytes) -> None:
        """Append to an open file."""
        await self._blocking(file.append, data)

    async def completed(self, upload: Upload) -> Upload:
        """Detect and store the image of a complete upload, unless that is done.

        Raises:
            ApiError: see ``Receiving.finish``; ``content_in_progress``, while another request does so.
        """
        if upload.document.status is Status.DONE:
            return upload
        path = self.folder.path(upload.document.id)
        try:
            with self.receiving.spools.open() as spool, self.receiving.places.one(upload.document.issuer_id):
                async with self.receiving.reception(upload.document) as reception:
                    await spool.adopt(path)
                    document = await self.receiving.finish(reception, spool)
        except ApiError as error:
            if error.status is HTTPStatus.UNPROCESSABLE_ENTITY or error.code == "content_not_expected":  # it has ended
                await self._quietly(self.folder.remove, upload.document.id)
            raise
        await self._quietly(self.folder.remove, document.id)
        return Upload(document, upload.length, upload.length)

    async def discard(self, import_id: str) -> None:
        """Remove the bytes of an upload whose import has ended. A request that writes them removes them at its end, and
        ``sweep`` does if the folder does not work now: the change of the import is written.
        """
        await self._quietly(self.folder.discard, import_id)

    async def _quietly(self, remove: Callable[[str], None], upload_id: str) -> None:
        try:
            await self._blocking(remove, upload_id)
        except OSError as error:
            log.warning(
                "could not remove the file of an upload; the sweep retries", import_id=upload_id, reason=str(error)
            )

    async def _discard_if_ended(self, import_id: str) -> None:
        try:
            document = await self.store.get(import_id)
        except StoreUnavailable:
            return  # ``sweep`` removes them
        if document is None or document.status.is_final:
            await self.discard(import_id)

    async def terminate(self, grant: Grant, upload_id: str, cancel: Callable[[Grant, str], Any]) -> None:
        """End an upload before it is complete: cancel its import and remove its bytes."""
        upload = await self.find(grant, upload_id)
        if upload.document.status is Status.DONE:
            raise ApiError("upload_gone")
        async with self.opened(upload, grows=False):
            await cancel(grant, upload_id)
            await self._quietly(self.folder.remove, upload_id)
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
        """Remove the files of uploads whose import has ended or is gone, and give back their room; their number.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        removed = 0
        files, with_room = await self._blocking(self.folder.ids)
        for upload_id in files | with_room:
            document = await self._unended(upload_id)
            if document is None:
                removed += await self._removed_if_ended(upload_id)
            elif upload_id not in with_room:
                record = await self.store.records.get(KIND, upload_id)
                if record is not None:
                    length = int(record.data["length"])
                    await self._blocking(self.folder.keep, upload_id, document.issuer_id, length)
        if removed:
            log.info("removed files of ended uploads", files=removed)
        return removed

    async def _removed_if_ended(self, upload_id: str) -> bool:
        files: list[UploadFile] = []
        try:
            await self._blocking(lambda: files.append(self.folder.ended(upload_id)))
            # It may have begun since it was looked for; whoever begins it has had its file open until now.
            if await self._unended(upload_id) is not None:
                return False
            await self._blocking(self.folder.remove, upload_id)
        except UploadLocked:
            return False
        finally:
            for file in files:
                file.close()
        return True

    async def _unended(self, upload_id: str) -> Import | None:
        """The import of an upload, unless it has ended or is gone."""
        document = await self.store.get(upload_id)
        if document is None or document.status.is_final or document.deleted_at is not None:
            return None
        return document

    async def ping(self) -> None:
        """Check that the folder of the files can take more bytes.

        Raises:
            OSError: it cannot.
        """
        await self._blocking(self.folder.check_room)

    async def _blocking(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking call in a thread. A cancelled caller waits for its end, since the file must stay open until
        then.
        """
        future = asyncio.get_running_loop().run_in_executor(self.receiving.spools.executor, work, *arguments)
        return await to_its_end(future)


@contextmanager
def _told_without_room() -> Iterator[None]:
    try:
        yield
    except NoUploadRoom as error:
        raise ApiError("upload_room_full", retry_after=RETRY_AFTER_ROOM) from error
