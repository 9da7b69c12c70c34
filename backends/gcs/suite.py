"""The kit's suite for Google Cloud Storage, with the configured bucket or on the kit's own server.

Each case works below a prefix of its own, and removes its objects at the end.
"""

import asyncio
import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.api_core.exceptions import NotFound

from ...plugins.contracts import StorageBackend
from ...plugins.testing import StorageBackendSuite, Trouble
from ...plugins.testing.clouds.processes import PAGE, GcsEndpoint
from ...plugins.testing.storage.support import StorageHarness
from .access import client_over, open_session
from .options import GcsStorageOptions
from .storage import GcsStorage


def gcs_options(endpoint: GcsEndpoint, bucket: str, **others: Any) -> GcsStorageOptions:
    """Options for a bucket of the kit's server."""
    return GcsStorageOptions(bucket=bucket, endpoint=endpoint.url, project=endpoint.project, anonymous=True, **others)


class GcsHarness(StorageHarness):
    """Creates a storage in Google Cloud Storage for the suite, and bypasses it."""

    options: GcsStorageOptions
    client: Any
    endpoint: GcsEndpoint

    @pytest.fixture(autouse=True)
    def _below_a_prefix_of_its_own(self, request: pytest.FixtureRequest) -> None:
        options = self.configured
        if not isinstance(options, GcsStorageOptions):
            endpoint = request.getfixturevalue("gcs_endpoint")
            options = gcs_options(endpoint, endpoint.new_bucket())
            if endpoint.makes_troubles:
                self.endpoint, self.troubles = endpoint, tuple(Trouble)
            self.many = 2 * PAGE + 5
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
        return GcsStorage(self.options)

    def make_impatient(self) -> StorageBackend:
        """See ``StorageHarness.make_impatient``."""
        little = {"connect_timeout": 3.0, "read_timeout": 3.0, "attempts": 1}
        return GcsStorage(self.options.model_copy(update=little))

    @asynccontextmanager
    async def troubled(self, trouble: Trouble) -> AsyncIterator[None]:
        """See ``StorageHarness.troubled``."""
        async with self.endpoint.troubled(self.options.bucket, trouble):
            yield

    async def read_raw(self, key: str) -> bytes | None:
        """See ``StorageHarness.read_raw``."""
        try:
            content: bytes = await asyncio.to_thread(self._blob(key).download_as_bytes)
        except NotFound:
            return None
        return content

    async def write_raw(self, key: str, body: bytes) -> None:
        """See ``StorageHarness.write_raw``."""
        await asyncio.to_thread(self._blob(key).upload_from_string, body, "image/jpeg")

    async def stored_type(self, key: str) -> str | None:
        """See ``StorageHarness.stored_type``."""
        blob = self._blob(key)
        await asyncio.to_thread(blob.reload)
        found: str | None = blob.content_type
        return found

    async def leftovers(self) -> Collection[str]:
        """See ``StorageHarness.leftovers``: only the kit's server lists them."""
        names = await asyncio.to_thread(_unfinished, self.options.endpoint) if self.options.endpoint else []
        return [name for name in names if name.startswith(self.options.prefix)]

    def _blob(self, key: str) -> Any:
        name = self.options.prefix + self.options.key_template.replace("{key}", key)
        return self.client.bucket(self.options.bucket).blob(name)

    def _sweep(self) -> None:
        for blob in self.client.list_blobs(self.options.bucket, prefix=self.options.prefix):
            blob.delete()
        self.client.close()


class GcsSuite(GcsHarness, StorageBackendSuite):
    """The cases of every storage, with Google Cloud Storage."""


def _client(options: GcsStorageOptions) -> Any:
    return client_over(open_session(options), options)


def _unfinished(endpoint: str) -> list[str]:
    with urllib.request.urlopen(f"{endpoint}/unfinished", timeout=30) as response:  # noqa: S310 - the kit's own server
        names: list[str] = json.load(response)
        return names
