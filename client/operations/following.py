"""Server-sent events: the changes of imports as they happen."""

import math
from collections.abc import Generator
from typing import Any, Final

from ..core import Core, segment
from ..errors import ServerNotReachable, TimedOut
from ..models import FINAL
from ..results import Event
from ..retries import Tries
from ..sse import EventParser
from ..steps import Emit, Next, Pause, Request, Step, Stream

SILENCE: Final = 60.0
"""Seconds without a byte after which a stream counts as cut: the service sends a comment every 15 seconds."""


class EventOperations(Core):
    """The operation on events. ``Client`` iterates over them, and so does ``AsyncClient`` with ``async for``."""

    __slots__ = ()

    def events(
        self,
        *,
        import_id: str | None = None,
        album_id: str | None = None,
        last_event_id: str = "",
        timeout: float | None = None,
    ) -> Stream[Event]:
        """The changes of imports as they happen.

        Those of one import go from its present state to its end. Those of an album, or of all albums that the token may
        list, begin now and have no end.

        A stream that is cut is opened again where it was, so that no change is missed. A state may come twice.

        Args:
            import_id: of one import.
            album_id: of an album.
            last_event_id: ``id`` of the last event that the caller knows, to go on after it.
            timeout: seconds after which the iteration ends with ``TimedOut``, a minute later at most.

        Raises:
            NotAuthenticated: the token has ended.
            PermissionDenied: the token may not list.
            NotFound: the token's organisation has no such import.
            TimedOut: see ``timeout``.
        """
        path = "/api/v1/events" if import_id is None else f"/api/v1/imports/{segment(import_id)}/events"
        query = () if album_id is None else (("album_id", album_id),)
        until = math.inf if timeout is None else self.clock() + timeout
        parser = EventParser(last_event_id)
        tries = self.tries()
        while (left := until - self.clock()) > 0:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": parser.last_id} if parser.last_id else {})}
            request = Request("GET", path, query, headers, timeout=min(SILENCE, left))
            is_failure = True
            try:
                if (yield from self._stream(request, parser, tries, until)):
                    return
                # The service ends a stream after an hour, and with the token: then the next request is refused.
                is_failure = False
                error = ServerNotReachable("The stream ended again and again.", was_sent=True)
            except ServerNotReachable as failure:
                error = failure
            if self.clock() < until:
                seconds = tries.delay(parser.retry, is_failure=is_failure)
                if seconds is None:
                    raise error
                yield Pause(seconds)
        raise TimedOut(f"The events did not end within {timeout:g} seconds.")

    def _stream(
        self, request: Request, parser: EventParser, tries: Tries, until: float
    ) -> Generator[Step | Emit[Event], Any, bool]:
        """The events of one answer; whether they were the last ones.

        Raises:
            ServerNotReachable: the stream was cut.
        """
        head = yield from self.opened(request, tries)
        if head.status == 204:  # noqa: PLR2004  # No Content: the import has ended before
            return True
        parser.restart()
        is_first = True
        while self.clock() < until and (chunk := (yield Next())):
            if not is_first:  # a server that ends each stream at once is tried a few times only
                tries.renew()
            is_first = False
            for event in parser.feed(chunk):
                yield Emit(event)
                if event.data.get("status") in FINAL and not request.path.endswith("/v1/events"):
                    return True
        return False
