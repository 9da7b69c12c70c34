"""Endpoints: the url at which an issuer receives events, and the secret that signs them."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from ..documents.records import Record
from ..secrets.vault import Vault
from .delivery.signing import new_secret
from .events import EventType

ENDPOINT: Final = "webhook"
SECRET: Final = "webhook-secret"  # noqa: S105  # the kind of a record
GRACE: Final = timedelta(hours=24)
"""How long the previous secret also signs after a rotation."""
ALL: Final = "*"
EVENT_NAMES: Final = tuple(kind.value for kind in EventType if kind is not EventType.PING)


@dataclass(frozen=True, slots=True)
class Signing:
    """The secrets of an endpoint, or of an issuer's imports.

    Attributes:
        secret: ``whsec_...``, as ``lading.service.webhooks.delivery.signing`` makes it.
        previous: the previous secret, which also signs until ``until`` by the store's clock; None if there is none.
    """

    secret: str = field(repr=False)
    previous: str | None = field(default=None, repr=False)
    until: datetime | None = None

    @classmethod
    def new(cls) -> Self:
        """With a random secret."""
        return cls(new_secret())

    def rotated(self, now: datetime) -> Self:
        """With a new secret; the present one also signs for a day from ``now``, by the store's clock."""
        return replace(self, secret=new_secret(), previous=self.secret, until=now + GRACE)

    def signers(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at a moment of the store's clock, the current one first."""
        if self.previous is None or self.until is None or self.until <= now:
            return (self.secret,)
        return (self.secret, self.previous)

    def sealed(self, vault: Vault) -> str:
        """As text for a record, encrypted if there are keys."""
        until = self.until.isoformat() if self.until else None
        return vault.seal_text(json.dumps({"secret": self.secret, "previous": self.previous, "until": until}))

    @classmethod
    def opened(cls, sealed: str, vault: Vault) -> Self:
        """From the text of a record.

        Raises:
            SecretsUnreadable: it was encrypted with another key.
        """
        found = json.loads(vault.open_text(sealed))
        until = found["until"]
        return cls(found["secret"], found["previous"], datetime.fromisoformat(until) if until else None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of an issuer.

    Attributes:
        id: its id.
        issuer_id: its owner; it receives the events of imports that this issuer's tokens created.
        url: of the receiver. Its query may be secret: no repr, no log.
        events: the requested types; ``*`` is all of them.
        description: a text of its owner.
        enabled: whether Lading sends events to it.
        disabled_reason: why Lading disabled it: ``gone``, the receiver answered with 410.
        sealed: its ``Signing``.
        created_at, updated_at: UTC, whole milliseconds.
        revision: of its record.
    """

    id: str
    issuer_id: str
    url: str = field(repr=False)
    events: tuple[str, ...]
    description: str
    enabled: bool
    disabled_reason: str | None
    sealed: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    revision: int = 0

    def wants(self, kind: str) -> bool:
        """Whether the endpoint receives events of that type."""
        return self.enabled and (ALL in self.events or kind in self.events)

    def changed(self, now: datetime, **changes: Any) -> Self:
        """The next revision."""
        return replace(self, updated_at=now, revision=self.revision + 1, **changes)

    @property
    def record(self) -> Record:
        """As the data of its record."""
        data = {
            "url": self.url,
            "events": list(self.events),
            "description": self.description,
            "enabled": self.enabled,
            "disabled_reason": self.disabled_reason,
            "sealed": self.sealed,
            "updated_at": self.updated_at.isoformat(),
        }
        return Record(ENDPOINT, self.id, self.issuer_id, data, self.created_at, self.revision)

    @classmethod
    def of(cls, record: Record) -> Self:
        """From its record."""
        data: Mapping[str, Any] = record.data
        return cls(
            id=record.id,
            issuer_id=record.owner,
            url=data["url"],
            events=tuple(data["events"]),
            description=data["description"],
            enabled=data["enabled"],
            disabled_reason=data["disabled_reason"],
            sealed=data["sealed"],
            created_at=record.created_at,
            updated_at=datetime.fromisoformat(data["updated_at"]),
            revision=record.revision,
        )


def new_endpoint_id() -> str:
    """A random id, like the ids of imports."""
    return str(uuid.uuid4())


def secret_record_id(issuer_id: str) -> str:
    """The id of the record with the secret for the webhooks of single imports; issuers' ids may be long."""
    return hashlib.sha256(issuer_id.encode()).hexdigest()
