"""One object on its way into a bucket of S3: by PutObject, or by an upload in parts. Every method blocks."""

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ...plugins.contracts import ObjectMetadata
from ...plugins.errors import ContentMismatch, ObjectExists, ObjectNotFound, StorageError
from ..cloud.bodies import Body, FilePart
from ..cloud.bucket import Upload
from ..cloud.names import disposition_of, header_value
from .proving import COMPLETE, MARKER, PUT, abort

if TYPE_CHECKING:
    from .bucket import S3Bucket


class S3Upload(Upload):
    """See ``Upload``."""

    def __init__(self, bucket: "S3Bucket", key: str, metadata: ObjectMetadata) -> None:
        super().__init__(key, metadata)
        self._bucket = bucket
        self._place: dict[str, str] = {"Key": bucket.names.name(key)}
        self._parts: list[Mapping[str, Any]] = []
        self._sha256 = hashlib.sha256()
        self._last_sent = False
        self._completed = False
        self._fault: ContentMismatch | None = None

    def put(self, body: Body) -> None:
        """See ``Upload.put``."""
        checksum, md5 = _checksum(bytes.fromhex(self.metadata.sha256)), _md5()
        if isinstance(body, FilePart):  # not every server compares, and no guard has seen these bytes
            digest = hashlib.sha256()
            _hash(body, digest, md5)
            self._compare_whole(digest)
        else:
            _hash(body, md5)
        answer = self._bucket.ask(
            PUT,
            **self._place,
            **self._attributes(),
            **self._condition(PUT),
            Body=body,
            ChecksumSHA256=checksum,
        )
        with self._disowning():
            self._compare(checksum, md5, answer)
        self.verify()

    def begin(self) -> None:
        """See ``Upload.begin``."""
        fields = {**self._attributes(), "ChecksumAlgorithm": "SHA256"}
        self._place["UploadId"] = self._bucket.ask("create_multipart_upload", **self._place, **fields)["UploadId"]

    def send(self, body: Body) -> None:
        """See ``Upload.send``."""
        digest, whole, md5 = hashlib.sha256(), self._sha256.copy(), _md5()
        _hash(body, digest, whole, md5)
        checksum = _checksum(digest.digest())
        number = len(self._parts) + 1
        answer = self._bucket.ask("upload_part", **self._place, PartNumber=number, Body=body, ChecksumSHA256=checksum)
        self._compare(checksum, md5, answer)
        self._sha256 = whole
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})

    def finish(self, body: Body) -> None:
        """See ``Upload.finish``."""
        if self._fault is not None:
            raise self._fault
        if not self._last_sent:
            self.send(body)
            self._last_sent = True
        self._compare_whole(self._sha256)
        if not self._completed:
            self._bucket.ask(
                COMPLETE, **self._place, **self._condition(COMPLETE), MultipartUpload={"Parts": self._parts}
            )
            self._completed = True
        self.verify()

    def verify(self) -> None:
        """See ``Upload.verify``: the size, if the server has joined parts; with ``verify = read_back`` every byte."""
        with self._disowning():
            if self._parts and (size := self._bucket.size(self.key)) != self.metadata.byte_size:
                raise ContentMismatch(f"the server made an object of {size} bytes, not {self.metadata.byte_size}")
            if self._bucket.options.verify == "read_back":
                self._compare_whole(self._bucket.digest(self.key))

    def abort(self) -> None:
        """See ``Upload.abort``."""
        if "UploadId" in self._place:
            abort(self._bucket.ask, self._place)

    @contextmanager
    def _disowning(self) -> Iterator[None]:
        """Remove the object if the block finds that it has other bytes.

        Nobody relies on it: who finds it under its key reads and compares it. Should it stay nevertheless, this upload
        must not take it for its own.
        """
        try:
            yield
        except ContentMismatch as error:
            self._fault = error
            self.marker = uuid.uuid4().hex
            with suppress(StorageError):
                self._bucket.delete(self.key)
            raise

    def _compare(self, sent: str, md5: "hashlib._Hash", answer: Mapping[str, Any]) -> None:
        """Compare the digests in an answer, which some servers leave out, with those of the bytes that were sent."""
        received = answer.get("ChecksumSHA256", sent)
        if received != sent:
            raise ContentMismatch(f"the server received bytes of SHA-256 {received} instead of {sent}")
        tag = str(answer.get("ETag", "")).strip('"').lower()
        if self._bucket.tags_by_md5(answer) and tag != md5.hexdigest():
            raise ContentMismatch(f"the server received bytes of MD5 {tag} instead of {md5.hexdigest()}")

    def _compare_whole(self, digest: "hashlib._Hash") -> None:
        found = digest.hexdigest()
        if found != self.metadata.sha256:
            raise ContentMismatch(f"sha256 {found} instead of {self.metadata.sha256}")

    def _condition(self, method: str) -> Mapping[str, str]:
        """The condition of a request, or none after a look at the key. Raises ObjectExists."""
        condition = self._bucket.condition(method)
        if condition is not None:
            return condition
        try:
            self._bucket.marker(self.key)
        except ObjectNotFound:
            return {}
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


def _hash(body: Body, *digests: "hashlib._Hash") -> None:
    """Update digests with a whole body; the next read of a file begins at its first byte."""
    for block in body.blocks() if isinstance(body, FilePart) else (body,):
        for digest in digests:
            digest.update(block)


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)


def _checksum(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
