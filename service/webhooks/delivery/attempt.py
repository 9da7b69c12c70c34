"""One attempt of a delivery: sign it, send it, and record the result."""

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog

from ....plugins.errors import FetcherBusy, PluginError, SourceRefused
from ....plugins.host.turns import on_behalf_of
from ....plugins.net.urls import http_url
from ...documents import DocumentStore
from ...errors.catalogue import ENDPOINT_DELETED, ENDPOINT_DISABLED, RECEIVER_GONE, RECEIVER_REFUSED
from ...models import Failure
from ...models.clock import Clock, truncate_to_milliseconds
from ...observe.metrics.meter import NO_METER, Meter
from ...secrets.vault import SecretsUnreadable, Vault
from ..endpoints import ENDPOINT, SECRET, Endpoint, Signing, secret_record_id
from .post import Posting
from .record import Attempt, Delivery, DeliveryStatus
from .schedule import Schedule
from .signing import signed_headers

KEY_PAUSE: Final = timedelta(minutes=5)
"""How long a delivery with unreadable secrets waits: an operator's fault, so no attempt is counted."""
BUSY_PAUSE: Final = timedelta(seconds=5)
"""How long a delivery waits that found no place to begin: no attempt is counted either."""
LEASE_MARGIN: Final = timedelta(seconds=5)
"""Time for reading the endpoint and writing the result, in addition to the receiver's time."""
_MAY_ASK_TO_WAIT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

log = structlog.get_logger(__name__)


class _Ended(Exception):
    """The delivery has no receiver any more."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.code = failure.code


@dataclass(frozen=True, slots=True)
class _Answer:
    """The result of a request."""

    status: int | None
    error: str | None
    is_final: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Attempting:
    """Makes attempts.

    Attributes:
        posting: sends the requests.
        schedule: gives the time of the next attempt.
        keep: how long a delivery is kept after its last attempt.
        meter: gives the header fields by which the receiver continues the trace.
    """

    store: DocumentStore
    vault: Vault
    posting: Posting
    schedule: Schedule
    clock: Clock
    rng: random.Random
    keep: timedelta
    meter: Meter = NO_METER

    async def run(self, delivery: Delivery) -> Delivery:
        """Attempt a leased delivery; its next state, to be written.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        began = truncate_to_milliseconds(self.clock.now())
        started = time.monotonic()
        try:
            url, signing, endpoint = await self._receiver(delivery)
        except SecretsUnreadable as error:
            log.error("cannot decrypt the secrets of a webhook", delivery_id=delivery.id, reason=str(error))  # noqa: TRY400  # its text says it all
            return delivery.due(self._now() + KEY_PAUSE)
        except _Ended as ended:
            attempt = Attempt(began, None, 0, ended.code)
            return delivery.attempted(attempt, DeliveryStatus.FAILED, None, self._now() + self.keep)
        try:
            with on_behalf_of(delivery.issuer_id):
                answer = await self._send(delivery, url, signing)
        except FetcherBusy:
            return delivery.due(self._now() + BUSY_PAUSE)
        if answer.status == HTTPStatus.GONE and endpoint is not None:
            await self._disable(endpoint)
        attempt = Attempt(began, answer.status, round((time.monotonic() - started) * 1000), answer.error)
        return self._after(delivery, attempt, answer)

    async def _receiver(self, delivery: Delivery) -> tuple[str, Signing, Endpoint | None]:
        """The url and the signing secrets of a delivery, with the endpoint, if it has one."""
        if delivery.url is not None:
            record = await self.store.records.get(SECRET, secret_record_id(delivery.issuer_id))
            if record is None:
                raise _Ended(ENDPOINT_DELETED)
            signing = Signing.opened(record.data["sealed"], self.vault)
            return self.vault.open_text(delivery.url), signing, None
        record = await self.store.records.get(ENDPOINT, delivery.owner)
        if record is None:
            raise _Ended(ENDPOINT_DELETED)
        endpoint = Endpoint.of(record)
        if not endpoint.enabled:
            raise _Ended(ENDPOINT_DISABLED)
        return endpoint.url, Signing.opened(endpoint.sealed, self.vault), endpoint

    async def _send(self, delivery: Delivery, url: str, signing: Signing) -> _Answer:
        body = delivery.body.encode()
        now = self.clock.now()
        headers = {
            "Content-Type": "application/json",
            **self.meter.trace_headers,
            **signed_headers(delivery.event_id, body, signing.signers(self.store.clock.now()), now),
        }
        try:
            answered = await self.posting.post(url, headers, body)
        except FetcherBusy:
            raise
        except PluginError as error:
            _log(delivery, None, _without_path(str(error), url))
            return _Answer(None, error.code, is_final=isinstance(error, SourceRefused))
        status = answered.status
        _log(delivery, status, None)
        if 200 <= status <= 299:  # noqa: PLR2004 - the successful statuses
            return _Answer(status, None, is_final=True)
        if status == HTTPStatus.GONE:
            return _Answer(status, RECEIVER_GONE.code, is_final=True)
        wait = answered.retry_after if status in _MAY_ASK_TO_WAIT else None
        return _Answer(status, RECEIVER_REFUSED.code, retry_after=wait)

    def _after(self, delivery: Delivery, attempt: Attempt, answer: _Answer) -> Delivery:
        if answer.error is None:
            return delivery.attempted(attempt, DeliveryStatus.DELIVERED, None, self._now() + self.keep)
        delay = None if answer.is_final else self.schedule.delay(delivery.tries + 1, answer.retry_after, self.rng)
        if delay is None:
            return delivery.attempted(attempt, DeliveryStatus.FAILED, None, self._now() + self.keep)
        due = truncate_to_milliseconds(self._now() + delay)
        return delivery.attempted(attempt, DeliveryStatus.PENDING, due, due + self.keep)

    def _now(self) -> datetime:
        """The time by the store's clock, which judges due times."""
        return truncate_to_milliseconds(self.store.clock.now())

    async def _disable(self, endpoint: Endpoint) -> None:
        """The receiver says that it is gone for good (RFC 9110 section 15.5.11)."""
        now = truncate_to_milliseconds(self.clock.now())
        changed = endpoint.changed(now, enabled=False, disabled_reason="gone")
        if await self.store.records.replace(changed.record):
            log.warning("disabled an endpoint whose receiver is gone", endpoint_id=endpoint.id)


def leased_until(now: datetime, timeout: float) -> datetime:
    """The time at which an attempt that begins now has certainly ended, if its process lives."""
    return truncate_to_milliseconds(now) + timedelta(seconds=timeout) + LEASE_MARGIN


def _without_path(text: str, url: str) -> str:
    """The path of a receiver's url may be a secret."""
    found = http_url(url)
    path = urlsplit(url).path if found is None else found.path
    return text.replace(path, "/…") if len(path) > 1 else text


def _log(delivery: Delivery, status: int | None, reason: str | None) -> None:
    log.info(
        "webhook",
        event_id=delivery.event_id,
        delivery_id=delivery.id,
        owner=delivery.owner,
        host=delivery.host,
        attempt=delivery.made + 1,
        status=status,
        reason=reason,
    )
