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
from ...imports.lists import listed_albums
from ...models.grants import Grant
from ..http.response_body import SendingHandler, Stopped
from ..resources import Common, EventsApi

RETRY_MILLISECONDS: Final = 2000
UNSENT_BYTES: Final = 128 * 1024
"""What the kernel keeps for a client that does not read; it would grow to megabytes of each (tcp(7))."""


class EventsHandler(SendingHandler):
    """A handler that sends events until there are no more, its client goes or does not read, its time is over, or its
    token expires.
    """

    api: EventsApi

    def initialize(self, common: Common, api: object) -> None:
        """Take what handlers work with."""
        super().initialize(common, api)
        self._ended = asyncio.Event()

    def on_connection_close(self) -> None:
        """Send no more; called by Tornado when the client went away."""
        self._ended.set()
        super().on_connection_close()

    async def authenticate(self) -> Grant:
        """See ``BaseHandler.authenticate``. A browser's EventSource can send no header fields: the token may be in the
        query (RFC 6750 section 2.3), which is not logged.
        """
        token = self.get_query_argument("access_token", None)
        if token is not None and "Authorization" not in self.request.headers:
            self.request.headers["Authorization"] = f"Bearer {token}"
        return await super().authenticate()

    async def stream(self, grant: Grant, events: AsyncGenerator[Event, None]) -> None:
        """Send the events. What ends a stream before its events end, its client answers with another request.

        Args:
            grant: of the client.
            events: the first one is there at once.

        Raises:
            ApiError: ``too_many_streams``, or what the first event raises.
        """
        async with aclosing(events):
            with self.api.streams.one(grant.issuer_id), self.common.in_flight.wakes(self._ended):
                first = await anext(events)  # before anything is sent, so that an error is answered as such
                connection = self.connected_socket()
                if connection is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
                self.set_status(HTTPStatus.OK)
                self.set_header("Content-Type", "text/event-stream; charset=utf-8")
                self.set_header("X-Accel-Buffering", "no")
                self.set_header("X-Runtime", f"{self.request.request_time():.6f}")
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

    def _seconds(self, grant: Grant) -> float:
        """For how long the stream may go on."""
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
            # Not the end of the answer, which would wait behind what the client does not read.
            self.break_off(str(stop), "since its client does not read")
        except ApiError as error:
            self.log_fields |= {"code": error.code}  # the client comes again, and is told by then


class ImportEventsHandler(EventsHandler):
    """What happens to one import."""

    async def get(self, import_id: str) -> None:
        """Its states and its progress, from now to its end; any valid token of its organisation may hear this."""
        grant = await self.authenticate()
        document = await self.api.imports.get(grant, import_id)
        self.log_fields["import_id"] = document.id
        last_id = self.request.headers.get("Last-Event-ID", "")
        if document.status.is_final and last_id == str(document.revision):
            self.answer_nothing()  # tells an EventSource not to come again
            return
        await self.stream(grant, self.api.events.of_import(document, last_id))


class AlbumEventsHandler(EventsHandler):
    """What happens to the imports of an album, or of all."""

    async def get(self) -> None:
        """The states of the imports that the token may list."""
        grant = await self.authenticate()
        albums = listed_albums(grant, self.get_query_argument("album_id", None))
        last_id = self.request.headers.get("Last-Event-ID", "")
        wanted = None if albums is None else frozenset(albums)
        await self.stream(grant, self.api.events.of_albums(grant.organization_id, wanted, last_id))


def _encoded(event: Event) -> bytes:
    if not event.name:
        return b"" if event.id is None else f"id: {event.id}\n\n".encode()
    head = f"event: {event.name}\n" + (f"id: {event.id}\n" if event.id is not None else "")
    return head.encode() + b"data: " + event.data + b"\n\n"
