"""Servers that speak S3 and Google Cloud Storage, each in a process of its own on loopback.

The fixtures ``s3_endpoint`` and ``gcs_endpoint`` give one for each pytest process. The servers are moto and
gcp-storage-emulator; what they do otherwise than the clouds is put right in ``s3_server`` and ``gcs_server``.
"""

import asyncio
import importlib.util
import json
import os
import subprocess
import urllib.request
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar, Final, TypeVar
from urllib.parse import urlencode

import pytest

from ...host.children import python_command
from . import troubles

REGION: Final = "us-east-1"
_HINT: Final = "pip install 'lading[testing-clouds]'"

PAGE: Final = 20
"""Objects in a page of a listing of either server: few, so that few objects are several pages."""

_Served = TypeVar("_Served", bound="Endpoint")


class Endpoint(ABC):
    """A server that runs.

    Attributes:
        url: where it answers, without a slash at the end.
        makes_troubles: whether ``troubled`` works.
    """

    makes_troubles: ClassVar[bool] = True
    name: ClassVar[str]
    module: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]

    def __init__(self, url: str) -> None:
        self.url = url

    def new_bucket(self) -> str:
        """The name of a bucket that is new and empty. Blocks."""
        name = f"lading-{uuid.uuid4().hex}"
        with urllib.request.urlopen(self.creating(name), timeout=30) as response:  # noqa: S310 - our own server
            response.read()
        return name

    @asynccontextmanager
    async def troubled(self, bucket: str, trouble: str) -> AsyncIterator[None]:
        """Give the bucket a trouble of ``lading.plugins.testing.Trouble`` until the block is left."""
        await asyncio.to_thread(self._tell, bucket, trouble)
        try:
            yield
        finally:
            await asyncio.to_thread(self._tell, bucket, "")

    def _tell(self, bucket: str, kind: str) -> None:
        url = f"{self.url}{troubles.PATH}?{urlencode({'bucket': bucket, 'kind': kind})}"
        request = urllib.request.Request(url, b"", method="POST")  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            response.read()

    @abstractmethod
    def creating(self, bucket: str) -> urllib.request.Request:
        """The request that creates a bucket."""


class S3Endpoint(Endpoint):
    """A server that speaks S3, with path-style URLs.

    Attributes:
        region: of its buckets.
        access_key_id, secret_access_key: it takes any; these will do.
    """

    name = "s3"
    module = "lading.plugins.testing.clouds.s3_server"
    needs = ("moto", "werkzeug", "botocore")
    region = REGION
    access_key_id = "testing"
    secret_access_key = "testing"  # noqa: S105 - the server does not look

    def creating(self, bucket: str) -> urllib.request.Request:
        """See ``Endpoint.creating``."""
        # The server wants a signature, and checks none.
        signature = f"AWS4-HMAC-SHA256 Credential={self.access_key_id}/20200101/{REGION}/s3/aws4_request"
        return urllib.request.Request(f"{self.url}/{bucket}", b"", {"Authorization": signature}, method="PUT")  # noqa: S310


class GcsEndpoint(Endpoint):
    """A server that speaks Google Cloud Storage's JSON API, without credentials.

    Attributes:
        project: that its buckets belong to.
    """

    name = "gcs"
    module = "lading.plugins.testing.clouds.gcs_server"
    needs = ("gcp_storage_emulator",)
    project = "testing"

    def creating(self, bucket: str) -> urllib.request.Request:
        """See ``Endpoint.creating``."""
        # What is deleted is to be gone: the server would keep it in memory for a week.
        body = json.dumps({"name": bucket, "softDeletePolicy": {"retentionDurationSeconds": "0"}}).encode()
        url = f"{self.url}/storage/v1/b?project={self.project}"
        return urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310


@contextmanager
def serving(kind: type[_Served]) -> Iterator[_Served]:
    """Run a server until the block is left; it also ends when this process does. Blocks.

    Where it is not installed the test is skipped, or fails if the environment's ``LADING_REQUIRE`` names it.
    """
    missing = [name for name in kind.needs if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"{', '.join(missing)} is not installed: {_HINT}"
        if kind.name in os.environ.get("LADING_REQUIRE", "").split(","):
            pytest.fail(f"{kind.name} is required: {reason}")
        pytest.skip(reason)
    command = python_command(kind.module)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            assert port, f"the server {kind.module} does not start"
            yield kind(f"http://127.0.0.1:{int(port)}")
        finally:
            process.terminate()
            process.wait(10)
