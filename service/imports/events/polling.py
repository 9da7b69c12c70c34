"""What many listen to is looked at once: a feed for each organisation, or import, that anyone of a process listens to.

A feed begins with its first listener and ends with its last one. A listener reads at its own pace: what it has not read
yet is kept within bounds, and beyond them it is told that it has missed something.
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
"""Seconds between two looks at what other processes have written,"""
PROGRESS_SECONDS: Final = 0.25
"""and at how far a fetch has come."""
MOMENT: Final = 0.05
"""Least seconds between two looks, however much is written here; more where a look takes long:"""
SHARE: Final = 4
"""times as long as it took."""
PAGE: Final = 200
UNREAD: Final = 200
"""Imports whose news a listener has not read, at most."""

log = structlog.get_logger(__name__)


class Feed(ABC):
    """Looks again and again on behalf of all its listeners, who are woken when there is something new."""

    def __init__(self, changes: Changes, name: str) -> None:
        self._changes = changes
        self._name = name
        self.awake: set[asyncio.Event] = set()
        """An event for each listener."""
        self._has_looked = asyncio.Event()
        self._failure: Exception | None = None
        self.is_over = False
        """Whether there is not going to be anything new."""
        self.looks = 0
        """How many looks were begun."""

    @abstractmethod
    async def look(self) -> float | None:
        """Look once.

        Returns:
            seconds until the next look, unless there is news of this process; None where there is to be none.

        Raises:
            StoreUnavailable: the database does not answer.
        """

    async def first_look(self) -> None:
        """Wait until it has looked for the first time.

        Raises:
            ApiError: ``documents_unavailable``.
        """
        await self._has_looked.wait()
        with told_as_outage():
            if self._failure is not None:
                raise self._failure

    async def run(self) -> None:
        """Look until there is nothing more to come, or until cancelled.

        An outage at the first look ends it; a later one is waited for, with all its listeners.
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
    """How an import is, and how far its fetch has come.

    Attributes:
        document: as it was seen last; None where there is none (any more).
        amount: None where that is not known.
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
    """What a listener of an organisation has not read yet: each import as it is now, in the order of the changes.

    Attributes:
        has_missed: whether there was more than is kept. Nothing is kept from then on: later changes would move the
            listener beyond the missed ones.
    """

    def __init__(self) -> None:
        self._items: OrderedDict[str, Any] = OrderedDict()
        self.has_missed = False

    def put(self, key: str, item: Any) -> None:
        """Add an item; an earlier one of that key is not told any more."""
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
        """Forget everything."""
        self._items.clear()
        self.has_missed = False


class OrganizationFeed(Feed):
    """The changes of an organisation's imports, from the first look on.

    Args:
        told: makes of a change what its listeners are told, once for all of them.

    Attributes:
        position: the place of the last change that the listeners were told of, or a later one; empty before the first
            look.
        listeners: are told of each change after ``position``.
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
        """See ``Feed.look``. The first look finds the present place, and nothing before it."""
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
    """The feeds of a process, each with its task; ``close`` ends what is left of them."""

    def __init__(self) -> None:
        self._running: dict[tuple[type[Feed], str], tuple[Feed, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def listening(
        self, kind: type[F], name: str, make: Callable[[], F]
    ) -> AsyncIterator[tuple[F, asyncio.Event]]:
        """A feed, made if nobody listens to it yet, and what wakes this listener.

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
    """Wait for news, no longer than so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return
