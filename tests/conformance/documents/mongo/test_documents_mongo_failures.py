"""The MongoDB store in bad days: what was acknowledged is there, and what cannot be is said to be unavailable."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from lading.service.documents import DuplicateId, StoredAlready, StoreRefused, StoreUnavailable
from lading.service.documents.mongo.connection import MongoOptions
from lading.service.documents.mongo.store import MongoDocumentStore
from lading.service.models import Import
from tests.conformance.documents.cases.base import LEASE, add_all, make_import, make_imports
from tests.conformance.documents.cases.lifecycle import CALLS
from tests.conformance.documents.cases.shares import ending, running_in
from tests.conformance.documents.mongo.support import opened
from tests.conformance.documents.suite import SettableClock
from tests.support.servers.databases import Databases
from tests.support.servers.mongod import Mongod, ReplicaSet, find_mongod, replica_set, skip_without_mongod
from tests.support.servers.programs.ports import free_port

SECRET = "s3cr3t"


@pytest.fixture(scope="module")
def mongo_set() -> Iterator[ReplicaSet]:
    """Not the one that all tests share: it is frozen and killed here."""
    with replica_set() as running:
        yield running


@pytest.fixture(scope="module")
def mongo_databases(mongo_set: ReplicaSet) -> Iterator[Databases]:
    """Databases of this set."""
    with mongo_set.client() as client, closing(Databases(client)) as databases:
        yield databases


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def quick(mongo_options: MongoOptions) -> MongoOptions:
    """Options with which an outage is noticed soon."""
    return replace(mongo_options, connect_timeout=0.5, timeout=1.0)


@pytest.fixture
def failing(mongo_set: ReplicaSet) -> Iterator[Callable[..., None]]:
    """Switches the failures of commands on; they end with the test."""
    yield mongo_set.fail_commands
    mongo_set.fail_no_commands()


async def eventually(call: Callable[[], Awaitable[object]]) -> None:
    """Call until the store is available."""
    while True:
        try:
            await call()
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        else:
            return


async def add_often(store: MongoDocumentStore, documents: Sequence[Import], *, gives_up: bool = False) -> list[Import]:
    """Add one after the other, or up to the first that is refused; those that were acknowledged."""
    acknowledged = []
    for document in documents:
        try:
            await store.add(document)
        except StoreUnavailable:
            if gives_up:
                break
            continue
        acknowledged.append(document)
    return acknowledged


# --- processes --------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_frozen_server_is_unavailable_in_time_and_then_is_used_again(
    mongo_set: ReplicaSet, quick: MongoOptions, clock: SettableClock
) -> None:
    document = make_import(clock)
    async with opened(quick, clock) as store:
        await store.add(document)
        mongo_set.node.pause()
        try:
            began = time.monotonic()
            outcomes = await asyncio.gather(*(call(store) for call in CALLS.values()), return_exceptions=True)
            together = await asyncio.gather(*map(store.add, make_imports(clock, 50)), return_exceptions=True)
            took = time.monotonic() - began
        finally:
            mongo_set.node.resume()
        assert {type(outcome) for outcome in (*outcomes, *together)} == {StoreUnavailable}
        # Two in turn: each within its own time, whatever the number of calls.
        assert took < 8 * quick.timeout
        await eventually(lambda: store.get(document.id))
        assert await store.get(document.id) == document
        await eventually(store.ping)


@pytest.mark.gen_test(timeout=60)
async def test_what_was_acknowledged_survives_the_kill_of_the_server(
    mongo_set: ReplicaSet, quick: MongoOptions, clock: SettableClock
) -> None:
    node = mongo_set.node
    documents = make_imports(clock, 600)
    async with opened(quick, clock) as store:
        adding = [asyncio.create_task(add_often(store, documents[start::30], gives_up=True)) for start in range(30)]
        await store.add(make_import(clock))
        node.kill()
        acknowledged = [document for share in await asyncio.gather(*adding) for document in share]
        assert len(acknowledged) < len(documents)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        node.start()
        await eventually(store.ping)
        await add_all(store, make_imports(clock, 3))
        for document in acknowledged:
            assert await store.get(document.id) == document


async def step_down_while_adding(primaries: ReplicaSet, options: MongoOptions, clock: SettableClock) -> None:
    """200 concurrent callers add and update while the primary gives up its office."""
    documents = make_imports(clock, 1000)
    async with opened(options, clock) as store:
        adding = [asyncio.create_task(add_often(store, documents[start::200])) for start in range(200)]
        await asyncio.to_thread(primaries.step_down)
        acknowledged = [document for share in await asyncio.gather(*adding) for document in share]
        await eventually(store.ping)
        assert await asyncio.gather(*(store.get(document.id) for document in acknowledged)) == acknowledged
        # Those that were refused may have been made: adding them again is the caller's own business.
        refused = [document for document in documents if document not in acknowledged]
        outcomes = await asyncio.gather(*map(store.add, refused), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {type(None), DuplicateId}
        await add_all(store, make_imports(clock, 10))


@pytest.mark.gen_test(timeout=60)
async def test_a_step_down_loses_nothing_and_makes_no_duplicates(
    mongo_set: ReplicaSet, mongo_options: MongoOptions, clock: SettableClock
) -> None:
    await step_down_while_adding(mongo_set, mongo_options, clock)


@pytest.mark.gen_test(timeout=90)
async def test_another_primary_takes_over(clock: SettableClock) -> None:
    with replica_set(3) as three:
        await step_down_while_adding(three, MongoOptions(three.uri, "lading_test"), clock)
        with three.client() as client:
            assert client["lading_test"]["imports"].count_documents({}) >= 1000


@pytest.mark.gen_test
async def test_a_server_without_a_replica_set_is_refused(tmp_path: Path, clock: SettableClock) -> None:
    binary = find_mongod()
    if binary is None:
        skip_without_mongod("there is no mongod to start without a replica set")
    assert binary is not None
    node = Mongod(binary, tmp_path / "data", free_port(), set_name="")
    node.start()
    try:
        with MongoClient[Any](node.address, directConnection=True, serverSelectionTimeoutMS=30_000) as client:
            client.admin.command("ping")
        store = MongoDocumentStore(MongoOptions(f"mongodb://{node.address}", "lading_test"), clock)
        with pytest.raises(StoreRefused, match="must belong to a replica set"):
            await store.open()
    finally:
        node.kill()


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["insert", "update"])
@pytest.mark.parametrize(
    "fault",
    [{"closeConnection": True}, {"errorCode": 10107, "errorLabels": ["RetryableWriteError"]}],
    ids=["connection closed", "not primary"],
)
@pytest.mark.gen_test
async def test_a_fault_that_passes_is_not_seen(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock, name: str, fault: dict[str, Any]
) -> None:
    documents = make_imports(clock, 20)
    async with opened(mongo_options, clock) as store:
        failing([name], {"times": 1}, **fault)
        await add_all(store, documents)
        after = [document.claimed("worker", clock.now()) for document in documents]
        assert await asyncio.gather(*map(store.update, after)) == [True] * 20
        assert await asyncio.gather(*(store.get(document.id) for document in after)) == after


@pytest.mark.gen_test
async def test_a_write_that_was_made_and_is_tried_again_is_made_once(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock
) -> None:
    # The command was executed, and then the server says that it shuts down: the driver asks another, or again.
    shutdown = {"code": 91, "errmsg": "shutting down", "errorLabels": ["RetryableWriteError"]}
    documents = make_imports(clock, 20)
    async with opened(mongo_options, clock) as store:
        failing(["insert", "update"], {"times": 1}, writeConcernError=shutdown)
        await add_all(store, documents)
        failing(["insert", "update"], {"times": 1}, writeConcernError=shutdown)
        after = [document.claimed("worker", clock.now()) for document in documents]
        assert await asyncio.gather(*map(store.update, after)) == [True] * 20


@pytest.mark.gen_test
async def test_what_a_majority_did_not_confirm_is_not_acknowledged(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock
) -> None:
    known = make_import(clock)
    documents = [*make_imports(clock, 5), replace(known, params={}), *make_imports(clock, 5)]
    async with opened(mongo_options, clock) as store:
        await store.add(known)
        failing(["insert"], {"times": 1}, writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})
        outcomes = await asyncio.gather(*map(store.add, documents), return_exceptions=True)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds == [StoreUnavailable] * 5 + [DuplicateId] + [StoreUnavailable] * 5
        failing(["update"], {"times": 1}, writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})
        with pytest.raises(StoreUnavailable, match="majority"):
            await store.update(known.claimed("worker", clock.now()))
        # Nor that another was quicker: the write that was quicker may be rolled back.
        failing(["update"], {"times": 1}, writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})
        with pytest.raises(StoreUnavailable, match="majority"):
            await store.update(known.claimed("another", clock.now()))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", [name for name in CALLS if name not in {"claim", "recover"}])
@pytest.mark.gen_test
async def test_a_refusal_is_unavailability(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock, name: str
) -> None:
    commands = ["find", "insert", "update", "delete", "aggregate", "distinct", "listIndexes"]
    async with opened(mongo_options, clock) as store:
        failing(commands, "alwaysOn", errorCode=13)
        with pytest.raises(StoreUnavailable, match="MongoDB"):
            await CALLS[name](store)


@pytest.mark.parametrize(
    ("commands", "failure"),
    [
        (["commitTransaction"], {"closeConnection": True}),
        (["update"], {"errorCode": 112, "errorLabels": ["TransientTransactionError"]}),
    ],
    ids=["the answer to the commit is lost", "another transaction is in the way"],
)
@pytest.mark.gen_test
async def test_an_end_unless_the_bytes_are_stored_is_written_once_whatever_happens_to_its_transaction(
    failing: Callable[..., None],
    mongo_options: MongoOptions,
    clock: SettableClock,
    commands: list[str],
    failure: dict[str, Any],
) -> None:
    first, second = (running_in(clock, "one") for _ in range(2))
    async with opened(mongo_options, clock) as store:
        await add_all(store, [first, second])
        failing(commands, {"times": 1}, **failure)
        done = ending(first, clock)
        assert await store.update_unless_stored(done, None)
        assert await store.get(first.id) == done
        failing(commands, {"times": 1}, **failure)
        with pytest.raises(StoredAlready) as other:
            await store.update_unless_stored(ending(second, clock), None)
        assert other.value.found == done
        assert await store.get(second.id) == second


@pytest.mark.gen_test
async def test_a_claim_or_a_recovery_that_is_not_confirmed_is_unavailable(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock
) -> None:
    async with opened(mongo_options, clock) as store:
        await add_all(store, make_imports(clock, 3))
        await store.register("worker", LEASE)
        failing(["update"], "alwaysOn", errorCode=50)
        with pytest.raises(StoreUnavailable):
            await store.claim("worker", 10)
        failing(["update"], "off")
        assert len(await store.claim("worker", 10)) == 3
        await store.release("worker")
        failing(["update"], "alwaysOn", errorCode=50)
        with pytest.raises(StoreUnavailable):
            await store.recover(10)


# --- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_store_that_could_not_be_opened_is_opened_later(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock
) -> None:
    store = MongoDocumentStore(mongo_options, clock)
    try:
        failing(["createIndexes", "find"], "alwaysOn", errorCode=50)  # when it has connected, and is not prepared yet
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as caught:
                await store.open()
            assert not isinstance(caught.value, StoreRefused)
            with pytest.raises(StoreUnavailable, match="not open"):
                await store.unfinished(1)
        failing(["find"], "off")
        await store.open()
        await add_all(store, make_imports(clock, 3))
        assert await store.unfinished(10) == 3
    finally:
        await store.close()


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("code", "problem"),
    [(18, "does not accept this user with this password"), (13, "the role readWrite")],
)
async def test_a_user_without_rights_is_refused(
    failing: Callable[..., None], mongo_options: MongoOptions, clock: SettableClock, code: int, problem: str
) -> None:
    failing(["createIndexes", "listIndexes", "find"], "alwaysOn", errorCode=code)
    with pytest.raises(StoreRefused, match=rf"^\[documents\.mongo\] uri: .*{problem}"):
        await MongoDocumentStore(mongo_options, clock).open()


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile"])
@pytest.mark.gen_test
async def test_a_file_of_the_connection_string_is_named(tmp_path: Path, clock: SettableClock, option: str) -> None:
    (tmp_path / "nonsense").write_text("nonsense")
    for path, problem in (
        (tmp_path / "missing", "cannot be read: No such file"),
        (tmp_path / "nonsense", "has no cer"),
    ):
        uri = f"mongodb://user:{SECRET}@127.0.0.1/?tls=true&tlsCertificateKeyFilePassword={SECRET}&{option}={path}"
        with pytest.raises(StoreRefused, match=f"{option}={path}: the file {problem}") as caught:
            await MongoDocumentStore(MongoOptions(uri), clock).open()
        assert SECRET not in str(caught.value)


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "uri",
    [
        f"mongodb://user:{SECRET}@127.0.0.1:{{port}}/",
        f"mongodb://user:{SECRET}@127.0.0.1:no-port/",
        f"mongodb://us:er:{SECRET}@127.0.0.1/",
        f"mongodb://user:{SECRET}@127.0.0.1/?maxPoolSize=0&minPoolSize=500",
    ],
)
@pytest.mark.gen_test
async def test_no_error_tells_the_password(clock: SettableClock, uri: str) -> None:
    options = MongoOptions(uri.format(port=free_port()), "lading", connect_timeout=0.2, timeout=0.5)
    store = MongoDocumentStore(options, clock)
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    shown = "".join(traceback.format_exception(caught.value)) + repr((options, store))
    assert SECRET not in shown
