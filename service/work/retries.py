"""The time of the next attempt after a failure."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter.

    Attributes:
        attempts: the number of attempts of an import, at least 1.
        base: seconds before the second attempt, before jitter.
        maximum: the longest time in seconds between two attempts.
    """

    attempts: int
    base: float
    maximum: float

    def delay(self, attempts_made: int, retry_after: float | None, rng: random.Random) -> timedelta | None:
        """Seconds before the next attempt, or None if no attempt is left.

        Half of the exponential delay is fixed and half is random, so that imports that failed together do not come back
        together. A longer ``retry_after`` of the origin (seconds) is obeyed, up to ``maximum``.
        """
        if attempts_made >= self.attempts:
            return None
        exponential = min(self.maximum, self.base * 2.0 ** (attempts_made - 1))
        asked = min(self.maximum, retry_after or 0.0)
        return timedelta(seconds=max(asked, exponential * rng.uniform(0.5, 1.0)))

    def outage_delay(self, age: timedelta, rng: random.Random) -> timedelta:
        """Seconds before the next attempt after an outage of Lading's own parts. Such attempts do not count.

        A quarter of the import's ``age``, between ``base`` and ``maximum``: a short outage costs little time, and a
        long outage few attempts.
        """
        seconds = min(self.maximum, max(self.base, age.total_seconds() / 4))
        return timedelta(seconds=seconds * rng.uniform(0.5, 1.0))
