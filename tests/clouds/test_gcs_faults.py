"""Google Cloud Storage that fails: each fault ends with the right error, nothing partial and no unfinished upload."""

import asyncio
import json
import re
import urllib.request
from collections.abc import Mapping
from typing import ClassVar

import pytest

from lading.backends.gcs.storage import GcsStorage
from lading.backends.gcs.suite import GcsHarness
from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import ContentMismatch, StorageDenied, StorageError
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY
from tests.clouds.faults import ATTEMPTS, LARGE
from tests.clouds.file_faults import FileFaultCases
from tests.support.servers.cloud_proxy import (
    Exchange,
    Fault,
    Matching,
    Request,
    corrupting,
    losing_the_answer,
    refusing,
)

ERROR = json.dumps({"error": {"code": 403, "message": "too fast", "errors": [{"reason": "rateLimitExceeded"}]}})


def requests(method: str, target: str) -> Matching:
    return lambda request: request.method == method and re.search(target, request.target) is not None


def piece(*, last: bool) -> Matching:
    """Requests with bytes of a resumable upload: its last, or another."""

    def matching(request: Request) -> bool:
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
        return request.method == "PUT" and span is not None and (int(span[2]) + 1 == int(span[3])) is last

    return matching


def without_permissions(exchange: Exchange) -> None:
    exchange.take_body(None)
    exchange.answer(200, [("Content-Type", "application/json")], b'{"permissions": ["storage.objects.get"]}')


@pytest.mark.sampled(5)
class TestGcsFaults(FileFaultCases, GcsHarness):
    kinds: ClassVar[Mapping[str, Matching]] = {
        "put": requests("POST", r"uploadType=multipart"),
        "begin": requests("POST", r"uploadType=resumable"),
        "part": piece(last=False),
        "finish": piece(last=True),
        "abort": requests("DELETE", r"upload_id="),
        "read": requests("GET", r"alt=media"),
        "head": requests("GET", r"/o/(?!.*alt=media)"),
        "delete": requests("DELETE", r"/o/[^?]*(\?(?!.*upload_id).*)?$"),
        "list": requests("GET", r"/o\?"),
        "ping": requests("GET", r"/iam/testPermissions"),
    }
    sending: ClassVar[tuple[str, ...]] = ("put",)
    refusals: ClassVar[Mapping[str, Fault]] = {
        "throttled": refusing(403, ERROR, Content_Type="application/json"),
        "no bucket": refusing(404),
    }

    def upstream(self) -> str:
        return self.options.endpoint

    def make_backend(self) -> StorageBackend:
        return GcsStorage(
            self.options.model_copy(update={"endpoint": self.proxy.url, "read_timeout": 1.0, "attempts": ATTEMPTS})
        )

    def permission(self, to: str) -> str:
        return "storage.objects." + {"read": "get"}.get(to, to)

    async def sweep_uploads(self) -> None:
        request = urllib.request.Request(f"{self.options.endpoint}/unfinished", method="DELETE")
        with await asyncio.to_thread(urllib.request.urlopen, request, timeout=30) as response:
            response.read()

    async def test_a_piece_that_changes_on_its_way_is_no_object(self) -> None:
        """Google compares the whole upload alone, so that a piece cannot be sent again."""
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["part"], corrupting, times=1)
            error = await attempt(storage.save(KEY, LARGE.chunks(), LARGE.metadata))
            assert type(error) is ContentMismatch
            assert error.retryable
            await self.assert_nothing(storage)

    async def test_a_piece_whose_answer_was_lost_is_not_sent_again(self) -> None:
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["part"], losing_the_answer, times=1)
            await storage.save(KEY, LARGE.chunks(), LARGE.metadata)
            pieces = [r.headers["Content-Range"] for r in self.proxy.requests if "Content-Range" in r.headers]
            sent = [span for span in pieces if not span.startswith("bytes *")]
            assert len(sent) == len(set(sent)) == len(pieces) - 1

    async def test_ping_names_the_permissions_that_are_missing(self) -> None:
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["ping"], without_permissions)
            error = await attempt(storage.ping())
            assert type(error) is StorageDenied
            assert "storage.objects.create, storage.objects.delete, storage.objects.list" in error.internal

    async def test_ping_of_a_bucket_that_is_not_there(self) -> None:
        storage = GcsStorage(self.options.model_copy(update={"bucket": "no-such-bucket"}))
        try:
            error = await attempt(storage.ping())
            assert type(error) is StorageError
            assert "create the bucket" in error.internal
        finally:
            await storage.close()
