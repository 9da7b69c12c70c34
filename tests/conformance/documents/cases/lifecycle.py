"""Cases of the document store suite: a store is opened, probed, closed and opened again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lading.service.documents import Bounds, DocumentStore, StoreUnavailable
from lading.service.documents.queue import ImportQueue, Selection
from lading.service.documents.records import RecordStore
from lading.service.documents.search import Filter, ImportSearch, Position
from lading.service.models import Held, Status
from tests.conformance.documents.cases.base import (
    IMAGE,
    LEASE,
    SECOND,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
)
from tests.conformance.documents.cases.issuers import make_issuer
from tests.conformance.documents.cases.records import make_record

BEGINNING = Position(SettableClock().now(), "")

CALLS: dict[str, Callable[[DocumentStore], Coroutine[Any, Any, Any]]] = {
    "ping": lambda store: store.ping(),
    "add": lambda store: store.add(make_import(SettableClock())),
    "get": lambda store: store.get("import"),
    "get_by_image": lambda store: store.get_by_image("image"),
    "stored_bytes": lambda store: store.stored_bytes("organization"),
    "heir": lambda store: store.heir("key"),
    "shared_keys": lambda store: store.shared_keys("", 1),
    "unpurged": lambda store: store.unpurged(1),
    "images_in": lambda store: store.images_in("local", Held.MAIN, "", 1),
    "count_images_in": lambda store: store.count_images_in("local"),
    "update": lambda store: store.update(make_import(SettableClock())),
    "update_unless_stored": lambda store: store.update_unless_stored(make_import(SettableClock(), image=IMAGE), None),
    "announced": lambda store: store.announced("import", ["evt_1"]),
    "remove": lambda store: store.remove(make_import(SettableClock())),
    "claim": lambda store: store.claim("worker", 1),
    "claim_these": lambda store: store.claim_these("worker", ["import"], Bounds()),
    "unfinished": lambda store: store.unfinished(1),
    "register": lambda store: store.register("worker", LEASE),
    "heartbeat": lambda store: store.heartbeat("worker", LEASE),
    "recover": lambda store: store.recover(1),
    "release": lambda store: store.release("worker"),
    "add_issuer": lambda store: store.add_issuer(make_issuer()),
    "get_issuer": lambda store: store.get_issuer("issuer"),
    "list_issuers": lambda store: store.list_issuers(),
    "set_issuer_enabled": lambda store: store.set_issuer_enabled("issuer", True),
    "rotate_issuer": lambda store: store.rotate_issuer("issuer", "key", None),
    "drop_previous_keys": lambda store: store.drop_previous_keys(),
    "search.list": lambda store: store.search.list(Filter("organization"), 1),
    "search.albums": lambda store: store.search.albums("organization", 1),
    "search.changed_since": lambda store: store.search.changed_since("organization", "", 1),
    "search.by_sha256": lambda store: store.search.by_sha256("organization", "0" * 64),
    "search.by_source": lambda store: store.search.by_source("organization", "0" * 64),
    "search.batch_counts": lambda store: store.search.batch_counts("batch"),
    "search.held_by": lambda store: store.search.held_by(["worker"]),
    "search.expired_waiting": lambda store: store.search.expired_waiting(BEGINNING.moment, 1),
    "search.ended": lambda store: store.search.ended(Status.DONE, BEGINNING.moment, 1),
    "search.with_outbox": lambda store: store.search.with_outbox(1),
    "queue.summary": lambda store: store.queue.summary(Selection(Status.FAILED)),
    "queue.entries": lambda store: store.queue.entries(Selection(Status.QUEUED), 1),
    "queue.figures": lambda store: store.queue.figures(store.clock.now()),
    "records.add": lambda store: store.records.add(make_record(SettableClock(), "a")),
    "records.get": lambda store: store.records.get("kind", "a"),
    "records.replace": lambda store: store.records.replace(make_record(SettableClock(), "a")),
    "records.delete": lambda store: store.records.delete("kind", "a"),
    "records.list": lambda store: store.records.list("kind", "owner", 1),
    "records.due": lambda store: store.records.due("kind", BEGINNING.moment, 1),
    "records.drop_expired": lambda store: store.records.drop_expired(1),
}


class LifecycleCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_ping_answers_and_changes_nothing(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.ping()
            await store.add(document)
            await asyncio.gather(*(store.ping() for _ in range(10)))
            assert await store.get(document.id) == document
            assert await store.unfinished(10) == 1
            assert await store.recover(10) == 0

    @pytest.mark.gen_test
    async def test_close_may_be_called_twice(self) -> None:
        async with self.opened(SettableClock()) as store:
            await store.close()
            await asyncio.gather(store.close(), store.close())

    @pytest.mark.gen_test
    async def test_a_closed_store_is_unavailable(self) -> None:
        outcomes: dict[str, object] = {}
        async with self.opened(SettableClock()) as store:
            await store.close()
            for name, call in CALLS.items():
                try:
                    outcomes[name] = await call(store)
                except Exception as error:  # noqa: BLE001 - it is judged below
                    outcomes[name] = type(error)
        assert outcomes == dict.fromkeys(CALLS, StoreUnavailable)

    def test_every_method_is_called_after_close(self) -> None:
        parts = {"": DocumentStore, "search.": ImportSearch, "queue.": ImportQueue, "records.": RecordStore}
        methods = {prefix + name for prefix, part in parts.items() for name in part.__abstractmethods__}
        assert methods == {*CALLS, "open", "close"}

    @pytest.mark.gen_test
    async def test_close_waits_for_the_writes_under_way(self) -> None:
        self.skip_unless_durable()
        clock = SettableClock()
        documents = make_imports(clock, 200)
        async with self.opened(clock) as store:
            tasks = [asyncio.create_task(store.add(document)) for document in documents]
            await asyncio.sleep(0)
            await store.close()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {type(None), StoreUnavailable}
        async with self.opened(clock) as store:
            for document, outcome in zip(documents, outcomes, strict=True):
                if outcome is None:
                    assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_everything_is_there_when_the_store_is_opened_again(self) -> None:
        self.skip_unless_durable()
        clock = SettableClock()
        async with self.opened(clock) as store:
            await add_all(store, make_imports(clock, 3))
            await store.register("alive", LEASE)
            await store.register("dead", SECOND)
            finished, running = await store.claim("alive", 2)
            done = finished.succeeded(IMAGE, "url", clock.now())
            assert await store.update(done)
            (orphan,) = await store.claim("dead", 1)
            await store.add_issuer(make_issuer())
        clock.move(2 * SECOND)
        async with self.opened(clock) as store:
            assert await store.get(done.id) == done
            assert await store.get(running.id) == running
            assert await store.recover(10) == 1
            assert await store.get(orphan.id) == orphan.recovered(clock.now())
            assert await store.heartbeat("alive", LEASE)
            assert await store.list_issuers() == [make_issuer()]

    @pytest.mark.gen_test
    async def test_two_open_stores_share_their_documents(self) -> None:
        self.skip_unless_durable()
        clock = SettableClock()
        documents = make_imports(clock, 100)
        async with self.opened(clock) as one, self.opened(clock) as other:
            await asyncio.gather(add_all(one, documents[:50]), add_all(other, documents[50:]))
            await asyncio.gather(one.register("one", LEASE), other.register("other", LEASE))
            claims = await asyncio.gather(
                *(store.claim(worker_id, 10) for _ in range(6) for store, worker_id in ((one, "one"), (other, "other")))
            )
            claimed = [document.id for claim in claims for document in claim]
            # Whoever was slower may have been given less than there was.
            while rest := await one.claim("one", 10):
                claimed += [document.id for document in rest]
            assert sorted(claimed) == sorted(document.id for document in documents)
