"""``/api/v1/images/{id}`` and ``/api/v1/images/{id}/content``: an image's document, its deletion, and its bytes."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus

from ...errors.catalogue import ApiError
from ...images.content.multipart import MultipartRanges
from ...images.content.preconditions import Conditions, Verdict, evaluate
from ...images.content.ranges import ByteRange, RangeNotSatisfiable, range_applies, wanted_ranges
from ...images.document import image_document
from ...images.operations import StoredImage
from ..http.base import BaseHandler
from ..http.headers import FIXED, FOR_BYTES
from ..http.response_body import SendingHandler
from ..resources import ImagesApi
from .deleting import answer_deleted


class ImageHandler(BaseHandler):
    """One image."""

    api: ImagesApi

    async def get(self, image_id: str) -> None:
        """Answer with its document; any valid token of its organisation may read it."""
        grant = await self.authenticate()
        found = await self.api.images.get(grant, image_id)
        self.log_fields["import_id"] = found.document.id
        self.answer(HTTPStatus.OK, image_document(found, self.common.timezone))

    async def delete(self, image_id: str) -> None:
        """Delete it: 204, also for a deleted image; 202 while a running import may share its bytes."""
        grant = await self.authenticate()
        document = await self.api.images.delete(grant, image_id)
        self.log_fields["import_id"] = document.id
        answer_deleted(self, is_gone=not document.is_stopping)


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of an answer.

    Attributes:
        status: of the answer.
        headers: that depend on the body.
        parts: the ranges, each with the text before it.
        tail: the text after the last range.
    """

    status: HTTPStatus
    headers: Sequence[tuple[str, str]]
    parts: Sequence[tuple[bytes, ByteRange]]
    tail: bytes = b""


class ImageContentHandler(SendingHandler):
    """The bytes of one image."""

    api: ImagesApi

    async def get(self, image_id: str) -> None:
        """Answer with the bytes, as the request's conditions and ranges demand."""
        found = await self._found(image_id)
        if found is None or self.grant is None:
            return
        url = await self.api.images.signed_url(found)
        if url is not None:
            self._redirect(url)
            return
        try:
            body = self._wanted(found)
        except RangeNotSatisfiable:
            self.set_header("Content-Range", f"bytes */{found.image.byte_size}")
            self.answer_error(ApiError("range_not_satisfiable", size=found.image.byte_size))
            return
        with self.api.images.downloads.one(self.grant.issuer_id):
            async with aclosing(self._pieces(found, body)) as pieces:
                # Before the answer begins, so that an error of the storage at the first read gets its own answer.
                first = await anext(pieces)
                self._describe(found, body)
                await self.send(first, pieces)

    async def head(self, image_id: str) -> None:
        """The head of the answer to a GET without ``Range`` (RFC 9110 section 14.2), from the document alone."""
        found = await self._found(image_id)
        if found is not None:
            self._describe(found, _whole(found))
            self.finish()

    async def _found(self, image_id: str) -> StoredImage | None:
        """The image, or None if the request's conditions decided, and the answer is sent."""
        found = await self.api.images.readable(await self.authenticate(), image_id)
        self.log_fields["import_id"] = found.document.id
        conditions = Conditions(*(self._joined(name) for name in _CONDITIONS))
        verdict = evaluate(conditions, found.etag, found.last_modified)
        if verdict is Verdict.FAILED:
            raise ApiError("precondition_failed")
        if verdict is Verdict.NOT_MODIFIED:
            self._describe(found, _Body(HTTPStatus.NOT_MODIFIED, (), ()))
            self.finish()
            return None
        return found

    def _wanted(self, found: StoredImage) -> _Body:
        """The body of the answer.

        Raises:
            RangeNotSatisfiable: the answer is 416.
        """
        image = found.image
        ranges: Sequence[ByteRange] = ()
        if range_applies(self._joined("If-Range"), found.etag, found.last_modified):
            ranges = wanted_ranges(self._joined("Range"), image.byte_size)
        if not ranges:
            return _whole(found)
        if len(ranges) == 1:
            headers = [
                ("Content-Type", image.content_type),
                ("Content-Length", str(ranges[0].length)),
                ("Content-Range", ranges[0].content_range(image.byte_size)),
            ]
            return _Body(HTTPStatus.PARTIAL_CONTENT, headers, [(b"", ranges[0])])
        frame = MultipartRanges(ranges, image.content_type, image.byte_size)
        headers = [("Content-Type", frame.media_type), ("Content-Length", str(frame.content_length))]
        parts = [(frame.head(one), one) for one in ranges]
        return _Body(HTTPStatus.PARTIAL_CONTENT, headers, parts, frame.tail)

    async def _pieces(self, found: StoredImage, body: _Body) -> AsyncGenerator[bytes, None]:
        for before, part in body.parts:
            prefix = before
            async with aclosing(self.api.images.read(found, part)) as chunks:
                async for chunk in chunks:
                    yield prefix + chunk if prefix else chunk
                    prefix = b""
        if body.tail:
            yield body.tail

    def _describe(self, found: StoredImage, body: _Body) -> None:
        """Set status and headers, without the contract's headers against caching, which are meant for JSON."""
        self.set_status(body.status)
        describe_bytes(self, found.etag, self.api.max_age)
        self.set_header("Last-Modified", format_datetime(found.last_modified, usegmt=True))
        for name, value in body.headers:
            self.set_header(name, value)
        if body.parts:  # a 304 has no headers about the bytes (RFC 9110 section 15.4.5)
            self.set_header("Content-Disposition", found.disposition)

    def _redirect(self, url: str) -> None:
        self.set_status(HTTPStatus.FOUND)
        self.set_header("Location", url)
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
        self.finish()

    def _joined(self, name: str) -> str | None:
        """All fields of that name as one (RFC 9110 section 5.3)."""
        return self.request.headers.get(name)


def describe_bytes(handler: SendingHandler, etag: str, max_age: int, vary: str = "Authorization") -> None:
    """Set the headers of an answer with the bytes of an image, in place of those that are meant for JSON.

    Args:
        handler: whose answer it is.
        etag: the strong entity tag of the bytes, with its quotes.
        max_age: seconds for which a client may cache the bytes.
        vary: the fields of a request that the bytes depend on.
    """
    for name, _ in FIXED:
        handler.clear_header(name)
    handler.clear_header("X-token")  # a credential, which nobody should keep with the bytes
    fresh = f"max-age={max_age}, immutable" if max_age else "no-cache"
    for name, value in (
        *FOR_BYTES,
        ("Vary", vary),
        ("Cache-Control", f"private, {fresh}"),
        ("ETag", etag),
        ("X-Runtime", f"{handler.request.request_time():.6f}"),
    ):
        handler.set_header(name, value)
    if "Vary" in handler.kept_headers:
        handler.add_header("Vary", "Origin")


_CONDITIONS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
"""In the order of the fields of ``Conditions``."""


def _whole(found: StoredImage) -> _Body:
    headers = [
        ("Accept-Ranges", "bytes"),
        ("Content-Type", found.image.content_type),
        ("Content-Length", str(found.image.byte_size)),
    ]
    return _Body(HTTPStatus.OK, headers, [(b"", found.whole)])
