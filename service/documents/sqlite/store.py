"""The embedded default: documents in one SQLite file, on a local disk, shared by all Lading processes of one machine.

For operators. Next to the file (mode 0600, since it holds the secrets of issuers) SQLite keeps two more files, ``-wal``
and ``-shm``; while a process runs, they belong to the data. Copy the file only after every process has ended, or at any
time with ``lading backup``. Do not use a network file system: write-ahead logging needs shared memory
(https://sqlite.org/wal.html). Lading's user must be able to write the file and its folder.

While the disk is full, broken or read-only, writes raise ``StoreUnavailable``. They work again as soon as the disk
works: you need not restart anything.

One thread of each process writes. It commits the calls in its queue as one transaction, so that many writes share one
sync of the disk. Readers have their own threads, and never wait for the writer.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from ...models import Held, Import
from ...models.clock import Clock, SteadyClock, SystemClock
from ...models.issuers import Issuer
from .. import Bounds, DocumentStore, StoreUnavailable, Taken
from . import queries as sqlite_queries
from .claims import Claims
from .engine.clock import Boot, note, present_boot, started_at
from .engine.commits import commit_together
from .engine.file import connect_reader, connect_writer, create_file, file_identity, unavailable
from .engine.threads import Call, ConnectionThreads, run_each
from .news import SqliteNews
from .planning import SqlitePlanning
from .queue import SqliteImportQueue
from .records import SqliteRecordStore
from .search import SqliteImportSearch, update_unless_stored
from .turns import Excluded
from .upkeep import SqliteUpkeep
from .writes import Write, insert_imports, update_imports


class SqliteDocumentStore(DocumentStore):
    """Keeps documents in a SQLite file. See ``DocumentStore`` and the module docstring. Also ``SupportsWaiting``.

    Args:
        path: the file; it and the folders above it are created where they are missing.
        clock: the machine's; asked in other threads too. Unless it is ``SystemClock``, or ``boot`` is given, it is the
            store's clock too: tests set both at once.
        boot: the store's clock goes on by its counter; the present boot unless given. Where the system names no boot,
            the machine's clock is the store's.
        busy_timeout: how long a transaction waits for those of other processes before it gives up.
        readers: number of reading threads, at least 1.
        queue_size: how many writes wait in the queue or run at most; further callers wait for their issuer's turn.
            Reads are not combined, so each thread has one that runs and one that waits.
    """

    copying: SqliteUpkeep
    planning: SqlitePlanning

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        boot: Boot | None = None,
        busy_timeout: timedelta = timedelta(seconds=5),
        readers: int = 2,
        queue_size: int = 1024,
    ) -> None:
        self._path = path = path.absolute()
        self._clock = clock
        self._boot = boot or (present_boot() if isinstance(clock, SystemClock) else None)
        self._steady = None if self._boot is None else SteadyClock(clock.now(), self._boot.counter)
        self.clock = self._steady or clock
        self._busy_timeout = busy_timeout
        self._identity: tuple[int, int] | None = None
        self._writer = ConnectionThreads(
            "documents-writer",
            path,
            self._connect_writer,
            self._commit,
            threads=1,
            batch=queue_size,
            capacity=queue_size,
        )
        self._readers = ConnectionThreads(
            "documents-reader",
            path,
            self._connect_reader,
            run_each,
            threads=readers,
            batch=1,
            capacity=2 * readers,
        )
        self._claims = Claims(self._writer, self._readers, clock, self.clock)
        self._news = SqliteNews(self._readers)
        self.search = SqliteImportSearch(self._readers)
        self.queue = SqliteImportQueue(self._readers)
        self.records = SqliteRecordStore(self._writer, self._readers, self.clock)
        self.copying = self.upgrading = SqliteUpkeep(path, busy_timeout)
        self.planning = SqlitePlanning(path, busy_timeout)

    async def open(self) -> None:
        """See ``DocumentStore.open``.

        Raises:
            StoreRefused: the file is damaged, is not Lading's, or has a newer schema.
            StoreUnavailable: it cannot be created, read or written.
        """
        self._identity = None
        try:
            await self._writer.open()
            await self._readers.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See ``DocumentStore.close``; where no other process has the file open, its log is folded into it."""
        await self._readers.close()
        await self._writer.close()

    async def ping(self) -> None:
        """See ``DocumentStore.ping``."""
        await self._writer.run(sqlite_queries.probe_writing)
        await self._readers.run(sqlite_queries.probe_reading)

    # --- imports ------------------------------------------------------------------------------------------------------

    async def add(self, document: Import) -> None:
        """See ``DocumentStore.add``."""
        await self._writer.run(Write(insert_imports, document))

    async def get(self, import_id: str) -> Import | None:
        """See ``DocumentStore.get``."""
        return await self._readers.run(lambda connection: sqlite_queries.get_import(connection, import_id))

    async def get_by_image(self, image_id: str) -> Import | None:
        """See ``DocumentStore.get_by_image``."""
        return await self._readers.run(lambda connection: sqlite_queries.get_import_by_image(connection, image_id))

    async def heir(self, key: str) -> Import | None:
        """See ``DocumentStore.heir``."""
        return await self._readers.run(lambda connection: sqlite_queries.get_heir(connection, key))

    async def shared_keys(self, after: str, limit: int) -> Sequence[str]:
        """See ``DocumentStore.shared_keys``."""
        return await self._readers.run(lambda connection: sqlite_queries.list_shared_keys(connection, after, limit))

    async def unpurged(self, limit: int) -> Sequence[Import]:
        """See ``DocumentStore.unpurged``."""
        return await self._readers.run(lambda connection: sqlite_queries.list_unpurged(connection, limit))

    async def images_in(
        self, storage: str, held: Held, after: str, limit: int, organization_id: str | None = None
    ) -> Sequence[Import]:
        """See ``DocumentStore.images_in``."""
        return await self._readers.run(
            lambda connection: sqlite_queries.list_images(connection, storage, held, after, limit, organization_id)
        )

    async def count_images_in(self, storage: str, organization_id: str | None = None) -> int:
        """See ``DocumentStore.count_images_in``."""
        return await self._readers.run(lambda one: sqlite_queries.count_images(one, storage, organization_id))

    async def stored_bytes(self, organization_id: str) -> int:
        """See ``DocumentStore.stored_bytes``; its cost is constant."""
        return await self._readers.run(lambda connection: sqlite_queries.get_stored_bytes(connection, organization_id))

    async def update(self, document: Import) -> bool:
        """See ``DocumentStore.update``."""
        return await self._writer.run(Write(update_imports, document))

    async def update_unless_stored(self, document: Import, albums: Collection[str] | None) -> bool:
        """See ``DocumentStore.update_unless_stored``."""
        return await self._writer.run(lambda connection: update_unless_stored(connection, document, albums))

    async def announced(self, import_id: str, event_ids: Collection[str]) -> None:
        """See ``DocumentStore.announced``."""
        await self._writer.run(lambda connection: sqlite_queries.clear_outbox(connection, import_id, event_ids))

    async def remove(self, document: Import) -> bool:
        """See ``DocumentStore.remove``."""
        return await self._writer.run(lambda connection: sqlite_queries.remove_import(connection, document))

    async def claim(
        self,
        worker_id: str,
        limit: int,
        *,
        exclude_issuers: Collection[str] = (),
        exclude_hosts: Collection[str] = (),
        per_issuer: int | None = None,
    ) -> Sequence[Import]:
        """See ``DocumentStore.claim``."""
        excluded = Excluded(exclude_issuers, exclude_hosts)
        return await self._claims.make(worker_id, limit, excluded, per_issuer)

    async def claim_these(self, worker_id: str, ids: Sequence[str], bounds: Bounds) -> Taken:
        """See ``DocumentStore.claim_these``."""
        return await self._claims.these(worker_id, ids, bounds)

    async def unfinished(self, limit: int, issuer_id: str | None = None) -> int:
        """See ``DocumentStore.unfinished``."""
        return await self._readers.run(lambda connection: sqlite_queries.count_unfinished(connection, limit, issuer_id))

    async def wait_for_work(self, timeout: float) -> None:
        """See ``SupportsWaiting.wait_for_work``."""
        await self._news.wait(timeout)

    # --- workers ------------------------------------------------------------------------------------------------------

    async def register(self, worker_id: str, lease: timedelta) -> None:
        """See ``DocumentStore.register``."""

        def register(connection: sqlite3.Connection) -> None:
            sqlite_queries.insert_worker(connection, worker_id, self._reached(connection) + lease)

        await self._writer.run(register)

    async def heartbeat(self, worker_id: str, lease: timedelta) -> bool:
        """See ``DocumentStore.heartbeat``."""

        def renew(connection: sqlite3.Connection) -> bool:
            return sqlite_queries.renew_worker(connection, worker_id, self._reached(connection) + lease)

        return await self._writer.run(renew)

    async def recover(self, limit: int) -> int:
        """See ``DocumentStore.recover``."""
        return await self._writer.run(
            lambda connection: sqlite_queries.recover_imports(connection, limit, self._clock.now(), self.clock.now())
        )

    async def release(self, worker_id: str) -> None:
        """See ``DocumentStore.release``."""
        await self._writer.run(lambda connection: sqlite_queries.delete_worker(connection, worker_id))

    # --- issuers ------------------------------------------------------------------------------------------------------

    async def add_issuer(self, issuer: Issuer) -> None:
        """See ``DocumentStore.add_issuer``."""
        await self._writer.run(lambda connection: sqlite_queries.insert_issuer(connection, issuer))

    async def get_issuer(self, issuer_id: str) -> Issuer | None:
        """See ``DocumentStore.get_issuer``."""
        return await self._readers.run(lambda connection: sqlite_queries.get_issuer(connection, issuer_id))

    async def list_issuers(self) -> Sequence[Issuer]:
        """See ``DocumentStore.list_issuers``."""
        return await self._readers.run(sqlite_queries.list_issuers)

    async def set_issuer_enabled(self, issuer_id: str, enabled: bool) -> bool:
        """See ``DocumentStore.set_issuer_enabled``."""
        return await self._writer.run(lambda connection: sqlite_queries.enable_issuer(connection, issuer_id, enabled))

    async def rotate_issuer(self, issuer_id: str, key: str, keep_until: datetime | None) -> bool:
        """See ``DocumentStore.rotate_issuer``."""
        return await self._writer.run(
            lambda connection: sqlite_queries.rotate_issuer(connection, issuer_id, key, keep_until)
        )

    async def drop_previous_keys(self) -> int:
        """See ``DocumentStore.drop_previous_keys``."""
        return await self._writer.run(
            lambda connection: sqlite_queries.drop_previous_keys(connection, self.clock.now())
        )

    # --- in the threads -----------------------------------------------------------------------------------------------

    def _reached(self, connection: sqlite3.Connection) -> datetime:
        """The present, which a boot to come does not go behind."""
        now = self.clock.now()
        if self._steady is not None:
            note(connection, now)
        return now

    def _connect_writer(self) -> sqlite3.Connection:
        if self._identity is None:
            create_file(self._path)  # once: a file that is deleted later must be missed, not created again
        connection = self._connect(connect_writer)
        try:
            if self._steady is not None and self._boot is not None:
                self._steady.set(started_at(connection, self._boot, self._clock.now), 0)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error | MemoryError):
                raise unavailable(self._path, error) from error
            raise
        return connection

    def _connect_reader(self) -> sqlite3.Connection:
        return self._connect(connect_reader)

    def _connect(self, connect: Callable[[Path, timedelta], sqlite3.Connection]) -> sqlite3.Connection:
        if self._identity is None:
            self._identity = file_identity(self._path)
        self._check_identity()
        connection = connect(self._path, self._busy_timeout)
        try:
            self._check_identity()
        except StoreUnavailable:
            connection.close()
            raise
        return connection

    def _commit(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> None:
        # SQLite itself goes on writing into a file that has no name any more, and all of it would be lost (P1).
        self._check_identity()
        commit_together(connection, calls)
        self._check_identity()

    def _check_identity(self) -> None:
        """Make sure that the path still names the file that was opened.

        Raises:
            StoreUnavailable: it does not.
        """
        if self._identity is None or file_identity(self._path) != self._identity:
            raise StoreUnavailable(f"SQLite database {self._path} was deleted or replaced: restart Lading")
