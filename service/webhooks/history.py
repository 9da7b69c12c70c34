"""The API's operations on deliveries: list, show, replay, and test an endpoint."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from ...plugins.net.urls import authority_of
from ..documents import DocumentStore
from ..documents.contention import tries
from ..errors.catalogue import ApiError
from ..errors.database import contended, told_as_outage
from ..errors.queries import MAX_LIMIT
from ..models import MAX_ID_LENGTH
from ..models.clock import Clock, shown, truncate_to_milliseconds
from ..models.grants import Grant
from ..models.representation import encode
from .delivery.record import DELIVERY, Delivery, delivery_id, import_owner
from .endpoints import ENDPOINT, Endpoint
from .events import EventType, event
from .management import Endpoints, check_ability
from .pages import DeliveryQuery

MAX_EXAMINED: Final = 1000
"""Deliveries that one page reads at most: it may have fewer than requested, even none, and not be the last."""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, the latest events first.

    Attributes:
        deliveries: the page.
        next: the id after which the next page begins; None on the last page.
    """

    deliveries: Sequence[Delivery]
    next: str | None


@dataclass(frozen=True, slots=True)
class DeliveryLog:
    """The deliveries of all endpoints and imports, with the checks of the grants. Errors: see ``Endpoints``.

    Attributes:
        timezone: of the times in events.
        keep: how long a delivery is kept.
        made: called when a delivery is due.
    """

    store: DocumentStore
    endpoints: Endpoints
    clock: Clock
    timezone: tzinfo
    keep: timedelta
    made: Callable[[], None]

    def shown(self, moment: datetime) -> datetime:
        """A due time of the store's clock, converted to the machine's clock."""
        return shown(moment, self.store.clock, self.clock)

    async def receiver(self, grant: Grant, endpoint_id: str) -> str:
        """The owner of an endpoint's deliveries.

        Raises:
            ApiError: ``not_found``.
        """
        return (await self.endpoints.get(grant, endpoint_id)).id

    async def receiver_of_import(self, grant: Grant, import_id: str) -> str:
        """The owner of the deliveries of a webhook of the issuer's import.

        Raises:
            ApiError: ``not_found``, also for an import of another issuer.
        """
        check_ability(grant)
        with told_as_outage():
            document = await self.store.get(import_id) if len(import_id) <= MAX_ID_LENGTH else None
        if document is None or document.deleted_at is not None or document.issuer_id != grant.issuer_id:
            raise ApiError("not_found")
        return import_owner(document.id)

    async def page(self, owner: str, query: DeliveryQuery) -> DeliveryPage:
        """A page of a receiver's deliveries."""
        status, limit, after = query.status, query.limit, query.after
        found: list[Delivery] = []
        examined = 0
        while examined < MAX_EXAMINED:
            wanted = limit + 1 if status is None else MAX_LIMIT
            with told_as_outage():
                records = await self.store.records.list(DELIVERY, owner, wanted, after=after, descending=True)
            for record in records:
                delivery = Delivery.of(record)
                if status in (None, delivery.status):
                    if len(found) == limit:
                        return DeliveryPage(found, after)
                    found.append(delivery)
                after = delivery.id
            examined += len(records)
            if len(records) < wanted:
                return DeliveryPage(found, None)
        return DeliveryPage(found, after)

    async def one(self, owner: str, delivery_id: str) -> Delivery:
        """One delivery of a receiver.

        Raises:
            ApiError: ``not_found``.
        """
        record = None
        if len(delivery_id) <= MAX_ID_LENGTH:
            with told_as_outage():
                record = await self.store.records.get(DELIVERY, delivery_id)
        if record is None or record.owner != owner:
            raise ApiError("not_found")
        return Delivery.of(record)

    async def replay(self, owner: str, delivery_id: str) -> Delivery:
        """Send a delivery again, at once, with the id of its event and a new round of attempts.

        Raises:
            ApiError: ``not_found``; ``webhook_disabled``.
        """
        async for _ in tries():
            delivery = await self.one(owner, delivery_id)
            if delivery.is_of_endpoint:
                with told_as_outage():
                    record = await self.store.records.get(ENDPOINT, owner)
                if record is None or not Endpoint.of(record).enabled:
                    raise ApiError("webhook_disabled")
            after = delivery.replayed(truncate_to_milliseconds(self.store.clock.now()), self.keep)
            with told_as_outage():
                if await self.store.records.replace(after.record):
                    self.made()
                    return after
        raise contended()

    async def ping(self, grant: Grant, endpoint_id: str) -> Delivery:
        """Send an event of type ``ping`` to the endpoint, whatever events it wants.

        Raises:
            ApiError: ``not_found``; ``webhook_disabled``.
        """
        endpoint = await self.endpoints.get(grant, endpoint_id)
        if not endpoint.enabled:
            raise ApiError("webhook_disabled")
        now = truncate_to_milliseconds(self.clock.now())
        due = truncate_to_milliseconds(self.store.clock.now())
        event_id = f"evt_{uuid.uuid4().hex}"
        body = event(EventType.PING, {"webhook_id": endpoint.id}, now, self.timezone)
        delivery = Delivery(
            id=delivery_id(event_id, endpoint.id, now),
            owner=endpoint.id,
            event_id=event_id,
            kind=EventType.PING.value,
            body=encode(body).decode(),
            issuer_id=grant.issuer_id,
            url=None,
            host=authority_of(endpoint.url),
            created_at=now,
            due_at=due,
            expires_at=due + self.keep,
        )
        with told_as_outage():
            await self.store.records.add(delivery.record)
        self.made()
        return delivery


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The operations for handlers."""

    endpoints: Endpoints
    log: DeliveryLog
