"""The base of every handler: answers, and a body that is gathered in memory within its limits."""

import asyncio

from tornado.web import stream_request_body

from ...errors.catalogue import ApiError
from ..resources import Common
from .answers import AnsweringHandler
from .request_head import announced_bytes, head_bytes

DISCARD_FACTOR = 32
"""A refused body is read to its end up to this multiple of the limit, so that its client reads the answer instead of
getting a reset connection. A longer body is not read at all.
"""


@stream_request_body
class BaseHandler(AnsweringHandler):
    """A handler whose requests have a small body, or none."""

    def initialize(self, common: Common, api: object) -> None:
        """See ``AnsweringHandler.initialize``."""
        super().initialize(common, api)
        self.gathered_max_bytes = common.limits.body_max_bytes
        """The limit of a body that is gathered in memory."""
        self._body = bytearray()
        self._discarded = 0
        self._refusal: ApiError | None = None
        self._timer: asyncio.TimerHandle | None = None

    def prepare(self) -> None:
        """Decide whether to read the body, before any of it is read."""
        self.check_head()
        self.request.connection.set_max_body_size(2**62)  # type: ignore[union-attr]  # counted here, to answer with 413
        announced = self.announced_bytes()
        if announced > self.gathered_max_bytes:
            self._refuse_body()
            if announced > DISCARD_FACTOR * self.gathered_max_bytes or "Expect" in self.request.headers:
                self.body()
        if announced or "Transfer-Encoding" in self.request.headers:
            self._timer = asyncio.get_running_loop().call_later(self.common.limits.body_timeout, self._body_timed_out)

    def check_head(self) -> None:
        """Check the size of the request's head.

        Raises:
            ApiError: ``request_head_too_large``.
        """
        if head_bytes(self.request) > self.common.limits.head_max_bytes:
            raise ApiError("request_head_too_large", limit=self.common.limits.head_max_bytes)

    def announced_bytes(self) -> int:
        """Announced length of the body; 0 without an announcement."""
        return announced_bytes(self.request)

    def data_received(self, chunk: bytes) -> None:
        """Gather the body; beyond the limit, count the discarded bytes."""
        if self._refusal is None and len(self._body) + len(chunk) > self.gathered_max_bytes:
            self._refuse_body()
        if self._refusal is None:
            self._body += chunk
            return
        self._discarded += len(chunk)
        if self._discarded > DISCARD_FACTOR * self.gathered_max_bytes and not self._finished:
            self.answer_error(self._refusal)

    def body(self) -> bytes:
        """The whole body.

        Raises:
            ApiError: ``request_body_too_large``.
        """
        if self._timer is not None:
            self._timer.cancel()
        if self._refusal is not None:
            raise self._refusal
        return bytes(self._body)

    def _release(self) -> None:
        super()._release()
        if self._timer is not None:
            self._timer.cancel()
        self._body = bytearray()

    def _refuse_body(self) -> None:
        self._refusal = ApiError("request_body_too_large", limit=self.gathered_max_bytes)
        self._discarded = len(self._body)
        self._body = bytearray()

    def _body_timed_out(self) -> None:
        if not self._finished:
            self.answer_error(ApiError("request_timeout", seconds=round(self.common.limits.body_timeout)))


class NotFoundHandler(BaseHandler):
    """The handler of every path without a route."""

    async def get(self) -> None:
        """404."""
        raise ApiError("not_found")

    head = post = put = patch = delete = options = get
