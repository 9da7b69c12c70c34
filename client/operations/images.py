"""Stored images: their documents, their bytes, their thumbnails, their deletion."""

import hashlib
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urljoin

from ..core import segment
from ..errors import LadingError, ServerNotReachable
from ..models import Image, Import
from ..results import Thumbnail
from ..retries import Tries
from ..steps import Call, Emit, Next, Operation, Request, Step, Stream
from .imports import ImportOperations

WRITTEN: Final = 1024 * 1024
"""Bytes that are written to a file at once."""
DECODING: Final = 60.0
"""Seconds that the service may stay silent while it makes a thumbnail."""
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_ETAG: Final = re.compile(r'"([0-9a-f]{64})"')


@dataclass(slots=True)
class _Content:
    """Bytes of an image that are being read.

    Attributes:
        offset: of the next byte.
        stop: offset after the last byte; None until the length is known, where all is wanted.
        sha256: of the whole image, as the service tells it; empty if it does not.
        is_open: whether an answer is open.
    """

    path: str
    offset: int
    stop: int | None
    tries: Tries
    sha256: str = ""
    is_open: bool = False

    @property
    def request(self) -> Request:
        """The request for the bytes from the offset."""
        headers = {"Accept": "image/*", "Accept-Encoding": "identity"}
        if self.offset or self.stop is not None:
            headers["Range"] = f"bytes={self.offset}-{'' if self.stop is None else self.stop - 1}"
        return Request("GET", self.path, headers=headers, may_redirect=True)


@dataclass(slots=True)
class _Target:
    """Where bytes are written. Its methods block, and may raise ``OSError``."""

    file: IO[bytes]
    path: Path | None = None
    final: Path | None = None
    digest: Any = field(default_factory=hashlib.sha256)

    @classmethod
    def of(cls, target: str | os.PathLike[str] | IO[bytes]) -> "_Target":
        """A file of the caller; or a new one beside its final name, which it gets when it is whole."""
        if not isinstance(target, str | os.PathLike):
            return cls(target)
        final = Path(target)
        path = final.with_name(f".{final.name[:200]}.{uuid.uuid4().hex}.part")
        return cls(path.open("xb"), path, final)

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        self.digest.update(data)
        self.file.write(data)

    def finish(self) -> None:
        """Give the file its name."""
        if self.path is not None and self.final is not None:
            self.file.close()
            self.path.replace(self.final)
            self.path = None

    def discard(self) -> None:
        """Remove what has no name yet."""
        if self.path is not None:
            self.file.close()
            self.path.unlink(missing_ok=True)


class ImageOperations(ImportOperations):
    """The operations on images. ``Client`` returns the results, ``AsyncClient`` awaits them."""

    __slots__ = ()

    def get_image(self, image_id: str) -> Operation[Image]:
        """The document of an image.

        Raises:
            NotFound: the token's organisation has no such image, or it was deleted.
        """
        return (yield from self.document(Request("GET", f"/api/v1/images/{segment(image_id)}"), Image))

    def iter_images(self, *, album_id: str | None = None, page_size: int = 200) -> Stream[Image]:
        """The stored images that the token may list, the newest first. Pages are fetched as they are needed.

        Args:
            album_id: of this album; without it of all albums that the token may list.
            page_size: imports of a page, 200 at most.

        Raises:
            PermissionDenied: the token may not list.
        """
        query = {"album_id": album_id, "status": "done", "limit": str(page_size)}
        yield from self.pages("/api/v1/imports", query, "imports", lambda one: Import.of(one).stored)

    def iter_content(self, image_id: str, *, start: int = 0, stop: int | None = None) -> Stream[bytes]:
        """The bytes of an image, piece by piece. A connection that breaks is opened again, and reading goes on.

        Args:
            image_id: of the image.
            start: offset of the first byte.
            stop: offset after the last byte; None for all.

        Raises:
            NotFound: there is no such image, or it was deleted.
            PermissionDenied: the token lacks ``image_download``.
            ValidationFailed: the image ends before ``start``.
        """
        content = self._content(image_id, start, stop)
        while chunk := (yield from self._more(content)):
            yield Emit(chunk)

    def read_image(self, image_id: str, *, start: int = 0, stop: int | None = None) -> Operation[bytes]:
        """The bytes of an image, in memory. The arguments and errors are those of ``iter_content``.

        Raises:
            LadingError: ``checksum_mismatch``: the bytes of the whole image are others than the service has stored.
        """
        content = self._content(image_id, start, stop)
        gathered = bytearray()
        while chunk := (yield from self._more(content)):
            gathered += chunk
        if not start and stop is None:
            yield from self._check(content, image_id, hashlib.sha256(gathered).hexdigest())
        return bytes(gathered)

    def download(
        self,
        image_id: str,
        target: str | os.PathLike[str] | IO[bytes],
        *,
        start: int = 0,
        stop: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Operation[int]:
        """Write an image, or a part of it, to a file. The SHA-256 of a whole image is compared with the service's.

        Args:
            image_id: of the image.
            target: a path, where the file appears when it is complete; or a file that is open for writing binary data.
            start: offset of the first byte.
            stop: offset after the last byte; None for all.
            on_progress: called with the number of bytes so far, and of all that are wanted.

        Returns:
            the number of bytes.

        Raises:
            NotFound, PermissionDenied: see ``iter_content``.
            LadingError: ``checksum_mismatch``: the bytes are others than the service has stored.
            OSError: the file cannot be written.
        """
        content = self._content(image_id, start, stop)
        first = yield from self._more(content)  # before a file is made
        writing: _Target = yield Call(lambda: _Target.of(target))
        try:
            gathered = bytearray(first)
            while chunk := (yield from self._more(content)):
                gathered += chunk
                if len(gathered) >= WRITTEN:
                    data, gathered = bytes(gathered), bytearray()
                    yield _writing(writing, data)
                    if on_progress is not None and content.stop is not None:
                        on_progress(content.offset - start, content.stop - start)
            yield _writing(writing, bytes(gathered))
            if not start and stop is None:
                yield from self._check(content, image_id, writing.digest.hexdigest())
            yield Call(writing.finish)
        finally:
            writing.discard()
        count = content.offset - start
        if on_progress is not None:
            on_progress(count, count)
        return count

    def thumbnail(
        self, image_id: str, *, size: str = "medium", accept: str = "image/webp, image/jpeg;q=0.9"
    ) -> Operation[Thumbnail]:
        """A small copy of an image: upright, without metadata, in the formats that are accepted.

        Args:
            image_id: of the image.
            size: ``small``, ``medium`` or ``large``: 160, 480 or 1200 pixels on the longest side.
            accept: media types; ``image/jpeg`` alone gives JPEG.

        Raises:
            NotFound: there is no such image, it was deleted, or the service makes no thumbnails.
            PermissionDenied: the token has none of ``see``, ``image_list`` and ``image_download``.
            ValidationFailed: the service has no such size, or cannot decode the image any more.
        """
        path = f"/api/v1/images/{segment(image_id)}/thumbnail"
        reply = yield from self.exchange(Request("GET", path, (("size", size),), {"Accept": accept}, timeout=DECODING))
        headers = reply.head.headers
        return Thumbnail(reply.body, headers.get("content-type", ""), headers.get("etag", ""))

    def delete_image(self, image_id: str) -> Operation[bool]:
        """Delete an image; its import stays. A deleted image may be deleted again.

        Returns:
            whether the bytes are gone; False while a running import may share them, and they go later.

        Raises:
            NotFound: the token's organisation has no such image.
        """
        reply = yield from self.exchange(Request("DELETE", f"/api/v1/images/{segment(image_id)}"))
        return reply.head.status != 202  # noqa: PLR2004  # Accepted

    def _content(self, image_id: str, start: int, stop: int | None) -> _Content:
        if start < 0 or (stop is not None and stop <= start):
            raise ValueError("start and stop must be offsets, and stop after start")
        return _Content(f"/api/v1/images/{segment(image_id)}/content", start, stop, self.tries())

    def _more(self, content: _Content) -> Operation[bytes]:
        """The next bytes; none at the end."""
        while content.stop is None or content.offset < content.stop:
            try:
                if not content.is_open:
                    yield from self._open(content)
                chunk: bytes = yield Next()
                if chunk:
                    content.offset += len(chunk)
                    content.tries.renew()
                    return chunk
                error = ServerNotReachable("The answer ended before the image.", was_sent=True)
            except ServerNotReachable as failure:
                error = failure
            content.is_open = False
            yield from self.again(error, content.request, content.tries)
        return b""

    def _open(self, content: _Content) -> Operation[None]:
        """Open the answer with the bytes from the offset on."""
        request = content.request
        head = yield from self.opened(request, content.tries)
        etag = _ETAG.fullmatch(head.headers.get("etag", ""))
        if 300 <= head.status < 400:  # noqa: PLR2004  # RFC 9110 section 15.4
            # A URL that the storage has signed, which needs no token and gets none.
            target = urljoin(self.url_of(content.path), head.headers.get("location", ""))
            etag = None
            head = yield from self.opened(Request("GET", target, headers=request.headers), content.tries)
        content.sha256 = etag[1] if etag is not None else ""
        found = _RANGE.fullmatch(head.headers.get("content-range", ""))
        length = head.headers.get("content-length", "")
        if found is not None and head.status == 206 and int(found[1]) == content.offset:  # noqa: PLR2004  # Partial
            content.stop = min(content.stop or int(found[3]), int(found[3]))
        elif head.status == 200 and not content.offset and length.isdigit():  # noqa: PLR2004  # OK
            content.stop = int(length)
        else:
            raise LadingError("answer_invalid", head.status, "The server sends other bytes than were asked for.")
        content.is_open = True

    def _check(self, content: _Content, image_id: str, sha256: str) -> Operation[None]:
        """Compare the hash of a whole image."""
        told = content.sha256 or (yield from self.get_image(image_id)).sha256
        if told != sha256:
            detail = f"The bytes of image {image_id} were damaged: their SHA-256 is {sha256}, and not {told}."
            raise LadingError("checksum_mismatch", detail=detail)


def _writing(target: _Target, data: bytes) -> Step:
    return Call(lambda: target.write(data))
