"""What a long queue, and many imports, cost: claims, accepted POSTs and pages of a list, with 1,000 and 1,000,000."""

import asyncio
import sqlite3
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import sizes
from bench.filling import BEGIN, STEP, fill_mongo, fill_sqlite, prepare, total
from bench.lading import ACCEPTING, lading, mongo
from bench.rig import Rig, say
from bench.rows import Goal, Measure, Row, Table
from bench.wrk import Load, load, script
from lading.service.documents import DocumentStore
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.schema import IMPORTS
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.search import Filter, Position
from lading.service.documents.sqlite.store import SqliteDocumentStore
from lading.service.models import Status
from lading.service.models.clock import SystemClock
from tests.support.servers.mongod import ReplicaSet, replica_set
from tests.support.servers.service import ORGANIZATION

BOUND = 1.2
BATCH = 64
PAGES, PAGE = 10, 10
CONNECTIONS = 32
FILLING = 0.7
"""Of a database's time, for filling it at most."""
SQLITE = 0.45
"""Of the section's time, for SQLite."""
CACHE = "4G"
"""Memory of MongoDB: the support's mongod has too little for a million imports, which would measure the disk."""


class Database(ABC):
    """A database with a queue.

    Attributes:
        queued: how many imports are queued.
        folder: of a service on it.
    """

    def __init__(self, folder: Path, queued: int) -> None:
        self.folder = folder
        self.queued = queued

    @property
    @abstractmethod
    def overrides(self) -> dict[str, str]:
        """Of a service on it."""

    @abstractmethod
    def store(self) -> DocumentStore:
        """A store on it, not open."""

    @abstractmethod
    def fill(self, until: float) -> None:
        """Put the imports in: fewer where there is no time for more, see ``fill_sqlite``."""

    @abstractmethod
    def sizes(self) -> list[Row]:
        """What it takes up."""

    @abstractmethod
    def forget(self) -> None:
        """Remove what came since it was filled."""


class Sqlite(Database):
    """A file of SQLite."""

    filled_to = 0

    @property
    def overrides(self) -> dict[str, str]:
        """See ``Database``."""
        return {}

    def store(self) -> DocumentStore:
        """See ``Database``."""
        return SqliteDocumentStore(self._path, SystemClock())

    def fill(self, until: float) -> None:
        """See ``Database``."""
        prepare(self.store())
        self.queued = fill_sqlite(self._path, self.queued, until)
        with closing(sqlite3.connect(self._path)) as connection:
            (self.filled_to,) = connection.execute("SELECT max(rowid) FROM imports").fetchone()

    def sizes(self) -> list[Row]:
        """See ``Database``."""
        return sizes.rows("SQLite", sizes.of_sqlite(self._path, self.queued, total(self.queued) - self.queued))

    def forget(self) -> None:
        """See ``Database``."""
        with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
            connection.execute("DELETE FROM imports WHERE rowid > ?", (self.filled_to,))

    @property
    def _path(self) -> Path:
        return self.folder / "lading.sqlite3"


class Mongo(Database):
    """A database of a replica set."""

    def __init__(self, folder: Path, queued: int, running: ReplicaSet) -> None:
        super().__init__(folder, queued)
        self._running = running
        self._name = f"lading_backlog_{queued}_{uuid.uuid4().hex[:8]}"

    @property
    def overrides(self) -> dict[str, str]:
        """See ``Database``."""
        return {**mongo(self._running.uri, self._name), "LADING_DOCUMENTS_MONGO__TIMEOUT": "60"}

    def store(self) -> DocumentStore:
        """See ``Database``."""
        return MongoDocumentStore(MongoOptions(self._running.uri, self._name, timeout=60), SystemClock())

    def fill(self, until: float) -> None:
        """See ``Database``."""
        prepare(self.store())
        self.queued = fill_mongo(self._running.uri, self._name, self.queued, until)

    def sizes(self) -> list[Row]:
        """See ``Database``."""
        with self._running.client() as client:
            found = sizes.of_mongo(client, self._name, self.queued, total(self.queued) - self.queued)
        return sizes.rows("MongoDB", found, compressed=True)

    def forget(self) -> None:
        """See ``Database``."""
        since = BEGIN + total(self.queued) * STEP
        with self._running.client() as client:
            imports = client.get_database(self._name)[IMPORTS]
            imports.delete_many({"organization_id": ORGANIZATION, "created_at": {"$gte": since}})


@dataclass(slots=True)
class Samples:
    """What was measured of one database, round by round: accepts, claimed imports, pages of all, pages of done ones;
    each a second.
    """

    accepts: list[Load] = field(default_factory=list)
    claims: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)
    done_pages: list[float] = field(default_factory=list)


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    queued = (1000, rig.choose(1_000_000, 100_000, 2000))
    seconds = rig.choose(2, 1, 1)
    now = time.monotonic()
    files = [Sqlite(rig.fresh(f"backlog-sqlite-{size}"), size) for size in queued]
    rows = _measure("SQLite", files, replace(rig, ends=now + SQLITE * (rig.ends - now)), seconds)
    taken = files[-1].sizes()
    for size in queued:
        rig.remove(f"backlog-sqlite-{size}")
    with replica_set() as running:
        if running.nodes:
            with running.client() as client:
                client.admin.command({"setParameter": 1, "wiredTigerEngineRuntimeConfig": f"cache_size={CACHE}"})
        databases = [Mongo(rig.fresh(f"backlog-mongo-{size}"), size, running) for size in queued]
        rows += _measure("MongoDB", databases, rig, seconds)
        taken += databases[-1].sizes()
    text = TEXT.format(
        short=queued[0], long=queued[1], seconds=seconds, batch=BATCH, page=PAGE, connections=CONNECTIONS
    )
    many = databases[-1].queued
    room = sizes.TEXT.format(queued=f"{many:,}", done=f"{total(many) - many:,}")
    return [Table("backlog", text, tuple(rows)), Table("sizes", room, tuple(taken), is_drawn=False)]


def _measure(name: str, databases: Sequence[Database], rig: Rig, seconds: int) -> list[Row]:
    """Fill both, measure in turn."""
    for database in databases:
        began = time.monotonic()
        database.fill(began + FILLING * (rig.ends - began))
        took = time.monotonic() - began
        say(f"{name}: {total(database.queued):,} imports written in {took:.0f} s")
    samples = {database.queued: Samples() for database in databases}
    _accept(databases, samples, rig, seconds)
    asyncio.run(_claim_and_list(databases, samples, rig))
    for queued, found in samples.items():
        accepts = found.accepts[-1].rate
        claims, pages = found.claims[-1], found.pages[-1]
        say(f"{name}, {queued:,}: {accepts:,.0f} accepts/s, {claims:,.0f} claims/s, {pages:,.0f} pages/s")
    return _rows(name, samples)


def _accept(databases: Sequence[Database], samples: dict[int, Samples], rig: Rig, seconds: int) -> None:
    """POSTs to a service on each; what they add is removed outside of the measured time."""
    lua = script(rig.directory)
    with ExitStack() as stack:
        ports = {}
        for database in databases:
            service = stack.enter_context(lading(database.folder, {**ACCEPTING, **database.overrides}))
            ports[database.queued] = service.port
            load(service.port, lua, CONNECTIONS, 1)
            database.forget()
        by_size = {str(database.queued): database for database in databases}
        for name in rig.turns(list(by_size), share=0.6):
            database = by_size[name]
            samples[database.queued].accepts.append(load(ports[database.queued], lua, CONNECTIONS, seconds))
            database.forget()


async def _claim_and_list(databases: Sequence[Database], samples: dict[int, Samples], rig: Rig) -> None:
    """Claims and lists by the stores themselves, without a service."""
    times = rig.choose(36, 6, 2)
    async with AsyncExitStack() as stack:
        opened: dict[str, tuple[Database, DocumentStore, str]] = {}
        for database in databases:
            store = database.store()
            await store.open()
            stack.push_async_callback(store.close)
            worker_id = str(uuid.uuid4())
            await store.register(worker_id, timedelta(hours=1))
            opened[str(database.queued)] = (database, store, worker_id)
            await _claim(store, worker_id, 3)
            await _list(store, database, None)
        for name in rig.turns(list(opened)):
            database, store, worker_id = opened[name]
            found = samples[database.queued]
            found.claims.append(await _claim(store, worker_id, times))
            found.pages.append(await _list(store, database, None))
            found.done_pages.append(await _list(store, database, Status.DONE))


async def _claim(store: DocumentStore, worker_id: str, times: int) -> float:
    """Claimed imports a second; what was claimed is queued again outside of the measured time."""
    seconds = 0.0
    for _ in range(times):
        began = time.perf_counter()
        claimed = await store.claim(worker_id, BATCH)
        seconds += time.perf_counter() - began
        if len(claimed) != BATCH:
            raise RuntimeError(f"{len(claimed)} instead of {BATCH} were claimed")
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        await asyncio.gather(*(store.update(one.handed_back(one.run_at, now)) for one in claimed))
    return times * BATCH / seconds


async def _list(store: DocumentStore, database: Database, status: Status | None) -> float:
    """Pages a second of the organisation's list, from its middle on."""
    wanted = Filter(ORGANIZATION, status=status)
    began = time.perf_counter()
    for _ in range(PAGES):
        after: Position | None = Position(BEGIN + total(database.queued) // 2 * STEP, "")
        for _ in range(PAGES):
            page = await store.search.list(wanted, PAGE, after)
            if len(page.documents) != PAGE:
                raise RuntimeError(f"a page has {len(page.documents)} imports instead of {PAGE}")
            after = page.next
    return PAGES * PAGES / (time.perf_counter() - began)


def _rows(name: str, samples: dict[int, Samples]) -> list[Row]:
    short, long = (samples[size] for size in sorted(samples))
    few, many = sorted(samples)
    pairs = {
        ("accepts", "POST/s"): ([one.rate for one in long.accepts], [one.rate for one in short.accepts]),
        ("claims", "imports/s"): (long.claims, short.claims),
        ("list", "pages/s"): (long.pages, short.pages),
        ("list of done ones", "pages/s"): (long.done_pages, short.done_pages),
    }
    rows = []
    for (what, unit), (values, reference) in pairs.items():
        names = [f"{name}, {what}, {size:,} queued" for size in (few, many)]
        tried, failed = (sum(getattr(one, field_name) for one in long.accepts) for field_name in ("answers", "errors"))
        counted = (tried, tried - min(tried, failed)) if what == "accepts" else (0, 0)
        goal = Goal(Measure.RATIO, round(1 / BOUND, 4)) if what in ("accepts", "claims") else None
        rows.append(Row(names[0], unit, tuple(reference), names[0], tuple(reference)))
        rows.append(Row(names[1], unit, tuple(values), names[0], tuple(reference), True, goal, *counted))
    return rows


TEXT = (
    "What was measured: two databases of each kind, with {short:,} and with {long:,} queued imports of 20 issuers,"
    " and a quarter as many done ones between them, filled by bulk writes. Accepts are POSTs of wrk, {connections}"
    " connections, {seconds} s a round, to a service without its worker, which counts the queue every second to keep"
    " to its bound; what it adds is removed between the rounds. Claims (of {batch} imports each, handed back outside"
    " of the measured time) and pages of {page} imports of the organisation's list, of all and of the done ones, from"
    " its middle on, are calls of the store itself. Within 1.2 times is a ratio of at least 0.83. MongoDB is given 4"
    " GB of cache."
)
