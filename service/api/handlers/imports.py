"""``/api/v1/imports`` and ``/api/v1/imports/{id}``: accept an import, list them, show, cancel, retry and delete one."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from ...errors.catalogue import ApiError
from ...imports.accept import Accepted
from ...imports.idempotency import key_of
from ...imports.lists import Query
from ...imports.uploads.running import Reception
from ...limits.rates import rate_limit_headers
from ...models import MAX_ID_LENGTH, Import, Status
from ...models.grants import Grant, Unauthorized
from ...models.representation import accepted, detailed
from ...observe.traces import trace_document
from ...storages.spool import Spool
from ..http.base import BaseHandler
from ..params import merge, parse_query
from ..params.body import check_encoding, media_type_of, parse_body
from ..params.multipart_stream import MultipartStream
from ..params.prefer import preferred_wait
from ..resources import Common, ImportsApi
from .content import ReceivingHandler
from .deleting import answer_deleted

ROUTE_PARAMS = {"controller": "api/v1/imports", "action": "create"}


class DescribingHandler(BaseHandler):
    """A handler whose body describes an import: with a token it may be longer, since a url may hold the image."""

    def prepare(self) -> Awaitable[None] | None:  # type: ignore[override]  # Tornado awaits it
        """Look at the token before a long body comes."""
        if self.announced_bytes() > self.gathered_max_bytes:
            return self._prepare_long()
        BaseHandler.prepare(self)
        return None

    async def allow_long(self) -> None:
        """Raise the limit of the body, if it is announced as long, and the request has a valid token."""
        if self.announced_bytes() > self.gathered_max_bytes:
            with suppress(Unauthorized, ApiError):  # the method itself answers with it
                await self.authenticate()
                self.gathered_max_bytes = self.common.limits.import_body_max_bytes

    async def _prepare_long(self) -> None:
        await self.allow_long()
        BaseHandler.prepare(self)


class WaitingHandler(BaseHandler):
    """A handler whose client may prefer to wait until an import is final (RFC 7240 section 4.3)."""

    api: ImportsApi

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of imports."""
        super().initialize(common, api)
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """Stop waiting; Tornado calls this when the client went away."""
        self._gone.set()
        super().on_connection_close()

    async def waited(self, document: Import) -> Import:
        """The import after the wait that the client prefers; the answer then says that Lading waited."""
        wanted = preferred_wait(self.request.headers.get_list("Prefer"))
        issuer_id = "" if self.grant is None else self.grant.issuer_id
        seconds = self.api.waiting.applied(wanted, issuer_id)
        if seconds is None:
            return document
        self.set_header("Preference-Applied", f"wait={seconds:g}")
        with self.common.in_flight.wakes(self._gone):
            return await self.api.waiting.final(document, seconds, self._gone, issuer_id)


class ImportsHandler(DescribingHandler, WaitingHandler, ReceivingHandler):
    """The collection of imports."""

    spool: Spool | None

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of imports."""
        super().initialize(common, api)
        self.spool = None
        self._multipart: MultipartStream | None = None

    # --- bodies -------------------------------------------------------------------------------------------------------

    def prepare(self) -> Awaitable[None] | None:  # type: ignore[override]  # Tornado awaits it
        """Read a multipart body piece by piece, since it may contain a file. Any other body is gathered in memory."""
        content_type = self.request.headers.get("Content-Type", "")
        if self.request.method == "POST" and media_type_of(content_type) == "multipart/form-data":
            return ReceivingHandler.prepare(self)
        return DescribingHandler.prepare(self)

    async def accept_body(self) -> None:
        """Begin to read a multipart body."""
        await self.allow_long()
        self.max_body_bytes += self.gathered_max_bytes
        headers, limits = self.request.headers, self.common.limits.params
        check_encoding(headers.get("Content-Type", ""), headers.get("Content-Encoding", ""))
        self._multipart = MultipartStream(headers.get("Content-Type", ""), limits, self.gathered_max_bytes)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:  # type: ignore[override]  # Tornado awaits it
        """See ``prepare``."""
        if self._multipart is not None or self.body_error is not None:
            return ReceivingHandler.data_received(self, chunk)
        BaseHandler.data_received(self, chunk)
        return None

    async def received(self, chunk: bytes) -> None:
        """Read a piece of a multipart body."""
        if self._multipart is None:
            return
        for piece in self._multipart.feed(chunk):
            if self.spool is None:
                grant = await self.authenticate()  # before any byte of a file is kept
                self.opened.enter_context(self.api.receiving.places.one(grant.issuer_id))
                self.spool = self.opened.enter_context(self.api.receiving.spools.open())
            if self.spool.byte_size + len(piece) > self.common.limits.upload_max_bytes:
                raise ApiError("request_body_too_large", limit=self.common.limits.upload_max_bytes)
            await self.spool.write(piece)

    # --- answers ------------------------------------------------------------------------------------------------------

    async def post(self) -> None:
        """Accept an import and answer with its document: at once, or when it is final, if the client prefers that.

        An import with a file is final when it is answered.
        """
        async with self.finishing():
            grant = await self.authenticate()
            await count_against_rates(self, grant)
            key = key_of(self.request.headers.get_list("Idempotency-Key"))
            params = self.params()
            if self._multipart is not None and self._multipart.filename is not None:
                created = await self._with_file(grant, params, key, self._multipart.filename)
            else:
                created = await self.api.imports.create(grant, params, self.request_id, key)
        document = created.document
        self.log_fields["import_id"] = document.id
        self.set_header("Location", f"/api/v1/imports/{document.id}")
        if created.is_replayed:
            self.set_header("Idempotent-Replayed", "true")
        document = await self.waited(document)
        if "Preference-Applied" in self._headers and document.status.is_final:
            self.answer(HTTPStatus.OK, detailed(document, self.common.timezone))
        else:
            self.answer(HTTPStatus.OK, accepted(document, self.common.timezone, params))

    async def _with_file(self, grant: Grant, params: dict[str, Any], key: str | None, filename: str) -> Accepted:
        """Accept an import with a file, and detect and store the file."""
        if params.get("url"):
            raise ApiError("parameter_invalid", parameter="url", reason="cannot be sent together with a file")
        if self.spool is None:
            raise ApiError("content_missing")
        await self.spool.complete()
        receptions: list[Reception] = []

        async def add(document: Import) -> None:
            self.keep_headers({"Location": f"/api/v1/imports/{document.id}"})
            reception = self.api.receiving.reception(document, is_new=True)
            receptions.append(await self.opened.enter_async_context(reception))

        created = await self.api.imports.create(
            grant, params, self.request_id, key, file_sha256=self.spool.sha256, add=add
        )
        if not receptions and created.document.status in (Status.WAITING, Status.RUNNING):
            # The earlier request did not store the bytes, and these are the same bytes.
            again = self.api.receiving.reception(created.document)
            receptions.append(await self.opened.enter_async_context(again))
        for reception in receptions:
            created = replace(created, document=await self.api.receiving.finish(reception, self.spool, filename))
        return created

    async def get(self) -> None:
        """Answer with a page of the imports that the token may list, the newest first."""
        grant = await self.authenticate()
        query = Query.of(parse_query(self.request.query, self.common.limits.params))
        page = await self.api.listing.page(grant, query)
        if page.next is not None:
            self.set_header("Link", f'</api/v1/imports?{query.following(page.next)}>; rel="next"')
        documents = [detailed(document, self.common.timezone) for document in page.documents]
        self.answer(HTTPStatus.OK, {"imports": documents})

    def params(self) -> dict[str, Any]:
        """The client's parameters, and then, as in Rails, those of the route, which a client cannot set."""
        limits = self.common.limits.params
        sent = merge(parse_query(self.request.query, limits), self._body_params())
        return {name: value for name, value in sent.items() if name not in ROUTE_PARAMS} | ROUTE_PARAMS

    def _body_params(self) -> dict[str, Any]:
        headers, limits = self.request.headers, self.common.limits.params
        if self.body_error is None and self._multipart is None:
            content_type, encoding = headers.get("Content-Type", ""), headers.get("Content-Encoding", "")
            return parse_body(self.body(), content_type, encoding, limits)
        self.body_ended()
        if self._multipart is None or not self.body_bytes:
            return {}
        self._multipart.end()
        return self._multipart.params


class ImportHandler(WaitingHandler):
    """One import."""

    async def get(self, import_id: str) -> None:
        """Answer with the present document; any valid token of its organisation may read it."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.waited(await self.api.imports.get(grant, import_id))
        self.answer(HTTPStatus.OK, detailed(document, self.common.timezone))

    async def delete(self, import_id: str) -> None:
        """Delete it with its image: 204, or 202 if its bytes go later.

        The import does not exist from then on: another deletion gets 404.
        """
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        answer_deleted(self, is_gone=await self.api.actions.delete(grant, import_id))


class TraceHandler(BaseHandler):
    """The trace of an import."""

    api: ImportsApi

    async def get(self, import_id: str) -> None:
        """Answer with each attempt; any valid token of its organisation may read them."""
        grant = await self.authenticate()
        document = await self.api.imports.get(grant, import_id)
        self.log_fields["import_id"] = document.id
        self.answer(HTTPStatus.OK, trace_document(document))


class PreflightHandler(DescribingHandler, WaitingHandler):
    """The preflight of an import."""

    async def post(self) -> None:
        """Try the import without storing it, and answer with the result."""
        grant = await self.authenticate()
        await count_against_rates(self, grant)
        headers, limits = self.request.headers, self.common.limits.params
        body = parse_body(self.body(), headers.get("Content-Type", ""), headers.get("Content-Encoding", ""), limits)
        sent = merge(parse_query(self.request.query, limits), body)
        with self.api.receiving.places.one(grant.issuer_id):
            self.answer(HTTPStatus.OK, await self.api.preflight.judge(grant, sent))


class CancelHandler(BaseHandler):
    """The cancellation of an import."""

    api: ImportsApi

    async def post(self, import_id: str) -> None:
        """Cancel it, and answer with its document."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.api.actions.cancel(grant, import_id)
        self.answer(HTTPStatus.OK, detailed(document, self.common.timezone))


class RetryHandler(BaseHandler):
    """The retry of a failed or cancelled import."""

    api: ImportsApi

    async def post(self, import_id: str) -> None:
        """Queue it again, and answer with its document."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.api.actions.retry(grant, import_id)
        self.answer(HTTPStatus.OK, detailed(document, self.common.timezone))


async def count_against_rates(handler: BaseHandler, grant: Grant) -> None:
    """Count a request, and put the state of the rate limits into the answer's headers, if there are limits.

    Raises:
        ApiError: ``rate_limited``.
    """
    decision = await handler.common.rates.admit(grant.issuer_id, grant.organization_id)
    handler.keep_headers(rate_limit_headers(decision.standings))
    if decision.retry_after is not None:
        raise ApiError("rate_limited", retry_after=decision.retry_after, seconds=decision.retry_after)
