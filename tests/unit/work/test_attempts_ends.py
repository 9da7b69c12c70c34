"""Attempts that fail through no fault of the import, that are given up, cancelled, or not written."""

import asyncio
import errno
import os
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

import lading.service.storages.spool
from lading.plugins.contracts import Source
from lading.plugins.errors import OriginNotFound, StorageUnavailable, UrlInvalid
from lading.service.documents import StoreUnavailable
from lading.service.errors.catalogue import INTERNAL, WORKER_LOST
from lading.service.errors.disk import FULL, UNAVAILABLE
from lading.service.models import Failure, Import, Status
from lading.service.work.attempts import MAX_ABANDONED, MAX_OUTAGE
from lading.service.work.results import ResultNotWritten
from tests.support.attempting import claimed, raise_where_it_belongs
from tests.support.core import Fault
from tests.support.plugins.scripted import touched, until


@pytest.mark.gen_test
@pytest.mark.parametrize("abandoned", [MAX_ABANDONED - 1, MAX_ABANDONED, MAX_ABANDONED + 5])
async def test_an_import_that_kills_its_workers_is_given_up(abandoned: int) -> None:
    async with claimed(abandoned=abandoned) as shop:
        assert not (await shop.attempts.run(shop.document)).is_outage
        found = await shop.result()
        if abandoned < MAX_ABANDONED:
            assert found.status is Status.DONE
        else:
            assert (found.status, found.error) == (Status.FAILED, WORKER_LOST)
            assert shop.fetcher.opened == []


@pytest.mark.gen_test
@pytest.mark.parametrize("age", [MAX_OUTAGE, MAX_OUTAGE + timedelta(milliseconds=1)])
async def test_an_outage_is_waited_for_no_longer_than_a_day(age: timedelta) -> None:
    async with claimed() as shop:
        await raise_where_it_belongs(shop, StorageUnavailable("down"))
        shop.clock.advance(age)
        outage = (await shop.attempts.run(shop.document)).is_outage
        found = await shop.result()
        assert found.status is (Status.QUEUED if age == MAX_OUTAGE else Status.FAILED)
        assert outage == (age == MAX_OUTAGE)
        assert found.error is not None
        assert found.error.code == "storage_unavailable"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (errno.ENOSPC, FULL),
        (errno.EDQUOT, FULL),
        (errno.EROFS, UNAVAILABLE),
        (errno.ENOENT, UNAVAILABLE),
        (errno.EIO, UNAVAILABLE),
        (errno.EMFILE, INTERNAL),
    ],
)
async def test_a_spool_that_cannot_be_written_is_an_outage_of_our_own(
    monkeypatch: pytest.MonkeyPatch, number: int, failure: Failure
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    async with claimed() as shop:
        shop.importer._spools = replace(shop.importer._spools, memory_bytes=0)
        monkeypatch.setattr(lading.service.storages.spool, "disk_file", fails)
        with capture_logs() as logs:
            assert (await shop.attempts.run(shop.document)).is_outage
        found = await shop.result()
        assert (found.status, found.attempts, found.error) == (Status.QUEUED, 0, failure)
        assert found.error is not None
        assert os.strerror(number) not in found.error.detail
        (line,) = (line for line in logs if line["event"] == "import")
        assert (line["code"], os.strerror(number) in line["reason"]) == (failure.code, True)
        assert any(line["event"] == "a component is down" for line in logs), "the folder for spools"
        assert any("exc_info" in line for line in logs) == (failure is INTERNAL), "a defect has a traceback"


@pytest.mark.gen_test
async def test_a_defect_of_the_service_uses_an_attempt_up_and_tells_the_client_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(document: Import) -> None:
        raise LookupError("an internal matter")

    for attempts, status in ((2, Status.QUEUED), (1, Status.FAILED)):
        async with claimed(attempts=attempts) as shop:
            monkeypatch.setattr(shop.importer, "run", broken)
            with capture_logs() as logs:
                assert not (await shop.attempts.run(shop.document)).is_outage
            found = await shop.result()
            assert (found.status, found.attempts, found.error) == (status, 1, INTERNAL)
            assert any(line["event"] == "an attempt failed unexpectedly" and line["exc_info"] for line in logs)


@pytest.mark.gen_test
async def test_a_defect_of_a_plugin_fails_the_import_at_once() -> None:
    async with claimed() as shop:
        shop.fetch_raises(LookupError("an internal matter"))
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.status is Status.FAILED
        assert found.error is not None
        assert (found.error.code, found.error.retryable) == ("plugin_fault", False)


@pytest.mark.gen_test
async def test_a_plugin_s_error_without_its_facts_fails_the_import_with_the_sentence_of_its_base() -> None:
    """Otherwise its text could not be formatted, no result be written, and the import come back again and again."""

    class Own(UrlInvalid):
        public_text = "The url is wrong: {reason}."

    async def fail(_source: Source) -> None:
        raise Own("the reason is missing")

    async with claimed() as shop:
        shop.fetcher.on_open = fail
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.status is Status.FAILED
        assert found.error is not None
        assert (found.error.code, found.error.detail) == ("url_invalid", UrlInvalid.plain_text)


@pytest.mark.gen_test
async def test_a_cancelled_attempt_writes_nothing() -> None:
    async with claimed() as shop:

        async def hang(_source: Source) -> None:
            await asyncio.Event().wait()

        shop.fetcher.on_open = hang
        task = asyncio.create_task(shop.attempts.run(shop.document))
        while not shop.fetcher.opened:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await shop.result() == shop.document
        assert shop.store.calls["update"] == 0


# --- writing the result -----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_result_is_written_once_however_often_the_database_fails(when: Fault) -> None:
    async with claimed() as shop:
        shop.store.fault = lambda name, number: when if name == "update" and number <= 3 else None
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert (found.status, found.revision) == (Status.DONE, 2)
        assert shop.store.finished[found.id] == 1
        assert shop.store.calls["update"] == 4


@pytest.mark.gen_test
async def test_a_result_that_cannot_be_written_is_told() -> None:
    async with claimed(write_timeout=0.3) as shop:
        shop.store.fault = lambda name, _number: "before" if name == "update" else None
        with pytest.raises(ResultNotWritten) as caught:
            await shop.attempts.run(shop.document)
        assert isinstance(caught.value.__cause__, StoreUnavailable)
        assert await shop.result() == shop.document
        assert 2 <= shop.store.calls["update"] <= 5, "patient, but not without pauses"


@pytest.mark.gen_test
async def test_the_result_of_an_import_that_another_took_over_is_discarded() -> None:
    async with claimed() as shop:
        taken = shop.document.recovered(shop.clock.now()).claimed("other", shop.clock.now())
        shop.store._imports[taken.id] = taken
        with capture_logs() as logs:
            assert not (await shop.attempts.run(shop.document)).is_outage
        assert await shop.result() == taken
        assert any("discarded" in line["event"] for line in logs)


@pytest.mark.gen_test
async def test_a_result_outlives_a_write_of_others_that_lets_the_import_run() -> None:
    async with claimed() as shop:
        assert await shop.store.update(touched(shop.document))
        assert (await shop.attempts.run(shop.document)).is_done
        found = await shop.result()
        assert (found.status, found.request_id, found.revision) == (Status.DONE, shop.document.request_id, 3)


@pytest.mark.gen_test
async def test_of_two_runs_under_one_lease_the_first_ends_nothing_of_the_second() -> None:
    """Cancelled, purged and retried, it is claimed by the same worker: what the first has stored is gone."""
    async with claimed() as shop:
        now = shop.clock.now()
        document = shop.document.cancelled(now)
        removed = document.leftover_removed(now, for_good=False)
        for after in (document, removed, removed.retried(now, now)):
            assert await shop.store.update(after)
        (again,) = await shop.store.claim("worker", 1)
        assert (again.attempts, again.worker_id) == (shop.document.attempts, shop.document.worker_id)
        with pytest.raises(ResultNotWritten):
            await shop.attempts.run(shop.document)
        assert await shop.result() == again


@pytest.mark.gen_test
async def test_the_object_of_an_attempt_that_was_cancelled_while_its_result_was_written_keeps_its_owner() -> None:
    """At a stop, with a database that is away: the import goes back to the queue, where it may end without an image."""
    async with claimed(write_timeout=60) as shop:
        shop.store.fault = lambda name, _number: "before" if name == "update" else None
        task = asyncio.create_task(shop.attempts.run(shop.document))
        await until(lambda: shop.store.calls["update"] > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(shop.backend._objects) == 1
        shop.store.fault = lambda *_: None
        now = shop.clock.now()
        assert await shop.attempts.write(shop.attempts.given_back(shop.document, now), shop.document)
        queued = await shop.result()
        assert queued.status is Status.QUEUED
        assert await shop.store.update(queued.cancelled(now))
        await shop.removal.settle(await shop.result())
        assert shop.backend._objects == {}
        shop.attempts.forget(shop.document)
        assert shop.attempts.unwritten == set()


@pytest.mark.gen_test
async def test_an_attempt_whose_result_is_written_leaves_nothing_to_remember() -> None:
    async with claimed() as shop:
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert (found.status, found.leftover_at) == (Status.DONE, None)
        assert shop.attempts.unwritten == shop.importer._storing.begun == set()


# --- the log ----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_attempt_is_one_line_of_the_log() -> None:
    async with claimed() as shop:
        with capture_logs() as logs:
            await shop.attempts.run(shop.document)
        (line,) = logs
        assert line.pop("seconds") >= 0
        assert line == {
            "event": "import",
            "log_level": "info",
            "import_id": shop.document.id,
            "request_id": None,
            "status": "done",
            "attempts": 1,
            "code": None,
            "plugin": None,
            "reason": None,
            "host": "origin",
            "byte_size": 1280,
        }


@pytest.mark.gen_test
async def test_the_line_of_a_failure_names_the_plugin_and_what_the_operator_is_to_know() -> None:
    async with claimed() as shop:
        shop.fetch_raises(OriginNotFound("the 3rd hop", status=404))
        with capture_logs() as logs:
            await shop.attempts.run(shop.document)
        (line,) = logs
        assert (line["status"], line["code"], line["plugin"]) == ("failed", "origin_not_found", "scripted")
        assert (line["reason"], line["byte_size"]) == ("the 3rd hop", None)
