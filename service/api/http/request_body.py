"""Request bodies that do not fit into memory: read in pieces, no faster than they are written, with limits of their
own.
"""

import asyncio
import time
from typing import Final

from ...errors.catalogue import ApiError
from ...errors.disk import is_outage, outage
from ...errors.params import ParamsError
from ...models.grants import Unauthorized
from ..resources import Common
from .on_disk import DiskHandler

MIN_RATE: Final = 1024
"""The lowest rate of a body in bytes a second,"""
MIN_RATE_AFTER: Final = 60.0
"""which counts after this many seconds."""
_NO_TIMEOUT: Final = 10 * 365 * 86_400.0


class StreamingHandler(DiskHandler):
    """A handler that gets its body piece by piece through ``received``.

    A subclass decides in ``accept_body`` whether to read the body, and handles each piece in ``received``. An error of
    either is answered at the end of the body, since many clients do not read before; with ``Expect: 100-continue``, or
    for a body beyond the limit, at once.
    """

    max_body_bytes: int

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of the handler."""
        super().initialize(common, api)
        self.max_body_bytes = common.limits.upload_max_bytes
        self.body_bytes = 0
        self.body_error: ApiError | ParamsError | Unauthorized | None = None
        self._is_wanted = True
        self._began_at = time.monotonic()
        self._stalled: asyncio.TimerHandle | None = None

    async def accept_body(self) -> None:
        """Decide whether to read the body; called once, before any of it is read.

        Raises:
            ApiError: to refuse it.
        """

    async def received(self, chunk: bytes) -> None:
        """Handle a piece of the body.

        Raises:
            ApiError: to refuse the rest.
        """
        raise NotImplementedError

    async def prepare(self) -> None:  # type: ignore[override]  # Tornado awaits it
        """See ``BaseHandler.prepare``; the limits of the body are those of this class."""
        self.check_head()
        connection = self.request.connection
        connection.set_max_body_size(2**62)  # type: ignore[union-attr]  # counted here, to answer with 413
        connection.set_body_timeout(_NO_TIMEOUT)  # type: ignore[union-attr]  # judged here, by progress
        announced = self.announced_bytes()
        if announced > self.max_body_bytes:
            raise ApiError("request_body_too_large", limit=self.max_body_bytes)
        self._is_wanted = self.method in self.allowed_methods()
        if not self._is_wanted:
            return
        self._watch()
        try:
            await self.accept_body()
        except (ApiError, Unauthorized) as error:
            if "Expect" in self.request.headers or not (announced or "Transfer-Encoding" in self.request.headers):
                raise
            self.body_error = error

    async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]  # Tornado awaits it
        """Handle a piece of the body; Tornado calls this, and reads no further until it returns."""
        self.body_bytes += len(chunk)
        self._watch()
        if self._finished or not self._is_wanted:
            return
        excess = self.body_bytes - self.max_body_bytes
        if excess > 0:
            await self._take(chunk[: max(0, len(chunk) - excess)])
            self._stop_watching()
            self.answer_error(ApiError("request_body_too_large", limit=self.max_body_bytes))
            return
        seconds = time.monotonic() - self._began_at
        if seconds > MIN_RATE_AFTER and self.body_bytes < MIN_RATE * seconds:
            self._timed_out()
            return
        await self._take(chunk)

    async def _take(self, chunk: bytes) -> None:
        if self.body_error is None and chunk:
            try:
                await self.received(chunk)
            except (ApiError, ParamsError, Unauthorized) as error:
                self.body_error = error
            except OSError as error:
                if not is_outage(error):
                    raise
                self.body_error = outage(error)

    def body_ended(self) -> None:
        """Raise the error of the body; a method calls this first, when the body has ended.

        Raises:
            ApiError, ParamsError, Unauthorized: the fault of the body.
        """
        self._stop_watching()
        if self.body_error is not None:
            raise self.body_error

    def _release(self) -> None:
        self._stop_watching()
        super()._release()

    def _watch(self) -> None:
        self._stop_watching()
        timeout = self.common.limits.upload_stall_timeout
        self._stalled = asyncio.get_running_loop().call_later(timeout, self._timed_out)

    def _stop_watching(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _timed_out(self) -> None:
        self._stop_watching()
        if not self._finished:
            seconds = round(time.monotonic() - self._began_at)
            self.answer_error(ApiError("request_timeout", seconds=seconds))
