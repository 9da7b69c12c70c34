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
    """Four times as long after each attempt, with jitter: for 5 s and a day 5, 20, 80, 320 s, 21 min, 85 min, 6 h, 8 h
    and 8 h, ten attempts in all.

    The pauses that were planned are counted, not the time that has passed: while the service is down, no receiver loses
    an attempt.

    Attributes:
        first: seconds before the second attempt, above 0.
        total: seconds that all pauses together may take, before jitter.
    """

    first: float
    total: float

    def delay(self, attempts: int, retry_after: float | None, rng: random.Random) -> timedelta | None:
        """How long to wait before the next attempt, or None where there is none left.

        Args:
            attempts: how many were made, at least 1.
            retry_after: seconds for which the receiver asked to wait (429 and 503, RFC 9110 section 10.2.3); obeyed
                where it is longer, up to ``LONGEST``.
            rng: jitter of a tenth both ways, so that what failed together does not come back together.
        """
        if sum(self._pause(number) for number in range(1, attempts + 1)) > self.total:
            return None
        asked = min(LONGEST, retry_after or 0.0)
        return timedelta(seconds=max(asked, self._pause(attempts) * rng.uniform(0.9, 1.1)))

    def _pause(self, number: int) -> float:
        return min(LONGEST, self.first * float(_GROWTH ** min(number - 1, 20)))
