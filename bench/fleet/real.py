"""Real worker processes on one database, whose imports cost nothing: what the model is checked against."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from bench.fleet.free import make_store, opened_dispatch
from lading.service.documents import DocumentStore
from lading.service.models import Import, Status
from lading.service.models.clock import SystemClock, truncate_to_milliseconds
from tests.support.servers.databases import new_name
from tests.support.servers.mongod import replica_set
from tests.support.servers.programs.nats_server import NatsServer, nats_server

ISSUERS: Final = 32
HOSTS: Final = 1000
AT_ONCE: Final = 500
LONGEST: Final = 300.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
COMMANDS: Final = ("aggregate", "find", "insert", "update", "delete", "getMore", "distinct")


@dataclass(frozen=True, slots=True)
class Database:
    """A database to measure on.

    Attributes:
        name: of the store.
        place: see ``bench.fleet.free.make_store``.
        pid: of its server; None where there is none.
        broker: pid of the broker that dispatches; None where the documents do.
    """

    name: str
    place: dict[str, str]
    pid: int | None = None
    broker: int | None = None

    def another(self) -> "Database":
        """An empty one beside it, of the same server."""
        if "path" in self.place:
            return replace(self, place={"path": f"{self.place['path']}-{uuid.uuid4().hex}"})
        return replace(self, place={**self.place, "database": new_name()})

    def store(self) -> DocumentStore:
        """Another store of it, not open."""
        return make_store(self.place)

    def by(self, broker: NatsServer) -> "Database":
        """The same, whose imports a broker dispatches."""
        return replace(self, place={**self.place, "nats": broker.url}, broker=broker.pid)

    def server_cpu(self) -> float:
        """Seconds of CPU that its server has used."""
        return _cpu(self.pid)

    def broker_cpu(self) -> float:
        """Seconds of CPU that its broker has used."""
        return _cpu(self.broker)

    def operations(self) -> int:
        """Commands that its server has carried out; 0 where there is none."""
        if self.pid is None:
            return 0
        with MongoClient[dict[str, Any]](self.place["uri"]) as client:
            counted = client.admin.command("serverStatus")["metrics"]["commands"]
        return sum(counted[name]["total"] for name in COMMANDS)


def _cpu(pid: int | None) -> float:
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def databases(names: Sequence[str], directory: Path | None = None) -> Iterator[list[Database]]:
    """Empty databases, which are gone when the block ends."""
    with ExitStack() as stack:
        found = []
        for name in names:
            if name == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory(dir=directory))
                found.append(Database(name, {"path": f"{folder}/documents.sqlite3"}))
            else:
                running = stack.enter_context(replica_set())
                pid = running.nodes[0].pid if running.nodes else None
                made = Database(name, {"uri": running.uri, "database": new_name()}, pid)
                found.append(made.by(stack.enter_context(nats_server())) if name == "nats" else made)
        yield found


def make_import(number: int) -> Import:
    """A queued import, of one of many issuers and hosts."""
    now, host = truncate_to_milliseconds(SystemClock().now()), f"host-{number % HOSTS}.example"
    params = {
        "url": f"free://{host}/{number}.png",
        "album_id": "album",
        "controller": "api/v1/imports",
        "action": "create",
    }
    return Import(
        id=str(uuid.uuid4()),
        organization_id="organization",
        issuer_id=f"issuer-{number % ISSUERS:02}",
        params=params,
        created_at=now,
        updated_at=now,
        run_at=now,
        status=Status.QUEUED,
        host=host,
        request_id=str(uuid.uuid4()),
    )


async def fill(database: Database, imports: int) -> None:
    """Add so many imports, and tell the broker of them, if there is one."""
    store = database.store()
    await store.open()
    async with opened_dispatch(store, database.place) as dispatch:
        for first in range(0, imports, AT_ONCE):
            some = [make_import(first + number) for number in range(min(AT_ONCE, imports - first))]
            await asyncio.gather(*(store.add(one) for one in some))
            for one in some:
                dispatch.queued(one)
    await store.close()


@dataclass(frozen=True, slots=True)
class Measured:
    """What worker processes did together.

    Attributes:
        rate: imports a second, from the first tenth to the last tenth of the imports.
        worker_cpu, server_cpu, broker_cpu: seconds of CPU for each import.
        operations: of the database, for each import: commands of MongoDB, transactions of SQLite.
        cores: that all of this had meanwhile; fewer than the machine has where something else ran too.
        events: of messages, for each import.
    """

    rate: float
    worker_cpu: float
    server_cpu: float
    operations: float
    cores: float
    broker_cpu: float = 0.0
    events: Mapping[str, float] = field(default_factory=dict)


def measure(database: Database, processes: int, imports: int, code: Path | None = None) -> Measured:
    """Let so many processes work off so many imports, by the code of a checkout, or by this one's.

    Raises:
        RuntimeError: they take too long.
    """
    asyncio.run(fill(database, imports))
    children = []
    try:
        for number in range(processes):
            order = json.dumps({"place": database.place, "name": f"worker-{number}"})
            command = [sys.executable, "-m", "bench.fleet.free", order]
            children.append(_started(command, code))
        for child in children:
            if _hear(child) != "ready":
                raise RuntimeError("a worker has not started")
        server, operations, broker = database.server_cpu(), database.operations(), database.broker_cpu()
        for child in children:
            _say(child, "go")
        asyncio.run(_until_empty(database))
        server, operations = database.server_cpu() - server, database.operations() - operations
        broker = database.broker_cpu() - broker
        for child in children:
            _say(child, "stop")
        told = [json.loads(_hear(child)) for child in children]
    finally:
        for child in children:
            child.kill()
            child.communicate()
    done = sorted(moment for one in told for moment in one["done"])
    tenth = len(done) // 10
    rate = (len(done) - 2 * tenth) / (done[-tenth] - done[tenth])
    worker = sum(one["cpu"] for one in told)
    events = sum((Counter(one.get("events", {})) for one in told), Counter[str]())
    return Measured(
        rate=rate,
        worker_cpu=worker / imports,
        server_cpu=server / imports,
        broker_cpu=broker / imports,
        cores=rate * (worker + server + broker) / imports,
        operations=(operations or sum(one["commits"] for one in told)) / imports,
        events={name: number / imports for name, number in events.items()},
    )


def _started(command: Sequence[str], directory: Path | None) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=directory, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - our own


def _say(child: subprocess.Popen[str], text: str) -> None:
    if child.stdin is not None:
        child.stdin.write(f"{text}\n")
        child.stdin.flush()


def _hear(child: subprocess.Popen[str]) -> str:
    return "" if child.stdout is None else child.stdout.readline().strip()


async def _until_empty(database: Database) -> None:
    store, give_up = database.store(), time.monotonic() + LONGEST
    await store.open()
    try:
        while await store.unfinished(1):
            if time.monotonic() > give_up:
                raise RuntimeError(f"imports are unfinished after {LONGEST:.0f} s")
            await asyncio.sleep(0.2)
    finally:
        await store.close()
