"""One attempt: what the document becomes, whatever a plugin raises."""

from dataclasses import replace
from datetime import timedelta

import pytest

from plugins.errors import (
    ConnectionLost,
    FetchError,
    OriginNotFound,
    OriginUnavailable,
    PluginError,
)
from service.models import Status
from tests.support.attempting import claimed, raise_where_it_belongs
from tests.support.plugin_errors import sample, tree
from tests.support.scripted import SECOND

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
OUTAGES = {"StorageUnavailable", "StorageFull"}
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
        assert outage == (cls.__name__ in OUTAGES)
        if cls.__name__ in OUTAGES:
            assert (found.status, found.attempts) == (Status.QUEUED, 0)
            assert SECOND <= found.run_at - shop.clock.now() <= 2 * SECOND
        elif cls.__name__ in COUNTED:
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
