"""One attempt: what the document becomes, whatever happens to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from plugins.contracts import ImageInfo, ObjectMetadata, Source
from plugins.errors import (
    ConnectionLost,
    DetectorCrashed,
    FetchError,
    NotAnImage,
    OriginNotFound,
    OriginUnavailable,
    PluginError,
    StorageError,
    StorageUnavailable,
    UrlInvalid,
)
from service.attempts import MAX_ABANDONED, MAX_OUTAGE, ResultNotWritten
from service.documents import StoreUnavailable
from service.errors import INTERNAL, WORKER_LOST
from service.models import Import, Status
from service.retries import RetryPolicy
from tests.support.clock import SettableClock
from tests.support.plugin_errors import sample, tree
from tests.support.scripted import SECOND, Core, Fault

COUNTED = {
    "DeadlineExceeded",
    "DnsFailed",
    "ConnectFailed",
    "FetchTimeout",
    "ConnectionLost",
    "OriginUnavailable",
    "BodyTruncated",
    "DetectorCrashed",
}
"""Failures that another attempt may mend, and that use one up."""
OUTAGES = {"StorageUnavailable", "StorageFull", "ContentMismatch"}
"""Failures of our own, which use none up."""


class Shop(Core):
    """A core whose clock stands still, and whose import is claimed already."""

    clock: SettableClock
    document: Import

    async def claim(self, **changes: object) -> Import:
        (document,) = await self.add(**changes)
        if "worker" not in self.store.leases:
            await self.store.register("worker", timedelta(days=1))
        (self.document,) = await self.store.claim("worker", 1)
        assert self.document.id == document.id
        return self.document

    def fetch_raises(self, error: BaseException) -> None:
        async def fail(_source: Source) -> None:
            raise error

        self.fetcher.on_open = fail

    async def result(self) -> Import:
        return await self.get(self.document)


@asynccontextmanager
async def claimed(*, attempts: int = 3, write_timeout: float = 5.0, **changes: object) -> AsyncIterator[Shop]:
    shop = Shop(clock=SettableClock(), attempts=attempts, write_timeout=write_timeout)
    shop.attempts = replace(shop.attempts, retry=RetryPolicy(attempts, 2, 600))
    async with shop.opened():
        await shop.claim(**changes)
        yield shop


@pytest.mark.gen_test
async def test_a_success_is_written() -> None:
    async with claimed() as shop:
        assert await shop.attempts.run(shop.document) is False
        found = await shop.result()
        assert (found.status, found.attempts, found.import_type, found.error) == (Status.DONE, 1, "scripted", None)
        assert found.image is not None
        assert found.image_id is not None
        assert found.worker_id is None


# --- what an error means ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("cls", list(tree()), ids=lambda cls: cls.__name__)
async def test_every_error_of_a_plugin_has_its_consequence(cls: type[PluginError]) -> None:
    error = sample(cls)
    async with claimed() as shop:
        await raise_where_it_belongs(shop, error)
        outage = await shop.attempts.run(shop.document)
        found = await shop.result()
        assert outage == (cls.__name__ in OUTAGES)
        if cls.__name__ in OUTAGES:
            assert (found.status, found.attempts) == (Status.QUEUED, 0)
            assert 2 * SECOND <= found.run_at - shop.clock.now() <= 10 * SECOND
        elif cls.__name__ in COUNTED:
            assert (found.status, found.attempts) == (Status.QUEUED, 1)
            assert SECOND <= found.run_at - shop.clock.now() <= 2 * SECOND
        else:
            assert (found.status, found.attempts, found.import_type) == (Status.FAILED, 1, "scripted")
        assert found.error is not None
        assert (found.error.code, found.error.retryable) == (cls.code, cls.retryable)
        assert found.error.detail == error.detail
        assert "for the operator" not in found.error.detail
        assert found.image is found.image_id is None


async def raise_where_it_belongs(shop: Shop, error: PluginError) -> None:
    """Storage errors come from storage, detector errors from a detector, and all others from a fetcher."""

    async def save(key: str, chunks: AsyncIterator[bytes], metadata: ObjectMetadata) -> None:
        raise error

    async def detect(path: Path) -> ImageInfo:
        raise error

    async def exists_not(_source: Source) -> None:
        raise error

    if isinstance(error, StorageError) and error.code != "storage_object_exists":
        shop.backend.save = save  # type: ignore[method-assign]
    elif isinstance(error, NotAnImage | DetectorCrashed):
        shop.detector.on_detect = detect
    else:
        shop.fetcher.on_open = exists_not


def test_the_tables_above_name_real_classes() -> None:
    retryable = {cls.__name__ for cls in tree() if cls.retryable}
    assert retryable == COUNTED | OUTAGES


@pytest.mark.gen_test
@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (599.5, 599.5), (1e12, 600.0)])
async def test_retry_after_is_obeyed(asked: float, waited: float) -> None:
    async with claimed() as shop:
        shop.fetch_raises(OriginUnavailable(status=503, retry_after=asked))
        await shop.attempts.run(shop.document)
        assert (await shop.result()).run_at - shop.clock.now() == timedelta(seconds=waited)


@pytest.mark.gen_test
async def test_retry_after_of_a_permanent_error_means_nothing() -> None:
    async with claimed() as shop:
        shop.fetch_raises(OriginNotFound(status=404, retry_after=30))
        await shop.attempts.run(shop.document)
        assert (await shop.result()).status is Status.FAILED


@pytest.mark.gen_test
async def test_the_last_attempt_fails_with_the_last_error() -> None:
    async with claimed(attempts=2) as shop:
        shop.fetch_raises(ConnectionLost())
        await shop.attempts.run(shop.document)
        waiting = await shop.result()
        assert (waiting.status, waiting.attempts) == (Status.QUEUED, 1)
        shop.clock.advance(2 * SECOND)
        (again,) = await shop.store.claim("worker", 1)
        shop.fetch_raises(OriginUnavailable(status=500))
        await shop.attempts.run(again)
        found = await shop.result()
        assert (found.status, found.attempts, found.import_type) == (Status.FAILED, 2, "scripted")
        assert found.error is not None
        assert (found.error.code, found.error.retryable) == ("origin_unavailable", True)


@pytest.mark.gen_test
async def test_attempts_that_died_with_their_worker_use_none_up() -> None:
    async with claimed(attempts=3, abandoned=7) as shop:
        document = replace(shop.document, attempts=9)  # seven died, one failed, and this one
        shop.store._imports[document.id] = document
        shop.fetch_raises(ConnectionLost())
        await shop.attempts.run(document)
        assert (await shop.result()).status is Status.QUEUED
    async with claimed(attempts=3, abandoned=7) as shop:
        document = replace(shop.document, attempts=10)
        shop.store._imports[document.id] = document
        shop.fetch_raises(ConnectionLost())
        await shop.attempts.run(document)
        assert (await shop.result()).status is Status.FAILED


@pytest.mark.gen_test
@pytest.mark.parametrize("abandoned", [MAX_ABANDONED - 1, MAX_ABANDONED, MAX_ABANDONED + 5])
async def test_an_import_that_kills_its_workers_is_given_up(abandoned: int) -> None:
    async with claimed(abandoned=abandoned) as shop:
        assert await shop.attempts.run(shop.document) is False
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
        outage = await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.status is (Status.QUEUED if age == MAX_OUTAGE else Status.FAILED)
        assert outage == (age == MAX_OUTAGE)
        assert found.error is not None
        assert found.error.code == "storage_unavailable"


@pytest.mark.gen_test
async def test_a_spool_that_cannot_be_written_is_an_outage_of_our_own() -> None:
    async with claimed() as shop:
        shop.importer._spools = replace(shop.importer._spools, memory_bytes=0, directory=Path("/nonexistent/folder"))
        with capture_logs() as logs:
            assert await shop.attempts.run(shop.document) is True
        found = await shop.result()
        assert (found.status, found.attempts, found.error) == (Status.QUEUED, 0, INTERNAL)
        assert any(line["event"] == "the spool failed" and line["log_level"] == "error" for line in logs)


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
                assert await shop.attempts.run(shop.document) is False
            found = await shop.result()
            assert (found.status, found.attempts, found.error) == (status, 1, INTERNAL)
            assert any(line["event"] == "unexpected failure of an attempt" and line["exc_info"] for line in logs)


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
async def test_a_plugin_s_error_without_its_facts_fails_the_import_as_a_defect_of_the_plugin() -> None:
    """Otherwise its text could not be formatted, no result be written, and the import come back again and again."""

    async def fail(_source: Source) -> None:
        raise UrlInvalid("the reason is missing")

    async with claimed() as shop:
        shop.fetcher.on_open = fail
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.status is Status.FAILED
        assert found.error is not None
        assert found.error.code == "plugin_fault"


@pytest.mark.gen_test
async def test_a_third_party_s_own_error_keeps_its_code_and_text() -> None:
    class QuotaExceeded(FetchError):
        code = "quota_exceeded"
        retryable = True
        public_text = "The quota of {name} is used up."

    async with claimed() as shop:
        shop.fetch_raises(QuotaExceeded(name="{braces}"))
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.status is Status.QUEUED
        assert found.error is not None
        assert (found.error.code, found.error.detail) == ("quota_exceeded", "The quota of {braces} is used up.")


@pytest.mark.gen_test
async def test_a_source_whose_fetcher_is_no_longer_configured_is_refused() -> None:
    async with claimed() as shop:
        url = "gone://host/a.jpg"
        document = replace(shop.document, params={**shop.document.params, "url": url})
        shop.store._imports[document.id] = document
        await shop.attempts.run(document)
        found = await shop.result()
        assert (found.status, found.import_type) == (Status.FAILED, None)
        assert found.error is not None
        assert found.error.code == "url_scheme_not_allowed"


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
            assert await shop.attempts.run(shop.document) is False
        assert await shop.result() == taken
        assert any("discarded" in line["event"] for line in logs)


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
