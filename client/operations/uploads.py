"""Files: resumable uploads by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import hashlib
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Unpack
from urllib.parse import urlsplit

from ..core import json_body, segment
from ..errors import Conflict, LadingError, NotAuthenticated, PermissionDenied, ServerNotReachable, Unavailable
from ..models import Import
from ..results import ImportParams, Upload
from ..steps import Call, Operation, Pause, Reply, Request
from .imports import ImportOperations

PIECE: Final = 4 * 1024 * 1024
"""Bytes of a request. The service verifies the checksum of each before it keeps any of it."""
IN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes of a pipe that are kept in memory; the rest is in a temporary file."""
STORING: Final = 150.0
"""Seconds that the service may stay silent while it recognises and stores the image."""
CHECKSUM_MISMATCH: Final = 460
"""A status of the tus protocol: the piece was damaged on the way."""
_TUS: Final = {"Tus-Resumable": "1.0.0"}

FileLike = str | os.PathLike[str] | bytes | IO[bytes]


@dataclass(slots=True)
class _Source:
    """The bytes of an upload. Its methods block, and may raise ``OSError``.

    Attributes:
        name: of the file; empty if it has none.
        length: bytes.
        digest: of the bytes that were read, in their order from the first one.
        hashed: how many these are.
    """

    file: IO[bytes]
    start: int
    length: int
    name: str = ""
    digest: Any = field(default_factory=hashlib.sha256)
    hashed: int = 0

    def piece(self, offset: int, size: int) -> bytes:
        """The bytes at an offset."""
        while self.hashed < offset:  # of an upload that goes on, the beginning was not read here
            self._hash(self._read(self.hashed, min(PIECE, offset - self.hashed)))
        data = self._read(offset, min(size, self.length - offset))
        if self.hashed == offset:
            self._hash(data)
        return data

    def _hash(self, data: bytes) -> None:
        self.digest.update(data)
        self.hashed += len(data)

    def _read(self, offset: int, size: int) -> bytes:
        self.file.seek(self.start + offset)
        data = self.file.read(size)
        if len(data) != size:
            raise OSError(f"the file ends after {offset + len(data)} of {self.length} bytes")
        return data

    def sha256(self) -> str:
        """The SHA-256 of the whole."""
        while self.hashed < self.length:
            self._hash(self._read(self.hashed, min(PIECE, self.length - self.hashed)))
        return str(self.digest.hexdigest())


class UploadOperations(ImportOperations):
    """The operation on files. ``Client`` returns the result, ``AsyncClient`` awaits it."""

    __slots__ = ()

    def import_file(
        self,
        file: FileLike,
        *,
        resume: Upload | str | None = None,
        on_progress: Callable[[Upload], None] | None = None,
        timeout: float = 300.0,
        check: bool = True,
        piece_size: int = PIECE,
        idempotency_key: str | None = None,
        **params: Unpack[ImportParams],
    ) -> Operation[Import]:
        """Import the bytes of a file, and wait until the image is stored.

        The upload goes on by itself after a lost connection and a restart of the service. To go on in another process,
        give the same ``idempotency_key`` again; or keep the ``Upload`` that ``on_progress`` gets, and give it as
        ``resume``.

        Args:
            file: a path, the bytes, or a file that is open for reading binary data, which is read from where it is. A
                pipe is read to its end first.
            resume: the upload of the same file to go on with, or its URL.
            on_progress: called when the upload exists, and whenever bytes were sent or the service has kept some. An
                ``offset`` is only certain at the end of a request, so ask for nothing but the URL when you resume.
            timeout: seconds to wait for the end of the import after the last byte.
            check: whether a failed import raises ``ImportFailed``; otherwise it is returned.
            piece_size: bytes of a request, each with a checksum.
            idempotency_key: for a day, the same key with the same parameters and length goes on with the same upload.
            **params: see ``ImportParams``; without ``filename``, the name of the file. Not for ``resume``.

        Raises:
            ImportFailed: the bytes are no allowed image.
            NotFound: the upload to go on with is gone: its import was deleted.
            LadingError: ``checksum_mismatch``: the stored image is not this file, which has changed meanwhile.
            OSError: the file cannot be read.
            ValueError: it is empty, or it is not the file of the upload.
        """
        with ExitStack() as stack:
            source: _Source = yield Call(lambda: _opened(file, stack))
            if not source.length:
                raise ValueError("the file is empty")
            sending = _Sending(source, on_progress or _ignored, piece_size)
            if resume is None:
                upload = yield from self._begun(source, params, idempotency_key or str(uuid.uuid4()))
                sending.told(upload)
            else:
                upload = Upload(self.url_of(_path(resume)), 0, source.length)
            document = yield from self._finished(sending, upload, is_known=resume is None)
            if not document.is_final:
                document = yield from self.wait(document, timeout=timeout, check=False)
            if document.is_done and document.image is not None:
                sha256 = yield Call(source.sha256)
                image = document.image
                if (image.source_sha256 or image.sha256) != sha256:  # a service with processors may store others
                    detail = f"Import {document.id} has other bytes than the file: the file has changed."
                    raise LadingError("checksum_mismatch", detail=detail)
            return document.checked() if check else document

    def cancel_upload(self, upload: Upload | str) -> Operation[None]:
        """End an upload: the service removes its bytes, and its import becomes ``cancelled``.

        Raises:
            NotFound: there is no such upload, or it has ended.
        """
        yield from self.exchange(Request("DELETE", _path(upload), headers=_TUS, settled=frozenset({404, 410})))

    def _begun(self, source: _Source, params: Mapping[str, Any], key: str) -> Operation[Upload]:
        """A new upload, or that of an earlier request with the key."""
        given = {"filename": source.name, **params} if source.name else params
        headers = {
            **_TUS,
            "Idempotency-Key": key,
            "Upload-Length": str(source.length),
            "Upload-Metadata": _metadata(given),
        }
        request = Request("POST", "/api/v1/uploads", headers=headers, is_repeatable=True)
        reply = yield from self.exchange(request)
        url = self.url_of(_path(reply.head.headers.get("location", "")))
        return Upload(url, _number(reply, "upload-offset"), source.length)

    def _finished(self, sending: "_Sending", upload: Upload, *, is_known: bool) -> Operation[Import]:
        """Send what is missing; the import then. ``is_known`` says whether the offset is that of the service."""
        tries = self.tries()
        while True:
            try:
                if not is_known:
                    upload = yield from self._asked(upload)
                    is_known = True
                    sending.told(upload)
                while upload.offset < upload.length:
                    upload = yield from self._piece(sending, upload)
                    tries.renew()
                    sending.told(upload)
                error: LadingError | None = None
            except (NotAuthenticated, PermissionDenied):
                raise
            except LadingError as failure:
                error = failure
            # After an error too: the last piece may have arrived, or its image may be none.
            document = yield from self.get_import(upload.import_id)
            if error is None or document.is_final:
                return document
            seconds = tries.delay(error.retry_after) if _may_go_on(error) else None
            if seconds is None:
                raise error
            yield Pause(seconds)
            is_known = False

    def _asked(self, upload: Upload) -> Operation[Upload]:
        """How far an upload has come.

        Raises:
            ValueError: it is not of this file.
        """
        reply = yield from self.exchange(Request("HEAD", _path(upload), headers=_TUS, timeout=STORING))
        length = _number(reply, "upload-length")
        if length != upload.length:
            raise ValueError(f"the upload is of {length} bytes, and the file has {upload.length}")
        return Upload(upload.url, _number(reply, "upload-offset"), length)

    def _piece(self, sending: "_Sending", upload: Upload) -> Operation[Upload]:
        """Send the next piece."""
        data: bytes = yield Call(lambda: sending.source.piece(upload.offset, sending.piece_size))
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {
            **_TUS,
            "Upload-Offset": str(upload.offset),
            "Upload-Checksum": f"sha256 {checksum}",
            "Content-Type": "application/offset+octet-stream",
        }

        def sent(count: int) -> None:
            sending.told(Upload(upload.url, upload.offset + count, upload.length))

        request = Request("PATCH", _path(upload), headers=headers, body=data, told=sent, timeout=STORING)
        reply = yield from self.exchange(request)
        return Upload(upload.url, _number(reply, "upload-offset"), upload.length)


@dataclass(frozen=True, slots=True)
class _Sending:
    """What is sent, who is told, and the bytes of a request."""

    source: _Source
    told: Callable[[Upload], None]
    piece_size: int


def _opened(file: FileLike, stack: ExitStack) -> _Source:
    """Open what the caller gave; what this opens, the stack closes.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(file, bytes):
        return _Source(io.BytesIO(file), 0, len(file))
    if isinstance(file, str | os.PathLike):
        opened = stack.enter_context(Path(file).open("rb"))  # noqa: SIM115  # see above
        return _Source(opened, 0, opened.seek(0, os.SEEK_END), Path(file).name)
    name = getattr(file, "name", "")
    name = Path(name).name if isinstance(name, str) else ""
    if not file.seekable():
        kept = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  # see above
        shutil.copyfileobj(file, kept)
        return _Source(kept, 0, kept.tell(), name)
    start = file.tell()
    return _Source(file, start, file.seek(0, os.SEEK_END) - start, name)


def _metadata(params: Mapping[str, Any]) -> str:
    """``Upload-Metadata``: objects and lists as in a form, but for ``metadata``, which is JSON."""
    pairs: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, one in value.items():
                add(f"{name}[{key}]", one)
        elif isinstance(value, list | tuple):
            for one in value:
                add(f"{name}[]", one)
        elif value is not None:
            pairs.append((name, str(value)))

    for name, value in params.items():
        if name in ("metadata", "metadatas"):
            pairs.append((name, json_body(value).decode()))
        else:
            add(name, value)
    return ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in pairs)


def _path(upload: Upload | str) -> str:
    """The path of an upload. Of a URL only the id counts: nothing but the client's own server is asked."""
    url = upload if isinstance(upload, str) else upload.url
    return f"/api/v1/uploads/{segment(urlsplit(url).path.rstrip('/').rpartition('/')[2])}"


def _number(reply: Reply, name: str) -> int:
    value = reply.head.headers.get(name, "")
    if not value.isdigit():
        raise LadingError("answer_invalid", detail=f"The answer has no {name}: the server speaks no tus 1.0.")
    return int(value)


def _may_go_on(error: LadingError) -> bool:
    """Whether an upload continues after an error, from the offset that the service tells."""
    return isinstance(error, ServerNotReachable | Unavailable | Conflict) or error.status == CHECKSUM_MISMATCH


def _ignored(_: Upload) -> None:
    """Nobody wants to know."""
