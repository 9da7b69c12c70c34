"""The changes of imports as they happen: of one import, or of the imports in albums, whichever process writes them.

An event has the state of an import. Several states within a moment may make one event; the last state always makes one.
Each event has an id, from which an interrupted client continues.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from ...documents import DocumentStore
from ...documents.search import Change
from ...errors.database import told_as_outage
from ...models import Import
from ...models.representation import detailed, encode
from ...work.changes import Changes
from .polling import MOMENT, PAGE, Feeds, ImportFeed, OrganizationFeed, Unread, wait
from .progress import Progress

PLACE_SECONDS: Final = 30.0
"""Seconds without an event after which a client gets its position again, since the database forgets old positions."""


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event.

    Attributes:
        name: ``state`` or ``progress``.
        data: JSON.
        id: the position from which a client continues; None if this event is no such position. An event without a name
            only brings a position.
    """

    name: str
    data: bytes
    id: str | None = None


@dataclass(frozen=True, slots=True)
class _News:
    """A change of an import, with the event for its listeners."""

    document: Import
    position: str
    event: Event


@dataclass(slots=True)
class _Reader:
    """The position of a listener of albums.

    Attributes:
        albums: the albums that the listener may see; None for all.
        position: of the latest change that the listener has passed.
        unread: the changes that its feed keeps for it.
    """

    albums: frozenset[str] | None
    position: str
    unread: Unread = field(default_factory=Unread)

    def hears(self, document: Import) -> bool:
        """Whether the listener may see the import."""
        return self.albums is None or document.album_id in self.albums

    def take(self) -> Iterator[Event]:
        """The next unread change that is new to the listener; drops the changes that it has already passed."""
        while (news := self.unread.take()) is not None:
            if news.position > self.position:
                self.position = news.position
                if self.hears(news.document):
                    yield news.event


@dataclass(frozen=True, slots=True)
class Events:
    """Streams events. Listeners of the same import or organisation share the polls of the database."""

    store: DocumentStore
    changes: Changes
    progress: Progress
    timezone: tzinfo
    feeds: Feeds = field(default_factory=Feeds)

    async def of_import(self, document: Import, last_id: str) -> AsyncGenerator[Event, None]:
        """The events of one import, from its present state to its end; first, an event without content.

        Args:
            document: the import.
            last_id: id of the last event that the client knows; the state of that revision is not sent again. A value
                of another form is ignored.

        Raises:
            ApiError: at the first iteration: ``documents_unavailable``.
        """
        told = int(last_id) if re.fullmatch(r"[0-9]{1,9}", last_id) else -1
        amount = None

        def make() -> ImportFeed:
            return ImportFeed(self.store, self.changes, self.progress, document.id)

        async with self.feeds.listening(ImportFeed, document.id, make) as (feed, awake):
            yield Event("", b"")
            while True:
                awake.clear()
                found, come, is_over = feed.document, feed.amount, feed.is_over
                if found is not None and found.revision != told:
                    told = found.revision
                    yield Event("state", encode(detailed(found, self.timezone)), str(told))
                if found is not None and come is not None and come != amount:
                    amount = come
                    yield Event("progress", encode({"id": found.id, **come.document}))
                if is_over:
                    return
                await awake.wait()

    async def of_albums(
        self, organization_id: str, albums: frozenset[str] | None, last_id: str
    ) -> AsyncGenerator[Event, None]:
        """The states of the imports of an organisation, in some of its albums or in all, from now on, without an end.

        The first event has the position from which an interrupted client continues. After it, no change is left out.

        Args:
            organization_id: the organisation.
            albums: None for all albums, and for imports without an album.
            last_id: id of the last event that the client knows: the changes since then come first. For a malformed id,
                or one that the database has forgotten, see ``ImportSearch.changed_since``.

        Raises:
            ApiError: at the first iteration, and when a client has fallen behind: ``documents_unavailable``.
        """

        def make() -> OrganizationFeed:
            return OrganizationFeed(self.store, self.changes, organization_id, self._news)

        async with self.feeds.listening(OrganizationFeed, organization_id, make) as (feed, awake):
            reader = _Reader(albums, last_id or feed.position)
            feed.listeners.add(reader.unread)
            try:
                yield Event("", b"", None if last_id else reader.position)
                reader.unread.has_missed = bool(last_id)
                known = reader.position
                while True:
                    awake.clear()
                    is_over = feed.is_over
                    async with aclosing(self._untold(organization_id, reader, feed)) as untold:
                        async for event in untold:
                            known = event.id or known
                            yield event
                    if is_over:
                        return
                    await wait(awake, PLACE_SECONDS)
                    place = max(reader.position, feed.position)
                    if not awake.is_set() and place > known:
                        # Nothing is unread, so the listener has passed every change of its feed.
                        reader.position = known = place
                        yield Event("", b"", place)
            finally:
                feed.listeners.discard(reader.unread)

    async def _untold(
        self, organization_id: str, reader: _Reader, feed: OrganizationFeed
    ) -> AsyncGenerator[Event, None]:
        """All unread changes of a listener."""
        while True:
            if reader.unread.has_missed:
                async with aclosing(self._missed(organization_id, reader, feed)) as missed:
                    async for event in missed:
                        yield event
            for event in reader.take():
                yield event
            if not reader.unread.has_missed:
                return

    async def _missed(
        self, organization_id: str, reader: _Reader, feed: OrganizationFeed
    ) -> AsyncGenerator[Event, None]:
        """The changes that a listener has missed, at its own pace, up to a position from which its feed has every
        change.
        """
        reader.unread.begin_anew()
        reached = feed.position
        while True:
            with told_as_outage():
                found = await self.store.search.changed_since(organization_id, reader.position, PAGE)
            for change in found.changes:
                reader.position = change.position
                if reader.hears(change.document):
                    yield self._news(change).event
            reader.position = found.position
            if reader.position >= reached:
                yield Event("", b"", reader.position)
                return
            if not found.has_more:
                await asyncio.sleep(MOMENT)

    def _news(self, change: Change) -> _News:
        document, position = change
        return _News(document, position, Event("state", encode(detailed(document, self.timezone)), position))
