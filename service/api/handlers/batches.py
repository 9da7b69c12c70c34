"""``/api/v1/imports/batch`` and ``/api/v1/batches/{id}``: many imports in one request, and what became of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

from ...errors.catalogue import ApiError
from ...errors.disk import is_outage, outage
from ...imports.batches.batches import Batch, Summary
from ...imports.batches.items import Item
from ...imports.batches.results import PIECE, Results
from ...imports.idempotency import key_of
from ...models import MAX_ID_LENGTH, Status
from ...models.grants import Grant
from ...models.representation import encode, timestamp
from ..http.base import DISCARD_FACTOR, BaseHandler
from ..http.response_body import SendingHandler, Stopped
from ..params.body import UnsupportedMediaType, check_encoding
from ..params.items import READERS, ItemReader
from ..resources import BatchesApi, Common
from .content import ReceivingHandler
from .imports import ROUTE_PARAMS, count_against_rates

IN_FLIGHT: Final = 128
"""Items of a request that are being written to the database at once."""
NDJSON: Final = "application/x-ndjson"


class BatchHandler(SendingHandler, ReceivingHandler):
    """A request of many imports.

    Its answer begins before its body has ended: one line for each item. A client that reads nothing before it has sent
    everything is served too: what it does not take waits in a file. When it has sent everything, it must read.
    """

    api: BatchesApi
    batch: Batch
    reader: ItemReader
    results: Results

    def initialize(self, common: Common, api: object) -> None:
        """Take what handlers work with."""
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
        """Begin a batch, and the answer."""
        grant = await self.authenticate()
        count_against_rates(self, grant)  # for the first item
        headers = self.request.headers
        self._key = key_of(headers.get_list("Idempotency-Key"))
        try:
            media_type = check_encoding(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
        except UnsupportedMediaType:
            media_type = ""
        if media_type not in READERS:
            raise ApiError.of(UnsupportedMediaType.code, UnsupportedMediaType.status, _UNSUPPORTED)
        self.reader = READERS[media_type](self.common.limits.params)
        await self.opened.enter_async_context(self.api.receiving.place())
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
        """Accept the items that have come."""
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
        """Accept the last items, and sum up."""
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
        """Answer with an error; where the answer has begun, the last line says it, and the rest is not read."""
        if not hasattr(self, "batch"):
            super().answer_error(error)
            return
        self._fault = self._fault or error
        self.log_fields |= {"code": self._fault.code}
        # A client that sends too much does not listen before it has sent all: some of the rest is thrown away.
        is_disk = error.code in ("disk_full", "disk_unavailable")
        is_patient = is_disk or error.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        is_patient = is_patient and self.body_bytes < DISCARD_FACTOR * self.max_body_bytes
        if not is_patient and not self.request._body_future.done():  # noqa: SLF001  # nothing public ends it
            self.request._body_future.set_result(None)  # noqa: SLF001

    def _begin_answer(self) -> None:
        """Not before the body has begun: with ``Expect: 100-continue``, an answer tells its client not to send it (RFC
        9110 section 10.1.1).
        """
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="answer of a batch")

    async def _begin(self, item: Item) -> None:
        if self._fault is not None:
            return
        item = self._counted(item)
        await self._places.acquire()
        task = asyncio.create_task(self._accept(item))
        self._items.add(task)
        task.add_done_callback(self._items.discard)

    def _counted(self, item: Item) -> Item:
        """The item, which counts against the rates as a request of its own would; beyond them it is refused."""
        if not self._is_counted:
            self._is_counted = True  # the request itself
            return item
        grant = self.grant
        decision = None if grant is None else self.common.rates.admit(grant.issuer_id, grant.organization_id)
        if decision is None or decision.retry_after is None:
            return item
        return Item(item.number, None, ApiError("rate_limited", seconds=decision.retry_after))

    async def _accept(self, item: Item) -> None:
        try:
            grant: Grant | None = self.grant
            if grant is not None:
                answer = await self.api.batches.accept(
                    self.batch, grant, item, ROUTE_PARAMS, self.request_id, self._key
                )
                self.results.add(_line(answer))
        finally:
            self._places.release()

    async def _settled(self) -> None:
        """All items that were begun are accepted or rejected."""
        while self._items:
            await asyncio.wait(self._items)

    async def _send(self) -> None:
        """Send the lines, as fast as the client takes them."""
        self.pace()
        try:
            await self._sent(b"")
            while piece := await self.results.next():
                await self._sent(piece)
        except Stopped as stop:
            self.break_off(str(stop), "since its client does not read")

    async def _sent(self, piece: bytes) -> None:
        """Send a piece: see ``send_piece``. The client need not read before it has sent everything; how long that may
        take is judged by what it sends.
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
        """However the request ends, what was accepted is written down."""
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
        """Sum it up; any valid token of its organisation may read this."""
        grant = await self.authenticate()
        self.log_fields["batch_id"] = batch_id[:MAX_ID_LENGTH]
        summary = await self.api.batches.summary(grant, batch_id)
        self.answer(HTTPStatus.OK, self._document(summary))

    async def head(self, batch_id: str) -> None:
        """The same without a body."""
        await self.get(batch_id)

    def _document(self, summary: Summary) -> dict[str, Any]:
        record = summary.record
        return {
            "id": record.id,
            "organization_id": record.owner,
            "created_at": timestamp(record.created_at, self.common.timezone),
            "complete": record.data["complete"],
            # Those that are there, where its process died before it wrote how many they are.
            "accepted": max(record.data["accepted"], sum(summary.counts.values())),
            "replayed": record.data.get("replayed", 0),
            "rejected": dict(sorted(record.data["rejected"].items())),
            "imports": {status.value: summary.counts.get(status, 0) for status in Status},
            "failed": dict(sorted(summary.failed.items())),
            "not_repeatable": summary.not_repeatable,
        }


class BatchFailuresHandler(SendingHandler):
    """What of a batch has failed."""

    api: BatchesApi

    async def get(self, batch_id: str) -> None:
        """The parameters of the failed imports, one line each: a batch that can be posted again."""
        grant = await self.authenticate()
        await self.api.batches.summary(grant, batch_id)
        async with aclosing(self._pieces(grant, batch_id)) as pieces:
            first = await anext(pieces, b"")  # before anything is sent, so that an error is answered as such
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
    """Another beginning of what has failed of a batch."""

    api: BatchesApi

    async def post(self, batch_id: str) -> None:
        """Queue the failed imports anew, and answer with how many."""
        grant = await self.authenticate()
        self.log_fields["batch_id"] = batch_id[:MAX_ID_LENGTH]
        retried, refused = await self.api.batches.retry(grant, batch_id)
        self.answer(HTTPStatus.OK, {"retried": retried, "refused": dict(sorted(refused.items()))})


_UNSUPPORTED = f"The request body must be one of {', '.join(READERS)}, in UTF-8, without a content encoding."


def _line(value: Any) -> bytes:
    return encode(value) + b"\n"
