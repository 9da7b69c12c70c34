"""``/api/v1/imports`` and ``/api/v1/imports/{id}``: accept an import, list them, show, cancel, retry and delete one."""

import asyncio
from http import HTTPStatus
from typing import Any

from service.auth import Grant
from service.errors import ApiError
from service.handlers.base import Api, BaseHandler
from service.idempotency import key_of
from service.listing import Query, cursor_of
from service.models import MAX_ID_LENGTH, Import
from service.params import merge, parse_query
from service.params.body import parse_body
from service.params.prefer import preferred_wait
from service.rates import rate_limit_headers
from service.representation import accepted, detailed

ROUTE_PARAMS = {"controller": "api/v1/imports", "action": "create"}


class WaitingHandler(BaseHandler):
    """A handler whose client may prefer to wait until an import is final (RFC 7240 section 4.3)."""

    def initialize(self, api: Api) -> None:
        """Take what handlers work with."""
        super().initialize(api)
        self._gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """Wait no more; called by Tornado when the client went away."""
        self._gone.set()
        super().on_connection_close()

    async def waited(self, document: Import) -> Import:
        """The import as it is when its client has waited, if it prefers to; the answer says so then."""
        wanted = preferred_wait(self.request.headers.get_list("Prefer"))
        seconds = self.api.waiting.applied(wanted)
        if seconds is None:
            return document
        self.set_header("Preference-Applied", f"wait={seconds:g}")
        with self.api.in_flight.wakes(self._gone):
            return await self.api.waiting.final(document, seconds, self._gone)


class ImportsHandler(WaitingHandler):
    """The collection of imports."""

    async def post(self) -> None:
        """Accept an import and answer with its document: at once, or when it is final, where the client prefers so."""
        grant = await self.authenticate()
        self.count_against_rates(grant)
        key = key_of(self.request.headers.get_list("Idempotency-Key"))
        params = self.params()
        created = await self.api.imports.create(grant, params, self.request_id, key)
        document = created.document
        self.log_fields["import_id"] = document.id
        self.set_header("Location", f"/api/v1/imports/{document.id}")
        if created.is_replayed:
            self.set_header("Idempotent-Replayed", "true")
        document = await self.waited(document)
        if "Preference-Applied" in self._headers and document.status.is_final:
            self.answer(HTTPStatus.OK, detailed(document, self.api.timezone))
        else:
            self.answer(HTTPStatus.OK, accepted(document, self.api.timezone, params))

    async def get(self) -> None:
        """Answer with a page of the imports that the token may list, the newest first."""
        grant = await self.authenticate()
        query = Query.of(parse_query(self.request.query, self.api.param_limits))
        page = await self.api.listing.page(grant, query)
        if page.next is not None:
            self.set_header("Link", f'<{self._with_cursor(cursor_of(page.next))}>; rel="next"')
        documents = [detailed(document, self.api.timezone) for document in page.documents]
        self.answer(HTTPStatus.OK, {"imports": documents})

    head = get

    def _with_cursor(self, cursor: str) -> str:
        """The path and query of this request, with another cursor (RFC 8288 section 3.1: a relative reference)."""
        pairs = [pair for pair in self.request.query.split("&") if pair and pair.partition("=")[0] != "cursor"]
        return f"/api/v1/imports?{'&'.join([*pairs, f'cursor={cursor}'])}"

    def count_against_rates(self, grant: Grant) -> None:
        """Say in the answer's headers where the sender stands, if anything is limited.

        Raises:
            ApiError: ``rate_limited``.
        """
        decision = self.api.rates.admit(grant.issuer_id, grant.organization_id)
        self.rate_limit = rate_limit_headers(decision.standings)
        for name, value in self.rate_limit.items():
            self.set_header(name, value)
        if decision.retry_after is not None:
            raise ApiError("rate_limited", retry_after=decision.retry_after, seconds=decision.retry_after)

    def params(self) -> dict[str, Any]:
        """What the client sent, and then, as in Rails, what the route says, which a client cannot set."""
        headers, limits = self.request.headers, self.api.param_limits
        body = parse_body(self.body(), headers.get("Content-Type", ""), headers.get("Content-Encoding", ""), limits)
        sent = merge(parse_query(self.request.query, limits), body)
        return {name: value for name, value in sent.items() if name not in ROUTE_PARAMS} | ROUTE_PARAMS


class ImportHandler(WaitingHandler):
    """One import."""

    async def get(self, import_id: str) -> None:
        """Answer with the document as it is now; any valid token of its organisation may read it."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.waited(await self.api.imports.get(grant, import_id))
        self.answer(HTTPStatus.OK, detailed(document, self.api.timezone))

    async def head(self, import_id: str) -> None:
        """The same without a body."""
        await self.get(import_id)

    async def delete(self, import_id: str) -> None:
        """Delete it with its image; 204. It does not exist from then on: another deletion is answered with 404."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        await self.api.actions.delete(grant, import_id)
        self.answer_nothing()


class CancelHandler(BaseHandler):
    """The end of an import before its time."""

    async def post(self, import_id: str) -> None:
        """Cancel it, and answer with its document."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.api.actions.cancel(grant, import_id)
        self.answer(HTTPStatus.OK, detailed(document, self.api.timezone))


class RetryHandler(BaseHandler):
    """Another beginning of an import that has failed or was cancelled."""

    async def post(self, import_id: str) -> None:
        """Queue it anew, and answer with its document."""
        grant = await self.authenticate()
        self.log_fields["import_id"] = import_id[:MAX_ID_LENGTH]
        document = await self.api.actions.retry(grant, import_id)
        self.answer(HTTPStatus.OK, detailed(document, self.api.timezone))
