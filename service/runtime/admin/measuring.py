"""Measures a process: its place on the board of metrics, its recorder, and who looks at its gauges."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from ...config import Settings
from ...documents import DocumentStore
from ...observe.metrics.exposition import exposed
from ...observe.metrics.ledger import Board
from ...observe.metrics.recorder import Recorder
from ...observe.metrics.sampling import Sampler, Source


class Measuring:
    """The metrics of a process with an admin listener.

    Args:
        settings: the configuration.
        board: of the service; without one, this process has one for itself.
        number: of this process on the board.

    Attributes:
        meter: counts what the parts of this process do.
    """

    def __init__(self, settings: Settings, board: Board | None = None, number: int = 1) -> None:
        self._board = board or Board.alone()
        self._gauges = self._board.gauges(number)
        self.meter = Recorder(self._board.counters(number), settings.admin.issuer_series)
        self._one_at_a_time = asyncio.Lock()

    @asynccontextmanager
    async def sampling(
        self, store: DocumentStore, sources: Mapping[str, Source]
    ) -> AsyncIterator[Callable[[str], Awaitable[tuple[bytes, str]]]]:
        """Look at the gauges until the block ends.

        Yields:
            what gives the metrics of all processes of the service, for an ``Accept`` header.
        """
        sampler = Sampler(self._gauges, self.meter, store, sources.items())

        async def scrape(accept: str) -> tuple[bytes, str]:
            async with self._one_at_a_time:
                sampler.look()
                return await asyncio.to_thread(exposed, self._board, accept)

        task = asyncio.create_task(sampler.run(), name="metrics")
        try:
            yield scrape
        finally:
            task.cancel()
            await asyncio.wait({task})
