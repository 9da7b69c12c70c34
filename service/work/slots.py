"""The number of imports that a worker holds, and which of them may run now. Pure accounting, no I/O."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from ...plugins.host.turns import Occupancy
from ..models import Import
from .politeness import Politeness

WAITING_PER_HOST = 4
"""Rounds of a host's imports that wait in the worker, so that no fetch of the host is ever missing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the concurrent imports of one worker.

    Attributes:
        concurrency: of all imports.
        per_issuer: of the imports of one issuer.
        per_host: of the imports from one origin host, if the host can serve as many; see ``Politeness``.
    """

    concurrency: int
    per_issuer: int
    per_host: int


class Slots:
    """Keeps the claimed imports, running and waiting, within their limits.

    A claimed import whose issuer or host is at its limit waits here, in one of ``concurrency`` slots. Waiting imports
    get at most half of the slots, and those of one host only a few, so that a slow host cannot occupy the worker.

    Args:
        is_paused: whether operators have paused the import: it neither starts nor waits.
    """

    def __init__(
        self, limits: Limits, politeness: Politeness, is_paused: Callable[[Import], bool] = lambda _: False
    ) -> None:
        self._is_paused = is_paused
        self._limits = limits
        self._politeness = politeness
        self._running: dict[str, Import] = {}
        self._waiting: dict[str, Import] = {}
        self._issuers: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """The number of imports that may still be claimed."""
        return self._limits.concurrency - len(self._running) - len(self._waiting)

    @property
    def occupancy(self) -> Occupancy:
        """The slots as operators see them: of running imports, free ones, and the imports that wait."""
        return Occupancy(len(self._running), max(0, self.free), len(self._waiting))

    @property
    def held(self) -> Collection[Import]:
        """All claimed imports, running and waiting."""
        return (*self._running.values(), *self._waiting.values())

    @property
    def waiting(self) -> Collection[Import]:
        """The claimed imports that may not run yet."""
        return tuple(self._waiting.values())

    def full_issuers(self) -> Collection[str]:
        """The issuers whose imports the worker must not claim now."""
        held = Counter(document.issuer_id for document in self.held)
        return {issuer_id for issuer_id, count in held.items() if count >= self._limits.per_issuer}

    def start(self, document: Import) -> bool:
        """Count the import as running, if its issuer and host allow that; False if they do not."""
        if self._is_paused(document) or not self.has_room_for_issuer(document):
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
        """Whether the issuer may have another running import."""
        return self._issuers[document.issuer_id] < self._limits.per_issuer

    def wait(self, document: Import) -> bool:
        """Keep the import until it may start; False if too many wait already, or if it or its host is paused."""
        if len(self._waiting) >= max(1, self._limits.concurrency // 2) or self._has_to_go(document):
            return False
        of_host = sum(one.host == document.host for one in self._waiting.values()) if document.host else 0
        if of_host >= WAITING_PER_HOST * self._limits.per_host:
            return False
        self._waiting[document.id] = document
        return True

    def finish(self, document: Import) -> None:
        """Free the slot of an import, running or waiting."""
        if self._running.pop(document.id, None) is not None:
            _decrement(self._issuers, document.issuer_id)
            _decrement(self._hosts, document.host)
            self._politeness.ended(document)
        self._waiting.pop(document.id, None)

    def startable(self) -> Iterator[Import]:
        """Start every waiting import that may run now, the longest wait first, and yield it."""
        for document in tuple(self._waiting.values()):
            if self.start(document):
                yield document

    def stranded(self) -> Collection[Import]:
        """Remove the waiting imports that are paused by now, or whose host is, and yield them."""
        stranded = [document for document in self._waiting.values() if self._has_to_go(document)]
        for document in stranded:
            del self._waiting[document.id]
        return stranded

    def _has_to_go(self, document: Import) -> bool:
        return self._is_paused(document) or bool(self._politeness.pause(document))


def _decrement(counter: Counter[str], key: str) -> None:
    """Count down, and forget keys that reach zero, since the number of hosts has no bound."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]


class Cooling:
    """Issuers whose imports the worker does not claim for a moment, after it handed one of them back."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, issuer_id: str, seconds: float) -> None:
        """Claim no import of the issuer for this many seconds."""
        self._until[issuer_id] = time.monotonic() + seconds

    def issuers(self) -> set[str]:
        """The issuers without claims now; forgets the others."""
        now = time.monotonic()
        self._until = {issuer_id: until for issuer_id, until in self._until.items() if until > now}
        return set(self._until)
