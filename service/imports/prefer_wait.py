"""``Prefer: wait``: lets a request wait until its import is final (RFC 7240 section 4.3)."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ...plugins.host.turns import Turns
from ..documents import DocumentStore, StoreUnavailable
from ..models import Import
from ..work.changes import Changes, News

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at an import that another process runs, doubled from the first to the longest."""
MAX_WAITING: Final = 1000
"""The largest number of waiting requests of a process. Lading answers further requests at once."""
WAITING_PER_ISSUER: Final = 100
"""Of one issuer, since each of them looks at its import once a second."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Waits for imports.

    Attributes:
        longest: the longest time in seconds that a client may ask for.
        holds: whether the worker of this process holds the import with this id, and so tells how it ends.
    """

    store: DocumentStore
    changes: Changes
    longest: float
    holds: Callable[[str], bool] = lambda _import_id: False
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

        The worker of this process tells how the import ended. While it does not hold the import, the database is asked
        for the ends that other processes write, and for an end before this call. While the database does not answer,
        this is the last known state.
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

    async def _final(self, document: Import, news: News, ended: asyncio.Event) -> Import:
        pause = FIRST_PAUSE
        ending = asyncio.create_task(ended.wait(), name="end of a wait")
        ending.add_done_callback(lambda _: news.set())
        try:
            while not (document.status.is_final or ended.is_set()):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await news.wait()
                if news.is_set() or not self.holds(document.id):
                    written, news.written = news.written, None
                    news.clear()
                    document = written or await self._now(document)
                pause = min(2 * pause, LONGEST_PAUSE)
            return document
        finally:
            ending.cancel()

    async def _now(self, document: Import) -> Import:
        with contextlib.suppress(StoreUnavailable):
            return await self.store.get(document.id) or document
        return document
