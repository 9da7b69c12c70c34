"""``PUT /api/v1/imports/{id}/content``: a client sends the bytes of a waiting import."""

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus

from ...errors.catalogue import ApiError
from ...imports.uploads.running import Reception
from ...models import MAX_ID_LENGTH
from ...models.representation import detailed
from ...storages.spool import Spool
from ..http.request_body import StreamingHandler
from ..params.body import is_encoded
from ..resources import Common, ImportsApi


class ReceivingHandler(StreamingHandler):
    """A handler that holds resources while a body comes: ``opened`` closes them, however the request ends."""

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of the handler."""
        super().initialize(common, api)
        self._opened: AsyncExitStack | None = None
        self._is_finishing = False

    @property
    def opened(self) -> AsyncExitStack:
        """The resources that close when the request ends."""
        if self._opened is None:
            self._opened = AsyncExitStack()
        return self._opened

    def finishing(self) -> AsyncExitStack:
        """The same resources, for the method that runs when the body has ended, which closes them."""
        self._is_finishing = True
        return self.opened

    def _release(self) -> None:
        super()._release()
        if self._is_finishing or self._opened is None:
            return
        self._is_finishing = True
        # The request counts as running until then, so that a stopping service does not close the store before.
        closing = asyncio.create_task(self._opened.aclose(), name="close what a request had open")
        self.common.in_flight.begin(closing)
        closing.add_done_callback(self._closed)

    def _closed(self, closing: "asyncio.Task[None]") -> None:
        self.common.in_flight.end(closing)
        if not closing.cancelled() and closing.exception() is not None:
            self.log_exception(None, closing.exception(), None)


class ContentHandler(ReceivingHandler):
    """The bytes of one import."""

    api: ImportsApi
    reception: Reception
    spool: Spool

    async def accept_body(self) -> None:
        """Start the import, under a lease of this process."""
        grant = await self.authenticate()
        headers = self.request.headers
        if is_encoded(headers.get("Content-Encoding", "")):
            detail = "The bytes of an image must be sent without a content encoding."
            raise ApiError.of("unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        if "Content-Range" in headers:  # RFC 9110 section 14.5
            raise ApiError("header_invalid", header="Content-Range", reason="is not allowed: send the whole image")
        import_id = self.path_args[0]
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        receiving = self.api.receiving
        document = await receiving.waiting(grant, import_id)
        self.opened.enter_context(receiving.places.one(grant.issuer_id))
        self.spool = self.opened.enter_context(receiving.spools.open())
        self.reception = await self.opened.enter_async_context(receiving.reception(document))
        self.reception.refuse = self._refuse

    async def received(self, chunk: bytes) -> None:
        """Write a piece to the spool."""
        await self.spool.write(chunk)

    async def put(self, import_id: str) -> None:  # noqa: ARG002  # known since the body began
        """Detect and store the image, and answer with the import's document."""
        async with self.finishing():
            self.body_ended()
            if not self.body_bytes:
                raise ApiError("content_missing")
            await self.spool.complete()
            document = await self.api.receiving.finish(self.reception, self.spool)
        self.answer(HTTPStatus.OK, detailed(document, self.common.timezone))

    def _refuse(self, error: ApiError) -> None:
        """Answer before the body has ended, since the import no longer wants the bytes."""
        if not self._finished and not self._is_finishing:
            self._stop_watching()
            self.answer_error(error)
