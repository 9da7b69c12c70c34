"""One issuer's urls are of names that no name server answers; another issuer's imports go on meanwhile."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import pycares
import pytest

from lading.plugins.fetchers.http.fetcher import HttpFetcher
from lading.plugins.host.guards import GuardedFetcher
from lading.plugins.net.ares import AresNames
from lading.plugins.net.resolver import LOOKUPS_PER_TENANT, Names
from lading.plugins.net.system import SystemNames
from lading.plugins.testing.origin import Origin, answer
from lading.service.models import Import, Status
from lading.service.work.slots import Limits
from tests.support.core import Core
from tests.support.servers.names import SILENT, NameServer
from tests.unit.plugins.fetchers.support import http_options

HEALTHY = [f"healthy-{number}.test" for number in range(15)]
SILENT_NAMES = {f"silent-{number}.test" for number in range(200)}
NEVER = 60
"""Seconds that a look-up may take, which no test waits for: the silent ones last until the end."""
Asked = Callable[[], set[str]]
Resolver = Callable[[], AbstractAsyncContextManager[tuple[Names, Asked]]]


@asynccontextmanager
async def ares() -> AsyncIterator[tuple[Names, Asked]]:
    zone = {name: ["A 127.0.0.1"] for name in HEALTHY}
    async with NameServer(zone, otherwise=SILENT) as server:
        names = AresNames(NEVER, partial(pycares.Channel, servers=[server.address], domains=[]))
        yield names, lambda: {name for name, _ in server.asked}


@asynccontextmanager
async def system() -> AsyncIterator[tuple[Names, Asked]]:
    """The system's resolver, whose name server is silent: it blocks its thread."""
    asked: set[str] = set()
    ends = threading.Event()

    def look_up(host: str) -> tuple[str, ...]:
        asked.add(host)
        if host not in HEALTHY:
            ends.wait(NEVER)
        return ("127.0.0.1",)

    yield SystemNames(look_up), lambda: asked
    ends.set()


@pytest.mark.parametrize("resolver", [ares, system])
@pytest.mark.gen_test
async def test_another_issuers_imports_all_end_with_one_attempt(resolver: Resolver) -> None:
    core = Core(limits=Limits(32, 8, 4), grace=0.01)
    async with resolver() as (names, asked), Origin(otherwise=answer(b"image")) as origin:
        fetcher = HttpFetcher(http_options(dns_timeout=NEVER), names=names)
        core.importer.fetchers = {"http": GuardedFetcher(fetcher, "http", 2 * NEVER)}
        async with core.opened():
            hog = [await add(core, "hog", f"http://{name}/a") for name in sorted(SILENT_NAMES)]
            worker = asyncio.create_task(core.worker.run())
            while len(asked() & SILENT_NAMES) < LOOKUPS_PER_TENANT:
                await asyncio.sleep(0.005)
            guest = [await add(core, "guest", origin.url("/a", name=name)) for name in HEALTHY]
            for document in guest:
                found = await core.final(document)
                assert (found.status, found.attempts, found.error) == (Status.DONE, 1, None)
            found_of_hog = [await core.get(document) for document in hog]
            assert {(found.status.is_final, found.attempts) for found in found_of_hog} <= {(False, 0), (False, 1)}
            core.worker.stop()
            with suppress(asyncio.CancelledError):
                await worker
            await fetcher.close()
        assert len(asked() & SILENT_NAMES) == LOOKUPS_PER_TENANT


async def add(core: Core, issuer: str, url: str) -> Import:
    params = {"url": url, "controller": "api/v1/imports", "action": "create"}
    (document,) = await core.add(issuer=issuer, host=urlsplit(url).hostname, params=params)
    return document
