"""``POST /api/v1/imports`` and ``GET /api/v1/imports/{id}``."""

from http import HTTPStatus
from typing import Any

from service.auth import Grant
from service.errors import ApiError
from service.handlers.base import BaseHandler
from service.models import MAX_ID_LENGTH
from service.params import merge, parse_query
from service.params.body import parse_body
from service.rates import rate_limit_headers
from service.representation import accepted, detailed

ROUTE_PARAMS = {"controller": "api/v1/imports", "action": "create"}


class ImportsHandler(BaseHandler):
    """The collection of imports."""

    async def post(self) -> None:
        """Accept an import and answer with its document at once."""
        grant = await self.authenticate()
        self.count_against_rates(grant)
        params = self.params()
        document = await self.api.imports.create(grant, params, self.request_id)
        self.log_fields["import_id"] = document.id
        self.set_header("Location", f"/api/v1/imports/{document.id}")
        self.answer(HTTPStatus.OK, accepted(document, self.api.timezone, params))

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


class ImportHandler(BaseHandler):
    """One import."""

    async def get(self, import_id: str) -> None:
        """Answer with the document as it is now; any valid token of its organisation may read it."""
        grant = await self.authenticate()
        if len(import_id) > MAX_ID_LENGTH:
            raise ApiError("not_found")
        document = await self.api.imports.get(grant, import_id)
        self.log_fields["import_id"] = document.id
        self.answer(HTTPStatus.OK, detailed(document, self.api.timezone))

    head = get
