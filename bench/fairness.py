"""What a guest's requests take beside a hog that takes all it can of a resource, against the same without the hog.

    python -m bench.fairness [--seconds 4] [--backends sqlite,mongo] [--kinds uploads,decoding]

Hog and guest are two issuers, and the hog is a process of its own, with an origin that stalls. Each kind has a service
of its own: first the guest alone, then beside the hog. The ratio is of the medians, and the exit status is 1 where one
is above 3. Where hog and guest need the same processors (writes, reads, decoding), a part of the ratio is that share.
"""

import argparse
import asyncio
import base64
import contextlib
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.service import service_process
from lading.plugins.testing.images import encode, noise, noise_jpeg, slow_gif
from lading.plugins.testing.origin import Behaviour, Exchange, Origin, answer, stall
from tests.support.servers.mongod import replica_set
from tests.support.servers.service import ISSUER, OTHER_ISSUER, token

GOAL: Final = 3.0
SETTLED: Final = 3.0
"""Seconds from the hog's first request until the guest is measured beside it."""
LONGEST: Final = 60
HOSTS: Final = {ISSUER: "127.0.0.2", OTHER_ISSUER: "127.0.0.1"}
"""An origin's places are another resource, so the origin of each tenant has a host of its own."""
ALBUM: Final = "imported_album"
IMAGE: Final = noise_jpeg(8)
COSTLY: Final = encode(noise(1200, 1200), "PNG")
"""An image of which a thumbnail takes long."""
JSON: Final = {"Content-Type": "application/json"}
WAIT: Final = {"Prefer": f"wait={LONGEST}"}


class Tenant:
    """An issuer's client."""

    def __init__(self, session: aiohttp.ClientSession, base: str, issuer: str, origin: Origin) -> None:
        self._session = session
        self._base = base
        self._token = token(issuer=issuer, abilities=("image_upload", "image_download", "see"))
        self.origin = origin
        self.ids: dict[str, str] = {}
        """What was made for the measurements, by name."""
        self.unmade: list[tuple[str, dict[str, str]]] = []
        """Thumbnails that nobody has asked for: path and header fields."""

    @contextlib.asynccontextmanager
    async def asking(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer of the API whose body has not been read."""
        fields = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        async with self._session.request(method, f"{self._base}/api/v1/{path}", data=body, headers=fields) as response:
            yield response

    async def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer; None for another one.

        Raises:
            RuntimeError: the request was refused.
        """
        async with self.asking(method, path, body, headers) as response:
            found = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {found[:200]!r}")
            return json.loads(found) if response.content_type == "application/json" else None

    async def post(self, wait: bool = False, path: str = "imports", **params: Any) -> Any:
        """The answer to a new import, or to a preflight; ``wait`` until the import is final."""
        body = json.dumps({"album_id": ALBUM, **params})
        return await self.ask("POST", path, body, {**JSON, **(WAIT if wait else {})})

    async def done(self, **params: Any) -> Any:
        """An import that is done."""
        found = await self.post(wait=True, **params)
        if found.get("status") != "done":
            raise RuntimeError(f"an import is not done: {found}")
        return found

    async def uploaded(self, data: bytes) -> Any:
        """An import whose bytes this has sent."""
        return await self.ask("PUT", f"imports/{(await self.post())['id']}/content", data)

    async def thumbnail(self, data: bytes) -> None:
        """Ask for a thumbnail that is not kept yet; of a new image after those of the earlier ones."""
        if not self.unmade:
            image = (await self.uploaded(data))["image_id"]
            self.unmade = [
                (f"images/{image}/thumbnail?size={size}", {"Accept": kind})
                for size in ("small", "medium", "large")
                for kind in ("image/webp", "image/jpeg")
            ]
        path, headers = self.unmade.pop()
        await self.ask("GET", path, headers=headers)

    async def batch(self, lines: int) -> None:
        """Post a batch of imports that wait for their bytes."""
        line = json.dumps({"album_id": ALBUM}).encode() + b"\n"
        await self.ask("POST", "imports/batch", line * lines, {"Content-Type": "application/x-ndjson"})


# --- the guest --------------------------------------------------------------------------------------------------------


async def prepare(tenant: Tenant) -> None:
    """Make what both tenants use, and start the decoding processes."""
    tenant.ids["waiting"] = (await tenant.post())["id"]
    for data in (IMAGE, encode(noise(1600, 1600), "BMP")):  # the second one is more than the kernel keeps
        tenant.ids[f"image of {len(data) > len(IMAGE)}"] = (await tenant.uploaded(data))["image_id"]


async def _stream(tenant: Tenant) -> None:
    async with tenant.asking("GET", f"events?album_id={ALBUM}") as response:
        if response.status != 200:
            raise RuntimeError(f"events: {response.status}")
        await response.content.readany()


async def _told(tenant: Tenant) -> None:
    """Post an import and wait for its webhook."""
    arrived = asyncio.Event()

    async def hook(exchange: Exchange) -> bool:
        arrived.set()
        return await answer(b"")(exchange)

    tenant.origin.routes["/hook"] = hook
    await tenant.post(url=data_url(), webhook={"url": tenant.origin.url("/hook")})
    await arrived.wait()


def data_url() -> str:
    """An image that needs no origin."""
    return "data:image/jpeg;base64," + base64.b64encode(IMAGE).decode()


GUEST: Final[Mapping[str, Callable[[Tenant], Awaitable[Any]]]] = {
    "writes": lambda one: one.post(),
    "reads": lambda one: one.ask("GET", f"imports/{one.ids['waiting']}"),
    "queue": lambda one: one.done(url=one.origin.url("/image")),
    "decoding": lambda one: one.done(url=one.origin.url("/image")),
    "fetches": lambda one: one.post(path="imports/preflight", url=one.origin.url("/image")),
    "uploads": lambda one: one.uploaded(IMAGE),
    "downloads": lambda one: one.ask("GET", f"images/{one.ids['image of False']}/content"),
    "streams": _stream,
    "long polls": lambda one: one.done(url=one.origin.url("/image")),
    "webhooks": _told,
    "thumbnails": lambda one: one.thumbnail(IMAGE),
}
"""What the guest asks for, by the resource."""


# --- the hog ----------------------------------------------------------------------------------------------------------


async def again(*calls: Callable[[], Awaitable[Any]]) -> None:
    """Make each of the calls again and again, all at once. After a refusal a hog tries again a second later: what it
    takes is places, and not the time in which they are refused.
    """

    async def one(call: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await call()
            except (RuntimeError, aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(1)

    await asyncio.gather(*map(one, calls))


async def _held(hog: Tenant, number: int, *request: Any) -> None:
    """Hold so many answers open without reading them."""

    async def hold() -> None:
        async with hog.asking(*request) as response:
            if response.status != 200:
                raise RuntimeError(f"refused: {response.status}")
            await asyncio.Event().wait()

    await again(*[hold] * number)


async def _long_poll(hog: Tenant) -> None:
    async with hog.asking("GET", f"imports/{hog.ids['waiting']}", None, WAIT) as response:
        if "Preference-Applied" not in response.headers:
            raise RuntimeError("answered at once, without a wait")
        await response.read()


async def _half_sent(hog: Tenant) -> None:
    async def drip() -> AsyncIterator[bytes]:
        yield IMAGE[:1000]
        await asyncio.sleep(25)

    async def put() -> None:
        await hog.ask("PUT", f"imports/{(await hog.post())['id']}/content", drip())

    await again(*[put] * 64)


async def _silent(hog: Tenant) -> None:
    """Webhooks to receivers that never answer: eight hosts of eight requests each."""
    async with contextlib.AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(Origin(otherwise=stall(), host="127.0.0.2")) for _ in range(8)]
        for number in range(400):
            await hog.post(url=data_url(), webhook={"url": receivers[number % 8].url("/hook")})
        print("ready", flush=True)
        await asyncio.Event().wait()


async def _many(hog: Tenant, number: int, path: str) -> None:
    urls = [hog.origin.url(f"{path}?{one}") for one in range(number)]
    await asyncio.gather(*(hog.post(url=url) for url in urls))
    await asyncio.Event().wait()


async def _reads(hog: Tenant) -> None:
    await hog.batch(2000)
    await again(*[lambda: hog.ask("GET", f"imports?album_id={ALBUM}&per_page=100")] * 64)


HOG: Final[Mapping[str, Callable[[Tenant], Awaitable[None]]]] = {
    "writes": lambda one: again(*[lambda: one.batch(2000)] * 8, *[one.post] * 32),
    "reads": _reads,
    "queue": lambda one: _many(one, 500, "/stall"),
    "decoding": lambda one: _many(one, 100, "/costly"),
    "fetches": lambda one: again(*[lambda: one.post(path="imports/preflight", url=one.origin.url("/stall"))] * 64),
    "uploads": _half_sent,
    "downloads": lambda one: _held(one, 100, "GET", f"images/{one.ids['image of True']}/content"),
    "streams": lambda one: _held(one, 120, "GET", f"events?album_id={ALBUM}"),
    "long polls": lambda one: again(*[partial(_long_poll, one)] * 120),
    "webhooks": _silent,
    "thumbnails": lambda one: again(*[lambda: one.thumbnail(COSTLY)] * 32),
}


# --- measuring --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def tenant_of(base: str, issuer: str) -> AsyncIterator[Tenant]:
    """A tenant with its origin, both in this process."""
    routes: dict[str, Behaviour] = {"/image": answer(IMAGE), "/stall": stall(), "/costly": answer(slow_gif(400))}
    timeout = aiohttp.ClientTimeout(total=2 * LONGEST)
    async with (
        Origin(routes, host=HOSTS[issuer]) as origin,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout, read_bufsize=2**12) as session,
    ):
        tenant = Tenant(session, base, issuer, origin)
        await prepare(tenant)
        yield tenant


async def be_the_hog(base: str, kind: str) -> None:
    """Take all of the resource, until standard input ends; says when it has settled."""
    async with tenant_of(base, ISSUER) as hog:
        taking = asyncio.ensure_future(HOG[kind](hog))
        if kind != "webhooks":  # it says so by itself
            await asyncio.sleep(SETTLED)
            print("ready", flush=True)
        ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await asyncio.wait({taking, ended}, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            taking.result()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


@contextlib.contextmanager
def hog_process(base: str, kind: str) -> Iterator[None]:
    """A hog that has settled, in a process of its own."""
    command = [sys.executable, "-m", "bench.fairness", "--hog", base, "--kinds", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603  # our own
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the hog has no pipes")
        try:
            if child.stdout.readline() != "ready\n":
                raise RuntimeError(f"the hog of {kind} has failed")
            yield
        finally:
            child.stdin.close()
            child.wait(30)


async def sample(guest: Tenant, kind: str, seconds: float) -> list[float]:
    """Milliseconds of each of the guest's requests, one after another for so long."""
    took: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends or len(took) < 3:
        began = time.perf_counter()
        await asyncio.wait_for(GUEST[kind](guest), 2 * LONGEST)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    return took


async def measured(base: str, kind: str, seconds: float) -> tuple[list[float], list[float]]:
    """The guest alone, and beside the hog."""
    async with tenant_of(base, OTHER_ISSUER) as guest:
        await GUEST[kind](guest)
        alone = await sample(guest, kind, seconds)
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, hog_process(base, kind))
            return alone, await sample(guest, kind, seconds)


def row(backend: str, kind: str, alone: Sequence[float], beside: Sequence[float]) -> float:
    """Print a row; its ratio."""
    medians = statistics.median(alone), statistics.median(beside)
    ratio = medians[1] / medians[0]
    columns = f"{medians[0]:9.1f}{medians[1]:9.1f}{max(beside):9.1f}{ratio:8.2f}"
    print(f"{backend:8}{kind:12}{columns}{len(alone):7}{len(beside):7}", flush=True)
    return ratio


def main() -> int:
    """Measure, print the rows, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement, at least")
    parser.add_argument("--backends", default="sqlite,mongo")
    parser.add_argument("--kinds", default=",".join(GUEST), help="resources, with commas between them")
    parser.add_argument("--hog", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if arguments.hog:
        asyncio.run(be_the_hog(arguments.hog, arguments.kinds))
        return 0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {arguments.seconds:g} s for each")
    print(f"{'':20}{'alone':>9}{'beside':>9}{'max':>9}{'':8}{'count':>7}{'count':>7}")
    print(f"{'':20}{'ms':>9}{'ms':>9}{'ms':>9}{'ratio':>8}{'alone':>7}{'beside':>7}")
    worst = 0.0
    for backend, kind in itertools.product(arguments.backends.split(","), arguments.kinds.split(",")):
        with contextlib.ExitStack() as stack:
            overrides = {"LADING_SERVICE__LOG_LEVEL": "info"}
            if backend == "mongo":
                uri = stack.enter_context(replica_set()).uri
                overrides |= {"LADING_DOCUMENTS__BACKEND": "mongo", "LADING_DOCUMENTS_MONGO__URI": uri}
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _, port = stack.enter_context(service_process(folder, **overrides))
            alone, beside = asyncio.run(measured(f"http://127.0.0.1:{port}", kind, arguments.seconds))
        worst = max(worst, row(backend, kind, alone, beside))
    return int(worst > GOAL)


if __name__ == "__main__":
    sys.exit(main())
