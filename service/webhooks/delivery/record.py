"""A delivery: one event for one receiver, with the result of every attempt."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from ...documents.records import Record

DELIVERY: Final = "delivery"
DELIVERY_ID: Final = re.compile(r"dlv_[0-9a-f]{32}")
"""The form of every id, see ``delivery_id``."""
MAX_LOGGED: Final = 20
"""Number of attempts that are kept, the last ones."""


class DeliveryStatus(StrEnum):
    """State of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt.

    Attributes:
        at: when it began, UTC, whole milliseconds.
        status: of the receiver's answer; None without an answer.
        milliseconds: its duration.
        error: code of the failure; None if the receiver accepted the event.
    """

    at: datetime
    status: int | None
    milliseconds: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one receiver.

    Attributes:
        id: derived from event and receiver, in the order of the events' times.
        owner: the receiver: an endpoint's id, or see ``import_owner``.
        event_id: the ``webhook-id`` of its requests.
        kind: type of the event.
        body: the exact bytes of the requests.
        issuer_id: the issuer whose secret signs the webhook of a single import.
        url: the encrypted url of a single import's webhook; None for an endpoint.
        host: host and port of the receiver, which bound concurrent requests.
        created_at: time of the event, UTC, whole milliseconds.
        status: see ``DeliveryStatus``.
        tries: attempts of the present round; a replay begins another round.
        made: attempts in all rounds.
        attempts: the last attempts, the earliest first.
        due_at: when the next attempt is due, or the present one is given up, by the store's clock; None for never.
        expires_at: when the delivery is removed, by the store's clock.
        revision: of its record.
        traceparent: of the import; see ``ImportFields.traceparent``.
    """

    id: str
    owner: str
    event_id: str
    kind: str
    body: str = field(repr=False)
    issuer_id: str
    url: str | None = field(repr=False)
    host: str
    created_at: datetime
    status: DeliveryStatus = DeliveryStatus.PENDING
    tries: int = 0
    made: int = 0
    attempts: tuple[Attempt, ...] = ()
    due_at: datetime | None = None
    expires_at: datetime | None = None
    revision: int = 0
    traceparent: str | None = field(default=None, repr=False)

    @property
    def is_of_endpoint(self) -> bool:
        """Whether ``owner`` is an endpoint."""
        return self.url is None

    def due(self, moment: datetime) -> Self:
        """Due at another time: leased for an attempt, or postponed."""
        return replace(self, revision=self.revision + 1, due_at=moment)

    def replayed(self, now: datetime, keep: timedelta) -> Self:
        """Due at once, with a new round of attempts, whatever its status."""
        return replace(self.due(now), status=DeliveryStatus.PENDING, tries=0, expires_at=now + keep)

    def attempted(
        self, attempt: Attempt, status: DeliveryStatus, due_at: datetime | None, keep_until: datetime
    ) -> Self:
        """After an attempt; ended if ``due_at`` is None."""
        return replace(
            self,
            revision=self.revision + 1,
            status=status,
            tries=self.tries + 1,
            made=self.made + 1,
            attempts=(*self.attempts, attempt)[-MAX_LOGGED:],
            due_at=due_at,
            expires_at=keep_until,
        )

    @property
    def record(self) -> Record:
        """As the data of its record."""
        data = {
            "event_id": self.event_id,
            "kind": self.kind,
            "body": self.body,
            "issuer_id": self.issuer_id,
            "url": self.url,
            "host": self.host,
            "status": self.status.value,
            "tries": self.tries,
            "made": self.made,
            "attempts": [
                {"at": one.at.isoformat(), "status": one.status, "ms": one.milliseconds, "error": one.error}
                for one in self.attempts
            ],
            **({} if self.traceparent is None else {"traceparent": self.traceparent}),
        }
        return Record(DELIVERY, self.id, self.owner, data, self.created_at, self.revision, self.due_at, self.expires_at)

    @classmethod
    def of(cls, record: Record) -> Self:
        """From its record."""
        data = record.data
        return cls(
            id=record.id,
            owner=record.owner,
            event_id=data["event_id"],
            kind=data["kind"],
            body=data["body"],
            issuer_id=data["issuer_id"],
            url=data["url"],
            host=data["host"],
            created_at=record.created_at,
            status=DeliveryStatus(data["status"]),
            tries=data["tries"],
            made=data["made"],
            attempts=tuple(map(_attempt, data["attempts"])),
            due_at=record.due_at,
            expires_at=record.expires_at,
            revision=record.revision,
            traceparent=data.get("traceparent"),
        )


def _attempt(kept: Mapping[str, Any]) -> Attempt:
    return Attempt(datetime.fromisoformat(kept["at"]), kept["status"], kept["ms"], kept["error"])


def delivery_id(event_id: str, owner: str, moment: datetime) -> str:
    """The id for an event and a receiver, always the same; ids follow the times of the events."""
    digest = hashlib.sha256(f"{event_id}\0{owner}".encode()).hexdigest()
    return f"dlv_{int(moment.timestamp() * 1000):012x}{digest[:20]}"


def import_owner(import_id: str) -> str:
    """The owner of the deliveries of a single import's webhook."""
    return f"import:{import_id}"
