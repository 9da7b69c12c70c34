"""``/api/v1/imports/batch`` and ``/api/v1/batches/{id}``: many imports in one request, and the state of a batch."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

from ....plugins.host.turns import on_behalf_of
from ...errors.catalogue import ApiError
from ...errors.disk import is_outage, outage
from ...errors.queries import refuse_unknown
from ...imports.accept import AT_ONCE
from ...imports.batches.batches import Batch, Summary
from ...imports.batches.items import Item
from ...imports.batches.results import PIECE, Results
from ...imports.idempotency import key_of
from ...models import MAX_ID_LENGTH, Status
from ...models.grants import Grant
from ...models.representation import encode, timestamp
from ..http.base import DISCARD_FACTOR, BaseHandler
from ..http.response_body import SendingHandler, Stopped
from ..params import parse_query
from ..params.body import UnsupportedMediaType, check_encoding
from ..params.items import READERS, ItemReader
from ..resources import BatchesApi, Common
from .content import ReceivingHandler
from .imports import ROUTE_PARAMS, count_against_rates

IN_FLIGHT: Final = AT_ONCE // 2
"""Items of a request that are accepted at once. ``Imports`` gives one issuer so many turns: an item more would wait."""
NDJSON: Final = "application/x-ndjson"


class BatchHandler(SendingHandler, ReceivingHandler):
    """A request with many imports.

    Its answer begins before its body has ended, with one line for each item. A client may send everything before it
    reads: a file keeps the unread lines. After the end of the body, the client must read.
    """

    api: BatchesApi
    batch: Batch
    reader: ItemReader
    results: Results

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of batches."""
        super().initialize(common, api)
        self.max_body_bytes = self.api.max_bytes
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._items: set[asyncio.Task[None]] = set()
        self._key: str | None = None
        self._is_complete = False
        self._is_counted = False
        self._is_received = False
        self._fault: ApiError | None = None
        self._sending: asyncio.Task[None] | None = None

    async def accept_body(self) -> None:
        """Begin a batch and its answer."""
        grant = await self.authenticate()
        await count_against_rates(self, grant)  # for the first item
        headers = self.request.headers
        self._key = key_of(headers.get_list("Idempotency-Key"))
        try:
            media_type = check_encoding(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
        except UnsupportedMediaType:
            media_type = ""
        if media_type not in READERS:
            raise ApiError.of(UnsupportedMediaType.code, UnsupportedMediaType.status, _UNSUPPORTED)
        self.reader = READERS[media_type](self.common.limits.params)
        self.opened.enter_context(self.api.receiving.places.one(grant.issuer_id))
        self.batch = await self.api.batches.begin(grant)
        self.log_fields["batch_id"] = self.batch.id
        self.results = Results(self.api.receiving.spools.executor)
        self.opened.callback(self.results.close)
        self.set_header("Content-Type", NDJSON)
        self.set_header("X-Batch-Id", self.batch.id)
        self.set_header("Location", f"/api/v1/batches/{self.batch.id}")
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.opened.push_async_callback(self._leave)

    async def received(self, chunk: bytes) -> None:
        """Accept the complete items of a piece of the body."""
        self._begin_answer()
        for item in self.reader.feed(chunk):
            await self._begin(item)
        try:
            await self.results.settle()
        except OSError as error:
            if not is_outage(error):
                raise
            self.answer_error(outage(error))
        await self.api.batches.note(self.batch)

    async def post(self) -> None:
        """Accept the last items, and send the summary."""
        async with self.finishing():
            self.body_ended()
            self._is_received = True
            self._begin_answer()
            for item in self.reader.end():
                await self._begin(item)
            await self._settled()
            stop = self._fault or self.reader.fault
            self._is_complete = stop is None
            fault = {} if stop is None else {"code": stop.code, "detail": stop.detail}
            await self.api.batches.end(self.batch, complete=self._is_complete)
            self.results.add(_line(self.batch.summary(complete=self._is_complete) | fault))
            self.results.end()
            if self._sending is not None:
                await self._sending
        if not self._finished:
            self.finish()

    def answer_error(self, error: ApiError) -> None:
        """Answer with an error. If the answer has begun, its last line is the error, and the rest of the body is not
        read.
        """
        if not hasattr(self, "batch"):
            super().answer_error(error)
            return
        self._fault = self._fault or error
        self.log_fields |= {"code": self._fault.code}
        # A client that sends too much may read nothing before it has sent all, so this discards a part of the rest.
        is_disk = error.code in ("disk_full", "disk_unavailable")
        is_patient = is_disk or error.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        is_patient = is_patient and self.body_bytes < DISCARD_FACTOR * self.max_body_bytes
        if not is_patient and not self.request._body_future.done():  # noqa: SLF001  # nothing public ends it
            self.request._body_future.set_result(None)  # noqa: SLF001

    def _begin_answer(self) -> None:
        """Wait for the body to begin: with ``Expect: 100-continue``, an answer would tell the client not to send it
        (RFC 9110 section 10.1.1).
        """
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="answer of a batch")

    async def _begin(self, item: Item) -> None:
        if self._fault is not None:
            return
        item = await self._counted(item)
        await self._places.acquire()
        task = asyncio.create_task(self._accept(item))
        self._items.add(task)
        task.add_done_callback(self._items.discard)

    async def _counted(self, item: Item) -> Item:
        """Accept the item, which counts towards the rate limits like a request; beyond them it is refused."""
        if not self._is_counted:
            self._is_counted = True  # the request itself
            return item
        grant = self.grant
        decision = None if grant is None else await self.common.rates.admit(grant.issuer_id, grant.organization_id)
        if decision is None or decision.retry_after is None:
            return item
        return Item(item.number, None, ApiError("rate_limited", seconds=decision.retry_after))

    async def _accept(self, item: Item) -> None:
        try:
            grant: Grant | None = self.grant
            if grant is not None:
                with on_behalf_of(grant.issuer_id):  # the body comes in the task of the connection
                    answer = await self.api.batches.accept(
                        self.batch, grant, item, ROUTE_PARAMS, self.request_id, self._key
                    )
                self.results.add(_line(answer))
        finally:
            self._places.release()

    async def _settled(self) -> None:
        """Wait until every item that was begun is accepted or rejected."""
        while self._items:
            await asyncio.wait(self._items)

    async def _send(self) -> None:
        """Send the lines, as fast as the client reads them."""
        self.pace()
        try:
            await self._sent(b"")
            while piece := await self.results.next():
                await self._sent(piece)
        except Stopped as stop:
            self.break_off(str(stop), "since its client does not read")

    async def _sent(self, piece: bytes) -> None:
        """Send a piece: see ``send_piece``. While the client sends, only its sending must make progress, not its
        reading.
        """
        self.write(piece)
        written: asyncio.Future[Any] = self.flush()
        while True:
            is_to_read = self._is_received
            await self.written(written)
            if written.done():
                return
            if is_to_read:
                raise Stopped("client_stalled")

    async def _leave(self) -> None:
        """Write the progress of the batch, however the request ends."""
        await self._settled()
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if not self._is_complete:
            await self.api.batches.end(self.batch, complete=False)


class BatchSummaryHandler(BaseHandler):
    """One batch."""

    api: BatchesApi

    async def get(self, batch_id: str) -> None:
        """Answer with the summary; any valid token of its organisation may read it."""
        grant = await self.authenticate()
        self.log_fields["batch_id"] = batch_id[:MAX_ID_LENGTH]
        summary = await self.api.batches.summary(grant, batch_id)
        self.answer(HTTPStatus.OK, self._document(summary))

    def _document(self, summary: Summary) -> dict[str, Any]:
        record = summary.record
        return {
            "id": record.id,
            "organization_id": record.owner,
            "created_at": timestamp(record.created_at, self.common.timezone),
            "complete": record.data["complete"],
            # If its process died before it wrote their number, these are the imports that exist.
            "accepted": max(record.data["accepted"], sum(summary.counts.values())),
            "replayed": record.data.get("replayed", 0),
            "rejected": dict(sorted(record.data["rejected"].items())),
            "imports": {status.value: summary.counts.get(status, 0) for status in Status},
            "failed": dict(sorted(summary.failed.items())),
            "not_repeatable": summary.not_repeatable,
        }


class BatchFailuresHandler(SendingHandler):
    """The failed imports of a batch."""

    api: BatchesApi

    async def get(self, batch_id: str) -> None:
        """Answer with their parameters, one line each: a batch that can be posted again."""
        grant = await self.authenticate()
        refuse_unknown(parse_query(self.request.query, self.common.limits.params), (), "this list")
        await self.api.batches.summary(grant, batch_id)
        async with aclosing(self._pieces(grant, batch_id)) as pieces:
            first = await anext(pieces, b"")  # before the answer begins, so that an error gets its own answer
            self.set_header("Content-Type", NDJSON)
            self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
            await self.send(first, pieces)

    async def _pieces(self, grant: Grant, batch_id: str) -> AsyncGenerator[bytes, None]:
        gathered = bytearray()
        async with aclosing(self.api.batches.failures(grant, batch_id)) as failures:
            async for params in failures:
                gathered += _line(params)
                if len(gathered) >= PIECE:
                    yield bytes(gathered)
                    gathered.clear()
        yield bytes(gathered)


class BatchRetryHandler(BaseHandler):
    """The retry of a batch's failed imports."""

    api: BatchesApi

    async def post(self, batch_id: str) -> None:
        """Queue the failed imports again, and answer with their number."""
        grant = await self.authenticate()
        self.log_fields["batch_id"] = batch_id[:MAX_ID_LENGTH]
        retried, refused = await self.api.batches.retry(grant, batch_id)
        self.answer(HTTPStatus.OK, {"retried": retried, "refused": dict(sorted(refused.items()))})


_UNSUPPORTED = f"The request body must be one of {', '.join(READERS)}, in UTF-8, without a content encoding."


def _line(value: Any) -> bytes:
    return encode(value) + b"\n"
