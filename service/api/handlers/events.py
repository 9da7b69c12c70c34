"""``/api/v1/imports/{id}/events`` and ``/api/v1/events``: server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Final

from ...errors.catalogue import ApiError
from ...imports.events.stream import Event
from ...imports.lists import followed_album, listed_albums
from ...models.grants import Grant
from ..http.response_body import SendingHandler, Stopped
from ..params import parse_query
from ..resources import Common, EventsApi

RETRY_MILLISECONDS: Final = 2000
UNSENT_BYTES: Final = 128 * 1024
"""Size of the kernel's buffer for each client; without it, a client that does not read would take megabytes (tcp(7)).
"""


class EventsHandler(SendingHandler):
    """A handler that sends events until they end, the client leaves or stops reading, the time is over, or the token
    expires.
    """

    api: EventsApi

    def initialize(self, common: Common, api: object) -> None:
        """Keep the resources of the handler."""
        super().initialize(common, api)
        self._ended = asyncio.Event()

    def on_connection_close(self) -> None:
        """Stop sending; Tornado calls this when the client went away."""
        self._ended.set()
        super().on_connection_close()

    async def authenticate(self) -> Grant:
        """See ``BaseHandler.authenticate``. A browser's EventSource cannot send header fields, so the token may be in
        the query (RFC 6750 section 2.3), which is not logged.
        """
        token = self.get_query_argument("access_token", None)
        if token is not None and "Authorization" not in self.request.headers:
            self.request.headers["Authorization"] = f"Bearer {token}"
        return await super().authenticate()

    async def stream(self, grant: Grant, events: AsyncGenerator[Event, None]) -> None:
        """Send the events. If the stream ends before its events do, the client sends another request.

        The answer to HEAD says that there is a stream. It opens none, and needs no free place.

        Args:
            grant: of the client.
            events: the first event is available at once.

        Raises:
            ApiError: ``too_many_streams``, or the error of the first event.
        """
        async with aclosing(events):
            if self.request.method == "HEAD":
                self._describe()
                self.finish_head()
                return
            with self.api.streams.one(grant.issuer_id), self.common.in_flight.wakes(self._ended):
                first = await anext(events)  # before the answer begins, so that an error gets its own answer
                connection = self.connected_socket()
                if connection is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
                self._describe()
                sending = asyncio.create_task(self._send_all(first, events), name="events")
                ended = asyncio.create_task(self._ended.wait(), name="events are wanted")
                try:
                    await asyncio.wait(
                        {sending, ended}, timeout=self._seconds(grant), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    for task in (sending, ended):
                        task.cancel()
                    await asyncio.gather(sending, ended, return_exceptions=True)
        if not self._finished:
            self.finish()

    def _describe(self) -> None:
        self.set_status(HTTPStatus.OK)
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")
        self.set_header("X-Runtime", f"{self.request.request_time():.6f}")

    def _seconds(self, grant: Grant) -> float:
        """Seconds for which the stream may continue."""
        longest = self.api.stream_seconds
        return longest if grant.expires_at is None else max(0.0, min(longest, grant.expires_at - time.time()))

    async def _send_all(self, first: Event, events: AsyncGenerator[Event, None]) -> None:
        try:
            await self.send_piece(f"retry: {RETRY_MILLISECONDS}\n\n".encode() + _encoded(first))
            following = asyncio.ensure_future(anext(events, None))
            try:
                while True:
                    done, _ = await asyncio.wait({following}, timeout=self.api.heartbeat)
                    if not done:
                        await self.send_piece(b": still here\n\n")
                        continue
                    event = following.result()
                    if event is None:
                        return
                    await self.send_piece(_encoded(event))
                    following = asyncio.ensure_future(anext(events, None))
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        except Stopped as stop:
            # Reset the connection: the end of the answer would wait behind bytes that the client does not read.
            self.break_off(str(stop), "since its client does not read")
        except ApiError as error:
            self.log_fields |= {"code": error.code}  # the client sends another request, which gets the error


class ImportEventsHandler(EventsHandler):
    """The events of one import."""

    async def get(self, import_id: str) -> None:
        """Send its states and its progress, from now to its end; any valid token of its organisation may read them."""
        grant = await self.authenticate()
        document = await self.api.imports.get(grant, import_id)
        self.log_fields["import_id"] = document.id
        last_id = self.request.headers.get("Last-Event-ID", "")
        if document.status.is_final and last_id == str(document.revision):
            self.answer_nothing()  # tells an EventSource not to reconnect
            return
        await self.stream(grant, self.api.events.of_import(document, last_id))


class AlbumEventsHandler(EventsHandler):
    """The events of the imports in an album, or in all albums."""

    async def get(self) -> None:
        """Send the states of the imports that the token may list."""
        grant = await self.authenticate()
        params = parse_query(self.request.query, self.common.limits.params)
        albums = listed_albums(grant, followed_album(params))
        last_id = self.request.headers.get("Last-Event-ID", "")
        wanted = None if albums is None else frozenset(albums)
        await self.stream(grant, self.api.events.of_albums(grant.organization_id, wanted, last_id))


def _encoded(event: Event) -> bytes:
    if not event.name:
        return b"" if event.id is None else f"id: {event.id}\n\n".encode()
    head = f"event: {event.name}\n" + (f"id: {event.id}\n" if event.id is not None else "")
    return head.encode() + b"data: " + event.data + b"\n\n"
