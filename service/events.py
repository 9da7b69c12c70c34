"""What happens to imports, as it happens: the states of one, or of those in albums, whichever process writes them.

An import is told of as it is: states that follow each other within a moment may be told as one, the last never is left
out. What was told before is known by the id of an event, from which a client that was interrupted goes on.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from service.changes import Changes
from service.clock import Clock
from service.database import told_as_outage
from service.documents import DocumentStore
from service.documents.search import Position
from service.feeds import OVERLAP, PAGE, REMEMBERED, Feeds, ImportFeed, OrganizationFeed, Unread
from service.models import MAX_ID_LENGTH, Import
from service.progress import Progress
from service.representation import detailed, encode

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CURSOR: Final = re.compile(rf"([0-9]{{1,14}})-([0-9A-Za-z-]{{1,{MAX_ID_LENGTH}}})")


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
    event: Event


@dataclass(slots=True)
class _Reader:
    """How far a listener of albums has come.

    Attributes:
        albums: that it hears of; None for all.
        position: of the latest change that it has come by.
        unread: what its feed has for it.
        told: what it was told of what it had missed: import and revision, for as long as its feed may bring it too.
    """

    albums: frozenset[str] | None
    position: Position
    unread: Unread = field(default_factory=Unread)
    told: OrderedDict[tuple[str, int], None] = field(default_factory=OrderedDict)

    def takes(self, document: Import, *, is_missed: bool = False) -> bool:
        """Whether the listener is to be told of a change that it comes by."""
        self.position = max(self.position, Position(document.updated_at, document.id))
        key = (document.id, document.revision)
        if key in self.told or not (self.albums is None or document.album_id in self.albums):
            return False
        if is_missed:
            self.told[key] = None
            if len(self.told) > REMEMBERED:
                self.told.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Events:
    """Tells what happens. Listeners of the same import, or organisation, share the looks at the store."""

    store: DocumentStore
    changes: Changes
    progress: Progress
    clock: Clock
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
            last_id: of the last event that its client knows: what happened since then is told first.

        Raises:
            ApiError: at the first iteration, and where a client has fallen behind: ``documents_unavailable``.
        """

        def make() -> OrganizationFeed:
            return OrganizationFeed(self.store, self.changes, self.clock, organization_id, self._news)

        last = position_of(last_id)
        reader = _Reader(albums, last or Position(self.clock.now(), "0"))
        async with self.feeds.listening(OrganizationFeed, organization_id, make) as (feed, awake):
            feed.listeners.add(reader.unread)
            try:
                yield Event("", b"", id_of(reader.position))
                reader.unread.has_missed = last is not None
                looks = 0
                while True:
                    awake.clear()
                    is_over = feed.is_over
                    if reader.unread.has_missed:
                        async with aclosing(self._missed(organization_id, reader)) as missed:
                            async for event in missed:
                                yield event
                        looks = feed.looks
                    while (news := reader.unread.take()) is not None:
                        if reader.takes(news.document):
                            yield news.event
                    if reader.unread.has_missed:
                        continue
                    if feed.looks > looks + 1:  # no look that is older than what was told can bring it once more
                        reader.told.clear()
                    if is_over:
                        return
                    await awake.wait()
            finally:
                feed.listeners.discard(reader.unread)

    async def _missed(self, organization_id: str, reader: _Reader) -> AsyncGenerator[Event, None]:
        """What a listener has missed, told at its own pace."""
        reader.unread.begin_anew()
        known = reader.position
        since = Position(known.moment - OVERLAP, "")
        while True:
            with told_as_outage():
                page = await self.store.search.changed_since(organization_id, since, PAGE)
            for document in page:
                since = Position(document.updated_at, document.id)
                if since != known and reader.takes(document, is_missed=True):
                    yield self._news(document).event
            if len(page) < PAGE:
                return

    def _news(self, document: Import) -> _News:
        position = Position(document.updated_at, document.id)
        return _News(document, Event("state", encode(detailed(document, self.timezone)), id_of(position)))


def id_of(position: Position) -> str:
    """The id of an event at a place."""
    return f"{(position.moment - _EPOCH) // _MILLISECOND}-{position.id}"


def position_of(event_id: str) -> Position | None:
    """The place of an event, or None where that is no id of one."""
    match = _CURSOR.fullmatch(event_id)
    return None if match is None else Position(_EPOCH + int(match[1]) * _MILLISECOND, match[2])
