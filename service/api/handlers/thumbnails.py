"""``/api/v1/images/{id}/thumbnail``: a small copy of an image."""

import hashlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from ...errors.catalogue import ApiError
from ...errors.queries import refuse_unknown
from ...images.content.preconditions import Conditions, Verdict, evaluate
from ...images.thumbnails.negotiation import preferred_type
from ...images.thumbnails.thumbnails import SIDES
from ..http.response_body import SendingHandler
from ..params import parse_query
from ..resources import ImagesApi
from .images import describe_bytes

DEFAULT_SIZE: Final = "medium"
_NO_DATE: Final = datetime.min.replace(tzinfo=UTC)


class ThumbnailHandler(SendingHandler):
    """The thumbnail of one image."""

    api: ImagesApi

    async def get(self, image_id: str) -> None:
        """Answer with the thumbnail, as WebP or JPEG; with 304 if the client has it."""
        grant = await self.authenticate()
        found = await self.api.images.viewable(grant, image_id)
        self.log_fields["import_id"] = found.document.id
        thumbnails = self.api.thumbnails
        if thumbnails is None:
            raise ApiError("thumbnails_off")
        size, content_type = self._size(), preferred_type(self.request.headers.get("Accept"))
        with thumbnails.places.one(grant.issuer_id):
            content = await thumbnails.get(found, size, content_type)
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            if self._is_known(etag):
                self.set_status(HTTPStatus.NOT_MODIFIED)
                self._describe(etag)
                self.finish()
                return
            self._describe(etag)
            self.set_header("Content-Type", content_type)
            self.set_header("Content-Length", str(len(content)))
            await self.send(content, _nothing_more())

    def _describe(self, etag: str) -> None:
        describe_bytes(self, etag, self.api.max_age, "Authorization, Accept")

    def _is_known(self, etag: str) -> bool:
        """Whether the client has the thumbnail. Thumbnails have no date, so conditions on dates are none.

        Raises:
            ApiError: ``precondition_failed``.
        """
        headers = self.request.headers
        conditions = Conditions(headers.get("If-Match"), headers.get("If-None-Match"))
        verdict = evaluate(conditions, etag, _NO_DATE)
        if verdict is Verdict.FAILED:
            raise ApiError("precondition_failed")
        return verdict is Verdict.NOT_MODIFIED

    def _size(self) -> str:
        """The parameter ``size``.

        Raises:
            ApiError: ``parameter_invalid``.
            ParamsError: the query cannot be read.
        """
        params = parse_query(self.request.query, self.common.limits.params)
        refuse_unknown(params, ("size",), "a thumbnail")
        size = params.get("size", DEFAULT_SIZE)
        if not isinstance(size, str) or size not in SIDES:
            raise ApiError("parameter_invalid", parameter="size", reason=f"must be one of {', '.join(SIDES)}")
        return size


async def _nothing_more() -> AsyncGenerator[bytes, None]:
    for piece in tuple[bytes, ...]():
        yield piece
