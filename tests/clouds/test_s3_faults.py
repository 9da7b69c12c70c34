"""S3 that fails: each fault ends with the right error, nothing partial and no unfinished upload."""

import asyncio
import re
import threading
from collections.abc import Mapping
from typing import ClassVar

import pytest

from lading.backends.guard.capabilities import files_of
from lading.backends.guard.storage import GuardedStorage
from lading.backends.s3.storage import S3Storage
from lading.backends.s3.suite import S3Harness
from lading.plugins.contracts import StorageBackend
from lading.plugins.errors import ObjectExists, StorageDenied, StorageError, StorageUnavailable
from lading.plugins.host import calls
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY
from tests.clouds.faults import ATTEMPTS, LARGE, SMALL
from tests.clouds.file_faults import FileFaultCases
from tests.support.servers.cloud_proxy import Exchange, Fault, Matching, refusing

ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>as the test wants it</Message></Error>"


def requests(method: str, query: str) -> Matching:
    return lambda request: (
        request.method == method
        and re.search(query, request.target) is not None
        and ".lading-probe" not in request.target
    )


def without_the_condition(exchange: Exchange) -> None:
    """A server that does not know ``If-None-Match``, as it were."""
    del exchange.headers["If-None-Match"]
    exchange.answer(*exchange.forward(exchange.take_body(None)))


def answering_after(event: threading.Event) -> Fault:
    """The server does what it was asked; its answer comes when the event is set."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward(exchange.take_body(None))
        event.wait(60)
        exchange.answer(*answer)

    return fault


class S3Faults(FileFaultCases, S3Harness):
    kinds: ClassVar[Mapping[str, Matching]] = {
        "put": requests("PUT", r"^[^?]*$"),
        "begin": requests("POST", r"\?uploads$"),
        "part": requests("PUT", r"partNumber="),
        "finish": requests("POST", r"\?uploadId="),
        "abort": requests("DELETE", r"\?uploadId="),
        "read": requests("GET", r"^[^?]*$"),
        "head": requests("HEAD", r""),
        "delete": requests("DELETE", r"^[^?]*$"),
        "list": requests("GET", r"list-type=2"),
        "ping": lambda request: ".lading-probe" in request.target,
    }
    sending: ClassVar[tuple[str, ...]] = ("put", "part")
    refusals: ClassVar[Mapping[str, Fault]] = {
        "throttled": refusing(503, ERROR.format("SlowDown")),
        "no bucket": refusing(404, ERROR.format("NoSuchBucket")),
    }

    def upstream(self) -> str:
        return self.options.endpoint

    def make_backend(self) -> StorageBackend:
        return S3Storage(
            self.options.model_copy(update={"endpoint": self.proxy.url, "read_timeout": 1.0, "attempts": ATTEMPTS})
        )

    def permission(self, to: str) -> str:
        return {"create": "s3:PutObject", "read": "s3:GetObject", "delete": "s3:DeleteObject", "list": "s3:ListBucket"}[
            to
        ]

    async def sweep_uploads(self) -> None:
        for upload in await asyncio.to_thread(self._uploads):
            place = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            await asyncio.to_thread(self.client.abort_multipart_upload, Bucket=self.options.bucket, **place)


class TestS3Faults(S3Faults):
    async def test_a_server_without_conditions_is_refused(self) -> None:
        self.proxy.harm(lambda request: "If-None-Match" in request.headers, without_the_condition)
        storage = self.make_backend()
        try:
            for _ in range(2):
                error = await attempt(storage.ping())
                assert type(error) is StorageError
                assert "create_only = false" in error.internal
            assert not await self.leftovers()
        finally:
            await storage.close()

    async def test_a_server_that_knows_conditions_for_one_request_alone_is_refused(self) -> None:
        self.proxy.harm(
            lambda request: request.method == "POST" and "If-None-Match" in request.headers, without_the_condition
        )
        storage = self.make_backend()
        try:
            assert type(await attempt(storage.ping())) is StorageError
        finally:
            await storage.close()

    @pytest.mark.parametrize("body", [SMALL, LARGE])
    async def test_without_conditions_the_object_is_looked_for_first(self, body: Body) -> None:
        options = self.options.model_copy(update={"endpoint": self.proxy.url, "create_only": False})
        storage = S3Storage(options)
        try:
            await storage.ping()
            await storage.save(KEY, body.chunks(), body.metadata)
            assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is ObjectExists
            await self.assert_holds(storage, KEY, body)
            assert not [request for request in self.proxy.requests if "If-None-Match" in request.headers]
            assert not await self.leftovers()
        finally:
            await storage.close()

    @pytest.mark.parametrize(
        ("code", "expected"), [("RequestTimeTooSkewed", StorageUnavailable), ("AccessDenied", StorageDenied)]
    )
    async def test_a_refused_look_at_an_object_tells_its_cause(self, code: str, expected: type[StorageError]) -> None:
        """The answer to HEAD has no body, and so no code."""
        async with self.opened() as storage:
            for kind in ("head", "read"):
                self.proxy.harm(self.kinds[kind], refusing(403, ERROR.format(code)))
            error = await attempt(storage.exists(KEY))
            assert type(error) is expected
            assert "None" not in error.internal

    @pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
    async def test_a_conflict_is_tried_again(self, code: str) -> None:
        async with self.opened() as storage:
            for kind, body in (("put", SMALL), ("finish", LARGE)):
                rule = self.proxy.harm(self.kinds[kind], refusing(409, ERROR.format(code)), times=1)
                await storage.save(KEY, body.chunks(), body.metadata)
                assert rule.hits == 1
                await storage.delete(KEY)

    async def test_an_error_in_a_successful_answer(self) -> None:
        """S3 may say 200, and only then find out: see CompleteMultipartUpload in its reference."""
        async with self.opened() as storage:
            rule = self.proxy.harm(self.kinds["finish"], refusing(200, ERROR.format("InternalError")), times=1)
            await storage.save(KEY, LARGE.chunks(), LARGE.metadata)
            assert rule.hits == 1
            await self.assert_holds(storage, KEY, LARGE)

    @pytest.mark.parametrize("kind", ["begin", "part", "finish"])
    async def test_what_a_save_that_its_guard_leaves_has_sent_is_removed_after_the_request_under_way(
        self, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.05)
        answers = threading.Event()
        rule = self.proxy.harm(self.kinds[kind], answering_after(answers), times=1)
        storage = S3Storage(self.options.model_copy(update={"endpoint": self.proxy.url}))
        try:
            await storage.ping()
            save = GuardedStorage(storage, name="s3").save(KEY, LARGE.chunks(), LARGE.metadata)
            task = asyncio.create_task(save)
            while not rule.hits:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            assert len(storage._unfinished) == 1, "the guard did not wait for the answer"
            await asyncio.sleep(0.2)
            assert not any(map(self.kinds["abort"], self.proxy.requests))
            answers.set()
            while storage._unfinished:
                await asyncio.sleep(0.01)
            assert [rule.hits, sum(map(self.kinds["abort"], self.proxy.requests))] == [1, 1]
            assert not await self.leftovers()
        finally:
            answers.set()
            await storage.close()

    async def test_the_file_of_a_save_that_its_guard_leaves_is_closed_after_the_request_under_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.05)
        answers = threading.Event()
        rule = self.proxy.harm(self.kinds["part"], answering_after(answers), times=1)
        storage = S3Storage(self.options.model_copy(update={"endpoint": self.proxy.url}))
        path = self.file(LARGE)
        try:
            await storage.ping()
            files = files_of(GuardedStorage(storage, name="s3"))
            assert files is not None
            task = asyncio.create_task(files.save_file(KEY, path, LARGE.metadata))
            while not rule.hits:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait((task,))
            assert task.cancelled()
            answers.set()
            while storage._unfinished:
                await asyncio.sleep(0.01)
            assert not self.is_open(path)
            assert not await self.leftovers()
        finally:
            answers.set()
            await storage.close()

    async def test_a_file_is_sent_at_once(self) -> None:
        async with self.saving() as storage:
            for body in (SMALL, LARGE):
                await storage.save_file(KEY, self.file(body), body.metadata)
                await storage.delete(KEY)
        assert len(self.proxy.requests) > 5
        assert not any("expect" in map(str.lower, request.headers) for request in self.proxy.requests)

    async def test_a_bucket_in_another_region(self) -> None:
        self.proxy.harm(lambda _: True, refusing(400, ERROR.format("AuthorizationHeaderMalformed")))
        storage = self.make_backend()
        try:
            error = await attempt(storage.ping())
            assert isinstance(error, StorageError)
            assert "set region" in error.internal
        finally:
            await storage.close()
