"""Compare and set against other writers of the same document: how often, and with which pauses.

    async for _ in tries():
        ...
        if await store.update(after):
            return after
    raise ...

Each round of writers has a winner, so a writer waits for as many rounds as there are others. Pauses of random length
keep the losers from meeting again. Contention is no outage: the caller raises ``write_conflict``, or retries later.
"""

import asyncio
import random
import time
from typing import Final, Self

PATIENCE: Final = 10.0
"""Seconds after which a writer gives up."""
AT_ONCE: Final = 10
"""Tries without a pause: there are seldom more than a few other writers."""
SHORTEST: Final = 0.01
LONGEST: Final = 0.5
"""Bounds of a pause in seconds."""


class tries:  # noqa: N801 - used as a function
    """Numbers of the tries, from 0; ends after ``PATIENCE`` seconds. Waits before each try but the first ones."""

    def __init__(self) -> None:
        self._number = -1
        self._end = time.monotonic() + PATIENCE

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        self._number += 1
        if self._number >= AT_ONCE:
            if time.monotonic() >= self._end:
                raise StopAsyncIteration
            longest = min(LONGEST, SHORTEST * 2 ** (self._number - AT_ONCE))
            await asyncio.sleep(random.uniform(0, longest))  # noqa: S311 - no secret
        return self._number
