"""How many imports a worker holds, and which of them may run now. Pure accounting, no I/O."""

import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..models import Import
from .politeness import Politeness

WAITING_PER_HOST = 4
"""Rounds of a host's imports that wait in the worker, so that none of its places is ever idle."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the imports that run at once in one worker.

    Attributes:
        concurrency: in all.
        per_issuer: of one issuer.
        per_host: from one origin host, where that bears as many; see ``Politeness``.
    """

    concurrency: int
    per_issuer: int
    per_host: int


class Slots:
    """Keeps the claimed imports, running and waiting, within their limits.

    A claimed import whose issuer or host is at its limit waits here, holding one of ``concurrency`` places. At most
    half of the places are given to waiting imports, and few to those of one host, so that a slow host cannot occupy
    the worker.
    """

    def __init__(self, limits: Limits, politeness: Politeness) -> None:
        self._limits = limits
        self._politeness = politeness
        self._running: dict[str, Import] = {}
        self._waiting: dict[str, Import] = {}
        self._issuers: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many more imports may be claimed."""
        return self._limits.concurrency - len(self._running) - len(self._waiting)

    @property
    def held(self) -> Collection[Import]:
        """Everything claimed: running and waiting."""
        return (*self._running.values(), *self._waiting.values())

    @property
    def waiting(self) -> Collection[Import]:
        """What is claimed and may not run yet."""
        return tuple(self._waiting.values())

    def full_issuers(self) -> Collection[str]:
        """Issuers of which no more is to be claimed."""
        held = Counter(document.issuer_id for document in self.held)
        return {issuer_id for issuer_id, count in held.items() if count >= self._limits.per_issuer}

    def start(self, document: Import) -> bool:
        """Count the import as running, if its issuer and host allow; False where they do not."""
        if not self.has_room_for_issuer(document):
            return False
        if not self._politeness.allows(document, self._hosts[document.host]):
            return False
        self._politeness.started(document)
        self._waiting.pop(document.id, None)
        self._running[document.id] = document
        self._issuers[document.issuer_id] += 1
        self._hosts[document.host] += 1
        return True

    def has_room_for_issuer(self, document: Import) -> bool:
        """Whether the import's issuer may have one more that runs."""
        return self._issuers[document.issuer_id] < self._limits.per_issuer

    def wait(self, document: Import) -> bool:
        """Keep the import until it may start; False where too many wait already, or where its host is left alone."""
        if len(self._waiting) >= max(1, self._limits.concurrency // 2) or self._politeness.pause(document):
            return False
        of_host = sum(one.host == document.host for one in self._waiting.values()) if document.host else 0
        if of_host >= WAITING_PER_HOST * self._limits.per_host:
            return False
        self._waiting[document.id] = document
        return True

    def finish(self, document: Import) -> None:
        """Free the place of an import, running or waiting."""
        if self._running.pop(document.id, None) is not None:
            _decrement(self._issuers, document.issuer_id)
            _decrement(self._hosts, document.host)
            self._politeness.ended(document)
        self._waiting.pop(document.id, None)

    def startable(self) -> Iterator[Import]:
        """Start, and give, every waiting import that may run now, the longest waiting first."""
        for document in tuple(self._waiting.values()):
            if self.start(document):
                yield document

    def stranded(self) -> Collection[Import]:
        """Take out, and give, the waiting imports whose host is left alone by now."""
        stranded = [document for document in self._waiting.values() if self._politeness.pause(document)]
        for document in stranded:
            del self._waiting[document.id]
        return stranded


def _decrement(counter: Counter[str], key: str) -> None:
    """Count down, forgetting keys that reach zero: hosts are without number."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


class Cooling:
    """Issuers that the worker does not claim from for a moment, after it had to hand back an import of theirs."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, issuer_id: str, seconds: float) -> None:
        """Leave an issuer alone for so many seconds from now."""
        self._until[issuer_id] = time.monotonic() + seconds

    def issuers(self) -> set[str]:
        """The issuers to leave alone now; the others are forgotten."""
        now = time.monotonic()
        self._until = {issuer_id: until for issuer_id, until in self._until.items() if until > now}
        return set(self._until)
