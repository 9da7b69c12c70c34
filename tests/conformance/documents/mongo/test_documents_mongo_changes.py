"""The MongoDB store in bad days: a listener's place outlives the server's, and what the log has lost is made up for."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lading.service.documents import StoreUnavailable
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.documents.positions import OVERLAP
from lading.service.models import Import
from lading.service.models.clock import truncate_to_milliseconds
from tests.conformance.documents.cases.base import SECOND, add_all, make_import, make_imports
from tests.conformance.documents.cases.changes import changed, everything, present
from tests.conformance.documents.mongo.support import opened
from tests.conformance.documents.mongo.test_documents_mongo_failures import eventually
from tests.conformance.documents.suite import SettableClock
from tests.support.servers.databases import Databases
from tests.support.servers.mongod import ReplicaSet, replica_set

HISTORY_LOST = 286
NO_REPLICA_SET = 40573


@pytest.fixture(scope="module")
def mongo_set() -> Iterator[ReplicaSet]:
    """Not the one that all tests share: it is killed here."""
    with replica_set() as running:
        yield running


@pytest.fixture(scope="module")
def mongo_databases(mongo_set: ReplicaSet) -> Iterator[Databases]:
    """Databases of this set."""
    with mongo_set.client() as client, closing(Databases(client)) as databases:
        yield databases


@pytest.fixture
def failing(mongo_set: ReplicaSet) -> Iterator[Callable[..., None]]:
    """Switches the failures of commands on; they end with the test."""
    yield mongo_set.fail_commands
    mongo_set.fail_no_commands()


def of_now(count: int, ago: timedelta = timedelta(0)) -> list[Import]:
    """Imports that were changed so long ago, by the real clock, one after the other."""
    moment = truncate_to_milliseconds(datetime.now(UTC) - ago)
    imports = make_imports(SettableClock(), count)
    return [replace(one, updated_at=moment + number * SECOND / 10) for number, one in enumerate(imports)]


@asynccontextmanager
async def writing(store: MongoDocumentStore, acknowledged: dict[str, Import]) -> AsyncIterator[None]:
    """Meanwhile imports are added, one after the other; those that are acknowledged are noted."""

    async def write() -> None:
        while True:
            document = make_import(SettableClock())
            try:
                await store.add(document)
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                acknowledged[document.id] = document

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def survives(primaries: ReplicaSet, options: MongoOptions, upset: Callable[[], None]) -> None:
    """Readers whose places are from before and from within the upset find everything that was acknowledged."""
    acknowledged: dict[str, Import] = {}
    async with opened(options, SettableClock()) as store:
        before = within = await present(store)
        found: dict[str, Import] = {}
        async with writing(store, acknowledged):
            upsetting = asyncio.create_task(asyncio.to_thread(upset))
            while not upsetting.done():
                try:
                    more, within = await everything(store, within, 10)
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                else:
                    found |= {one.id: one for one in more}
            await upsetting
            await asyncio.to_thread(primaries.wait_for_primary)
            await eventually(store.ping)
        last = make_import(SettableClock())
        await store.add(last)
        # What was not acknowledged may have been written, too, and be written still.
        more, _ = await everything(store, within)
        found |= {one.id: one for one in more}
        again = {one.id: one for one in (await everything(store, before))[0]}
        assert acknowledged.items() <= found.items() <= again.items()
        assert last.id in found


@pytest.mark.timeout(150)
@pytest.mark.gen_test(timeout=120)
async def test_a_place_outlives_a_restart_of_the_server(mongo_set: ReplicaSet, mongo_options: MongoOptions) -> None:
    def restart() -> None:
        mongo_set.node.kill()
        mongo_set.node.start()
        mongo_set.wait_for_primary()

    await survives(mongo_set, mongo_options, restart)


@pytest.mark.timeout(150)
@pytest.mark.gen_test(timeout=120)
async def test_a_place_outlives_a_step_down(mongo_set: ReplicaSet, mongo_options: MongoOptions) -> None:
    await survives(mongo_set, mongo_options, mongo_set.step_down)


@pytest.mark.timeout(240)
@pytest.mark.gen_test(timeout=180)
async def test_a_place_is_known_to_another_primary() -> None:
    with replica_set(3) as three:
        await survives(three, MongoOptions(three.uri, "lading_test", timeout=15), lambda: three.step_down(10))


@pytest.mark.gen_test(timeout=60)
async def test_the_time_of_a_place_is_the_servers(mongo_set: ReplicaSet, mongo_options: MongoOptions) -> None:
    def server_second() -> int:
        with mongo_set.client() as client:
            second: int = client.admin.command("ping")["operationTime"].time
            return second

    async with opened(mongo_options, SettableClock()) as store:
        beginning = await present(store)
        earliest = server_second()
        await store.add(make_import(SettableClock()))
        (change,) = (await changed(store, beginning)).changes
        assert earliest <= int(change.position[3:11], 16) <= server_second()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.gen_test(timeout=60)
async def test_what_the_log_has_no_more_is_found_by_its_moment(
    mongo_options: MongoOptions, failing: Callable[..., None], limit: int
) -> None:
    async with opened(mongo_options, SettableClock()) as store:
        old, recent = of_now(2, 2 * OVERLAP), of_now(3, OVERLAP / 2)
        await add_all(store, old)
        position = await present(store)
        await add_all(store, recent)
        failing(["aggregate"], {"times": 1}, errorCode=HISTORY_LOST)
        first = await changed(store, position, limit)
        assert first.has_more
        rest, position = await everything(store, first.position, limit)
        assert [*(change.document for change in first.changes), *rest] == recent
        late = make_import(SettableClock())
        await store.add(late)
        assert (await everything(store, position, limit))[0] == [late]


@pytest.mark.gen_test(timeout=60)
async def test_what_is_written_while_the_moments_are_read_is_found_too(
    mongo_options: MongoOptions, failing: Callable[..., None]
) -> None:
    async with opened(mongo_options, SettableClock()) as store:
        position = await present(store)
        documents = of_now(4)
        await add_all(store, documents)
        failing(["aggregate"], {"times": 1}, errorCode=HISTORY_LOST)
        first = await changed(store, position, 2)
        assert [change.document for change in first.changes] == documents[:2]
        # Decided long ago, and of one that was told already.
        changed_again = documents[0].cancelled(datetime.now(UTC) - 2 * OVERLAP)
        assert await store.update(changed_again)
        rest, _ = await everything(store, first.position, 2)
        assert [one for one in rest if one.id not in {d.id for d in documents[2:]}] == [changed_again]


@pytest.mark.parametrize("code", [NO_REPLICA_SET, 13, 91])
@pytest.mark.gen_test(timeout=60)
async def test_without_change_streams_the_store_is_unavailable(
    mongo_options: MongoOptions, failing: Callable[..., None], code: int
) -> None:
    async with opened(mongo_options, SettableClock()) as store:
        position = await present(store)
        failing(["aggregate"], "alwaysOn", errorCode=code)
        # Both at once: the driver tries some codes again for as long as an operation may take.
        told = await asyncio.gather(*(changed(store, place) for place in (position, "")), return_exceptions=True)
        assert [type(one) for one in told] == [StoreUnavailable, StoreUnavailable]
        failing(["aggregate"], "off")
        await eventually(lambda: changed(store, position))


@pytest.mark.gen_test(timeout=60)
async def test_no_stream_stays_open(mongo_set: ReplicaSet, mongo_options: MongoOptions) -> None:
    def open_cursors() -> int:
        with mongo_set.client() as client:
            count: int = client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"]
            return count

    async with opened(mongo_options, SettableClock()) as store:
        position = await present(store)
        await add_all(store, make_imports(SettableClock(), 50))
        before = open_cursors()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(changed(store, position, 7)) for _ in range(40)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.002)
            if number % 2:
                task.cancel()
        await asyncio.wait(tasks)
        while open_cursors() > before:  # what was cancelled ends by itself; the test's timeout bounds it
            await asyncio.sleep(0.05)
        assert len((await everything(store, position, 7))[0]) == 50
