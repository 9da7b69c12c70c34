"""Pauses of the queue: operators set them, the documents keep them, and every worker obeys them within seconds.

No import that a pause covers begins an attempt. Attempts that run go on, and clients may still post imports and send
bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from ...documents import DocumentStore, DuplicateId
from ...documents.records import Record
from ...models import Import

KIND: Final = "pause"
OWNER: Final = "queue"
MOST: Final = 1000
"""Pauses at the same time. Each claim tells the database all of them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of one issuer, of one host, or of the whole queue.

    Attributes:
        issuer_id, host: what is paused; at most one of them is given.
        since: when it was set; None for a pause that is not kept yet.
    """

    issuer_id: str | None = None
    host: str | None = None
    since: datetime | None = None

    @property
    def record_id(self) -> str:
        """The id of its record: the names of issuers and hosts may be longer than such an id."""
        scope = f"issuer {self.issuer_id}" if self.issuer_id is not None else f"host {self.host}"
        return hashlib.sha256(scope.encode()).hexdigest() if self.is_narrow else "everything"

    @property
    def is_narrow(self) -> bool:
        """Whether it does not cover the whole queue."""
        return self.issuer_id is not None or self.host is not None

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        since = None if self.since is None else self.since.isoformat()
        return {"issuer_id": self.issuer_id, "host": self.host, "since": since}

    def __str__(self) -> str:
        if self.issuer_id is not None:
            return f"issuer {self.issuer_id}"
        return "everything" if self.host is None else f"host {self.host}"


@dataclass(frozen=True, slots=True)
class Paused:
    """All pauses at one moment."""

    everything: bool = False
    issuers: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, pauses: Iterable[Pause]) -> "Paused":
        """The pauses together."""
        pauses = tuple(pauses)
        return cls(
            everything=not all(one.is_narrow for one in pauses),
            issuers=frozenset(one.issuer_id for one in pauses if one.issuer_id is not None),
            hosts=frozenset(one.host for one in pauses if one.host is not None),
        )

    def covers(self, document: Import) -> bool:
        """Whether the import must not begin an attempt."""
        return self.everything or document.issuer_id in self.issuers or document.host in self.hosts


@dataclass(frozen=True, slots=True)
class Pauses:
    """The pauses in the documents. Every method may raise ``StoreUnavailable``."""

    store: DocumentStore

    async def add(self, pause: Pause, now: datetime) -> bool:
        """Keep a pause; False if it is kept already.

        Raises:
            TooManyRecords: there are ``MOST`` others.
        """
        data = {"issuer_id": pause.issuer_id, "host": pause.host}
        try:
            await self.store.records.add(Record(KIND, pause.record_id, OWNER, data, now), at_most=MOST)
        except DuplicateId:
            return False
        return True

    async def lift(self, pause: Pause) -> bool:
        """End a pause; False if there is none."""
        return await self.store.records.delete(KIND, pause.record_id)

    async def all(self) -> Sequence[Pause]:
        """Every pause: of the whole queue, then of issuers, then of hosts."""
        records = await self.store.records.list(KIND, OWNER, MOST)
        pauses = [Pause(one.data["issuer_id"], one.data["host"], one.created_at) for one in records]
        return sorted(pauses, key=lambda one: (one.host or "", one.issuer_id or ""))


class PauseWatch:
    """What a worker knows of the pauses.

    Args:
        changed: called when they have changed.

    Attributes:
        paused: as of the last look.
    """

    def __init__(self, store: DocumentStore, changed: Callable[[], None]) -> None:
        self._pauses = Pauses(store)
        self._changed = changed
        self._has_looked = False
        self.paused = Paused()

    async def known(self) -> Paused:
        """The pauses of the last look; of a look now, if there was none.

        Raises:
            StoreUnavailable: the database does not answer the first look.
        """
        if not self._has_looked:
            await self.look()
        return self.paused

    def covers(self, document: Import) -> bool:
        """Whether the import must not begin an attempt, as of the last look."""
        return self.paused.covers(document)

    async def look(self) -> None:
        """Look at the pauses, and log a change.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        paused = Paused.of(await self._pauses.all())
        self._has_looked = True
        if paused != self.paused:
            log.warning(
                "the pauses of the queue have changed",
                everything=paused.everything,
                issuers=sorted(paused.issuers),
                hosts=sorted(paused.hosts),
            )
            self.paused = paused
            self._changed()
