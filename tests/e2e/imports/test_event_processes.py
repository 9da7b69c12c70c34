"""Several processes write while a client listens, leaves at random places and comes again: it is told everything."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lading.service.models import Status
from tests.conftest import LONG
from tests.e2e.imports.events_process import AT_ONCE
from tests.e2e.imports.test_event_places import URL, store_environ
from tests.e2e.imports.test_events import listening, post
from tests.support.servers.commands import running_module
from tests.support.servers.service import Client, running_service, token

__all__ = ["store_environ"]

MODULE = "tests.e2e.imports.events_process"
PROCESSES = 3
ROUNDS = 6


def address_of(directory: Path, environ: dict[str, str]) -> Sequence[str]:
    """Where the processes find the store of the service."""
    if "LADING_DOCUMENTS_MONGO__URI" in environ:
        return ("mongo", environ["LADING_DOCUMENTS_MONGO__URI"], environ["LADING_DOCUMENTS_MONGO__DATABASE"])
    return ("sqlite", str(directory / "lading.sqlite3"))


async def written(address: Sequence[str], seed: int) -> None:
    """Run the processes, and wait for their ends."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(running_module(MODULE, *address, f"{seed}-{number}", str(ROUNDS)))[0]
            for number in range(PROCESSES)
        ]
        for process in processes:
            assert await asyncio.to_thread(process.wait) == 0


class Listener:
    """A client that comes again.

    Attributes:
        told: import and status, as often as they were told, in that order.
    """

    def __init__(self, client: Client, rng: random.Random, last_id: str) -> None:
        self._client = client
        self._rng = rng
        self._last_id = last_id
        self.told: list[tuple[str, str]] = []

    async def until(self, sentinel: "asyncio.Future[str]") -> None:
        """Listen until the import is told of."""
        while not (sentinel.done() and any(import_id == sentinel.result() for import_id, _ in self.told)):
            async with listening(self._client, "/api/v1/events", self._last_id) as stream:
                for _ in range(self._rng.randrange(1, 40)):
                    self._take(await stream.next())
                    if sentinel.done() and self.told[-1][0] == sentinel.result():
                        return

    def _take(self, event: dict[str, Any]) -> None:
        self.told.append((event["data"]["id"], event["data"]["status"]))
        self._last_id = event["id"]


@pytest.mark.parametrize("seed", range(1, 9 if LONG else 2))
@pytest.mark.timeout(180)
@pytest.mark.gen_test(timeout=170)
async def test_every_import_of_every_process_is_told_to_its_end_once(
    tmp_path: Path, store_environ: dict[str, str], seed: int
) -> None:
    async with running_service(tmp_path, None, **store_environ) as service:
        client = Client(service.url, token(admin=True))
        async with listening(client, "/api/v1/events") as stream:
            beginning = await stream.cursor()
        sentinel: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        listeners = [Listener(client, random.Random(f"{seed}-{number}"), beginning) for number in range(3)]
        listening_tasks = [asyncio.create_task(listener.until(sentinel)) for listener in listeners]
        await written(address_of(tmp_path, store_environ), seed)
        # Told in the order of commits: whoever is told of this has been told of everything before.
        sentinel.set_result(await post(client, URL))
        await asyncio.gather(*listening_tasks)
        for listener in listeners:
            ended = {import_id for import_id, status in listener.told if status == Status.CANCELLED.value}
            assert len(ended) == PROCESSES * ROUNDS * AT_ONCE
            assert len(listener.told) == len(set(listener.told))
            last = dict(listener.told)
            assert {last[import_id] for import_id in ended} == {Status.CANCELLED.value}
