"""A bucket of Google Cloud Storage, through Google's library. Every method blocks.

The library finds credentials, speaks the JSON API and signs URLs, and sends each request once;
``lading.backends.cloud.storage`` decides about repetitions. This module itself sends the pieces of a resumable upload,
since the library can only send all of them in one call:
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import base64
import hashlib
import io
import re
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import google_crc32c
from google.api_core.exceptions import NotFound, PreconditionFailed
from requests import Response

from ...plugins.capabilities import ListedObject
from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import ContentMismatch, StorageDenied, StorageError, StorageUnavailable
from ..cloud.bodies import Body, FilePart
from ..cloud.bucket import MIB, Bucket, Page, Piece, Upload
from ..cloud.names import Names, disposition_of, header_value
from .access import client_over, open_session, signing
from .errors import refuse, translated
from .options import GcsStorageOptions

MARKER: Final = "lading-save"
"""Key of the upload's marker in an object's metadata."""
_NEEDED: Final = ("storage.objects.create", "storage.objects.get", "storage.objects.delete", "storage.objects.list")
_ABSENT: Final = 0
"""Generation of an object that does not exist."""
_INCOMPLETE: Final = 308
_CREATED: Final = (200, 201)
_ABORTED: Final = (204, 404, 410, 499)
"""Answers to the removal of an upload; 499 is the usual one."""


class GcsBucket(Bucket):
    """See ``Bucket``."""

    piece_size: ClassVar[int] = 2 * MIB
    """A multiple of 256 KiB, as Google demands. The library copies the body of one request twice."""

    def __init__(self, options: GcsStorageOptions) -> None:
        self.options = options
        self.names = Names(options.prefix, options.key_template)
        self.waits: Mapping[str, Any] = {"timeout": (options.connect_timeout, options.read_timeout), "retry": None}
        self._lock = threading.Lock()
        self._session: Any = None
        self._client: Any = None

    def upload(self, key: str, metadata: ObjectMetadata) -> Upload:
        """See ``Bucket.upload``."""
        return GcsUpload(self, key, metadata)

    def marker(self, key: str) -> str | None:
        """See ``Bucket.marker``."""
        found: str | None = (self._found(key).metadata or {}).get(MARKER)
        return found

    def read(self, key: str, offset: int, length: int, version: str | None) -> Piece:
        """See ``Bucket.read``."""
        if version is None:
            found = self._found(key)
            size, version = int(found.size), str(found.generation)
            length = max(0, min(length, size - offset))
        else:
            size = offset + length  # the caller knows it, and reads nothing beyond
        if length == 0:
            return Piece(size, version, b"")
        try:
            with translated(self.options.bucket, "read"):
                body = self.blob(key).download_as_bytes(
                    start=offset,
                    end=offset + length - 1,
                    raw_download=True,
                    if_generation_match=int(version),
                    checksum=None,
                    **self.waits,
                )
        except StorageError as error:
            if isinstance(error.__cause__, PreconditionFailed):
                raise ContentMismatch("the object was replaced while it was read") from error
            raise
        if len(body) != length:
            raise StorageUnavailable(f"{len(body)} bytes came instead of {length}")
        return Piece(size, version, body)

    def delete(self, key: str) -> None:
        """See ``Bucket.delete``."""
        with translated(self.options.bucket, "delete"):
            try:
                self.blob(key).delete(**self.waits)
            except NotFound:
                return

    def page(self, prefix: str, token: str | None) -> Page:
        """See ``Bucket.page``."""
        with translated(self.options.bucket, "list"):
            found = self.client().list_blobs(
                self.options.bucket,
                prefix=self.names.beginning(prefix),
                page_size=1000,
                page_token=token,
                fields="items(name,size,updated),nextPageToken",
                **self.waits,
            )
            blobs = next(found.pages, ())
            listed = tuple(
                ListedObject(key, int(blob.size), blob.updated)
                for blob in blobs
                if (key := self.names.key(blob.name)) is not None and key.startswith(prefix)
            )
            return Page(listed, found.next_page_token)

    def sign(self, key: str, seconds: int, content_type: str | None, content_disposition: str | None) -> str:
        """See ``Bucket.sign``."""
        with translated(self.options.bucket, "sign"):
            url: str = self.blob(key).generate_signed_url(
                version="v4",
                expiration=seconds,
                response_type=content_type,
                response_disposition=content_disposition,
                api_access_endpoint=self.options.endpoint or None,
                **signing(self.session().credentials),
            )
            return url

    def check(self) -> None:
        """See ``Bucket.check``: ask which permissions the credentials have."""
        with translated(self.options.bucket, "ping"):
            granted = self.client().bucket(self.options.bucket).test_iam_permissions(list(_NEEDED), **self.waits)
        missing = [permission for permission in _NEEDED if permission not in granted]
        if missing:
            raise StorageDenied(f"in bucket {self.options.bucket} is missing: {', '.join(missing)}")

    def close(self) -> None:
        """See ``Bucket.close``."""
        if self._session is not None:
            self._session.close()

    def blob(self, key: str) -> Any:
        """The object, without a request."""
        return (
            self.client()
            .bucket(self.options.bucket)
            .blob(self.names.name(key), kms_key_name=self.options.kms_key or None)
        )

    def session(self) -> Any:
        """The HTTP session, created at the first call: the search for credentials reads files and the network."""
        with self._lock:
            if self._session is None:
                self._session = open_session(self.options)
            return self._session

    def client(self) -> Any:
        """The library's client."""
        session = self.session()
        with self._lock:
            if self._client is None:
                self._client = client_over(session, self.options)
            return self._client

    def _found(self, key: str) -> Any:
        with translated(self.options.bucket, "read"):
            blob = self.blob(key)
            blob.reload(**self.waits)
            return blob


class GcsUpload(Upload):
    """See ``Upload``."""

    def __init__(self, bucket: GcsBucket, key: str, metadata: ObjectMetadata) -> None:
        super().__init__(key, metadata)
        self._bucket = bucket
        self._url: str | None = None
        self._sent = 0
        self._crc = 0
        self._sha256 = hashlib.sha256()
        self._unsure = False
        """Whether the server may have more of the upload than it has confirmed."""

    def put(self, body: Body) -> None:
        """See ``Upload.put``."""
        body = _held(body)
        self._compare(hashlib.sha256(body).hexdigest())
        with translated(self._bucket.options.bucket, "create"):
            self._blob().upload_from_file(
                io.BytesIO(body), size=len(body), checksum="crc32c", **self._creating(), **self._bucket.waits
            )

    def begin(self) -> None:
        """See ``Upload.begin``."""
        with translated(self._bucket.options.bucket, "create"):
            self._url = self._blob().create_resumable_upload_session(
                size=self.metadata.byte_size, checksum=None, **self._creating(), **self._bucket.waits
            )

    def send(self, body: Body) -> None:
        """See ``Upload.send``."""
        body = _held(body)
        with translated(self._bucket.options.bucket, "send"):
            self._transmit(body, {})
        self._sha256.update(body)
        self._crc = google_crc32c.extend(self._crc, bytes(body))
        self._sent += len(body)

    def finish(self, body: Body) -> None:
        """See ``Upload.finish``."""
        body = _held(body)
        sha256 = self._sha256.copy()
        sha256.update(body)
        self._compare(sha256.hexdigest())
        crc = google_crc32c.extend(self._crc, bytes(body)).to_bytes(4, "big")
        with translated(self._bucket.options.bucket, "send"):
            self._transmit(body, {"X-Goog-Hash": f"crc32c={base64.b64encode(crc).decode('ascii')}"})

    def verify(self) -> None:
        """See ``Upload.verify``: the server creates no object whose CRC32C differs from the request's."""

    def abort(self) -> None:
        """See ``Upload.abort``."""
        if self._url is None:
            return
        with translated(self._bucket.options.bucket, "abort"):
            response = self._request("DELETE", b"", {})
            if response.status_code not in _ABORTED:
                refuse(response)

    def _transmit(self, body: bytearray, headers: Mapping[str, str]) -> None:
        """Send the part of the piece that the server lacks."""
        end = self._sent + len(body)
        start = self._received() if self._unsure else self._sent
        if start < end:
            self._unsure = True
            rest = bytes(memoryview(body)[start - self._sent :])
            span = f"bytes {start}-{end - 1}/{self.metadata.byte_size}"
            if self._state(self._request("PUT", rest, {"Content-Range": span, **headers})) < end:
                raise StorageUnavailable("the server took part of a piece alone")
        self._unsure = False

    def _received(self) -> int:
        """The number of bytes that the server has of the upload."""
        response = self._request("PUT", b"", {"Content-Range": f"bytes */{self.metadata.byte_size}"})
        received = self._state(response)
        if received < self._sent:
            raise StorageUnavailable("the server has lost part of the upload")
        return received

    def _state(self, response: Response) -> int:
        """The number of bytes that the server reports."""
        if response.status_code in _CREATED:
            return self.metadata.byte_size
        if response.status_code != _INCOMPLETE:
            refuse(response)
        span = re.fullmatch(r"bytes=0-([0-9]+)", response.headers.get("Range", ""))
        return int(span[1]) + 1 if span else 0

    def _request(self, method: str, body: bytes, headers: Mapping[str, str]) -> Response:
        # The answer 308 is no redirect here.
        response: Response = self._bucket.session().request(
            method,
            self._url,
            data=body,
            headers=dict(headers),
            timeout=self._bucket.waits["timeout"],
            allow_redirects=False,
        )
        return response

    def _compare(self, sha256: str) -> None:
        if sha256 != self.metadata.sha256:
            raise ContentMismatch(f"sha256 {sha256} instead of {self.metadata.sha256}")

    def _creating(self) -> dict[str, Any]:
        return {
            "content_type": header_value(self.metadata.content_type),
            "predefined_acl": self._bucket.options.acl or None,
            "if_generation_match": _ABSENT,
        }

    def _blob(self) -> Any:
        """The object with its metadata."""
        blob = self._bucket.blob(self.key)
        blob.content_disposition = disposition_of(self.metadata)
        blob.metadata = {"sha256": self.metadata.sha256, MARKER: self.marker}
        if self.metadata.import_id is not None:
            blob.metadata = {**blob.metadata, "import-id": self.metadata.import_id}
        if self._bucket.options.storage_class:
            blob.storage_class = self._bucket.options.storage_class
        return blob


def _held(body: Body) -> bytearray:
    """The bytes in memory, as the library needs them."""
    return body.whole() if isinstance(body, FilePart) else body
