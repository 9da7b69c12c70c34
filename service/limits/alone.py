"""The bucket of a sender in one process, for the time in which the store does not answer."""

import math
from typing import Final

_ROUNDING: Final = 1e-6


class Alone:
    """The bucket of a process that cannot ask the store: one number, the moment at which it is full again (the generic
    cell rate algorithm). It has the quota by the number of processes, at least one request.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._full_at = 0.0

    def begin(self, level: float, quota: int, now: float) -> None:
        """Begin with so many requests, at most the quota."""
        self._full_at = now + max(0.0, quota - level) * self._window / quota

    def take(self, quota: int, now: float) -> bool:
        """Count a request; False if the bucket is empty, and nothing is counted."""
        if not self.level(quota, now):
            return False
        self._full_at = max(self._full_at, now) + self._window / quota
        return True

    def level(self, quota: int, now: float) -> int:
        """Requests that may be served at once."""
        missing = max(0.0, self._full_at - now)
        return math.floor((self._window - missing) * quota / self._window + _ROUNDING)

    def wait(self, quota: int, now: float) -> float:
        """Seconds until the next request may be served."""
        return max(0.0, self._full_at - now + self._window / quota - self._window)

    def is_full(self, now: float) -> bool:
        """Whether nothing is missing."""
        return self._full_at <= now
