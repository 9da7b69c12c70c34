"""``/api/v1/webhooks`` and the paths below it: endpoints, their secrets, and their deliveries."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from ...errors.catalogue import ApiError
from ...errors.queries import refuse_unknown
from ...models.grants import Grant
from ...webhooks.endpoint_params import Wishes, wishes_of
from ...webhooks.history import DeliveryLog, DeliveryPage, Webhooks
from ...webhooks.management import check_ability
from ...webhooks.pages import DeliveryQuery
from ...webhooks.views import delivery_view, endpoint_view
from ..http.base import BaseHandler
from ..params import merge, parse_query
from ..params.body import parse_body


class WebhookHandler(BaseHandler):
    """The common part of the handlers of webhooks."""

    api: Webhooks | None

    async def manager(self) -> tuple[Grant, Webhooks]:
        """The grant of a token that may manage webhooks, and the resources.

        Raises:
            Unauthorized: no valid token.
            ApiError: ``forbidden``; ``not_found`` if webhooks are off.
        """
        grant = await self.authenticate()
        if self.api is None:
            raise ApiError("not_found")
        check_ability(grant)
        return grant, self.api

    def wishes(self) -> Wishes:
        """The parameters of an endpoint in the request.

        Raises:
            ParamsError, ApiError: they are malformed.
        """
        headers, limits = self.request.headers, self.common.limits.params
        body = parse_body(self.body(), headers.get("Content-Type", ""), headers.get("Content-Encoding", ""), limits)
        return wishes_of(merge(parse_query(self.request.query, limits), body))

    def query(self) -> Mapping[str, Any]:
        """The parameters in the query.

        Raises:
            ParamsError: they are malformed.
        """
        return parse_query(self.request.query, self.common.limits.params)

    def answer_page(self, log: DeliveryLog, page: DeliveryPage, query: DeliveryQuery) -> None:
        """Answer with deliveries, and with a ``Link`` to the next page (RFC 8288)."""
        if page.next is not None:
            self.set_header("Link", f'<{self.request.path}?{query.following(page.next)}>; rel="next"')
        views = [delivery_view(one, self.common.timezone, log.shown) for one in page.deliveries]
        self.answer(HTTPStatus.OK, {"deliveries": views})


class EndpointsHandler(WebhookHandler):
    """The endpoints of the issuer."""

    async def get(self) -> None:
        """List the endpoints."""
        grant, webhooks = await self.manager()
        refuse_unknown(self.query(), (), "this list")
        found = await webhooks.endpoints.list(grant)
        self.answer(HTTPStatus.OK, {"webhooks": [endpoint_view(one, self.common.timezone) for one in found]})

    async def post(self) -> None:
        """Create an endpoint; only this answer has its secret."""
        grant, webhooks = await self.manager()
        endpoint, secret = await webhooks.endpoints.create(grant, self.wishes())
        self.set_header("Location", f"/api/v1/webhooks/{endpoint.id}")
        self.answer(HTTPStatus.CREATED, endpoint_view(endpoint, self.common.timezone, secret))


class EndpointHandler(WebhookHandler):
    """One endpoint."""

    async def get(self, endpoint_id: str) -> None:
        """Show the endpoint."""
        grant, webhooks = await self.manager()
        endpoint = await webhooks.endpoints.get(grant, endpoint_id)
        self.answer(HTTPStatus.OK, endpoint_view(endpoint, self.common.timezone))

    async def patch(self, endpoint_id: str) -> None:
        """Change the attributes in the request, and no others."""
        grant, webhooks = await self.manager()
        endpoint = await webhooks.endpoints.change(grant, endpoint_id, self.wishes())
        self.answer(HTTPStatus.OK, endpoint_view(endpoint, self.common.timezone))

    async def delete(self, endpoint_id: str) -> None:
        """Delete the endpoint."""
        grant, webhooks = await self.manager()
        await webhooks.endpoints.delete(grant, endpoint_id)
        self.set_status(HTTPStatus.NO_CONTENT)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()


class EndpointRotationHandler(WebhookHandler):
    """The rotation of an endpoint's secret."""

    async def post(self, endpoint_id: str) -> None:
        """Rotate the secret; only this answer has the new one."""
        grant, webhooks = await self.manager()
        endpoint, secret = await webhooks.endpoints.rotate(grant, endpoint_id)
        self.answer(HTTPStatus.OK, endpoint_view(endpoint, self.common.timezone, secret))


class EndpointTestHandler(WebhookHandler):
    """The test of an endpoint."""

    async def post(self, endpoint_id: str) -> None:
        """Send a ``ping``; the answer is its pending delivery."""
        grant, webhooks = await self.manager()
        delivery = await webhooks.log.ping(grant, endpoint_id)
        self.set_header("Location", f"/api/v1/webhooks/{endpoint_id}/deliveries/{delivery.id}")
        self.answer(HTTPStatus.ACCEPTED, delivery_view(delivery, self.common.timezone, webhooks.log.shown, whole=True))


class SecretHandler(WebhookHandler):
    """The issuer's own secret, which signs the webhooks of single imports."""

    async def get(self) -> None:
        """Show the secret."""
        grant, webhooks = await self.manager()
        signing = await webhooks.endpoints.secret(grant)
        self.answer(HTTPStatus.OK, {"secret": signing.secret})


class SecretRotationHandler(WebhookHandler):
    """The rotation of the issuer's own secret."""

    async def post(self) -> None:
        """Rotate the secret, and show the new one."""
        grant, webhooks = await self.manager()
        signing = await webhooks.endpoints.rotate_secret(grant)
        self.answer(HTTPStatus.OK, {"secret": signing.secret})


class ReceiverHandler(WebhookHandler):
    """The common part of the handlers of deliveries."""

    is_of_imports: ClassVar[bool] = False
    """Whether the path names an import, not an endpoint."""

    async def receiver(self, name: str) -> tuple[DeliveryLog, str]:
        """The deliveries, and the endpoint or import in the path that owns them.

        Raises:
            Unauthorized, ApiError: see ``manager``; ``not_found``.
        """
        grant, webhooks = await self.manager()
        if self.is_of_imports:
            return webhooks.log, await webhooks.log.receiver_of_import(grant, name)
        return webhooks.log, await webhooks.log.receiver(grant, name)


class DeliveriesHandler(ReceiverHandler):
    """The deliveries of an endpoint."""

    async def get(self, name: str) -> None:
        """List the deliveries, the latest first."""
        log, owner = await self.receiver(name)
        query = DeliveryQuery.of(self.query())
        self.answer_page(log, await log.page(owner, query), query)


class DeliveryHandler(ReceiverHandler):
    """One delivery."""

    async def get(self, name: str, delivery_id: str) -> None:
        """Show the delivery with its body."""
        log, owner = await self.receiver(name)
        delivery = await log.one(owner, delivery_id)
        self.answer(HTTPStatus.OK, delivery_view(delivery, self.common.timezone, log.shown, whole=True))


class ReplayHandler(ReceiverHandler):
    """The replay of a delivery."""

    async def post(self, name: str, delivery_id: str) -> None:
        """Send it again; the answer is the pending delivery."""
        log, owner = await self.receiver(name)
        delivery = await log.replay(owner, delivery_id)
        self.answer(HTTPStatus.ACCEPTED, delivery_view(delivery, self.common.timezone, log.shown, whole=True))


class ImportDeliveriesHandler(DeliveriesHandler):
    """The deliveries of an import's own webhook."""

    is_of_imports = True


class ImportDeliveryHandler(DeliveryHandler):
    """One delivery of an import's own webhook."""

    is_of_imports = True


class ImportReplayHandler(ReplayHandler):
    """The replay of such a delivery."""

    is_of_imports = True
