"""Logs one line when a component fails and one when it recovers, instead of one for every try."""

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """The state of a component, as its caller sees it.

    Args:
        what: name of the component in the log, such as ``the queue``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._failing = False

    def failed(self, reason: str) -> None:
        """The component failed just now."""
        if not self._failing:
            log.warning("a component is down", component=self._what, reason=reason)
        self._failing = True

    def worked(self) -> None:
        """The component worked just now."""
        if self._failing:
            log.warning("a component recovered", component=self._what)
        self._failing = False
