"""A request that is traced: whatever it does, in whichever task, it does within its scope."""

import asyncio
import contextvars
from collections.abc import Awaitable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, RequestStartLine, ResponseStartLine

from ....observe.metrics.meter import Scope


class TracedRequest(HTTPMessageDelegate):
    """Passes a request on to its handler, in a context of its own: the context of a connection outlives its requests.

    Args:
        delegate: Tornado's own, which makes the handler.
        scope: of the request. The handler ends it.
    """

    def __init__(self, delegate: HTTPMessageDelegate, scope: Scope) -> None:
        self._delegate = delegate
        self._scope = scope
        self._context = contextvars.copy_context()
        self._context.run(scope.__enter__)

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """The head has come; the handler's own task is created here."""
        awaited = self._context.run(self._delegate.headers_received, start_line, headers)
        self._delegate.handler.scope = self._scope  # type: ignore[attr-defined]  # of a handler, which exists by now
        return awaited

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body has come."""
        awaited = self._context.run(self._delegate.data_received, chunk)
        return None if awaited is None else asyncio.create_task(_result(awaited), context=self._context)

    def finish(self) -> None:
        """The request has come to its end."""
        self._context.run(self._delegate.finish)

    def on_connection_close(self) -> None:
        """The client went away before that."""
        self._context.run(self._delegate.on_connection_close)


async def _result(awaited: Awaitable[None]) -> None:
    await awaited
