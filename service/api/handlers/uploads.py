"""``/api/v1/uploads``: resumable uploads by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload).

Core, creation, creation-with-upload, termination, checksum and expiration.
"""

import base64
import binascii
import hashlib
import re
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

from ...errors.catalogue import ApiError
from ...imports.idempotency import key_of
from ...imports.uploads.files import UploadFile
from ...imports.uploads.state import Upload
from ...models import MAX_ID_LENGTH, Status
from ...models.grants import Grant
from ...storages.spool import Spool
from ..http.on_disk import DiskHandler
from ..params.upload_metadata import parse_upload_metadata
from ..resources import Common, UploadsApi
from .content import ReceivingHandler
from .imports import ROUTE_PARAMS, count_against_rates

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,termination,checksum,expiration"
ALGORITHMS: Final = ("sha1", "sha256", "md5")
CONTENT_TYPE: Final = "application/offset+octet-stream"
GATHERED: Final = 1024 * 1024
"""Bytes of a single write."""
_NUMBER: Final = re.compile(r"[0-9]{1,15}")


class TusHandler(DiskHandler):
    """The common part of all requests of the protocol."""

    api: UploadsApi

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of uploads."""
        super().initialize(common, api)
        self.keep_headers({"Tus-Resumable": VERSION})
        if self.method != self.request.method and self.request.method in self.SUPPORTED_METHODS:
            # The request keeps its method on the wire, which says whether its answer may have a body.
            instead = self.method.lower() if self.method in self.allowed_methods() else "_unimplemented_method"
            setattr(self, self.request.method.lower(), getattr(self, instead))

    @property
    def method(self) -> str:
        """See ``AnsweringHandler.method``. The protocol ignores the actual method if a header field names one."""
        return self.request.headers.get("X-HTTP-Method-Override") or super().method

    def options(self, *_: str) -> None:
        """Answer with the service's extensions of the protocol, without a token, as the protocol demands."""
        self.set_header("Tus-Version", VERSION)
        self.set_header("Tus-Extension", EXTENSIONS)
        self.set_header("Tus-Max-Size", str(self.api.uploads.max_bytes))
        self.set_header("Tus-Checksum-Algorithm", ",".join(ALGORITHMS))
        self.answer_nothing()

    def check_version(self) -> None:
        """Check that the client speaks the same version.

        Raises:
            ApiError: ``tus_version_unsupported``.
        """
        if self.request.headers.get("Tus-Resumable") != VERSION:
            self.keep_headers({"Tus-Version": VERSION})
            raise ApiError("tus_version_unsupported")

    def number(self, name: str) -> int:
        """The value of a numeric header field.

        Raises:
            ApiError: ``header_invalid``.
        """
        value = self.request.headers.get(name, "")
        if not _NUMBER.fullmatch(value):
            raise ApiError("header_invalid", header=name, reason="must be a whole number")
        return int(value)

    def tell(self, upload: Upload) -> None:
        """Put the offset of an upload into the answer's headers."""
        self.log_fields["import_id"] = upload.document.id
        self.keep_headers({"Upload-Offset": str(upload.offset), "X-Import-Id": upload.document.id})
        if upload.document.status is Status.WAITING:
            expires_at = self.api.uploads.expires_at(upload)
            self.keep_headers({"Upload-Expires": format_datetime(expires_at, usegmt=True)})
        elif self.kept_headers.pop("Upload-Expires", None):
            self.clear_header("Upload-Expires")


class AppendingHandler(TusHandler, ReceivingHandler):
    """A request whose body belongs to an upload."""

    upload: Upload
    file: UploadFile
    spool: Spool | None

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of uploads."""
        super().initialize(common, api)
        self.spool = None
        self._gathered = bytearray()
        self._digest: Any = None
        self._checksum = b""

    def check_body(self) -> None:
        """Check what the head of the request says about the body.

        Raises:
            ApiError: ``upload_content_type``, ``header_invalid``.
        """
        if self.request.headers.get("Content-Type") != CONTENT_TYPE:
            raise ApiError("upload_content_type")
        self._begin_checksum()

    async def open_file(self, grant: Grant, upload: Upload) -> None:
        """Start to accept the body.

        Raises:
            ApiError: ``too_many_uploads``, ``upload_locked``.
        """
        self.opened.enter_context(self.api.receiving.places.one(grant.issuer_id))
        self.file = await self.opened.enter_async_context(self.api.uploads.opened(upload))
        self.upload = Upload(upload.document, upload.length, self.file.size)

    def expect_body(self) -> None:
        """Bound the body by the missing bytes.

        Raises:
            ApiError: ``request_body_too_large``.
        """
        self.max_body_bytes = self.upload.length - self.upload.offset
        if self.announced_bytes() > self.max_body_bytes:
            raise ApiError("request_body_too_large", limit=self.max_body_bytes)
        self.opened.push_async_callback(self._flush)
        if self._digest is not None:
            # Unverified bytes must not become part of the upload, not even if the process dies.
            self.spool = self.opened.enter_context(self.api.receiving.spools.open())

    def _begin_checksum(self) -> None:
        value = self.request.headers.get("Upload-Checksum")
        if value is None:
            return
        algorithm, _, encoded = value.partition(" ")
        if algorithm not in ALGORITHMS:
            reason = f"must name one of {', '.join(ALGORITHMS)}"
            raise ApiError("header_invalid", header="Upload-Checksum", reason=reason)
        try:
            self._checksum = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ApiError("header_invalid", header="Upload-Checksum", reason="must be base64") from None
        self._digest = hashlib.new(algorithm, usedforsecurity=False)

    async def received(self, chunk: bytes) -> None:
        """Write a piece to the file, or keep it until its checksum is verified."""
        if self.spool is not None:
            self._digest.update(chunk)
            await self.spool.write(chunk)
            return
        self._gathered += chunk
        if len(self._gathered) >= GATHERED:
            await self._flush()

    async def _flush(self) -> None:
        data, self._gathered = bytes(self._gathered), bytearray()
        if data:
            await self.api.uploads.append(self.file, data)

    def _check_offset(self, offset: int) -> None:
        if offset != self.upload.offset:
            self.tell(self.upload)
            raise ApiError("upload_offset_mismatch", offset=self.upload.offset)

    async def append_rest(self) -> None:
        """Write the kept pieces to the file; call this when the body has ended.

        Raises:
            ApiError: ``upload_checksum_mismatch``.
        """
        if self.spool is None:
            return
        if self._digest.digest() != self._checksum:
            raise ApiError("upload_checksum_mismatch")
        await self.spool.complete()
        async for piece in self.spool.chunks():
            await self.api.uploads.append(self.file, piece)

    async def finish_upload(self) -> None:
        """Answer with the offset of the upload; after the last bytes, when its image is stored."""
        upload = Upload(self.upload.document, self.upload.length, self.file.size)
        self.tell(upload)
        if upload.is_complete:
            self.tell(await self.api.uploads.completed(upload))


class UploadsHandler(AppendingHandler):
    """The creation of an upload, possibly with its first bytes."""

    async def accept_body(self) -> None:
        """Create the upload and its import, unless the request is refused."""
        if self.method != "POST":
            return
        self.check_version()
        grant = await self.authenticate()
        await count_against_rates(self, grant)
        length = self.number("Upload-Length")
        has_body = bool(self.announced_bytes()) or "Transfer-Encoding" in self.request.headers
        if has_body:
            self.check_body()
            if self.announced_bytes() > length:
                raise ApiError("request_body_too_large", limit=length)
        params: dict[str, Any] = parse_upload_metadata(
            self.request.headers.get("Upload-Metadata", ""), self.common.limits.params
        )
        params = {name: value for name, value in params.items() if name not in ROUTE_PARAMS} | ROUTE_PARAMS
        key = key_of(self.request.headers.get_list("Idempotency-Key"))
        self.upload, is_replayed = await self.api.uploads.create(grant, length, params, self.request_id, key)
        # Also after an error with the bytes: the upload exists, and can continue.
        self.keep_headers({"Location": f"/api/v1/uploads/{self.upload.document.id}"})
        self.tell(self.upload)
        if is_replayed:
            self.keep_headers({"Idempotent-Replayed": "true"})
        if has_body:
            self._check_offset(0)
            await self.open_file(grant, self.upload)
            self.expect_body()

    async def post(self) -> None:
        """Answer with the URL for the remaining bytes."""
        async with self.finishing():
            self.body_ended()
            await self.append_rest()
        if hasattr(self, "file"):
            await self.finish_upload()
        self.set_status(HTTPStatus.CREATED)
        self.set_header("Content-Length", "0")
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()


class UploadHandler(AppendingHandler):
    """An upload."""

    async def head(self, upload_id: str) -> None:
        """Answer with its offset. If a complete upload could not be stored before, this tries again."""
        self.check_version()
        grant = await self.authenticate()
        upload = await self.api.uploads.find(grant, upload_id[:MAX_ID_LENGTH])
        if upload.is_complete:
            upload = await self.api.uploads.completed(upload)
        self.tell(upload)
        self.set_header("Upload-Length", str(upload.length))
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()

    async def delete(self, upload_id: str) -> None:
        """End it before it is complete, and cancel its import."""
        self.check_version()
        grant = await self.authenticate()
        await self.api.uploads.terminate(grant, upload_id[:MAX_ID_LENGTH], self.api.actions.cancel)
        self.answer_nothing()

    async def accept_body(self) -> None:
        """Open the file, if the sent offset is the offset of the upload."""
        if self.method != "PATCH":
            return
        self.check_version()
        grant = await self.authenticate()
        offset = self.number("Upload-Offset")
        self.check_body()
        self.upload = await self.api.uploads.find(grant, self.path_args[0][:MAX_ID_LENGTH])
        if self.upload.document.status is Status.DONE:  # its file is gone, and must not be created again
            self._check_offset(offset)
            raise ApiError("upload_gone")
        await self.open_file(grant, self.upload)
        self._check_offset(offset)
        self.expect_body()

    async def patch(self, upload_id: str) -> None:  # noqa: ARG002  # known since the body began
        """Accept the next bytes."""
        async with self.finishing():
            self.body_ended()
            await self.append_rest()
        await self.finish_upload()
        self.answer_nothing()
