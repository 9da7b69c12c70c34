"""What a server that speaks S3 can do, as its answers to a few requests prove. Every function blocks.

Servers differ by the kind of request: some honour ``If-None-Match`` when they create an object by PutObject, and ignore
it when CompleteMultipartUpload creates the object.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from ...plugins.errors import ObjectExists, StorageDenied, StorageError
from .errors import answered, code_of

PUT: Final = "put_object"
COMPLETE: Final = "complete_multipart_upload"
CREATING: Final[Mapping[str, str]] = {PUT: "PutObject", COMPLETE: "CompleteMultipartUpload"}
"""The requests that create an object, by botocore's names and by S3's."""
CONDITION: Final[Mapping[str, str]] = {"IfNoneMatch": "*"}
"""Makes a request fail if there is an object."""
MARKER: Final = "lading-save"
"""Key of the upload's marker in an object's metadata."""
_NOT_ALLOWED: Final = 405
_NOT_IMPLEMENTED: Final = 501
_NOT_FOUND: Final = 404

Ask = Callable[..., Mapping[str, Any]]
"""Makes a request: ``S3Bucket.ask``."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The abilities of a server.

    Attributes:
        conditional: the requests of ``CREATING`` that honour ``If-None-Match``.
        keeps_metadata: whether objects keep the metadata that they are created with.
        tags_by_md5: whether the ETag of what one request creates, an object or a part, is the MD5 of its bytes.
    """

    conditional: frozenset[str]
    keeps_metadata: bool
    tags_by_md5: bool

    @property
    def gap(self) -> str:
        """Which requests create an object whether or not there is one; empty if none does."""
        ignoring = [name for method, name in CREATING.items() if method not in self.conditional]
        honouring = [name for method, name in CREATING.items() if method in self.conditional]
        if not ignoring:
            return ""
        exception = f", although it honours it in {honouring[0]}" if honouring else ""
        return f"the server ignores If-None-Match in {' and '.join(ignoring)}{exception}"


def prove(ask: Ask, name: str) -> Proven:
    """Prove what the server can do, with an empty object under the name, which stays.

    Raises:
        StorageError: a request that Lading needs is refused, or the server cannot abort an upload.
    """
    metadata = {MARKER: uuid.uuid4().hex}
    put = {"Key": name, "Body": b"", "Metadata": metadata}
    is_put_refused = _refused(ask, PUT, **put) or _refused(ask, PUT, **put)  # there may have been no object
    is_completion_refused, tag = _completion(ask, name)
    proofs = {PUT: is_put_refused, COMPLETE: is_completion_refused}
    return Proven(
        conditional=frozenset(method for method, is_honoured in proofs.items() if is_honoured),
        keeps_metadata=_keeps_metadata(ask, name, metadata),
        tags_by_md5=tag.strip('"').lower() == hashlib.md5(b"", usedforsecurity=False).hexdigest(),
    )


def marker_of(answer: Mapping[str, Any]) -> str | None:
    """The marker in an object's metadata. Names of headers, and so its key, come back in any case."""
    return next((value for key, value in answer["Metadata"].items() if key.lower() == MARKER), None)


def abort(ask: Ask, place: Mapping[str, str]) -> None:
    """Abort an upload, unless it is no longer there. Raises StorageError."""
    try:
        ask("abort_multipart_upload", **place)
    except StorageError as error:
        if answered(error) in (_NOT_ALLOWED, _NOT_IMPLEMENTED):
            raise StorageError(
                "the server does not know AbortMultipartUpload, so that the parts of failed uploads would stay for "
                "ever: use another server"
            ) from error
        cause = error.__cause__
        if answered(error) != _NOT_FOUND and not (isinstance(cause, ClientError) and code_of(cause) == "NoSuchUpload"):
            raise


def _refused(ask: Ask, method: str, **fields: Any) -> bool:
    """Make a request with the condition. True if the condition fails, as it does when there is an object."""
    try:
        ask(method, **CONDITION, **fields)
    except ObjectExists:
        return True
    except StorageError as error:
        if answered(error) != _NOT_IMPLEMENTED:
            raise
        ask(method, **fields)
    return False


def _keeps_metadata(ask: Ask, name: str, metadata: Mapping[str, str]) -> bool:
    if marker_of(ask("head_object", Key=name)) is not None:
        return True
    try:  # earlier versions created it without metadata
        ask(PUT, Key=name, Body=b"", Metadata=metadata)
    except StorageDenied:  # the policy of the bucket may demand the condition
        return True
    return marker_of(ask("head_object", Key=name)) is not None


def _completion(ask: Ask, name: str) -> tuple[bool, str]:
    """As ``_refused``, for an upload of one empty part, and the part's ETag.

    The upload is then aborted. An error of that hides no other error.
    """
    place = {"Key": name, "UploadId": ask("create_multipart_upload", Key=name)["UploadId"]}
    try:
        part = {"ETag": ask("upload_part", PartNumber=1, Body=b"", **place)["ETag"], "PartNumber": 1}
        is_refused = _refused(ask, COMPLETE, MultipartUpload={"Parts": [part]}, **place)
    except BaseException:
        with suppress(StorageError):
            abort(ask, place)
        raise
    abort(ask, place)
    return is_refused, str(part["ETag"])
