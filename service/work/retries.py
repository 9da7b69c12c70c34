"""When a failed attempt is made again."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter.

    Attributes:
        attempts: how many attempts an import has, at least 1.
        base: seconds before the second attempt, before jitter.
        maximum: seconds between two attempts at most.
    """

    attempts: int
    base: float
    maximum: float

    def delay(self, attempts_made: int, retry_after: float | None, rng: random.Random) -> timedelta | None:
        """How long to wait before the next attempt, or None where there is none left.

        Half of the exponential delay is certain and half is random, so that imports which failed together do not come
        back together. A ``retry_after`` of the origin (seconds) is obeyed where it is longer, up to ``maximum``.
        """
        if attempts_made >= self.attempts:
            return None
        exponential = min(self.maximum, self.base * 2.0 ** (attempts_made - 1))
        asked = min(self.maximum, retry_after or 0.0)
        return timedelta(seconds=max(asked, exponential * rng.uniform(0.5, 1.0)))

    def outage_delay(self, age: timedelta, rng: random.Random) -> timedelta:
        """How long to wait where a part of our own was down; such attempts are not counted.

        A quarter of the import's ``age``, and never less than ``base`` or more than ``maximum``: a short outage costs
        little, and a long one few attempts.
        """
        seconds = min(self.maximum, max(self.base, age.total_seconds() / 4))
        return timedelta(seconds=seconds * rng.uniform(0.5, 1.0))
