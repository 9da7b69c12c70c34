"""S3 that fails: each fault ends with the right error, nothing partial and no unfinished upload."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
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
from tests.support.servers.cloud_proxy import Exchange, Fault, Matching, losing_the_answer, refusing

PREFIX = "x-amz-meta-"
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


def refusing_the_condition(exchange: Exchange) -> None:
    """A server that says that it does not know ``If-None-Match``."""
    exchange.take_body(None)
    exchange.answer(501, [], ERROR.format("NotImplemented").encode())


def with_metadata_named(name: str) -> Fault:
    """A server that names metadata in its own way, such as in capitals; it keeps none if the name is empty."""

    def fault(exchange: Exchange) -> None:
        status, headers, body = exchange.forward(exchange.take_body(None))
        named = [
            (name.format(key[len(PREFIX) :].title()) if key.lower().startswith(PREFIX) else key, value)
            for key, value in headers
        ]
        exchange.answer(status, [(key, value) for key, value in named if key], body)

    return fault


@asynccontextmanager
async def closed_later(storage: StorageBackend) -> AsyncIterator[StorageBackend]:
    """The storage, which is closed at the end of the block."""
    try:
        yield storage
    finally:
        await storage.close()


def of_the_probe(matching: Matching) -> Matching:
    """A request as ``matching`` says, for the object of readiness probes."""
    return lambda request: matching(replace(request, target=request.target.replace(".lading-probe", "probe")))


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
    read_timeout: ClassVar[float] = 1.0
    """Seconds that no answer of the server takes, on a busy machine too."""
    refusals: ClassVar[Mapping[str, Fault]] = {
        "throttled": refusing(503, ERROR.format("SlowDown")),
        "no bucket": refusing(404, ERROR.format("NoSuchBucket")),
    }

    def upstream(self) -> str:
        return self.options.endpoint

    def make_backend(self) -> StorageBackend:
        return S3Storage(
            self.options.model_copy(
                update={"endpoint": self.proxy.url, "read_timeout": self.read_timeout, "attempts": ATTEMPTS}
            )
        )

    def permission(self, to: str) -> str:
        return {"create": "s3:PutObject", "read": "s3:GetObject", "delete": "s3:DeleteObject", "list": "s3:ListBucket"}[
            to
        ]

    async def sweep_uploads(self) -> None:
        for upload in await asyncio.to_thread(self._uploads):
            place = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
            await asyncio.to_thread(self.client.abort_multipart_upload, Bucket=self.options.bucket, **place)


@pytest.mark.sampled(5)
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

    @pytest.mark.parametrize(
        ("method", "said"),
        [
            ("POST", "If-None-Match in CompleteMultipartUpload, although it honours it in PutObject"),
            ("PUT", "If-None-Match in PutObject, although it honours it in CompleteMultipartUpload"),
        ],
    )
    @pytest.mark.parametrize("unaware", [without_the_condition, refusing_the_condition])
    async def test_conditions_are_used_where_the_server_knows_them(
        self, unaware: Fault, method: str, said: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.proxy.harm(lambda request: request.method == method and "If-None-Match" in request.headers, unaware)
        strict, lenient = (
            S3Storage(self.options.model_copy(update={"endpoint": self.proxy.url, "create_only": create_only}))
            for create_only in (True, False)
        )
        async with closed_later(strict), closed_later(lenient):
            error = await attempt(strict.ping())
            assert type(error) is StorageError
            assert said in error.internal
            for body, creating in ((SMALL, "PUT"), (LARGE, "POST")):
                await lenient.save(KEY, body.chunks(), body.metadata)
                before = len(self.proxy.requests)
                assert type(await attempt(lenient.save(KEY, body.chunks(), body.metadata))) is ObjectExists
                await self.assert_holds(lenient, KEY, body)
                made = self.proxy.requests[before:]
                assert any("If-None-Match" in request.headers for request in made) is (creating != method)
                await lenient.delete(KEY)
            assert caplog.text.count(said) == 1, "the operator learns of it"
            assert not await self.leftovers()

    async def test_a_server_that_cannot_abort_is_refused(self) -> None:
        for conditions in (True, False):  # without them, the completion succeeds
            for kind, said in (("abort", "does not know AbortMultipartUpload"), ("part", "UploadPart in bucket")):
                self.proxy.heal()
                self.proxy.harm(of_the_probe(self.kinds["abort"]), refusing(405, ERROR.format("MethodNotAllowed")))
                if kind == "part":
                    self.proxy.harm(of_the_probe(self.kinds[kind]), refusing(403))
                if not conditions:
                    self.proxy.harm(lambda request: "If-None-Match" in request.headers, without_the_condition)
                async with closed_later(self.make_backend()) as storage:
                    error = await attempt(storage.ping())
                assert isinstance(error, StorageError)
                assert said in error.internal
        await self.sweep_uploads()

    async def test_a_save_that_cannot_be_aborted_fails_by_its_own_cause(self, caplog: pytest.LogCaptureFixture) -> None:
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["part"], refusing(403))
            self.proxy.harm(self.kinds["abort"], refusing(405))
            assert type(await attempt(storage.save(KEY, LARGE.chunks(), LARGE.metadata))) is StorageDenied
            assert "does not know AbortMultipartUpload" in caplog.text
            await self.sweep_uploads()

    async def test_an_own_object_is_recognised_whatever_the_case_of_its_metadata(self) -> None:
        async with self.opened() as storage:
            self.proxy.harm(self.kinds["head"], with_metadata_named("X-Amz-Meta-{}"))
            self.proxy.harm(self.kinds["put"], losing_the_answer, times=1)
            await storage.save(KEY, SMALL.chunks(), SMALL.metadata)
            await self.assert_holds(storage, KEY, SMALL)

    async def test_a_server_that_keeps_no_metadata_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        self.proxy.harm(lambda request: request.method == "HEAD", with_metadata_named(""))
        async with closed_later(self.make_backend()) as storage:
            for _ in range(2):
                await storage.ping()
        assert caplog.text.count("keeps no metadata of objects") == 1

    async def test_the_probe_of_an_earlier_version_proves_metadata_too(self, caplog: pytest.LogCaptureFixture) -> None:
        place = {"Bucket": self.options.bucket, "Key": f"{self.options.prefix}.lading-probe"}
        await asyncio.to_thread(self.client.put_object, Body=b"", **place)
        async with self.opened():
            assert "keeps no metadata" not in caplog.text

    @pytest.mark.parametrize("body", [SMALL, LARGE])
    async def test_without_conditions_the_object_is_looked_for_first(self, body: Body) -> None:
        self.proxy.harm(lambda request: "If-None-Match" in request.headers, without_the_condition)
        options = self.options.model_copy(update={"endpoint": self.proxy.url, "create_only": False})
        storage = S3Storage(options)
        try:
            await storage.ping()
            await storage.save(KEY, body.chunks(), body.metadata)
            assert type(await attempt(storage.save(KEY, body.chunks(), body.metadata))) is ObjectExists
            await self.assert_holds(storage, KEY, body)
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
