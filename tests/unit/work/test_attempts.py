"""One attempt: what the document becomes, whatever a plugin raises."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lading.plugins.errors import (
    ConnectionLost,
    DetectorStalled,
    FetchError,
    OriginNotFound,
    OriginUnavailable,
    PluginError,
    StorageError,
)
from lading.service.models import Import, Status
from lading.service.work.attempts import MAX_ABANDONED, MAX_OUTAGE
from lading.service.work.awake import AwakeClock
from lading.service.work.pipeline.outcomes import Outcome
from tests.support.attempting import Shop, claimed, raise_where_it_belongs
from tests.support.clock import Seconds
from tests.support.plugins.plugin_errors import sample, tree
from tests.support.plugins.scripted import SECOND

COUNTED = {
    "DeadlineExceeded",
    "DnsFailed",
    "ConnectFailed",
    "FetchTimeout",
    "ConnectionLost",
    "OriginUnavailable",
    "BodyTruncated",
    "DetectorCrashed",
    "ContentMismatch",
}
"""Failures that another attempt may mend, and that use one up."""
STALLS = {"DetectorStalled", "ProcessorStalled"}
"""No verdict: attempts, which are no failures."""
OUTAGES = {"FetcherBusy", "ProcessorUnavailable", "ProxyUnavailable", "StorageUnavailable", "StorageFull"}
"""Failures of our own, which use none up."""


@pytest.mark.gen_test
async def test_a_success_is_written() -> None:
    async with claimed() as shop:
        assert not (await shop.attempts.run(shop.document)).is_outage
        found = await shop.result()
        assert (found.status, found.attempts, found.import_type, found.error) == (Status.DONE, 1, "scripted", None)
        assert found.image is not None
        assert found.image_id is not None
        assert found.worker_id is None


# --- what an error means ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("cls", [cls for cls in tree() if cls is not PluginError], ids=lambda cls: cls.__name__)
async def test_every_error_of_a_plugin_has_its_consequence(cls: type[PluginError]) -> None:
    error = sample(cls)
    async with claimed() as shop:
        await raise_where_it_belongs(shop, error)
        outage = (await shop.attempts.run(shop.document)).is_outage
        found = await shop.result()
        assert outage == (cls.__name__ in OUTAGES and issubclass(cls, StorageError))
        if cls.__name__ in OUTAGES:
            assert (found.status, found.attempts) == (Status.QUEUED, 0)
            assert SECOND <= found.run_at - shop.clock.now() <= 2 * SECOND
        elif cls.__name__ in COUNTED | STALLS:
            assert found.failures == (cls.__name__ in COUNTED)
            assert (found.status, found.attempts) == (Status.QUEUED, 1)
            assert SECOND <= found.run_at - shop.clock.now() <= 2 * SECOND
        else:
            assert (found.status, found.attempts, found.import_type) == (Status.FAILED, 1, "scripted")
        assert found.error is not None
        assert (found.error.code, found.error.retryable) == (cls.code, cls.retryable)
        assert found.error.detail == error.detail
        assert "for the operator" not in found.error.detail
        assert (found.image, found.image_id) == (None, None)


def test_the_tables_above_name_real_classes() -> None:
    retryable = {cls.__name__ for cls in tree() if cls.retryable}
    assert retryable == COUNTED | STALLS | OUTAGES


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


# --- a process that stood still, and decoding that stalls -------------------------------------------------------------


@asynccontextmanager
async def standing_still(error: PluginError, seconds: float, **options: Any) -> AsyncIterator[Shop]:
    """A shop whose process stands still in the midst of an attempt, which fails then."""
    monotonic = Seconds()
    async with claimed(**options) as shop:
        shop.attempts = replace(shop.attempts, awake=AwakeClock(monotonic))
        await raise_where_it_belongs(shop, error)
        run = shop.importer.run

        async def run_slowly(document: Import) -> Outcome:
            monotonic.advance(seconds)
            return await run(document)

        shop.importer.run = run_slowly  # type: ignore[method-assign]
        with shop.attempts.awake.ticking():
            yield shop


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "cls", [cls for cls in tree() if cls.__name__ in COUNTED | STALLS], ids=lambda cls: cls.__name__
)
async def test_what_failed_while_the_process_stood_still_uses_up_no_attempt(cls: type[PluginError]) -> None:
    async with standing_still(sample(cls), 25, attempts=1) as shop:
        ended = await shop.attempts.run(shop.document)
        found = await shop.result()
        assert (found.status, found.attempts, found.abandoned) == (Status.QUEUED, 0, 0)
        assert SECOND <= found.run_at - shop.clock.now() <= 2 * SECOND
        assert (ended.error, ended.is_outage, ended.is_done) == (None, False, False)


@pytest.mark.gen_test
async def test_a_short_delay_is_no_standstill() -> None:
    async with standing_still(ConnectionLost(), 1, attempts=1) as shop:
        assert (await shop.attempts.run(shop.document)).error is not None
        assert (await shop.result()).status is Status.FAILED


@pytest.mark.gen_test
async def test_a_verdict_stands_however_long_the_process_stood_still() -> None:
    async with standing_still(OriginNotFound(status=404), 3600) as shop:
        await shop.attempts.run(shop.document)
        assert (await shop.result()).status is Status.FAILED


@pytest.mark.gen_test
async def test_a_process_that_stands_still_for_a_day_again_and_again_counts_attempts() -> None:
    async with standing_still(ConnectionLost(), 25, attempts=1) as shop:
        shop.clock.advance(MAX_OUTAGE + SECOND)
        await shop.attempts.run(shop.document)
        assert (await shop.result()).status is Status.FAILED


@pytest.mark.gen_test
async def test_decoding_that_stalls_uses_up_no_attempt_and_comes_to_an_end() -> None:
    async with claimed(attempts=1) as shop:
        await raise_where_it_belongs(shop, DetectorStalled())
        for made in range(1, MAX_ABANDONED):
            await shop.attempts.run(shop.document)
            found = await shop.result()
            assert (found.status, found.attempts, found.failures) == (Status.QUEUED, made, 0)
            shop.clock.advance(found.run_at - shop.clock.now())
            (shop.document,) = await shop.store.claim("worker", 1)
        await shop.attempts.run(shop.document)
        found = await shop.result()
        assert found.error is not None
        assert (found.status, found.error.code, found.error.retryable) == (Status.FAILED, "detector_stalled", True)


@pytest.mark.gen_test
async def test_after_a_decoding_that_stalled_all_attempts_are_left() -> None:
    async with claimed(attempts=2) as shop:
        await raise_where_it_belongs(shop, DetectorStalled())
        await shop.attempts.run(shop.document)
        shop.clock.advance(2 * SECOND)
        (again,) = await shop.store.claim("worker", 1)
        shop.fetch_raises(ConnectionLost())
        await shop.attempts.run(again)
        assert (await shop.result()).status is Status.QUEUED
