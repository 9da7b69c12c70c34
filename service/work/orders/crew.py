"""The workers that are alive, as the documents tell: each keeps a record, which expires with its lease.

Operators drain a worker, or resume it, through its record. The worker reads the record every second, writes into it
that it obeys, and removes it when it stops.
"""

import os
import re
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from ...documents import DocumentStore, StoreUnavailable
from ...documents.contention import tries
from ...documents.records import Record
from ...models.clock import SystemClock, truncate_to_milliseconds

KIND: Final = "worker"
OWNER: Final = "queue"
MOST: Final = 1000
"""Workers that are listed, at most."""


def is_worker_id(text: str) -> bool:
    """Whether a text may be the id of a worker."""
    return re.fullmatch(r"[0-9A-Za-z-]{1,64}", text) is not None


class UnknownWorker(Exception):
    """No worker with this id is alive."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which worker it is.

    Attributes:
        process: the command that runs it: ``serve`` or ``worker``.
        version: of Lading.
        started_at: by the machine's clock.
        id: random; another one after each start.
        host: name of the machine.
    """

    process: str
    version: str
    started_at: datetime = field(default_factory=lambda: truncate_to_milliseconds(SystemClock().now()))
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


class State(StrEnum):
    """Whether a worker begins imports."""

    WORKING = "working"
    DRAINING = "draining"
    """An operator has drained it; it may not have noticed yet, or still holds imports."""
    DRAINED = "drained"
    """It holds no import, and claims none."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker that is alive.

    Attributes:
        seen_at: when it has last renewed its leases, by the clock of the document store.
        lease_until: when others take over its imports unless it is seen again, by the same clock.
        drained_at: when an operator drained it, by the clock of the operator's machine; None if nobody has.
        is_idle: whether a drained worker has said that it holds nothing.
    """

    identity: Identity
    seen_at: datetime
    lease_until: datetime
    drained_at: datetime | None = None
    is_idle: bool = False

    @property
    def state(self) -> State:
        """Whether it begins imports."""
        if self.drained_at is None:
            return State.WORKING
        return State.DRAINED if self.is_idle else State.DRAINING

    @property
    def data(self) -> dict[str, Any]:
        """The content of its record."""
        one = self.identity
        return {
            "process": one.process,
            "version": one.version,
            "started_at": one.started_at.isoformat(),
            "host": one.host,
            "pid": one.pid,
            "seen_at": self.seen_at.isoformat(),
            "drained_at": None if self.drained_at is None else self.drained_at.isoformat(),
            "is_idle": self.is_idle,
        }

    @property
    def record(self) -> Record:
        """A first record of it."""
        return Record(KIND, self.identity.id, OWNER, self.data, self.identity.started_at, expires_at=self.lease_until)

    @classmethod
    def of(cls, record: Record) -> Self:
        """The worker of a record."""
        data = record.data
        started_at = datetime.fromisoformat(data["started_at"])
        seen_at = datetime.fromisoformat(data["seen_at"])
        return cls(
            identity=Identity(data["process"], data["version"], started_at, record.id, data["host"], data["pid"]),
            seen_at=seen_at,
            lease_until=record.expires_at or seen_at,
            drained_at=None if data["drained_at"] is None else datetime.fromisoformat(data["drained_at"]),
            is_idle=data["is_idle"],
        )


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers that are alive. Every method may raise ``StoreUnavailable``."""

    store: DocumentStore

    async def all(self) -> Sequence[Member]:
        """Up to ``MOST`` of them, by host and start."""
        members = map(Member.of, await self.store.records.list(KIND, OWNER, MOST))
        return sorted(members, key=lambda one: (one.identity.host, one.identity.started_at, one.identity.id))

    async def get(self, worker_id: str) -> Member:
        """A worker.

        Raises:
            UnknownWorker: none with this id is alive.
        """
        return Member.of(await self._record(worker_id))

    async def drain(self, worker_id: str, now: datetime) -> Member:
        """Let a worker begin no more imports; nothing changes if it is drained already.

        Raises:
            UnknownWorker: none with this id is alive.
        """
        return await self._order(worker_id, now)

    async def resume(self, worker_id: str) -> Member:
        """Let a worker begin imports again; nothing changes if it is not drained.

        Raises:
            UnknownWorker: none with this id is alive.
        """
        return await self._order(worker_id, None)

    async def _record(self, worker_id: str) -> Record:
        record = await self.store.records.get(KIND, worker_id)
        if record is None:
            raise UnknownWorker(f"no worker {worker_id!r} is alive")
        return record

    async def _order(self, worker_id: str, drained_at: datetime | None) -> Member:
        async for _ in tries():
            record = await self._record(worker_id)
            if (record.data["drained_at"] is None) is (drained_at is None):
                return Member.of(record)
            moment = None if drained_at is None else drained_at.isoformat()
            ordered = record.changed(data={**record.data, "drained_at": moment, "is_idle": False})
            if await self.store.records.replace(ordered):
                return Member.of(ordered)
        raise StoreUnavailable("others keep changing the record of the worker")
