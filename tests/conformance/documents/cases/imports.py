"""Cases of the document store suite: imports are added, read and updated."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lading.service.documents import DuplicateId
from lading.service.models import Import, Status
from tests.conformance.documents.cases.base import (
    FAILURE,
    IMAGE,
    LEASE,
    DocumentStoreCases,
    SettableClock,
    add_all,
    make_import,
    make_imports,
    stored,
)

EXOTIC_PARAMS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "order": {"z": 1, "a": 2, "10": 3, "9": 4, "m": {"y": 1, "b": 2, "x": [{"k": 1, "c": 2}]}},
    "empty values": {"": "", "list": [], "dict": {}, "null": None, "nested": [[], [{}], [None]]},
    "keys with a meaning elsewhere": {"$set": 1, "a.b": 2, "$a.$b": 3, "_id": 4, "__proto__": 5, "id": 6, "params": 7},
    "keys alike": {"a": 1, "A": 2, "a ": 3, "e\u0301": 4, "\u00e9": 5, "ß": 6, "ss": 7},
    "control characters": {"nul\0key": "a\0b", "\0": "\0\0", "lines": "\r\n\t\x0b\u2028\u2029\x7f\x1b[0m"},
    "beyond the BMP": {"🖼": "𝄞 \U0010ffff", "bidi": "\u202eabc\u202c", "bom": "\ufeff", "private": "\ue000\uffff"},
    "quotes": {"'": "'; DROP TABLE imports; --", '"': '\\"', "%": "%s ? :id @id ${x} {y}"},
    "whole numbers": {"n": [0, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**300]},
    "floating point": {"f": [0.1, -0.0, 1.0, 5e-324, 1.7976931348623157e308, 1e16, 123456789.123456789]},
    "kinds alike": {"v": [0, 0.0, False, "0", "", None, 1, 1.0, True, "true"]},
    "depth": json.loads('{"a":[' * 100 + "1" + "]}" * 100),
    "size": {"metadata": {str(number): "é" * 100 for number in range(2000)}},
}


def as_text(document: Import) -> str:
    """Equality of dictionaries knows no order, no -0.0, and 1 == 1.0 == True; their text does."""
    return json.dumps(document.params)


class ImportCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_a_new_import_is_read_as_added(self) -> None:
        clock = SettableClock()
        document = make_import(clock, host="", image_id=None, status=Status.WAITING)
        async with self.opened(clock) as store:
            await store.add(document)
            assert await store.get(document.id) == document

    @pytest.mark.parametrize("size", [10, 300_000])
    @pytest.mark.gen_test
    async def test_secrets_are_kept_while_an_import_runs_and_gone_when_it_is_final(self, size: int) -> None:
        clock = SettableClock()
        document = make_import(clock, sealed="clear:" + "s3cr3t" * size)
        async with self.opened(clock) as store:
            await store.register("worker", LEASE)
            await store.add(document)
            (claimed,) = await store.claim("worker", 1)
            assert claimed.sealed == document.sealed
            requeued = claimed.requeued(FAILURE, clock.now(), clock.now())
            assert await store.update(requeued)
            (claimed,) = await store.claim("worker", 1)
            assert claimed.sealed == document.sealed
            failed = claimed.failed(FAILURE, "url", clock.now())
            assert await store.update(failed)
            assert await store.get(document.id) == failed
            assert failed.sealed is None
            assert "s3cr3t" not in repr([document, claimed, failed])

    @pytest.mark.gen_test
    async def test_every_field_is_kept(self) -> None:
        clock = SettableClock()
        document = make_import(
            clock,
            organization_id="Örg 🏢",
            issuer_id="an issuer's \0 id",
            created_at=datetime(1970, 1, 1, tzinfo=UTC),
            updated_at=datetime(2026, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            run_at=datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            status=Status.CANCELLED,
            host="xn--bcher-kva.example",
            image_id="an image",
            import_type="a plugin's own kind",
            attempts=3,
            abandoned=2,
            revision=7,
            worker_id="worker/1",
            claim=5,
            error=FAILURE,
            image=replace(
                IMAGE, source_sha256="11" * 32, facts={"one": {"list": [1, 0.5, None, {"ü": True}], "large": 2**53 - 1}}
            ),
            sealed="fernet:é\0'\"$",
            image_deleted_at=datetime(2027, 1, 1, 0, 0, 0, 1_000, tzinfo=UTC),
            image_purged_at=datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 congo=t61 $rc,rojo=.00",
            key="acme/_c3_a9t_c3_a9/2026-12-02/f60ae96b-2681-4885-8437-356e9fae9f6e",
        )
        async with self.opened(clock) as store:
            await store.add(document)
            found = await stored(store, document)
        assert found == document
        moments = (found.created_at, found.updated_at, found.run_at, found.image_deleted_at, found.image_purged_at)
        assert [moment and moment.tzinfo for moment in moments] == [UTC] * 5
        assert isinstance(found.status, Status)

    @pytest.mark.parametrize("params", EXOTIC_PARAMS.values(), ids=EXOTIC_PARAMS.keys())
    @pytest.mark.gen_test
    async def test_params_are_kept_exactly_and_in_order(self, params: dict[str, Any]) -> None:
        clock = SettableClock()
        document = make_import(clock, params=params)
        async with self.opened(clock) as store:
            await store.add(document)
            assert as_text(await stored(store, document)) == as_text(document)
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            assert as_text(claimed) == as_text(document)
            await store.update(claimed.failed(FAILURE, "url", clock.now()))
            assert as_text(await stored(store, document)) == as_text(document)

    @pytest.mark.gen_test
    async def test_an_import_keeps_the_key_that_it_was_given_while_it_ran(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            assert await store.update(again := claimed.rekeyed(clock.now()))
            assert (await stored(store, document)).own_key == again.own_key != document.own_key
            assert await store.update(again.requeued(FAILURE, clock.now(), clock.now()))
            (claimed,) = await store.claim("worker", 1)
            assert (claimed.key, claimed.earlier_keys) == (again.key, (document.own_key,))

    @pytest.mark.gen_test
    async def test_what_is_stored_is_not_what_a_caller_holds(self) -> None:
        clock = SettableClock()
        params: dict[str, Any] = {"metadata": {"key": ["value"]}}
        document = make_import(clock, params=params)
        expected = as_text(document)
        async with self.opened(clock) as store:
            await store.add(document)
            params["metadata"]["key"].append("changed after add")
            params["more"] = 1
            found = await stored(store, document)
            assert as_text(found) == expected
            found.params["metadata"]["key"].append("changed after get")
            await store.register("worker", LEASE)
            (claimed,) = await store.claim("worker", 1)
            assert as_text(claimed) == expected
            claimed.params["metadata"]["key"].append("changed after claim")
            assert as_text(await stored(store, document)) == expected

    @pytest.mark.gen_test
    async def test_a_second_import_with_one_id_is_refused(self) -> None:
        clock = SettableClock()
        first = make_import(clock)
        second = make_import(clock, id=first.id, params={"other": 1}, revision=1)
        async with self.opened(clock) as store:
            await store.add(first)
            with pytest.raises(DuplicateId, match=first.id):
                await store.add(second)
            assert await store.get(first.id) == first

    @pytest.mark.gen_test
    async def test_of_concurrent_adds_of_one_id_one_succeeds(self) -> None:
        clock = SettableClock()
        first = make_import(clock)
        rivals = [replace(first, params={"number": number}) for number in range(20)]
        async with self.opened(clock) as store:
            outcomes = await asyncio.gather(*map(store.add, rivals), return_exceptions=True)
            winners = [rival for rival, outcome in zip(rivals, outcomes, strict=True) if outcome is None]
            assert sum(isinstance(outcome, DuplicateId) for outcome in outcomes) == 19
            assert [await store.get(first.id)] == winners

    @pytest.mark.gen_test
    async def test_of_500_concurrent_adds_a_duplicate_fails_alone(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 500)
        documents[250] = replace(documents[249], params={})
        async with self.opened(clock) as store:
            outcomes = await asyncio.gather(*map(store.add, documents), return_exceptions=True)
            failed = [number for number, outcome in enumerate(outcomes) if outcome is not None]
            assert len(failed) == 1
            assert failed[0] in {249, 250}
            assert isinstance(outcomes[failed[0]], DuplicateId)
            del documents[failed[0]]
            assert await asyncio.gather(*(store.get(document.id) for document in documents)) == documents

    @pytest.mark.parametrize("import_id", ["", "unknown", "%", "' OR '1'='1", "$ne", '{"$ne": null}', "a\0b", "🖼"])
    @pytest.mark.gen_test
    async def test_an_unknown_id_finds_nothing(self, import_id: str) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            await store.add(make_import(clock))
            assert await store.get(import_id) is None

    @pytest.mark.gen_test
    async def test_ids_are_compared_exactly(self) -> None:
        clock = SettableClock()
        document = make_import(clock, id="abcdef00-0000-4000-8000-000000000000")
        async with self.opened(clock) as store:
            await store.add(document)
            for other in (document.id.upper(), document.id + " ", document.id + "\0", document.id[:-1]):
                assert await store.get(other) is None

    @pytest.mark.gen_test
    async def test_an_update_writes_the_next_revision(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        async with self.opened(clock) as store:
            await store.add(document)
            clock.move(timedelta(milliseconds=1234))
            steps: list[Callable[[Import], Import]] = [
                lambda before: before.claimed("worker", clock.now()),
                lambda before: before.requeued(FAILURE, clock.now() + LEASE, clock.now()),
                lambda before: before.claimed("another", clock.now()),
                lambda before: before.recovered(clock.now()),
                lambda before: before.claimed("third", clock.now()),
                lambda before: before.succeeded(IMAGE, "url", clock.now()),
            ]
            for step in steps:
                document = step(document)
                assert await store.update(document)
                assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_a_failure_is_written(self) -> None:
        clock = SettableClock()
        document = make_import(clock).claimed("worker", clock.now())
        async with self.opened(clock) as store:
            await store.add(document)
            failed = document.failed(FAILURE, None, clock.now())
            assert await store.update(failed)
            assert await store.get(document.id) == failed

    @pytest.mark.parametrize("revision", [-1, 0, 3, 4, 5, 7, 100])
    @pytest.mark.gen_test
    async def test_an_update_of_any_other_revision_changes_nothing(self, revision: int) -> None:
        clock = SettableClock()
        document = make_import(clock, revision=5)
        async with self.opened(clock) as store:
            await store.add(document)
            assert not await store.update(replace(document, revision=revision, attempts=9))
            assert await store.get(document.id) == document

    @pytest.mark.gen_test
    async def test_an_update_never_creates(self) -> None:
        clock = SettableClock()
        document = make_import(clock, revision=1)
        async with self.opened(clock) as store:
            assert not await store.update(document)
            assert await store.get(document.id) is None

    @pytest.mark.gen_test
    async def test_an_update_touches_no_other_import(self) -> None:
        clock = SettableClock()
        one, other = make_imports(clock, 2)
        async with self.opened(clock) as store:
            await add_all(store, [one, other])
            assert await store.update(one.claimed("worker", clock.now()))
            assert await store.get(other.id) == other

    @pytest.mark.gen_test
    async def test_of_concurrent_updates_one_wins(self) -> None:
        clock = SettableClock()
        document = make_import(clock)
        rivals = [document.claimed(f"worker {number}", clock.now()) for number in range(50)]
        async with self.opened(clock) as store:
            await store.add(document)
            outcomes = await asyncio.gather(*map(store.update, rivals))
            winners = [rival for rival, won in zip(rivals, outcomes, strict=True) if won]
            assert [await store.get(document.id)] == winners

    @pytest.mark.gen_test
    async def test_cancelled_adds_disturb_no_other_and_are_whole_or_absent(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 120)
        async with self.opened(clock) as store:
            tasks = [asyncio.create_task(store.add(document)) for document in documents]
            for turn in range(3):  # some are cancelled before they begin, some while they wait, some while they run
                for task in tasks[turn::4]:
                    task.cancel()
                await asyncio.sleep(0)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert set(map(type, outcomes)) <= {type(None), asyncio.CancelledError}
            assert outcomes[3::4] == [None] * 30
            for document, outcome in zip(documents, outcomes, strict=True):
                found = await store.get(document.id)
                assert found == document if outcome is None else found in (None, document)

    @pytest.mark.gen_test
    async def test_a_cancelled_update_is_whole_or_absent(self) -> None:
        clock = SettableClock()
        documents = make_imports(clock, 30)
        async with self.opened(clock) as store:
            await add_all(store, documents)
            changed = [document.claimed("worker", clock.now()) for document in documents]
            tasks = [asyncio.create_task(store.update(document)) for document in changed]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for before, after in zip(documents, changed, strict=True):
                assert await store.get(before.id) in (before, after)
            await store.add(make_import(clock))

    @pytest.mark.gen_test
    async def test_what_was_written_is_read_at_once(self) -> None:
        clock = SettableClock()

        async def add_and_read() -> None:
            document = make_import(clock)
            await store.add(document)
            assert await store.get(document.id) == document
            after = document.claimed("worker", clock.now())
            assert await store.update(after)
            assert await store.get(document.id) == after

        async with self.opened(clock) as store:
            await asyncio.gather(*(add_and_read() for _ in range(50)))
