"""How a worker treats origin hosts: how many concurrent fetches each host gets, and when a host gets none.

- The number of fetches halves when a host answers 429 or 503, and grows by one with each round of served fetches.
- ``Retry-After`` of such an answer applies to every import of the host.
- After several failed connections in a row, a host gets no fetch for a while, and then one import at a time as a probe.
  This applies to host and port, since a port without a server says nothing about other ports.

The result of a redirect counts for the first host, since only its url is known before a fetch.

Imports of a paused host go back to the queue without an attempt. If the host serves nobody for longer than
``patience``, imports of that age fail. One process keeps all of this in bounded memory. Pure accounting, no I/O.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from ...plugins.errors import (
    ConnectFailed,
    DeadlineExceeded,
    DnsFailed,
    FetcherBusy,
    FetchTimeout,
    HostNotFound,
    OriginUnavailable,
    PluginBlocked,
    PluginError,
    PluginFault,
    SourceRefused,
    TlsFailed,
)
from ...plugins.host.schemes import scheme_of
from ...plugins.net.urls import authority_of
from ..models import Import

MAX_HOSTS: Final = 4096
"""Number of remembered hosts. Beyond it, the host that was used longest ago is forgotten."""
FAILURES_TO_OPEN: Final = 5
FIRST_PAUSE: Final = 5.0
MAX_PAUSE: Final = 120.0
MAX_TURN: Final = 60.0
"""The longest time in seconds after which an import that waits for others of its host comes back."""
CONNECTING: Final = "the connection"
"""The phases of a ``FetchTimeout`` in which no connection existed yet."""
_TOO_MUCH: Final = frozenset({429, 503})
_USUAL_SECONDS: Final = 0.1
_SMOOTHING: Final = 0.2

Value = TypeVar("Value")


class Verdict(Enum):
    """The result of an attempt, as far as it concerns the host."""

    SERVED = auto()
    """The host answered, whatever became of the import."""
    REACHED = auto()
    """The host accepted the connection, but gave no useful answer."""
    TOO_MUCH = auto()
    DEAD = auto()
    NONE = auto()


def verdict_of(error: PluginError | None) -> Verdict:
    """The verdict about the host of the url, from the error of an attempt or from its success (None)."""
    match error:
        case OriginUnavailable() if error.facts.get("status") in _TOO_MUCH:
            return Verdict.TOO_MUCH
        case ConnectFailed() | DnsFailed():
            return Verdict.DEAD
        case FetchTimeout() if error.facts.get("phase") == CONNECTING:
            return Verdict.DEAD
        case SourceRefused() | HostNotFound() | FetcherBusy() | DeadlineExceeded() | PluginFault() | PluginBlocked():
            return Verdict.NONE
        case TlsFailed():
            return Verdict.REACHED
        case PluginError() if error.retryable:
            return Verdict.REACHED
        case _:
            return Verdict.SERVED


@dataclass(slots=True)
class _Pace:
    """The capacity of a host.

    Attributes:
        limit: concurrent fetches; the fraction does not count.
        cut_at: when the limit was last halved.
        paused_until: until when the host asked for no requests.
        ill_since: since when the host has answered 429 or 503 only; None if it has not.
        next_turn: when the next import without room comes back.
        seconds: duration of an attempt.
    """

    limit: float
    cut_at: float = -math.inf
    paused_until: float = -math.inf
    ill_since: float | None = None
    next_turn: float = -math.inf
    seconds: float = _USUAL_SECONDS


@dataclass(slots=True)
class _Breaker:
    """The state of a host and port with failed connections.

    Attributes:
        failures: failed connections in a row.
        since: when the first of them failed.
        pause: length of the pause in seconds; 0 after few failures.
        open_until: end of the pause; from then on one import may probe the host.
        probe: the import that probes.
    """

    since: float
    failures: int = 0
    pause: float = 0.0
    open_until: float = -math.inf
    probe: str | None = None


class _Recent(Generic[Value]):
    """A mapping of bounded size."""

    def __init__(self) -> None:
        self.values: OrderedDict[str, Value] = OrderedDict()

    def get(self, key: str) -> Value | None:
        return self.values.get(key)

    def keep(self, key: str, value: Value) -> Value:
        self.values[key] = value
        self.values.move_to_end(key)
        if len(self.values) > MAX_HOSTS:
            self.values.popitem(last=False)
        return value

    def forget(self, key: str) -> None:
        self.values.pop(key, None)


class Politeness:
    """Decides, for one worker, which imports may fetch now. Imports without a host always may.

    Args:
        per_host: the largest number of concurrent fetches of one host.
        patience: seconds for which imports wait for a host that serves nobody.
        max_pause: the longest ``Retry-After`` in seconds that Lading obeys.
        now: gives monotonic seconds.
    """

    def __init__(self, per_host: int, *, patience: float, max_pause: float, now: Callable[[], float]) -> None:
        self._per_host = per_host
        self._patience = patience
        self._max_pause = max_pause
        self._now = now
        self._paces: _Recent[_Pace] = _Recent()
        self._breakers: _Recent[_Breaker] = _Recent()

    def allows(self, document: Import, running: int) -> bool:
        """Whether the import may fetch while ``running`` imports of its host do."""
        if not document.host:
            return True
        pace = self._paces.get(document.host)
        limit = self._per_host if pace is None else int(pace.limit)
        return running < limit and not self.pause(document)

    def pause(self, document: Import) -> float:
        """Seconds for which the host of the import is paused; 0 if it is not."""
        now = self._now()
        pace, breaker = self._paces.get(document.host), self._breaker(document)
        until = now if pace is None else max(now, pace.paused_until)
        if breaker is not None and breaker.pause:
            until = max(until, breaker.open_until, now + FIRST_PAUSE if breaker.probe else now)
        return until - now

    def turn(self, document: Import) -> float:
        """Seconds after which an import without room should come back: each of a host at another time, about as fast as
        the host serves them.
        """
        pace = self._paces.get(document.host) or _Pace(self._per_host)
        first = self._now() + self.pause(document)
        if pace.next_turn > first + MAX_TURN:
            pace.next_turn = first
        pace.next_turn = max(pace.next_turn, first) + pace.seconds / int(pace.limit)
        self._paces.keep(document.host, pace)
        return pace.next_turn - self._now()

    def is_hopeless(self, document: Import, age: float) -> bool:
        """Whether an import of this ``age`` in seconds has waited long enough for a host that serves nobody."""
        pace, breaker = self._paces.get(document.host), self._breaker(document)
        since = [
            moment
            for moment in (pace.ill_since if pace else None, breaker.since if breaker else None)
            if moment is not None
        ]
        if not since or not self.pause(document):
            return False
        return min(age, self._now() - min(since)) > self._patience

    def started(self, document: Import) -> None:
        """The import starts to fetch; call this right after ``allows`` returned true."""
        breaker = self._breaker(document)
        if breaker is not None and breaker.pause:
            breaker.probe = document.id

    def ended(self, document: Import) -> None:
        """The fetch of the import has ended, in whatever way. If the import was a probe, another import may probe."""
        breaker = self._breaker(document)
        if breaker is not None and breaker.probe == document.id:
            breaker.probe = None

    def learn(self, document: Import, verdict: Verdict, seconds: float, retry_after: float = 0.0) -> None:
        """Learn about the import's host from an attempt; call this before ``ended``.

        Args:
            document: the import.
            verdict: the result of the attempt, as far as it concerns the host.
            seconds: duration of the attempt.
            retry_after: seconds for which the host asked for no requests.
        """
        if document.host and verdict is not Verdict.NONE:
            self._learn_of_place(document, verdict)
            self._learn_of_host(document.host, verdict, seconds, retry_after)

    def _breaker(self, document: Import) -> _Breaker | None:
        """The state of the import's host and port; None for a host without failures."""
        return self._breakers.get(_place(document)) if self._breakers.values else None

    def _learn_of_place(self, document: Import, verdict: Verdict) -> None:
        if verdict is not Verdict.DEAD:
            if self._breakers.values:
                self._breakers.forget(_place(document))
            return
        place = _place(document)
        breaker = self._breakers.keep(place, self._breakers.get(place) or _Breaker(since=self._now()))
        breaker.failures += 1
        # An attempt that began before the pause brings no news.
        if breaker.probe == document.id or (not breaker.pause and breaker.failures >= FAILURES_TO_OPEN):
            breaker.pause = min(MAX_PAUSE, 2 * breaker.pause or FIRST_PAUSE)
            breaker.open_until = self._now() + breaker.pause

    def _learn_of_host(self, host: str, verdict: Verdict, seconds: float, retry_after: float) -> None:
        now = self._now()
        pace = self._paces.keep(host, self._paces.get(host) or _Pace(self._per_host))
        pace.seconds += _SMOOTHING * (seconds - pace.seconds)
        if verdict is Verdict.SERVED:
            pace.ill_since = None
            pace.limit = min(self._per_host, pace.limit + 1 / int(pace.limit))
        elif verdict is Verdict.TOO_MUCH:
            pace.ill_since = now if pace.ill_since is None else pace.ill_since
            if now - seconds >= pace.cut_at:  # earlier attempts met the same overload
                pace.limit = max(1.0, pace.limit / 2)
                pace.cut_at = now
            pace.paused_until = max(pace.paused_until, now + min(retry_after, self._max_pause))


def _place(document: Import) -> str:
    """The host and port of an import's url."""
    url = document.url or ""
    return f"{scheme_of(url)} {authority_of(url)}"
