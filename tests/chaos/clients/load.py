"""The clients that use the service meanwhile, all at once, each with one thing after the other."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.chaos.clients.asking import UNANSWERED, GaveUp
from tests.chaos.clients.handling import Handling
from tests.chaos.clients.posting import Posting
from tests.chaos.clients.racing import Racing

CLIENTS: Final = 14
PAUSE: Final = (0.0, 0.35)
"""Seconds between two things that a client does."""


class Load:
    """Clients at work.

    Args:
        posting: makes imports.
        images: the folder that the storage keeps objects in.
    """

    def __init__(self, posting: Posting, images: Path) -> None:
        handling, racing = Handling(posting, images), Racing(posting)
        self._posting = posting
        self._rng: random.Random = posting.asking.rng
        self._stopping = False
        self._actions: list[tuple[str, int, Callable[[], Awaitable[None]]]] = [
            ("posts of a url", 30, posting.by_url),
            ("posts of equal bytes", 12, posting.equal_ones),
            ("eight posts of equal bytes at once", 5, racing.eight_at_once),
            ("posts with a key", 5, posting.with_key),
            ("batches", 5, posting.batch),
            ("forms with a file", 3, posting.in_a_form),
            ("contents put", 6, posting.in_one_piece),
            ("contents stopped while they are put", 6, racing.stopped_content),
            ("tus uploads", 6, posting.in_pieces),
            ("looks", 12, handling.look),
            ("cancels", 6, handling.cancel),
            ("retries", 6, handling.retry),
            ("deletes of imports", 5, handling.delete),
            ("deletes of images", 5, handling.delete_image),
            ("reads", 5, handling.read),
        ]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Clients work within the block; at its end each completes what it has begun."""
        self._stopping = False
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client())
            try:
                yield
            finally:
                self._stopping = True

    async def _client(self) -> None:
        figures = self._posting.asking.ledger.figures
        weights = [weight for _, weight, _ in self._actions]
        while not self._stopping:
            ((name, _, act),) = self._rng.choices(self._actions, weights)
            try:
                await act()
                figures.actions[name] += 1
            except UNANSWERED:
                figures.notes["requests unanswered"] += 1
                await asyncio.sleep(self._rng.uniform(0.2, 0.6))
            except GaveUp as unanswered:
                figures.found("wrong answers", f"none in all this time: {unanswered}")
            await asyncio.sleep(self._rng.uniform(*PAUSE))
