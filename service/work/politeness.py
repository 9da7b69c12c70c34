"""How a worker treats origin hosts: how many fetches at once each bears, and when it is to be left alone.

- The number of fetches at once halves when a host answers 429 or 503, and grows by one with each round that it serves.
- ``Retry-After`` of such an answer holds for every import of the host.
- A host that several connections in a row could not be made to is left alone, and then tried by one import at a time.
  This goes by host and port: a port that nobody serves says nothing of another.

What a redirect led to counts for the host that sent it: its url is what is known before a fetch.

Imports of a host that is left alone go back to the queue, with no attempt made. Where it serves nobody for longer than
``patience``, those that are as old fail. All of it is the memory of one process, and bounded. Pure accounting, no I/O.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

from ...plugins.errors import (
    ConnectFailed,
    DeadlineExceeded,
    DnsFailed,
    FetchTimeout,
    HostNotFound,
    OriginUnavailable,
    PluginBlocked,
    PluginError,
    PluginFault,
    SourceRefused,
    TlsFailed,
)
from ..models import Import

MAX_HOSTS: Final = 4096
"""Hosts that are remembered; beyond them the one that was not met for longest is met anew."""
FAILURES_TO_OPEN: Final = 5
FIRST_PAUSE: Final = 5.0
MAX_PAUSE: Final = 120.0
MAX_TURN: Final = 60.0
"""Seconds after which an import comes back at the latest that has to wait for others of its host."""
CONNECTING: Final = "the connection"
"""The phase of a ``FetchTimeout`` in which there was no connection yet."""
_TOO_MUCH: Final = frozenset({429, 503})
_USUAL_SECONDS: Final = 0.1
_SMOOTHING: Final = 0.2

Value = TypeVar("Value")


class Verdict(Enum):
    """What an attempt tells of its host."""

    SERVED = auto()
    """It gave what it has, whatever became of that."""
    REACHED = auto()
    """There was a connection, and no useful answer."""
    TOO_MUCH = auto()
    DEAD = auto()
    NONE = auto()


def verdict_of(error: PluginError | None) -> Verdict:
    """What the error of an attempt, or its success, tells of the host of its url."""
    match error:
        case OriginUnavailable() if error.facts.get("status") in _TOO_MUCH:
            return Verdict.TOO_MUCH
        case ConnectFailed() | DnsFailed():
            return Verdict.DEAD
        case FetchTimeout() if error.facts.get("phase") == CONNECTING:
            return Verdict.DEAD
        case SourceRefused() | HostNotFound() | DeadlineExceeded() | PluginFault() | PluginBlocked():
            return Verdict.NONE
        case TlsFailed():
            return Verdict.REACHED
        case PluginError() if error.retryable:
            return Verdict.REACHED
        case _:
            return Verdict.SERVED


@dataclass(slots=True)
class _Pace:
    """What a host bears.

    Attributes:
        limit: fetches at once; whole ones count.
        cut_at: when that was halved last.
        paused_until: until when the host asked to be left alone.
        ill_since: since when it has answered 429 or 503 alone; None if it has not.
        next_turn: when the next import that has no room comes back.
        seconds: how long an attempt takes.
    """

    limit: float
    cut_at: float = -math.inf
    paused_until: float = -math.inf
    ill_since: float | None = None
    next_turn: float = -math.inf
    seconds: float = _USUAL_SECONDS


@dataclass(slots=True)
class _Breaker:
    """What is known of a host and port that could not be connected to.

    Attributes:
        failures: in a row.
        since: when the first of them was.
        pause: how long it is left alone; 0 while there were few failures.
        open_until: until when it is left alone; from then on one import may try.
        probe: the import that tries.
    """

    since: float
    failures: int = 0
    pause: float = 0.0
    open_until: float = -math.inf
    probe: str | None = None


class _Recent(Generic[Value]):
    """A bounded memory."""

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
    """Decides, for a worker, which imports may fetch now. Imports without a host are of no concern to it.

    Args:
        per_host: fetches at once of one host, at most.
        patience: seconds for which imports wait for a host that serves nobody.
        max_pause: the longest ``Retry-After`` that is obeyed.
        now: monotonic seconds.
    """

    def __init__(self, per_host: int, *, patience: float, max_pause: float, now: Callable[[], float]) -> None:
        self._per_host = per_host
        self._patience = patience
        self._max_pause = max_pause
        self._now = now
        self._paces: _Recent[_Pace] = _Recent()
        self._breakers: _Recent[_Breaker] = _Recent()

    def allows(self, document: Import, running: int) -> bool:
        """Whether the import may fetch beside so many ``running`` ones of its host."""
        if not document.host:
            return True
        pace = self._paces.get(document.host)
        limit = self._per_host if pace is None else int(pace.limit)
        return running < limit and not self.pause(document)

    def pause(self, document: Import) -> float:
        """Seconds for which the host of the import is to be left alone; 0 where it is not."""
        now = self._now()
        pace, breaker = self._paces.get(document.host), self._breaker(document)
        until = now if pace is None else max(now, pace.paused_until)
        if breaker is not None and breaker.pause:
            until = max(until, breaker.open_until, now + FIRST_PAUSE if breaker.probe else now)
        return until - now

    def turn(self, document: Import) -> float:
        """Seconds after which an import that has no room now should come back: each of a host at its own time, about
        as fast as the host serves them.
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
        """The import fetches from now on; ``allows`` has just said that it may."""
        breaker = self._breaker(document)
        if breaker is not None and breaker.pause:
            breaker.probe = document.id

    def ended(self, document: Import) -> None:
        """The import fetches no more, whatever became of it: where it was the one that tries, another may."""
        breaker = self._breaker(document)
        if breaker is not None and breaker.probe == document.id:
            breaker.probe = None

    def learn(self, document: Import, verdict: Verdict, seconds: float, retry_after: float = 0.0) -> None:
        """Learn of the import's host from an attempt, before ``ended``.

        Args:
            document: the import.
            verdict: what the attempt tells of the host.
            seconds: how long it took.
            retry_after: for how long the host asked to be left alone, in seconds.
        """
        if document.host and verdict is not Verdict.NONE:
            self._learn_of_place(document, verdict)
            self._learn_of_host(document.host, verdict, seconds, retry_after)

    def _breaker(self, document: Import) -> _Breaker | None:
        """What is known of the import's host and port; mostly there is nothing of any."""
        return self._breakers.get(_place(document)) if self._breakers.values else None

    def _learn_of_place(self, document: Import, verdict: Verdict) -> None:
        if verdict is not Verdict.DEAD:
            if self._breakers.values:
                self._breakers.forget(_place(document))
            return
        place = _place(document)
        breaker = self._breakers.keep(place, self._breakers.get(place) or _Breaker(since=self._now()))
        breaker.failures += 1
        # One of those that had begun before the host was left alone says nothing new.
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
            if now - seconds >= pace.cut_at:  # the others that had begun before were answered by the same overload
                pace.limit = max(1.0, pace.limit / 2)
                pace.cut_at = now
            pace.paused_until = max(pace.paused_until, now + min(retry_after, self._max_pause))


def _place(document: Import) -> str:
    """The host and port of an import's url, as far as the url says."""
    parts = urlsplit(document.url or "")  # it has a host, so that this has succeeded before
    return f"{parts.scheme} {parts.netloc.rpartition('@')[2]}"
