"""The clouds' test servers as a service is told of them, and what lies in their buckets."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from botocore.config import Config
from botocore.session import Session

from lading.backends.gcs.options import GcsStorageOptions
from lading.backends.gcs.storage import GcsStorage
from lading.backends.gcs.suite import gcs_options
from lading.backends.s3.storage import S3Storage
from lading.backends.s3.suite import s3_options
from lading.plugins.testing.clouds.processes import GcsEndpoint, S3Endpoint
from tests.support.servers.processes import HttpClient, ServiceProcess
from tests.support.servers.service import CONF, environment, token

SESSION_TOKEN = "a-session-token-that-no-log-may-have"


@dataclass(frozen=True, slots=True)
class Found:
    """An object in a bucket, read without the storage."""

    body: bytes
    content_type: str
    content_disposition: str
    metadata: dict[str, str]
    other: dict[str, Any] = field(default_factory=dict)


class S3Place:
    """A new bucket of the S3 server.

    Args:
        url: where the service finds the server, if not where it is.
    """

    backend = "s3"

    def __init__(self, endpoint: S3Endpoint, url: str = "") -> None:
        self._endpoint = endpoint
        self.bucket = endpoint.new_bucket()
        self.environ = {
            "LADING_STORAGE__BACKEND": "s3",
            "LADING_STORAGE_S3__BUCKET": self.bucket,
            "LADING_STORAGE_S3__ENDPOINT": url or endpoint.url,
            "LADING_STORAGE_S3__ADDRESSING": "path",
            # As it is in production: found by the usual chain, not configured.
            "AWS_ACCESS_KEY_ID": endpoint.access_key_id,
            "AWS_SECRET_ACCESS_KEY": endpoint.secret_access_key,
            "AWS_REGION": endpoint.region,
        }
        self._client: Any = Session().create_client(
            "s3",
            region_name=endpoint.region,
            endpoint_url=endpoint.url,
            aws_access_key_id=endpoint.access_key_id,
            aws_secret_access_key=endpoint.secret_access_key,
            config=Config(s3={"addressing_style": "path"}),
        )

    def storage(self, **options: Any) -> S3Storage:
        """A storage in the bucket; the caller closes it."""
        return S3Storage(s3_options(self._endpoint, self.bucket).model_copy(update=options))

    def names(self) -> list[str]:
        """Of all images."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        names = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return [name for name in names if not name.endswith(".lading-probe")]

    def found(self, name: str) -> Found:
        answer = self._client.get_object(Bucket=self.bucket, Key=name)
        with answer["Body"] as body:
            content = body.read()
        return Found(content, answer["ContentType"], answer["ContentDisposition"], answer["Metadata"], answer)

    def begin(self, name: str) -> None:
        """Begin an upload in parts that nobody ends."""
        self._client.create_multipart_upload(Bucket=self.bucket, Key=name)

    def unfinished(self) -> list[str]:
        return [entry["Key"] for entry in self._client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())]

    def close(self) -> None:
        self._client.close()


class GcsPlace:
    """A new bucket of the server that speaks Google's API."""

    backend = "gcs"

    def __init__(self, endpoint: GcsEndpoint) -> None:
        self._endpoint = endpoint
        self.bucket = endpoint.new_bucket()
        self.environ = {
            "LADING_STORAGE__BACKEND": "gcs",
            "LADING_STORAGE_GCS__BUCKET": self.bucket,
            "LADING_STORAGE_GCS__ENDPOINT": endpoint.url,
            "LADING_STORAGE_GCS__ANONYMOUS": "true",
        }
        self._base = f"{endpoint.url}/storage/v1/b/{self.bucket}/o"
        self._unfinished = f"{endpoint.url}/unfinished"

    def options(self) -> GcsStorageOptions:
        return gcs_options(self._endpoint, self.bucket)

    def storage(self, **options: Any) -> GcsStorage:
        """A storage in the bucket; the caller closes it."""
        return GcsStorage(self.options().model_copy(update=options))

    def names(self) -> list[str]:
        """Of all images."""
        names, token = [], ""
        while True:
            page = json.loads(_get(f"{self._base}?pageToken={quote(token, safe='')}"))
            names += [entry["name"] for entry in page["items"]]
            token = page.get("nextPageToken", "")
            if not token:
                return names

    def found(self, name: str) -> Found:
        url = f"{self._base}/{quote(name, safe='')}"
        entry = json.loads(_get(url))
        return Found(
            _get(f"{url}?alt=media"), entry["contentType"], entry["contentDisposition"], entry["metadata"], entry
        )

    def unfinished(self) -> list[str]:
        return list(json.loads(_get(self._unfinished)))

    def close(self) -> None:
        pass


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        content: bytes = response.read()
        return content


@contextmanager
def cloud_service(folder: Path, **overrides: str) -> Iterator[HttpClient]:
    """``lading serve`` in a process of its own, and a client of it; what the cloud's library logs holds no secret."""
    conf = folder / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    environ = environment(
        folder,
        LADING_SERVICE__PORT="0",
        LADING_SERVICE__LOG_FORMAT="json",
        LADING_SERVICE__LOG_LEVEL="debug",
        AWS_SESSION_TOKEN=SESSION_TOKEN,
        LADING_WORKER__PER_ISSUER="64",
        LADING_WORKER__PER_HOST="64",
        LADING_WORKER__POLL_INTERVAL="0.1",
        **overrides,
    )
    with ServiceProcess(("serve", "--config", str(conf)), environ, folder) as process:
        yield HttpClient(process.wait_for("listening")["address"], token())
        assert process.terminate() == 0
        assert SESSION_TOKEN not in str(process.lines)
