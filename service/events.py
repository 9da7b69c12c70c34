"""What happens to imports, as it happens: the states of one, or of those in albums, whichever process writes them.

An import is told of as it is: states that follow each other within a moment may be told as one, the last never is left
out. What was told before is known by the id of an event, from which a client that was interrupted goes on.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from service.changes import Changes
from service.clock import Clock
from service.database import told_as_outage
from service.documents import DocumentStore
from service.documents.search import Position
from service.models import MAX_ID_LENGTH, Import, Status
from service.progress import Progress
from service.representation import detailed

POLL_SECONDS: Final = 1.0
"""Seconds between two looks at what other processes have written,"""
PROGRESS_SECONDS: Final = 0.25
"""and at how far a fetch has come."""
PAGE: Final = 200
OVERLAP: Final = timedelta(seconds=2)
"""How much later than it says a change may be seen: clocks of processes differ, and writes take their time."""
REMEMBERED: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_CURSOR: Final = re.compile(rf"([0-9]{{1,14}})-([0-9A-Za-z-]{{1,{MAX_ID_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        name: ``state`` or ``progress``.
        data: as JSON has it.
        id: from which a client goes on; None where it is not to. An event without a name is no more than that.
    """

    name: str
    data: dict[str, Any]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Events:
    """Tells what happens."""

    store: DocumentStore
    changes: Changes
    progress: Progress
    clock: Clock
    timezone: tzinfo

    async def of_import(self, document: Import, last_id: str) -> AsyncGenerator[Event, None]:
        """Events of one import, from how it is now to its end.

        Args:
            document: the import.
            last_id: of the last event that its client knows; its revision is not told again. Anything else is no id.

        Raises:
            ApiError: while iterated: ``documents_unavailable``.
        """
        told = int(last_id) if re.fullmatch(r"[0-9]{1,9}", last_id) else -1
        amount = None
        with self.changes.watching(document.id) as news:
            while True:
                with told_as_outage():
                    found = await self.store.get(document.id)
                    if found is None or found.deleted_at is not None:
                        return
                    if found.revision != told:
                        told = found.revision
                        yield Event("state", detailed(found, self.timezone), str(told))
                    if found.status.is_final:
                        return
                    is_running = found.status is Status.RUNNING
                    come = await self.progress.of(found.id) if is_running else None
                if come is not None and come != amount:
                    amount = come
                    yield Event("progress", {"id": found.id, **come.document})
                await _wait(news, PROGRESS_SECONDS if is_running else POLL_SECONDS)

    async def of_albums(
        self, organization_id: str, albums: frozenset[str] | None, last_id: str
    ) -> AsyncGenerator[Event, None]:
        """States of the imports of an organisation, in some of its albums or everywhere, from now on; without an end.

        Args:
            organization_id: the organisation.
            albums: None for all there are, and for imports without an album.
            last_id: of the last event that its client knows: what happened since then is told first.

        Raises:
            ApiError: while iterated: ``documents_unavailable``.
        """
        position = position_of(last_id) or Position(self.clock.now(), "0")
        began_at = position.moment
        yield Event("", {}, id_of(position))
        known = {position_of(last_id)}
        seen: OrderedDict[tuple[str, int], None] = OrderedDict()
        with self.changes.watching(organization_id) as news:
            while True:
                since = Position(position.moment - OVERLAP, "")
                while True:
                    with told_as_outage():
                        page = await self.store.search.changed_since(organization_id, since, PAGE)
                    for document in page:
                        since = Position(document.updated_at, document.id)
                        if (document.id, document.revision) in seen:
                            continue
                        seen[document.id, document.revision] = None
                        if len(seen) > REMEMBERED:
                            seen.popitem(last=False)
                        is_new = document.updated_at >= began_at - (OVERLAP if last_id else timedelta(0))
                        if is_new and since not in known and (albums is None or document.album_id in albums):
                            yield Event("state", detailed(document, self.timezone), id_of(since))
                    position = max(position, since)
                    if len(page) < PAGE:
                        break
                await _wait(news, POLL_SECONDS)


def id_of(position: Position) -> str:
    """The id of an event at a place."""
    return f"{(position.moment - _EPOCH) // _MILLISECOND}-{position.id}"


def position_of(event_id: str) -> Position | None:
    """The place of an event, or None where that is no id of one."""
    match = _CURSOR.fullmatch(event_id)
    return None if match is None else Position(_EPOCH + int(match[1]) * _MILLISECOND, match[2])


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
    finally:
        news.clear()
