"""One log line when something stops working and one when it works again, rather than one for every try in between."""

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Whether something works, as its user finds.

    Args:
        what: what it is, for the log, such as ``the queue``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._failing = False

    def failed(self, reason: str) -> None:
        """It did not work just now."""
        if not self._failing:
            log.warning("a component is down", component=self._what, reason=reason)
        self._failing = True

    def worked(self) -> None:
        """It worked just now."""
        if self._failing:
            log.warning("a component recovered", component=self._what)
        self._failing = False
