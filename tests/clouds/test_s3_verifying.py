"""A server of S3 that stores other bytes than it was sent, and says nothing of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from lading.backends.s3.bucket import S3Bucket
from lading.backends.s3.storage import S3Storage
from lading.backends.s3.suite import S3Harness
from lading.plugins.errors import ContentMismatch, StorageError
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt
from lading.plugins.testing.storage.support import KEY
from tests.clouds.faults import ATTEMPTS, LARGE, SMALL
from tests.clouds.test_s3_faults import S3Faults
from tests.support.servers.cloud_proxy import CloudProxy, Exchange, cloud_proxy, refusing


def spoiling(exchange: Exchange) -> None:
    """One bit changes, and no answer has a checksum; the ETag is that of the bytes that came."""
    for name in [name for name in exchange.headers if name.lower().startswith("x-amz-checksum")]:
        del exchange.headers[name]
    body = bytearray(exchange.take_body(None))
    body[len(body) // 2] ^= 1
    status, headers, answer = exchange.forward(bytes(body))
    exchange.answer(status, [(k, v) for k, v in headers if not k.lower().startswith("x-amz-checksum")], answer)


def with_an_etag_of_its_own(exchange: Exchange) -> None:
    """A server whose ETags are no MD5."""
    status, headers, body = exchange.forward(exchange.take_body(None))
    exchange.answer(status, [(k, '"opaque"' if k.lower() == "etag" else v) for k, v in headers], body)


def shortened(exchange: Exchange) -> None:
    """The answer to HEAD tells of a byte less."""
    status, headers, body = exchange.forward(exchange.take_body(None))
    size = next(int(value) for name, value in headers if name.lower() == "content-length")
    headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
    exchange.answer(status, [*headers, ("Content-Length", str(size - 1))], body)


class TestVerifying(S3Harness):
    """What each kind of verification finds. Nothing of the wrong object stays."""

    kinds = S3Faults.kinds
    proxy: CloudProxy

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with super().running():
            with cloud_proxy(self.options.endpoint) as self.proxy:
                yield

    @asynccontextmanager
    async def proven(self, *, tags_by_md5: bool, **options: Any) -> AsyncIterator[S3Storage]:
        """A storage on a server whose ETags are known to be MD5, or are known to be no MD5."""
        storage = S3Storage(self.options.model_copy(update={"endpoint": self.proxy.url, **options}))
        try:
            await storage.ping()
            bucket = storage._bucket
            assert isinstance(bucket, S3Bucket)
            assert bucket._proven is not None
            assert bucket._proven.tags_by_md5
            bucket._proven = replace(bucket._proven, tags_by_md5=tags_by_md5)
            yield storage
        finally:
            await storage.close()

    @pytest.mark.parametrize(("kind", "body"), [("put", SMALL), ("part", LARGE)])
    async def test_the_md5_in_an_etag_is_compared(self, kind: str, body: Body) -> None:
        async with self.proven(tags_by_md5=True) as storage:
            rule = self.proxy.harm(self.kinds[kind], spoiling)
            error = await attempt(storage.save(KEY, body.chunks(), body.metadata))
            assert type(error) is ContentMismatch
            assert "MD5" in error.internal
            assert rule.hits == ATTEMPTS
            await self.assert_absent(storage, KEY)
            self.proxy.heal()
            await storage.save(KEY, body.chunks(), body.metadata)

    async def test_an_etag_that_is_no_md5_proves_nothing_and_harms_nothing(self) -> None:
        async with self.proven(tags_by_md5=False) as storage:
            self.proxy.harm(self.kinds["put"], with_an_etag_of_its_own)
            await storage.save(KEY, SMALL.chunks(), SMALL.metadata)
            await self.assert_holds(storage, KEY, SMALL)

    async def test_the_size_of_joined_parts_is_compared(self) -> None:
        async with self.proven(tags_by_md5=True) as storage:
            rule = self.proxy.harm(self.kinds["head"], shortened)
            error = await attempt(storage.save(KEY, LARGE.chunks(), LARGE.metadata))
            assert type(error) is ContentMismatch
            assert f"{LARGE.size - 1} bytes, not {LARGE.size}" in error.internal
            assert rule.hits > 0
            self.proxy.heal()
            await self.assert_absent(storage, KEY)

    @pytest.mark.parametrize(("kind", "body"), [("put", SMALL), ("part", LARGE)])
    async def test_reading_back_finds_what_no_answer_tells(self, kind: str, body: Body) -> None:
        async with self.proven(tags_by_md5=False, verify="read_back") as storage:
            self.proxy.harm(self.kinds[kind], spoiling)
            error = await attempt(storage.save(KEY, body.chunks(), body.metadata))
            assert type(error) is ContentMismatch
            await self.assert_absent(storage, KEY)
            self.proxy.heal()
            await storage.save(KEY, body.chunks(), body.metadata)
            await self.assert_holds(storage, KEY, body)

    async def test_an_object_that_cannot_be_read_back_is_not_taken_for_good(self) -> None:
        async with self.proven(tags_by_md5=True, verify="read_back") as storage:
            self.proxy.harm(self.kinds["read"], refusing(500))
            assert isinstance(await attempt(storage.save(KEY, SMALL.chunks(), SMALL.metadata)), StorageError)

    async def test_a_wrong_object_that_stays_is_not_taken_for_its_own(self) -> None:
        async with self.proven(tags_by_md5=True) as storage:
            self.proxy.harm(self.kinds["put"], spoiling)
            self.proxy.harm(self.kinds["delete"], refusing(500))
            error = await attempt(storage.save(KEY, SMALL.chunks(), SMALL.metadata))
            assert isinstance(error, StorageError)
            assert await asyncio.to_thread(self._read, KEY) != SMALL.whole()
