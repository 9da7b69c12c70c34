"""The kit's suite for S3, with the configured bucket or on the kit's own server.

Each case works below a prefix of its own, and removes its objects at the end.
"""

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.session import Session

from ...plugins.contracts import StorageBackend
from ...plugins.testing import StorageBackendSuite, Trouble
from ...plugins.testing.clouds.processes import PAGE, S3Endpoint
from ...plugins.testing.storage.support import KEY, StorageHarness
from .errors import status_of
from .options import S3StorageOptions
from .storage import S3Storage

UNFINISHED: Final = "unfinished_uploads"
"""The ability of a server to list the uploads in parts that are neither completed nor aborted."""
_UNKNOWN_REQUEST: Final = (405, 501)


def s3_options(endpoint: S3Endpoint, bucket: str, **others: Any) -> S3StorageOptions:
    """Options for a bucket of the kit's server."""
    return S3StorageOptions(
        bucket=bucket,
        endpoint=endpoint.url,
        region=endpoint.region,
        access_key_id=endpoint.access_key_id,
        secret_access_key=endpoint.secret_access_key,
        addressing="path",
        **others,
    )


class S3Harness(StorageHarness):
    """Creates a storage in S3 for the suite, and bypasses it."""

    optional: ClassVar[frozenset[str]] = StorageHarness.optional | {UNFINISHED}
    options: S3StorageOptions
    client: Any
    endpoint: S3Endpoint

    @pytest.fixture(autouse=True)
    def _below_a_prefix_of_its_own(self, request: pytest.FixtureRequest) -> None:
        options = self.configured
        if not isinstance(options, S3StorageOptions):
            endpoint = request.getfixturevalue("s3_endpoint")
            options = s3_options(endpoint, endpoint.new_bucket())
            if endpoint.makes_troubles:
                self.endpoint, self.troubles = endpoint, tuple(Trouble)
            self.many = 2 * PAGE + 5
        if not options.create_only:
            self.declare("create_only", "create_only = false: two saves at the same moment may both succeed")
        self.options = options.model_copy(update={"prefix": f"{options.prefix}lading-check-{uuid.uuid4().hex}/"})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """See ``Suite.running``: a client that bypasses the storage."""
        self.client = await asyncio.to_thread(_client, self.options)
        try:
            yield
        finally:
            await asyncio.to_thread(self._sweep)

    def make_backend(self) -> StorageBackend:
        """See ``StorageHarness.make_backend``."""
        return S3Storage(self.options)

    def make_impatient(self) -> StorageBackend:
        """See ``StorageHarness.make_impatient``."""
        little = {"connect_timeout": 3.0, "read_timeout": 3.0, "attempts": 1}
        return S3Storage(self.options.model_copy(update=little))

    @asynccontextmanager
    async def troubled(self, trouble: Trouble) -> AsyncIterator[None]:
        """See ``StorageHarness.troubled``."""
        async with self.endpoint.troubled(self.options.bucket, trouble):
            yield

    async def read_raw(self, key: str) -> bytes | None:
        """See ``StorageHarness.read_raw``."""
        return await asyncio.to_thread(self._read, key)

    async def write_raw(self, key: str, body: bytes) -> None:
        """See ``StorageHarness.write_raw``."""
        await asyncio.to_thread(self.client.put_object, Bucket=self.options.bucket, Key=self._name(key), Body=body)

    async def stored_type(self, key: str) -> str | None:
        """See ``StorageHarness.stored_type``."""
        place = {"Bucket": self.options.bucket, "Key": self._name(key)}
        found: str = (await asyncio.to_thread(self.client.head_object, **place))["ContentType"]
        return found

    async def leftovers(self) -> Collection[str]:
        """See ``StorageHarness.leftovers``."""
        return [upload["Key"] for upload in await asyncio.to_thread(self._uploads)]

    def _name(self, key: str) -> str:
        return self.options.prefix + self.options.key_template.replace("{key}", key)

    def _read(self, key: str) -> bytes | None:
        try:
            answer = self.client.get_object(Bucket=self.options.bucket, Key=self._name(key))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        with answer["Body"] as body:
            content: bytes = body.read()
            return content

    def _uploads(self) -> list[dict[str, Any]]:
        place = {"Bucket": self.options.bucket, "Prefix": self.options.prefix}
        try:
            uploads: list[dict[str, Any]] = self.client.list_multipart_uploads(**place).get("Uploads", [])
        except ClientError as error:
            if status_of(error) not in _UNKNOWN_REQUEST:
                raise
            self.declare(UNFINISHED, "the server does not know ListMultipartUploads")
            return []
        return uploads

    def _sweep(self) -> None:
        bucket = self.options.bucket
        for upload in self._uploads():
            self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=self.options.prefix):
            for found in page.get("Contents", ()):
                self.client.delete_object(Bucket=bucket, Key=found["Key"])
        self.client.close()


@functools.cache
def _loader() -> Loader:
    """The description of S3, read once for all cases."""
    return Loader()


class S3Suite(S3Harness, StorageBackendSuite):
    """The cases of every storage, with S3."""

    async def test_unfinished_uploads_are_listed(self) -> None:
        """An upload in parts is listed until it is aborted: without that, no case sees the uploads that are left."""
        place = {"Bucket": self.options.bucket, "Key": self._name(KEY)}
        upload = await asyncio.to_thread(self.client.create_multipart_upload, **place)
        try:
            listed = await self.leftovers()
            self.require(UNFINISHED)
            if listed != [place["Key"]]:
                pytest.fail(f"the listing of unfinished uploads has {listed}")
        finally:
            await asyncio.to_thread(self.client.abort_multipart_upload, **place, UploadId=upload["UploadId"])
        if await self.leftovers():
            pytest.fail("an aborted upload stays in the listing")


def _client(options: S3StorageOptions) -> Any:
    session = Session(profile=options.profile or None)
    session.register_component("data_loader", _loader())
    return session.create_client(
        "s3",
        region_name=options.region or None,
        endpoint_url=options.endpoint or None,
        aws_access_key_id=options.access_key_id or None,
        aws_secret_access_key=options.secret_access_key.get_secret_value() or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": options.addressing}),
    )
