"""One run: a deployment under load is killed and harmed in segments, and audited after each."""

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp

from tests.chaos.audit.auditor import Auditor
from tests.chaos.audit.databases import Database
from tests.chaos.audit.inspection import Inspection, Places
from tests.chaos.audit.ledger import Figures, Ledger
from tests.chaos.clients.asking import Asking
from tests.chaos.clients.load import Load
from tests.chaos.clients.posting import Posting
from tests.chaos.clients.sources import World, world
from tests.chaos.clients.streams import Listener
from tests.chaos.harm.clocks import without_clocks
from tests.chaos.harm.disks import Disk, NoMounts, disks, without_mounts
from tests.chaos.harm.faults import Fault, Faults
from tests.chaos.harm.rig import NAMES, ONLY, QUICK, SCALE, SETTLE, Deployment, in_thread
from tests.support.servers.processes import lading
from tests.support.servers.service import token

FOLDERS = ("database", "images", "spool", "uploads")
LISTENERS = 2
CALM = 2.0 if SCALE.is_short else 6.0
"""Seconds of load without faults before an audit: whatever is left lying about then has no restart to cure it."""


@dataclass(frozen=True)
class Store:
    """What a run has of its own for a document store.

    Attributes:
        name: for the figures.
        overrides: of the configuration.
        service_processes: of the service.
        database: from the folder of the database.
        disks: the folders that get a disk of their own.
        more_faults: of the database itself, and of a broker.
        more_kills: of a broker.
    """

    name: str
    overrides: Mapping[str, str]
    service_processes: int
    database: Callable[[Path], Database]
    disks: tuple[str, ...]
    more_faults: Callable[[random.Random], Mapping[str, Fault]]
    more_kills: Mapping[str, Fault] = field(default_factory=dict)


async def voyage(directory: Path, store: Store, ashore: ExitStack, tell: Callable[[object], None]) -> Figures:
    """Run it whole.

    Args:
        directory: of the deployment; empty.
        store: where its documents are.
        ashore: closed by the caller: ends processes and unmounts disks.
        tell: prints; the figures too, whatever comes of the run.

    Returns:
        What was done, and found.
    """
    figures = Figures(store.name, SCALE.seed())
    tell(f"chaos on {store.name}: LADING_CHAOS_SEED={figures.seed}")
    began = time.monotonic()
    rng = random.Random(figures.seed)
    try:
        async with _aboard(directory, store, figures, ashore, rng) as (deployment, faults, load, auditor, around):
            await _start(deployment, auditor, around)
            watch = asyncio.create_task(_watch(figures, deployment, random.Random(rng.random())))
            for number in range(SCALE.segments):
                found = {kind: len(texts) for kind, texts in figures.violations.items()}
                await _segment(figures, faults, store, load, rng)
                await auditor.settle(is_last=False)
                around.forget()
                seconds, news = time.monotonic() - began, figures.news(found)
                done = f"{figures.kills.total()} kills, {figures.faults.total()} faults"
                imports = f"{len(auditor.ledger.cargo)} imports"
                tell(
                    "\n".join([f"{seconds:.0f} s, segment {number + 1}: {done}, {imports}", *(news or ["    nothing"])])
                )
            await _ended(watch)
            await _land(figures, deployment, auditor)
    finally:
        figures.seconds = time.monotonic() - began
        tell(figures)
    return figures


async def _watch(figures: Figures, deployment: Deployment, rng: random.Random) -> None:
    """No process ends unless it is killed; one that does is started again."""
    while True:
        for name, text in deployment.dead().items():
            figures.found("deaths", text)
            await deployment.kill_and_start(name, rng)
        await asyncio.sleep(0.5)


async def _segment(figures: Figures, faults: Faults, store: Store, load: Load, rng: random.Random) -> None:
    """Kills and faults at the same time, under load."""
    async with load.working():
        await asyncio.gather(
            _kill(figures, {**faults.kills(), **store.more_kills}, random.Random(rng.random())),
            _harm(figures, _chosen(faults, store, rng), random.Random(rng.random())),
        )
        await asyncio.sleep(CALM)


async def _land(figures: Figures, deployment: Deployment, auditor: Auditor) -> None:
    """One polite restart, and the last audit."""
    await in_thread(deployment.stop)
    for name in NAMES:
        await in_thread(deployment.start, name)
    await auditor.settle(is_last=not SCALE.is_short)
    auditor.inspection.compare_leftovers(auditor.database.imports())
    if not SCALE.is_short:
        await in_thread(_audit, deployment, figures)
    _sum_up(figures, auditor, deployment)
    await in_thread(deployment.stop)


@asynccontextmanager
async def _aboard(
    directory: Path, store: Store, figures: Figures, ashore: ExitStack, rng: random.Random
) -> AsyncIterator[tuple[Deployment, Faults, Load, Auditor, World]]:
    """All that takes part, nothing of it started but what is around the service."""
    async with AsyncExitStack() as stack:
        mounted: Mapping[str, Disk] = {}
        try:
            mounted = ashore.enter_context(disks(directory, store.disks))
        except NoMounts as failure:
            without_mounts(str(failure))
            figures.left_out.append(f"full and read-only disks: {failure}")
        folders = {name: mounted[name].folder if name in mounted else directory / name for name in FOLDERS}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        deployment = Deployment(directory, folders, store.overrides, store.service_processes)
        if reason := without_clocks():
            figures.left_out.append(f"clocks that step: {reason}")
        ashore.callback(deployment.abandon)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        session._retry_connection = False  # of itself it repeats DELETE, whose second answer is 404
        around = await stack.enter_async_context(world())
        ledger = Ledger(figures)
        bearer = token(admin=True, expires=timedelta(hours=12))
        asking = Asking(deployment.base, bearer, random.Random(rng.random()), ledger, session)
        listeners = [Listener(deployment.base, bearer, random.Random(rng.random())) for _ in range(LISTENERS)]
        for listener in listeners:
            stack.push_async_callback(_ended, asyncio.create_task(listener.run()))
        places = Places(folders["images"], folders["spool"], folders["uploads"])
        database = store.database(folders["database"])
        inspection = Inspection(ledger, places)
        auditor = Auditor(asking, ledger, database, inspection, around.receiver.received, listeners, SETTLE)
        faults = Faults(deployment, mounted, database, random.Random(rng.random()), SCALE.is_long, not reason)
        yield deployment, faults, Load(Posting(asking, around), folders["images"]), auditor, around


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _start(deployment: Deployment, auditor: Auditor, around: World) -> None:
    """Start the processes, once the receiver is known and the listeners listen."""
    began = time.monotonic()
    await in_thread(deployment.start, "service")
    auditor.patience *= max(1.0, (time.monotonic() - began) / QUICK)
    asking = auditor.asking
    made = json.dumps({"url": around.hooks.url("/hook")})
    # Until its processes run, the supervisor answers 503.
    answer, _ = await asking.until_answered("POST", "/api/v1/webhooks", made, {"Content-Type": "application/json"})
    assert answer.status == 201, answer
    around.receiver.secret = answer.document["secret"]
    answer, _ = await asking.until_answered("GET", "/api/v1/webhooks/secret")
    around.receiver.own_secret = answer.document["secret"]
    await asyncio.gather(*(listener.begun() for listener in auditor.listeners))
    await asyncio.sleep(1.5)  # until every process knows the receiver
    await in_thread(deployment.start, "worker")


def _chosen(faults: Faults, store: Store, rng: random.Random) -> list[tuple[str, Fault]]:
    """The faults of a segment: each once, or as many as are wanted, of all kinds alike."""
    every = [*faults.on_processes().items(), *faults.on_disks().items(), *store.more_faults(rng).items()]
    kinds = [kind for kind in every if not ONLY or any(word in kind[0] for word in ONLY)]
    rng.shuffle(kinds)
    wanted = len(kinds) if SCALE.faults is None else SCALE.faults
    return [kinds[number % len(kinds)] for number in range(wanted)]


async def _kill(figures: Figures, kills: Mapping[str, Fault], rng: random.Random) -> None:
    for _ in range(SCALE.kills):
        name = rng.choice(list(kills))
        await asyncio.sleep(rng.uniform(0.1, 1.8))
        await kills[name]()
        figures.kills[name] += 1


async def _harm(figures: Figures, faults: Iterable[tuple[str, Fault]], rng: random.Random) -> None:
    for name, fault in faults:
        await asyncio.sleep(rng.uniform(0.2, 1.0))
        await fault()
        figures.faults[name] += 1


def _audit(deployment: Deployment, figures: Figures) -> None:
    """Lading's own audit finds nothing either."""
    command = ("storage", "audit", "--config", "service.conf")
    found = lading(*command, cwd=deployment.directory, environ=deployment.environ)
    if found.status != 0:
        figures.found("orphans", f"lading storage audit: {found.stdout[-1000:]} {found.stderr[-500:]}")


def _sum_up(figures: Figures, auditor: Auditor, deployment: Deployment) -> None:
    for cargo in auditor.ledger.cargo.values():
        figures.states["deleted" if cargo.delete else str(cargo.told)] += 1
    figures.notes["starts that failed"] = deployment.refused_starts
    figures.notes["connections of listeners"] = sum(listener.connections for listener in auditor.listeners)
    figures.notes["events told"] = sum(listener.events for listener in auditor.listeners)
    figures.notes["webhooks sent"] = auditor.received.requests
    figures.notes["webhook events accepted"] = len(auditor.received.accepted)
