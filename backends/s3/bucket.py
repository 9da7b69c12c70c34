"""A bucket of S3, or of a server that speaks S3, through botocore. Every method blocks.

botocore signs, finds credentials, reads and writes XML, and sends each request once; ``lading.backends.cloud.storage``
decides about repetitions.
"""

import base64
import hashlib
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from ...plugins.capabilities import ListedObject
from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import (
    ContentMismatch,
    ObjectExists,
    ObjectNotFound,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from ..cloud.bodies import Body, FilePart
from ..cloud.bucket import MIB, Bucket, Page, Piece, Upload
from ..cloud.names import Names, disposition_of, header_value
from .client import make_client
from .errors import status_of, translated
from .options import S3StorageOptions

MARKER: Final = "lading-save"
"""Key of the upload's marker in an object's metadata."""
_ABSENT: Final = "*"


class S3Bucket(Bucket):
    """See ``Bucket``."""

    piece_size: ClassVar[int] = 5 * MIB
    """The smallest size that S3 allows for a part that is not the last."""

    def __init__(self, options: S3StorageOptions) -> None:
        self.options = options
        self.names = Names(options.prefix, options.key_template)
        self._lock = threading.Lock()
        self._client: Any = None
        self._proven = False

    def upload(self, key: str, metadata: ObjectMetadata) -> Upload:
        """See ``Bucket.upload``."""
        return S3Upload(self, key, metadata)

    def marker(self, key: str) -> str | None:
        """See ``Bucket.marker``."""
        found: str | None = self._head(self.names.name(key))["Metadata"].get(MARKER)
        return found

    def read(self, key: str, offset: int, length: int, version: str | None) -> Piece:
        """See ``Bucket.read``."""
        if length == 0:
            return self._outside(key)
        condition = {} if version is None else {"IfMatch": version}
        span = f"bytes={offset}-{offset + length - 1}"
        try:
            with translated(self.options.bucket):
                answer = self.call("get_object", Key=self.names.name(key), Range=span, **condition)
                with closing(answer["Body"]) as body:
                    return _piece(answer, body, offset, length)
        except ObjectExists as error:  # 412: the condition is not met
            raise ContentMismatch("the object was replaced while it was read") from error
        except StorageError as error:
            if isinstance(error.__cause__, ClientError) and status_of(error.__cause__) == 416:  # noqa: PLR2004
                return self._outside(key)
            raise

    def delete(self, key: str) -> None:
        """See ``Bucket.delete``."""
        self.ask("delete_object", Key=self.names.name(key))

    def page(self, prefix: str, token: str | None) -> Page:
        """See ``Bucket.page``."""
        more = {} if token is None else {"ContinuationToken": token}
        answer = self.ask("list_objects_v2", Prefix=self.names.beginning(prefix), **more)
        listed = tuple(
            ListedObject(key, entry["Size"], entry["LastModified"])
            for entry in answer.get("Contents", ())
            if (key := self.names.key(entry["Key"])) is not None and key.startswith(prefix)
        )
        return Page(listed, answer.get("NextContinuationToken") if answer.get("IsTruncated") else None)

    def sign(self, key: str, seconds: int, content_type: str | None, content_disposition: str | None) -> str:
        """See ``Bucket.sign``."""
        wanted = {"ResponseContentType": content_type, "ResponseContentDisposition": content_disposition}
        fields = {name: value for name, value in wanted.items() if value is not None}
        fields |= {"Bucket": self.options.bucket, "Key": self.names.name(key)}
        with translated(self.options.bucket):
            url: str = self.client().generate_presigned_url("get_object", fields, ExpiresIn=seconds)
            return url

    def check(self) -> None:
        """See ``Bucket.check``: create the probe, which exists already except the first time."""
        if not self._proven:
            self._prove()
            self._proven = True
        else:
            self._probe("put_object", Body=b"")

    def close(self) -> None:
        """See ``Bucket.close``."""
        if self._client is not None:
            self._client.close()

    def ask(self, method: str, **fields: Any) -> Mapping[str, Any]:
        """Make one request. Raises StorageError."""
        with translated(self.options.bucket):
            return self.call(method, **fields)

    def call(self, method: str, **fields: Any) -> Mapping[str, Any]:
        """Make one request, with botocore's own errors."""
        answer: Mapping[str, Any] = getattr(self.client(), method)(Bucket=self.options.bucket, **fields)
        return answer

    @property
    def condition(self) -> Mapping[str, str]:
        """The condition that makes a request fail if there is an object."""
        return {"IfNoneMatch": _ABSENT} if self.options.create_only else {}

    def client(self) -> Any:
        """botocore's client, created at the first call, since that reads files."""
        with self._lock:
            if self._client is None:
                self._client = make_client(self.options)
            return self._client

    def _head(self, name: str) -> Mapping[str, Any]:
        """The answer to a HEAD request. Such an answer has no body, so the cause of a refusal comes by another way."""
        try:
            return self.ask("head_object", Key=name)
        except StorageDenied as denied:
            try:
                self.ask("get_object", Key=name, Range="bytes=0-0")["Body"].close()
            except StorageUnavailable:
                raise
            except StorageError:
                raise denied from denied.__cause__
            raise

    def _outside(self, key: str) -> Piece:
        """No bytes of the object."""
        head = self._head(self.names.name(key))
        return Piece(head["ContentLength"], head["ETag"], b"")

    def _probe(self, method: str, **fields: Any) -> bool:
        """Create the probe; whether there was none, or the server ignores the condition."""
        try:
            self.ask(method, Key=self.names.probe, **self.condition, **fields)
        except ObjectExists:
            return False
        return True

    def _prove(self) -> None:
        """Check once what holds for the server: that it knows conditions and parts, and allows reads."""
        created = self._probe("put_object", Body=b"")
        self._head(self.names.probe)
        again = created and self._probe("put_object", Body=b"")
        upload_id = self.ask("create_multipart_upload", Key=self.names.probe)["UploadId"]
        place = {"Key": self.names.probe, "UploadId": upload_id}
        try:
            part = {"ETag": self.ask("upload_part", PartNumber=1, Body=b"", **place)["ETag"], "PartNumber": 1}
            again |= self._probe("complete_multipart_upload", UploadId=upload_id, MultipartUpload={"Parts": [part]})
        finally:
            _abort(self, place)
        if again and self.options.create_only:
            raise StorageError(
                "the server ignores If-None-Match, so that one save could replace another's object: use a server that "
                "knows it, or set create_only = false in [storage.s3]"
            )


class S3Upload(Upload):
    """See ``Upload``."""

    def __init__(self, bucket: S3Bucket, key: str, metadata: ObjectMetadata) -> None:
        super().__init__(key, metadata)
        self._bucket = bucket
        self._place: dict[str, str] = {"Key": bucket.names.name(key)}
        self._parts: list[Mapping[str, Any]] = []
        self._sha256 = hashlib.sha256()
        self._last_sent = False

    def put(self, body: Body) -> None:
        """See ``Upload.put``."""
        checksum = _checksum(bytes.fromhex(self.metadata.sha256))
        if isinstance(body, FilePart):  # not every server compares, and no guard has seen these bytes
            digest = hashlib.sha256()
            _hash(body, digest)
            self._compare_whole(digest)
        if not self._bucket.options.create_only:
            self._check_free()
        answer = self._bucket.ask(
            "put_object",
            **self._place,
            **self._attributes(),
            **self._bucket.condition,
            Body=body,
            ChecksumSHA256=checksum,
        )
        _compare(checksum, answer)

    def begin(self) -> None:
        """See ``Upload.begin``."""
        fields = {**self._attributes(), "ChecksumAlgorithm": "SHA256"}
        self._place["UploadId"] = self._bucket.ask("create_multipart_upload", **self._place, **fields)["UploadId"]

    def send(self, body: Body) -> None:
        """See ``Upload.send``."""
        digest, whole = hashlib.sha256(), self._sha256.copy()
        _hash(body, digest, whole)
        checksum = _checksum(digest.digest())
        number = len(self._parts) + 1
        answer = self._bucket.ask("upload_part", **self._place, PartNumber=number, Body=body, ChecksumSHA256=checksum)
        _compare(checksum, answer)
        self._sha256 = whole
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})

    def finish(self, body: Body) -> None:
        """See ``Upload.finish``."""
        if not self._last_sent:
            self.send(body)
            self._last_sent = True
        self._compare_whole(self._sha256)
        if not self._bucket.options.create_only:
            self._check_free()
        self._bucket.ask(
            "complete_multipart_upload", **self._place, **self._bucket.condition, MultipartUpload={"Parts": self._parts}
        )

    def abort(self) -> None:
        """See ``Upload.abort``."""
        if "UploadId" in self._place:
            _abort(self._bucket, self._place)

    def _compare_whole(self, digest: "hashlib._Hash") -> None:
        found = digest.hexdigest()
        if found != self.metadata.sha256:
            raise ContentMismatch(f"sha256 {found} instead of {self.metadata.sha256}")

    def _check_free(self) -> None:
        try:
            self._bucket.marker(self.key)
        except ObjectNotFound:
            return
        raise ObjectExists

    def _attributes(self) -> dict[str, Any]:
        """The metadata of the object."""
        options, metadata = self._bucket.options, self.metadata
        user = {"sha256": metadata.sha256, MARKER: self.marker}
        if metadata.import_id is not None:
            user["import-id"] = header_value(metadata.import_id)
        optional = {
            "StorageClass": options.storage_class,
            "ServerSideEncryption": options.encryption,
            "SSEKMSKeyId": options.kms_key_id,
            "ACL": options.acl,
        }
        return {
            "ContentType": header_value(metadata.content_type),
            "ContentDisposition": disposition_of(metadata),
            "Metadata": user,
            **{name: value for name, value in optional.items() if value},
        }


def _piece(answer: Mapping[str, Any], body: Any, offset: int, length: int) -> Piece:
    size = answer["ContentLength"]
    if "ContentRange" in answer:
        size = int(answer["ContentRange"].rpartition("/")[2])
    elif offset or size > length:
        raise StorageError("the server ignores Range, and would send the whole object for every part of it")
    return Piece(size, answer["ETag"], body.read())


def _abort(bucket: S3Bucket, place: Mapping[str, str]) -> None:
    try:
        bucket.ask("abort_multipart_upload", **place)
    except StorageUnavailable as error:
        cause = error.__cause__
        if not (isinstance(cause, ClientError) and status_of(cause) == 404):  # noqa: PLR2004 - no longer there
            raise


def _hash(body: Body, *digests: "hashlib._Hash") -> None:
    """Update digests with a whole body; the next read of a file begins at its first byte."""
    for block in body.blocks() if isinstance(body, FilePart) else (body,):
        for digest in digests:
            digest.update(block)


def _checksum(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _compare(sent: str, answer: Mapping[str, Any]) -> None:
    received = answer.get("ChecksumSHA256", sent)  # some servers do not report the checksum
    if received != sent:
        raise ContentMismatch(f"the server received bytes of SHA-256 {received} instead of {sent}")
