"""What a view costs: the page, what it shows, and what it is told, against a bare handler of as many bytes."""

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.asking import ask, form_of
from bench.images import make_small
from bench.importing import import_all
from bench.lading import ACCEPTING, Lading, lading
from bench.origin import origin
from bench.processes import cpu_seconds, listening
from bench.rig import Rig, say
from bench.rows import Row, Table
from bench.wrk import ACCEPT, Load, load, reading
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import token

CONNECTIONS = 8
LISTED = 100
WATCHERS = 50
READER = token(admin=True)
EVENT = f"an event, told to one of {WATCHERS} watchers"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Viewed:
    """What one run of views took."""

    load: Load
    cpu_seconds: float

    @property
    def cost(self) -> float:
        """Milliseconds of CPU time a view."""
        return 1000 * self.cpu_seconds / max(1, self.load.answers)


def measure(rig: Rig) -> Sequence[Table]:
    """See ``bench.sections``."""
    seconds = rig.choose(2, 1, 1)
    posts = rig.choose(400, 100, 20)
    viewed: dict[str, list[tuple[Viewed, Viewed]]] = {}
    told: list[tuple[float, float]] = []
    with ExitStack() as stack:
        bare = free_port()
        reference = stack.enter_context(listening(["bench.bare", str(bare)], bare, log=rig.directory / "bare.log"))
        service = stack.enter_context(lading(rig.fresh("views")))
        quiet = stack.enter_context(lading(rig.fresh("views-events"), ACCEPTING))
        paths = _paths(rig, service)
        sizes = {name: len(_got(service.port, path)) for name, path in paths.items()}
        lua = reading(rig.directory, READER)
        for name in rig.turns([*paths, EVENT]):
            if name == EVENT:
                told.append(_told(quiet, posts))
                say(f"{name}: {told[-1][0]:.3f} ms of {told[-1][1]:.2f} ms that its POST costs")
                continue
            views = _view(service.port, service.pid, lua, seconds, paths[name])
            beside = _view(bare, reference.pid, lua, seconds, f"/bytes/{sizes[name]}")
            viewed.setdefault(name, []).append((views, beside))
            say(f"{name}: {views.load.rate:,.0f}/s, {views.cost:.2f} ms; bare {beside.cost:.2f} ms")
    names = {name: f"{name}, {sizes[name]:,} bytes" for name in paths}
    cost = tuple(_row(names[name], sizes[name], runs, "ms") for name, runs in viewed.items())
    rate = tuple(_row(names[name], sizes[name], runs, "views/s") for name, runs in viewed.items())
    event = Row(
        name=EVENT,
        unit="ms",
        values=tuple(one for one, _ in told),
        reference="its POST, told to nobody",
        reference_values=tuple(post for _, post in told),
        higher_is_better=False,
        tried=posts * WATCHERS * len(told),
        succeeded=posts * WATCHERS * len(told),
    )
    text = TEXT.format(connections=CONNECTIONS, seconds=seconds, listed=LISTED, posts=posts, watchers=WATCHERS)
    return [Table("views, CPU time a view", text, (*cost, event)), Table("views a second", RATE, rate)]


def _paths(rig: Rig, service: Lading) -> Mapping[str, str]:
    """Import images, and name what is looked at."""
    root = rig.fresh("views-root")
    files = make_small(root, LISTED)
    with origin(rig.fresh("views-nginx"), root) as url:
        import_all(service.port, [url + file for file in files], service.folder)
    newest = json.loads(_got(service.port, "/api/v1/imports?album_id=album&limit=1"))["imports"][0]
    image = f"/api/v1/images/{newest['image_id']}"
    return {
        "the page": "/",
        f"a list of {LISTED} imports": f"/api/v1/imports?album_id=album&limit={LISTED}",
        "an import": f"/api/v1/imports/{newest['id']}",
        "an image": f"{image}/content",
        "a thumbnail that is kept": f"{image}/thumbnail?size=small",
    }


def _view(port: int, pid: int, lua: Path, seconds: int, path: str) -> Viewed:
    load(port, lua, CONNECTIONS, 1, path)  # warm-up
    before = cpu_seconds([pid])
    found = load(port, lua, CONNECTIONS, seconds, path)
    return Viewed(found, cpu_seconds([pid]) - before)


def _got(port: int, path: str) -> bytes:
    """The body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {READER}", "Accept": ACCEPT})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"GET {path} was answered with {response.status}: {body[:500]!r}")
        return body
    finally:
        connection.close()


def _told(service: Lading, posts: int) -> tuple[float, float]:
    """Milliseconds of CPU time of an event for one watcher, and of a POST that nobody is told of."""
    before = cpu_seconds([service.pid])
    _post(service.port, posts)
    alone = cpu_seconds([service.pid]) - before
    watching = asyncio.run(_watched(service, posts))
    return 1000 * max(0.0, watching - alone) / (posts * WATCHERS), 1000 * alone / posts


def _post(port: int, posts: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        for number in range(posts):
            ask(connection, "POST", "/api/v1/imports", form_of(f"http://origin.example/{number}.jpg"))
    finally:
        connection.close()


async def _watched(service: Lading, posts: int) -> float:
    """Seconds of CPU time of so many POSTs, until each watcher has been told of each.

    Raises:
        TimeoutError: one was not told within a minute.
    """
    url = f"http://127.0.0.1:{service.port}/api/v1/events?album_id=imported_album"
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        headers = {"Authorization": f"Bearer {READER}"}
        streams = [await stack.enter_async_context(session.get(url, headers=headers)) for _ in range(WATCHERS)]
        before = cpu_seconds([service.pid])
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(_hear(stream, posts))
            await asyncio.to_thread(_post, service.port, posts)
        return cpu_seconds([service.pid]) - before


async def _hear(stream: aiohttp.ClientResponse, events: int) -> None:
    stream.raise_for_status()
    while events:
        line = await stream.content.readline()
        if not line:
            raise RuntimeError("a stream of events has ended")
        events -= line.startswith(b"event: state")


def _row(name: str, size: int, runs: Sequence[tuple[Viewed, Viewed]], unit: str) -> Row:
    is_rate = unit != "ms"
    values, references = zip(
        *(((view.load.rate, bare.load.rate) if is_rate else (view.cost, bare.cost)) for view, bare in runs), strict=True
    )
    return Row(
        name=name,
        unit=unit,
        values=values,
        reference=f"bare handler, {size:,} bytes",
        reference_values=references,
        higher_is_better=is_rate,
        tried=sum(view.load.answers for view, _ in runs),
        succeeded=sum(view.load.answers - min(view.load.errors, view.load.answers) for view, _ in runs),
    )


TEXT = (
    "What was measured: GETs by wrk on loopback over {connections} connections, {seconds} s a round, after a second of"
    " warm-up, of a service with default settings (SQLite, local storage) that has {listed} images of 45 KB: CPU time"
    " of all its processes, by the number of answers. The page and the thumbnail are in memory or on disk already, as"
    " they are for everybody but the first. The reference is a Tornado handler on uvloop in one process, which verifies"
    " the same token and answers as many bytes from memory. An event: {posts} POSTs with {watchers} streams of the"
    " album that each is told to, less as many POSTs without, by the number of events; its reference is such a POST."
)
RATE = "The same runs: views a second, of one process."
