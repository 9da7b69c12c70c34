"""What is told of every call to a plugin, for logs and metrics."""

import time
from collections.abc import Callable
from typing import NamedTuple

from ..errors import PluginError


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


class Observed:
    """Around one call, for ``with``: tells the observer how it ended.

    A class, since what contextlib makes costs more than most calls.
    """

    __slots__ = ("_kind", "_name", "_observer", "_operation", "_started", "_unchanged")

    def __init__(
        self, observer: Observer, kind: str, name: str, operation: str, unchanged: Callable[[Exception], bool]
    ) -> None:
        self._observer = observer
        self._kind = kind
        self._name = name
        self._operation = operation
        self._unchanged = unchanged

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            outcome = "ok"
        elif isinstance(error, PluginError) and not self._unchanged(error):
            outcome = error.code
        else:
            outcome = "source_failed" if isinstance(error, Exception) else "cancelled"
        seconds = time.monotonic() - self._started
        self._observer(PluginCall(self._kind, self._name, self._operation, outcome, seconds))
