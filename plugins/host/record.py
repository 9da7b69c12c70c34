"""The record of plugins: each call, for logs and metrics, and the phases of an attempt, for its trace.

    enter("connect")     # what was before has ended, and this begins

A trace is a stopwatch that plugins may use, and that costs nothing where nobody looks. It is of the task that runs the
attempt, and of those that this begins. A phase that is entered again goes on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_ENTRIES: Final = 100
"""Phases, and redirects, that are remembered of one attempt."""


# --- calls ------------------------------------------------------------------------------------------------------------


class PluginCall(NamedTuple):
    """One call to a plugin that has ended.

    Attributes:
        kind: ``fetch``, ``detect`` or ``storage``.
        plugin: entry-point name.
        operation: the method, such as ``save``; ``read`` is one piece of a stream, ``release`` the end of an ``open``.
        outcome: ``ok``, ``cancelled``, ``source_failed`` (a stream that was to be saved broke), or an error's code.
        seconds: how long it took, waiting for its turn included.
    """

    kind: str
    plugin: str
    operation: str
    outcome: str
    seconds: float


Observer = Callable[[PluginCall], None]
"""Told of every call to every plugin, for logs and metrics. Must not block or raise."""


def ignore(_call: PluginCall) -> None:
    """The observer that is not interested."""


# --- traces -----------------------------------------------------------------------------------------------------------


class Phase(NamedTuple):
    """A stretch of time.

    Attributes:
        hop: number of the request that it belongs to, from 1; each redirect is one more.
        name: what went on.
        seconds: for how long.
    """

    hop: int
    name: str
    seconds: float


@dataclass(slots=True)
class Trace:
    """What is known of an attempt.

    Attributes:
        phases: in their order.
        redirects: the urls that redirects led to, without user names, passwords and queries.
    """

    phases: list[Phase] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    _name: str = ""
    _since: float = 0.0

    def enter(self, name: str) -> None:
        """See ``enter``."""
        now = time.monotonic()
        if name == self._name:
            return
        if self._name and len(self.phases) < MAX_ENTRIES:
            self.phases.append(Phase(len(self.redirects) + 1, self._name, now - self._since))
        self._name, self._since = name, now


_current: ContextVar[Trace | None] = ContextVar("lading_trace", default=None)


@contextmanager
def tracing() -> Iterator[Trace]:
    """A trace of what the block does; whatever is entered last ends with it."""
    trace = Trace()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        trace.enter("")
        _current.reset(token)


def enter(name: str) -> None:
    """A phase begins, and the one before it has ended. Its name is a word of letters."""
    trace = _current.get()
    if trace is not None:
        trace.enter(name)


def redirected(url: str) -> None:
    """A redirect leads to this url, which has nothing secret in it: no user name, password and query."""
    trace = _current.get()
    if trace is not None and len(trace.redirects) < MAX_ENTRIES:
        trace.enter("")
        trace.redirects.append(url)
