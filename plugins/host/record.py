"""The record of plugins: each call, for logs and metrics, and the phases of an attempt, for its trace.

    enter("connect")     # ends the previous phase and begins this one

A trace is a stopwatch for plugins, which costs nothing if nobody reads it. It belongs to the task that runs the attempt
and to the tasks that this task creates. A phase that is entered again continues.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ..capabilities import Finding

MAX_ENTRIES: Final = 100
"""The largest number of phases, of redirects, and of findings, in a trace."""


# --- calls ------------------------------------------------------------------------------------------------------------


class PluginCall(NamedTuple):
    """A finished call to a plugin.

    Attributes:
        kind: ``fetch``, ``detect``, ``process`` or ``storage``.
        plugin: entry-point name.
        operation: the method, such as ``save``; ``read`` is one piece of a stream, ``release`` the end of an ``open``.
        outcome: ``ok``, ``cancelled``, ``source_failed`` (the stream for a save broke), or the code of an error.
        seconds: duration, with the wait for its turn.
    """

    kind: str
    plugin: str
    operation: str
    outcome: str
    seconds: float


Observer = Callable[[PluginCall], None]
"""Learns of every call to every plugin, for logs and metrics. Must not block or raise."""


def ignore(_call: PluginCall) -> None:
    """The observer that ignores everything."""


# --- traces -----------------------------------------------------------------------------------------------------------


class Phase(NamedTuple):
    """A phase of an attempt.

    Attributes:
        hop: number of its request, from 1; each redirect is another request.
        name: name of the phase.
        seconds: duration.
        began: when it began, on the monotonic clock.
    """

    hop: int
    name: str
    seconds: float
    began: float


@dataclass(slots=True)
class Trace:
    """The trace of an attempt.

    Attributes:
        phases: in their order.
        redirects: the targets of redirects, without user names, passwords and queries.
        findings: the verdicts of the fetcher; None unless someone wants to know them.
    """

    phases: list[Phase] = field(default_factory=list)
    redirects: list[str] = field(default_factory=list)
    findings: list[Finding] | None = None
    _name: str = ""
    _since: float = 0.0

    def enter(self, name: str) -> None:
        """See ``enter``."""
        now = time.monotonic()
        if name == self._name:
            return
        if self._name and len(self.phases) < MAX_ENTRIES:
            self.phases.append(Phase(len(self.redirects) + 1, self._name, now - self._since, self._since))
        self._name, self._since = name, now


_current: ContextVar[Trace | None] = ContextVar("lading_trace", default=None)


@contextmanager
def tracing(*, explain: bool = False) -> Iterator[Trace]:
    """Trace the block; its last phase ends with it. With ``explain``, fetchers that can explain add their findings."""
    trace = Trace(findings=[] if explain else None)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        trace.enter("")
        _current.reset(token)


def enter(name: str) -> None:
    """Begin a phase, and end the previous one. The name consists of letters."""
    trace = _current.get()
    if trace is not None:
        trace.enter(name)


def redirected(url: str) -> None:
    """Note the target of a redirect, a url without user name, password and query."""
    trace = _current.get()
    if trace is not None and len(trace.redirects) < MAX_ENTRIES:
        trace.enter("")
        trace.redirects.append(url)


def is_explained() -> bool:
    """Whether someone wants to know the findings of this fetch."""
    trace = _current.get()
    return trace is not None and trace.findings is not None


def found(finding: Finding) -> None:
    """Note a verdict of a fetch that is under way; see ``SupportsExplaining``."""
    trace = _current.get()
    if trace is not None and trace.findings is not None and len(trace.findings) < MAX_ENTRIES:
        trace.findings.append(finding)
