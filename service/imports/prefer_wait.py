"""``Prefer: wait``: lets a request wait until its import is final (RFC 7240 section 4.3)."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from ...plugins.host.turns import Turns
from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..work.changes import Changes

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
"""Seconds between two polls of an import that another process runs, doubled from the first to the longest."""
MAX_WAITING: Final = 1000
"""The largest number of waiting requests of a process. Lading answers further requests at once."""
WAITING_PER_ISSUER: Final = 100
"""Of one issuer, since each of them looks at its import once a second."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waits for imports.

    Attributes:
        longest: the longest time in seconds that a client may ask for.
    """

    store: DocumentStore
    changes: Changes
    longest: float
    places: Turns = field(
        default_factory=lambda: Turns(MAX_WAITING, WAITING_PER_ISSUER, leaves_room=True, name="waits")
    )

    def applied(self, wanted: int | None, issuer_id: str) -> float | None:
        """Seconds that Lading waits for a client that asked for ``wanted`` seconds; None if it does not wait."""
        if not wanted or not self.longest:
            return None
        return min(wanted, self.longest) if self.places.has_room(issuer_id) else None

    async def final(self, document: Import, seconds: float, ended: asyncio.Event, issuer_id: str) -> Import:
        """The import when it is final; or its present state after ``seconds``, or when ``ended`` is set.

        While the database does not answer, this is the last known state.
        """
        give_back = None if document.status.is_final else self.places.take_now(issuer_id)
        if give_back is None:
            return document
        try:
            with self.changes.watching(document.id) as news, contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await self._final(document, news, ended)
            return await self._now(document)
        finally:
            give_back()

    async def _final(self, document: Import, news: asyncio.Event, ended: asyncio.Event) -> Import:
        pause = FIRST_PAUSE
        while True:
            document = await self._now(document)
            if document.status.is_final or ended.is_set():
                return document
            await _either(news, ended, pause)
            news.clear()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _now(self, document: Import) -> Import:
        with contextlib.suppress(StoreUnavailable):
            return await self.store.get(document.id) or document
        return document


async def _either(first: asyncio.Event, second: asyncio.Event, timeout: float) -> None:
    """Wait until one of the events is set, no longer than ``timeout`` seconds."""
    tasks = [asyncio.create_task(event.wait()) for event in (first, second)]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
