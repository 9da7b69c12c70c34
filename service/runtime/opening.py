"""Makes the document store, and opens it, again and again while the database is away. Meanwhile the process serves, and
says so.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Self

from ..config import Settings, SettingsError
from ..documents import DocumentStore, StoreRefused, StoreUnavailable
from ..documents.memory.store import MemoryDocumentStore
from ..documents.sqlite.store import SqliteDocumentStore
from ..models.clock import Clock
from ..observe.outages import Outage

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0
"""Seconds between two tries; the pause doubles with each of them."""
PATIENCE: Final = 15.0
"""Seconds that the first try may take before the process begins without it: a missing index may take an hour."""


def make_store(settings: Settings, clock: Clock) -> DocumentStore:
    """The configured document store, not opened."""
    if settings.documents.backend == "memory":
        return MemoryDocumentStore(clock)
    if settings.documents.backend == "mongo":
        # Imported here, since the driver takes longer than everything else, and few services need it.
        from ..documents.mongo.connection import MongoOptions  # noqa: PLC0415
        from ..documents.mongo.store import MongoDocumentStore  # noqa: PLC0415

        mongo = settings.documents_mongo
        return MongoDocumentStore(
            MongoOptions(uri=mongo.uri.get_secret_value(), **mongo.model_dump(exclude={"uri"})),
            clock,
        )
    options = settings.documents_sqlite
    return SqliteDocumentStore(options.path, clock, busy_timeout=timedelta(seconds=options.busy_timeout))


async def open_store(store: DocumentStore, settings: Settings) -> None:
    """Open the document store, which upgrades the database, unless the settings say that an operator does.

    Raises:
        SettingsError: it cannot be used as it is configured, or needs an upgrade; the fault names the option and its
            place.
        StoreUnavailable: the database is away.
    """
    try:
        if settings.documents.upgrade == "manual":
            await _refuse_upgrade(store)
        await store.open()
    except StoreRefused as error:
        raise SettingsError([settings.fault(error.problem, error.section, error.key)]) from error


async def _refuse_upgrade(store: DocumentStore) -> None:
    pending = () if store.upgrading is None else await store.upgrading.pending()
    if pending:
        problem = f"is manual, and the database needs an upgrade ({'; '.join(pending)}): run 'lading migrate'"
        raise StoreRefused(problem, "documents", "upgrade")


class Opening:
    """The opening of a document store, from the beginning of the ``async with`` block.

    Attributes:
        outage: of the database, until the store is open.
        task: ends when the store is open; or with ``SettingsError``, as ``open_store``.
    """

    def __init__(self, store: DocumentStore, settings: Settings, rng: random.Random) -> None:
        self.outage = Outage("documents")
        self._store = store
        self._settings = settings
        self._rng = rng
        self._tried = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="opening of the documents")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the task."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    @property
    def is_done(self) -> bool:
        """Whether the store is open."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    async def first_try(self) -> None:
        """Wait until the store is open, or a try has failed; no longer than ``PATIENCE``.

        Raises:
            SettingsError: as ``open_store``.
        """
        tried = asyncio.create_task(self._tried.wait(), name="first try to open the documents")
        try:
            await asyncio.wait({self.task, tried}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tried.cancel()
        if self.task.done():
            self.task.result()

    async def before(self, run: Callable[[], Awaitable[None]]) -> None:
        """Wait until the store is open, then run something that works on it. Never runs it if the opening fails."""
        await asyncio.wait({self.task})
        if self.is_done:
            await run()

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await open_store(self._store, self._settings)
            except StoreUnavailable as error:
                self.outage.failed(str(error))
                self._tried.set()
                await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self.outage.worked()
                return
