"""What happens to imports, as it happens: the states of one, or of those in albums, whichever process writes them.

An import is told of as it is: states that follow each other within a moment may be told as one, the last never is left
out. What was told before is known by the id of an event, from which a client that was interrupted goes on.
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
"""After how long without an event a client is told its place anew: the database forgets old ones."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        name: ``state`` or ``progress``.
        data: JSON.
        id: from which a client goes on; None where it is not to. An event without a name is no more than that.
    """

    name: str
    data: bytes
    id: str | None = None


@dataclass(frozen=True, slots=True)
class _News:
    """A change of an import, as all who may hear of it are told."""

    document: Import
    position: str
    event: Event


@dataclass(slots=True)
class _Reader:
    """How far a listener of albums has come.

    Attributes:
        albums: that it hears of; None for all.
        position: of the latest change that it has come by.
        unread: what its feed has for it.
    """

    albums: frozenset[str] | None
    position: str
    unread: Unread = field(default_factory=Unread)

    def hears(self, document: Import) -> bool:
        """Whether the listener is to be told of the import."""
        return self.albums is None or document.album_id in self.albums

    def take(self) -> Iterator[Event]:
        """What is unread and new to the listener; what it has come by already is dropped."""
        while (news := self.unread.take()) is not None:
            if news.position > self.position:
                self.position = news.position
                if self.hears(news.document):
                    yield news.event


@dataclass(frozen=True, slots=True)
class Events:
    """Tells what happens. Listeners of the same import, or organisation, share the looks at the store."""

    store: DocumentStore
    changes: Changes
    progress: Progress
    timezone: tzinfo
    feeds: Feeds = field(default_factory=Feeds)

    async def of_import(self, document: Import, last_id: str) -> AsyncGenerator[Event, None]:
        """Events of one import, from how it is now to its end; before them, one that says nothing.

        Args:
            document: the import.
            last_id: of the last event that its client knows; its revision is not told again. Anything else is no id.

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
        """States of the imports of an organisation, in some of its albums or everywhere, from now on; without an end.

        The first event says from where a client that is interrupted goes on; from then on, nothing is left out.

        Args:
            organization_id: the organisation.
            albums: None for all there are, and for imports without an album.
            last_id: of the last event that its client knows: what was written since then is told first. Where it is no
                id, or the database does not know it any more, see ``ImportSearch.changed_since``.

        Raises:
            ApiError: at the first iteration, and where a client has fallen behind: ``documents_unavailable``.
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
                        # Nothing is unread, so the listener has come by all that its feed has.
                        reader.position = known = place
                        yield Event("", b"", place)
            finally:
                feed.listeners.discard(reader.unread)

    async def _untold(
        self, organization_id: str, reader: _Reader, feed: OrganizationFeed
    ) -> AsyncGenerator[Event, None]:
        """All that a listener has not been told, until nothing is left."""
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
        """What a listener has missed, told at its own pace, up to a place after which its feed has everything."""
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
