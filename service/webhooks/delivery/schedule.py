"""The time of the next attempt of a delivery."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

LONGEST: Final = 8 * 3600.0
"""Seconds between two attempts, before jitter."""
_GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Schedule:
    """Pauses that grow fourfold with each attempt, with jitter: for 5 s and a day 5, 20, 80, 320 s, 21 min, 85 min, 6
    h, 8 h and 8 h, ten attempts in all.

    The planned pauses count, not the time that has passed: an outage of the service costs no receiver an attempt.

    Attributes:
        first: seconds before the second attempt, above 0.
        total: total seconds of all pauses, before jitter.
    """

    first: float
    total: float

    def delay(self, attempts: int, retry_after: float | None, rng: random.Random) -> timedelta | None:
        """Seconds before the next attempt, or None if no attempt is left.

        Args:
            attempts: attempts so far, at least 1.
            retry_after: seconds that the receiver asks Lading to wait (429 and 503, RFC 9110 section 10.2.3); obeyed if
                longer, up to ``LONGEST``.
            rng: jitter of a tenth both ways, so that deliveries that failed together do not come back together.
        """
        if sum(self._pause(number) for number in range(1, attempts + 1)) > self.total:
            return None
        asked = min(LONGEST, retry_after or 0.0)
        return timedelta(seconds=max(asked, self._pause(attempts) * rng.uniform(0.9, 1.1)))

    def _pause(self, number: int) -> float:
        return min(LONGEST, self.first * float(_GROWTH ** min(number - 1, 20)))
