"""Polls the database once for all listeners of this process: a feed for each organisation or import with listeners.

A feed starts with its first listener and ends with its last one. Each listener reads at its own pace. A feed keeps a
bounded number of unread imports for it; a listener that falls behind learns that it has missed something.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import structlog

from ...documents import DocumentStore, StoreUnavailable
from ...documents.search import Change
from ...errors.catalogue import ApiError
from ...errors.database import told_as_outage
from ...models import Import, Status
from ...observe.outages import Outage
from ...work.changes import Changes
from .progress import Amount, Progress

POLL_SECONDS: Final = 1.0
"""Seconds between two polls for writes of other processes,"""
PROGRESS_SECONDS: Final = 0.25
"""and between two polls for the progress of a fetch."""
MOMENT: Final = 0.05
"""The least number of seconds between two polls, however much this process writes. A slow poll is followed by a longer
pause:
"""
SHARE: Final = 4
"""this many times its duration."""
PAGE: Final = 200
UNREAD: Final = 200
"""The largest number of imports that are kept unread for a listener."""

log = structlog.get_logger(__name__)


class Feed(ABC):
    """Polls on behalf of all its listeners, and wakes them when there is something new."""

    def __init__(self, changes: Changes, name: str) -> None:
        self._changes = changes
        self._name = name
        self.awake: set[asyncio.Event] = set()
        """One event for each listener."""
        self._has_looked = asyncio.Event()
        self._failure: Exception | None = None
        self.is_over = False
        """Whether nothing new can follow."""
        self.looks = 0
        """Number of polls that were begun."""

    @abstractmethod
    async def look(self) -> float | None:
        """Poll once.

        Returns:
            seconds until the next poll, if this process writes nothing before; None if nothing new can follow.

        Raises:
            StoreUnavailable: the database does not answer.
        """

    async def first_look(self) -> None:
        """Wait for the first poll.

        Raises:
            ApiError: ``documents_unavailable``.
        """
        await self._has_looked.wait()
        with told_as_outage():
            if self._failure is not None:
                raise self._failure

    async def run(self) -> None:
        """Poll until nothing new can follow, or until cancelled.

        An outage at the first poll ends the feed. After a later outage, the feed and its listeners wait.
        """
        outage = Outage("a feed of events")
        try:
            with self._changes.watching(self._name) as news:
                while True:
                    news.clear()
                    self.looks += 1
                    began_at = time.monotonic()
                    try:
                        pause = await self.look()
                        outage.worked()
                    except StoreUnavailable as error:
                        if not self._has_looked.is_set():
                            self._failure = error
                            return
                        outage.failed(str(error))
                        pause = POLL_SECONDS
                    self._has_looked.set()
                    if pause is None:
                        return
                    await asyncio.sleep(max(MOMENT, SHARE * (time.monotonic() - began_at)))
                    await wait(news, pause)
        except Exception as error:
            self._failure = ApiError("internal_error", internal=str(error))
            log.exception("an event feed failed")
        finally:
            self.is_over = True
            self._has_looked.set()
            self.wake()

    def wake(self) -> None:
        """Wake all listeners."""
        for event in self.awake:
            event.set()


class ImportFeed(Feed):
    """The state of an import, and the progress of its fetch.

    Attributes:
        document: as of the last poll; None if the import does not exist, or does not exist any more.
        amount: the progress; None if it is unknown.
    """

    def __init__(self, store: DocumentStore, changes: Changes, progress: Progress, import_id: str) -> None:
        super().__init__(changes, import_id)
        self._store = store
        self._progress = progress
        self._id = import_id
        self.document: Import | None = None
        self.amount: Amount | None = None

    async def look(self) -> float | None:
        """See ``Feed.look``."""
        found = await self._store.get(self._id)
        if found is None or found.deleted_at is not None:
            self.document = None
            return None
        is_running = found.status is Status.RUNNING
        amount = await self._progress.of(found.id) if is_running else None
        if self.document is None or found.revision != self.document.revision or amount != self.amount:
            self.document, self.amount = found, amount
            self.wake()
        if found.status.is_final:
            return None
        return PROGRESS_SECONDS if is_running else POLL_SECONDS


class Unread:
    """The unread changes of a listener of an organisation: the newest state of each import, in the order of the
    changes.

    Attributes:
        has_missed: whether there were too many. From then on nothing is kept, since a later change would move the
            listener beyond the missed ones.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[str, Any] = OrderedDict()
        self.has_missed = False

    def put(self, key: str, item: Any) -> None:
        """Add an item; it replaces an earlier item with the same key."""
        if self.has_missed:
            return
        self._items.pop(key, None)
        self._items[key] = item
        if len(self._items) > UNREAD:
            self.begin_anew()
            self.has_missed = True

    def take(self) -> Any:
        """The first item, or None."""
        return self._items.popitem(last=False)[1] if self._items else None

    def begin_anew(self) -> None:
        """Forget all items."""
        self._items.clear()
        self.has_missed = False


class OrganizationFeed(Feed):
    """The changes of an organisation's imports, from the first poll on.

    Args:
        told: makes the message of a change, once for all listeners.

    Attributes:
        position: the position of the last change that the listeners got, or a later one; empty before the first poll.
        listeners: get each change after ``position``.
    """

    def __init__(
        self, store: DocumentStore, changes: Changes, organization_id: str, told: Callable[[Change], Any]
    ) -> None:
        super().__init__(changes, organization_id)
        self._store = store
        self._organization_id = organization_id
        self._told = told
        self.position = ""
        self.listeners: set[Unread] = set()

    async def look(self) -> float | None:
        """See ``Feed.look``. The first poll finds the present position, and no change before it."""
        while True:
            found = await self._store.search.changed_since(self._organization_id, self.position, PAGE)
            for change in found.changes:
                told = self._told(change)
                for listener in self.listeners:
                    listener.put(change.document.id, told)
            self.position = found.position
            if found.changes:
                self.wake()
            if not found.has_more:
                return POLL_SECONDS


F = TypeVar("F", bound=Feed)


class Feeds:
    """The feeds of a process, each with its task; ``close`` ends them."""

    def __init__(self) -> None:
        self._running: dict[tuple[type[Feed], str], tuple[Feed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def listening(
        self, kind: type[F], name: str, make: Callable[[], F]
    ) -> AsyncIterator[tuple[F, asyncio.Event]]:
        """The feed, created for its first listener, and the event that wakes this listener.

        Raises:
            ApiError: ``documents_unavailable``.
        """
        key = (kind, name)
        found = self._running.get(key)
        if found is None or found[0].is_over:
            feed = make()
            found = self._running[key] = (feed, asyncio.create_task(feed.run(), name="feed of events"))
        feed, task = found  # type: ignore[assignment]  # the key says which kind it is
        awake = asyncio.Event()
        feed.awake.add(awake)
        try:
            await feed.first_look()
            yield feed, awake
        finally:
            feed.awake.discard(awake)
            if not feed.awake:
                if self._running.get(key) is found:
                    del self._running[key]
                await _ended(task)

    async def close(self) -> None:
        """End all feeds."""
        running, self._running = self._running, {}
        for _, task in running.values():
            await _ended(task)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def wait(news: asyncio.Event, seconds: float) -> None:
    """Wait for the event, no longer than this many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
