"""A bucket of S3, or of a server that speaks S3, through botocore. Every method blocks.

botocore signs, finds credentials, reads and writes XML, and sends each request once; ``lading.backends.cloud.storage``
decides about repetitions.
"""

import hashlib
import logging
import threading
from collections.abc import Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Any, ClassVar, Final

from ...plugins.capabilities import ListedObject, UnfinishedSave
from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import (
    ContentMismatch,
    ObjectExists,
    StorageDenied,
    StorageError,
    StorageUnavailable,
)
from ..cloud.bodies import BLOCK_SIZE
from ..cloud.bucket import MIB, Bucket, Page, Piece, Upload
from ..cloud.names import Names
from .client import make_client
from .errors import answered, translated
from .options import S3StorageOptions
from .proving import CONDITION, PUT, Proven, abort, marker_of, prove
from .uploading import S3Upload

_LOG: Final = logging.getLogger(__name__)


class S3Bucket(Bucket):
    """See ``Bucket``."""

    piece_size: ClassVar[int] = 5 * MIB
    """The smallest size that S3 allows for a part that is not the last."""

    def __init__(self, options: S3StorageOptions) -> None:
        self.options = options
        self.names = Names(options.prefix, options.key_template)
        self._lock = threading.Lock()
        self._client: Any = None
        self._proven: Proven | None = None

    def upload(self, key: str, metadata: ObjectMetadata) -> Upload:
        """See ``Bucket.upload``."""
        return S3Upload(self, key, metadata)

    def marker(self, key: str) -> str | None:
        """See ``Bucket.marker``."""
        return marker_of(self._head(self.names.name(key)))

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
            if answered(error) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return self._outside(key)
            raise

    def size(self, key: str) -> int:
        """The number of the object's bytes. Raises ObjectNotFound."""
        size: int = self._head(self.names.name(key))["ContentLength"]
        return size

    def digest(self, key: str) -> "hashlib._Hash":
        """The SHA-256 of the object, which is read in blocks. Raises ObjectNotFound."""
        digest = hashlib.sha256()
        with translated(self.options.bucket):
            answer = self.call("get_object", Key=self.names.name(key))
            with closing(answer["Body"]) as body:
                for block in body.iter_chunks(BLOCK_SIZE):
                    digest.update(block)
        return digest

    def tags_by_md5(self, answer: Mapping[str, Any]) -> bool:
        """Whether the ETag in an answer is the MD5 of the bytes, as for objects that no KMS key encrypts.

        See https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
        """
        is_by_kms = self.options.encryption.startswith("aws:kms") or "SSEKMSKeyId" in answer
        return self._proven is not None and self._proven.tags_by_md5 and not is_by_kms

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

    def uploads(self, after: Mapping[str, str]) -> tuple[tuple[UnfinishedSave, ...], Mapping[str, str] | None]:
        """Up to 1000 uploads in parts that have not ended, and where the next page begins; None on the last page."""
        answer = self.ask("list_multipart_uploads", Prefix=self.names.beginning(""), **after)
        found = tuple(
            UnfinishedSave(key, entry["Initiated"], entry["UploadId"])
            for entry in answer.get("Uploads", ())
            if (key := self.names.key(entry["Key"])) is not None
        )
        if not answer.get("IsTruncated"):
            return found, None
        return found, {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def end(self, save: UnfinishedSave) -> None:
        """Abort an upload in parts, if it has not ended."""
        abort(self.ask, {"Key": self.names.name(save.key), "UploadId": save.token})

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
        proven = self._proven
        if proven is None:
            proven = self._prove()
        else:
            with suppress(ObjectExists):
                condition = CONDITION if PUT in proven.conditional else {}
                self.ask(PUT, Key=self.names.probe, Body=b"", **condition)
        if proven.gap and self.options.create_only:
            self._proven = None  # somebody may change the server
            raise StorageError(
                f"{proven.gap}, so that one save could replace another's object: use another server, or set "
                "create_only = false in [storage.s3]; Lading then looks for the object first where the server ignores "
                "the condition"
            )

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

    def condition(self, method: str) -> Mapping[str, str] | None:
        """The condition that makes a request fail if there is an object; None if the server ignores it there."""
        if self.options.create_only:
            return CONDITION
        return CONDITION if method in (self._proven or self._prove()).conditional else None

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

    def _prove(self) -> Proven:
        """Prove the server, and remember the result. Two threads may do so at once, with one result."""
        proven = prove(self.ask, self.names.probe)
        if not proven.keeps_metadata:
            _LOG.warning(
                "the S3 server of bucket %s keeps no metadata of objects: if the answer to a save is lost, Lading "
                "cannot tell its own object from another's, and reads the object back",
                self.options.bucket,
            )
        if proven.gap and not self.options.create_only:
            _LOG.warning(
                "the S3 server of bucket %s: %s; Lading looks for the object first there, and two saves of one key at "
                "the same moment may both succeed",
                self.options.bucket,
                proven.gap,
            )
        self._proven = proven
        return proven


def _piece(answer: Mapping[str, Any], body: Any, offset: int, length: int) -> Piece:
    size = answer["ContentLength"]
    if "ContentRange" in answer:
        size = int(answer["ContentRange"].rpartition("/")[2])
    elif offset or size > length:
        raise StorageError("the server ignores Range, and would send the whole object for every part of it")
    return Piece(size, answer["ETag"], body.read())
