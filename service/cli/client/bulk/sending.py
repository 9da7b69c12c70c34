"""Sends the parts of a list in batches, several at once, and watches the batches until their imports have ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from .....client import (
    AsyncClient,
    Batch,
    Import,
    LadingError,
    NotFound,
    Outcome,
    RateLimited,
    ServerNotReachable,
    Unavailable,
)
from .failures import Failures
from .journal import UNKNOWN, Journal, Sent
from .reading import Part, Reader
from .report import Report
from .rows import Row

T = TypeVar("T")

LOOKS: Final = 16
"""Batches, or imports without one, that are looked at in a row."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
LONGEST_OUTAGE_PAUSE: Final = 30.0
LATER: Final = frozenset({409, 429, 503, 507})
"""Statuses of rows that the service may accept later; see ``lading.client``."""
INVALID: Final = "row_invalid"
PARAMETERS: Final = ("album_id", "url", "filename", "metadata", "tags", "dedupe", "expect")
"""What of the parameters of a failed import is of use in a list."""
FINAL: Final = ("done", "failed", "cancelled")


class Patience:
    """How long a service that is away, or refuses for the time being, is asked again.

    Args:
        seconds: without any success.
        report: is told that the command waits.
    """

    def __init__(self, seconds: float, report: Report) -> None:
        self._seconds = seconds
        self._report = report
        self.renew()

    def renew(self) -> None:
        """Something was achieved."""
        self._until = time.monotonic() + self._seconds
        self._pause = FIRST_PAUSE

    async def wait(self, error: LadingError) -> None:
        """Wait before the next try.

        Raises:
            LadingError: the one that was given, if it will not pass, or has not passed for too long.
        """
        self._pause = min(2 * self._pause, LONGEST_OUTAGE_PAUSE)
        seconds = max(self._pause, error.retry_after or 0.0)
        if not is_passing(error) or time.monotonic() + seconds > self._until:
            raise error
        self._report.waits(error)
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Bulk:
    """A run of ``lading bulk``.

    Attributes:
        client: of the service.
        journal: what earlier runs sent.
        failures: the file of failures.
        report: is told what happens.
        part_rows: rows of a part.
        concurrency: parts that are sent at once.
        backlog: imports that may be under way, at most.
        patience: seconds for which the service may be away, or refuse for the time being.
        is_awaited: whether to wait until the imports have ended.
        known: numbers of parts that earlier runs sent.
    """

    client: AsyncClient
    journal: Journal
    failures: Failures
    report: Report
    part_rows: int
    concurrency: int
    backlog: int
    patience: float
    is_awaited: bool
    known: AbstractSet[int] = frozenset()
    _under_way: dict[str, int] = field(default_factory=dict)
    _singles: list[str] = field(default_factory=list)
    _sending: int = 0
    _is_sent: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self, found: Iterator[Part]) -> None:
        """Send all parts that were not sent, and wait for the ends.

        Raises:
            NotAuthenticated, ServerNotReachable, Unavailable: the service takes no more.
            ListFault, OSError: the list cannot be read any further.
        """
        self._under_way = dict(self.journal.under_way)
        self._singles = self.journal.singles
        reader = Reader(found)
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch()) if self.is_awaited else None
                async with asyncio.TaskGroup() as senders:
                    for _ in range(self.concurrency):
                        senders.create_task(self._send_all(reader))
                self._is_sent = True
                self._news.set()
                if watching is not None:
                    await watching
        except ExceptionGroup as errors:
            raise _first(errors) from None

    async def _send_all(self, reader: Reader) -> None:
        while True:
            await self._room()
            try:
                part = await reader.next()
                if part is None:
                    return
                if part.number not in self.known:
                    await self._send(part)
            finally:
                self._sending -= self.part_rows
                self._news.set()

    async def _room(self) -> None:
        """Wait until another part fits into the backlog, and take its place in it."""
        while self.is_awaited and self._backlog + self.part_rows > max(self.backlog, self.part_rows):
            self._news.clear()
            await self._news.wait()
        self._sending += self.part_rows

    @property
    def _backlog(self) -> int:
        return self._sending + sum(self._under_way.values()) + len(self._singles)

    async def _send(self, part: Part) -> None:
        """Send a part until each of its rows is an import, or refused for good."""
        rows = [row for row in part.rows if row.params is not None]
        outcomes: dict[int, Outcome] = {}
        patience = Patience(self.patience, self.report)
        while True:
            try:
                await self._import(rows, f"{self.journal.key}-{part.number}", outcomes, patience)
                break
            except LadingError as error:
                await patience.wait(error)
        accepted = Counter(one.batch_id for one in outcomes.values() if one.import_id and one.batch_id)
        singles = [one.import_id for one in outcomes.values() if one.import_id and not one.batch_id]
        refused = [(rows[index], one.error) for index, one in outcomes.items() if one.error is not None]
        faults = len(part.rows) - len(rows)
        codes = Counter(error.code for _, error in refused) + Counter({INVALID: faults})
        sent = Sent(part.number, len(part.rows), accepted, singles, codes)
        entries = [_entry(row, error) for row, error in refused]
        await self._write(entries, lambda written: self.journal.sent(sent, written))
        self._under_way.update(accepted)
        self._singles += singles
        self.report.sent(part.rows, codes)

    async def _import(self, rows: Sequence[Row], key: str, outcomes: dict[int, Outcome], patience: "Patience") -> None:
        """Send all rows, those that are known as imports too: the key gives them the same import again.

        Raises:
            LadingError: some may be accepted later.
        """
        known = len(outcomes)
        params = [row.params or {} for row in rows]
        late: LadingError | None = None
        if not params:
            return
        async for one in self.client.import_many(params, wait=False, batch_size=len(params), idempotency_key=key):
            if one.error is not None and is_passing(one.error):
                late = one.error
            elif one.index not in outcomes:
                outcomes[one.index] = one
        if len(outcomes) > known:
            patience.renew()
        if late is not None:
            raise late

    async def _watch(self) -> None:
        """Look at what is under way, the oldest first, until all of it has ended and nothing more is sent."""
        pause = FIRST_PAUSE
        while not (self._is_sent and not self._under_way and not self._singles):
            self._news.clear()
            has_news = await self._look()
            pause = FIRST_PAUSE if has_news else min(2 * pause, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _look(self) -> bool:
        before = self._backlog
        for batch_id in [*self._under_way][:LOOKS]:
            await self._look_at_batch(batch_id)
        for import_id in self._singles[:LOOKS]:
            await self._look_at_import(import_id)
        has_news = self._backlog < before
        if has_news:
            self._news.set()
        return has_news

    async def _look_at_batch(self, batch_id: str) -> None:
        try:
            batch = await self._patiently(lambda: self.client.get_batch(batch_id))
        except NotFound:
            batch = None
        if batch is not None and (left := _left(batch)):
            # A slow batch goes to the end, so that the others are looked at too.
            del self._under_way[batch_id]
            self._under_way[batch_id] = left
            return
        statuses, codes = Counter[str](), Counter[str]()
        entries: Sequence[Mapping[str, Any]] = []
        if batch is not None:
            statuses = Counter({name: batch.imports.get(name, 0) for name in FINAL})
            codes = Counter(dict(batch.failed))
            if batch.failed and self.failures.is_open:
                entries = await self._patiently(lambda: self._failed(batch_id))
        await self._write(entries, lambda written: self.journal.batch_ended(batch_id, statuses, codes, written))
        del self._under_way[batch_id]
        self.report.ended(statuses)

    async def _failed(self, batch_id: str) -> list[Mapping[str, Any]]:
        return [entry async for entry in self.client.iter_batch_failures(batch_id)]

    async def _look_at_import(self, import_id: str) -> None:
        status, code = UNKNOWN, ""
        entries: Sequence[Mapping[str, Any]] = []
        try:
            document = await self._patiently(lambda: self.client.get_import(import_id))
        except NotFound:
            pass
        else:
            if not document.is_final:
                self._singles.append(self._singles.pop(self._singles.index(import_id)))
                return
            status = str(document.status)
            if document.error is not None:
                code = document.error.code
                entries = [_failed_import(document)]
        await self._write(entries, lambda written: self.journal.import_ended(import_id, status, code, written))
        self._singles.remove(import_id)
        self.report.ended({status: 1})

    async def _write(self, entries: Sequence[Mapping[str, Any]], note: Callable[[int], None]) -> None:
        """Write failures into their file, then the journal. A cancellation waits for both."""

        def write() -> None:
            self.failures.add(entries)
            note(self.failures.written)

        async with self._turn:
            writing = asyncio.ensure_future(asyncio.to_thread(write))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        patience = Patience(self.patience, self.report)
        while True:
            try:
                return await ask()
            except LadingError as error:
                await patience.wait(error)


def is_passing(error: LadingError) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(error, ServerNotReachable | Unavailable | RateLimited) or error.status in LATER


def _left(batch: Batch) -> int:
    """Imports of a batch that have not ended."""
    return sum(count for status, count in batch.imports.items() if status not in FINAL)


def _entry(row: Row, error: LadingError) -> Mapping[str, Any]:
    """The line of the file of failures for a row that became no import; it can be a row of a list again."""
    return {**(row.params or {}), "error": {"code": error.code, "detail": error.detail}}


def _failed_import(document: Import) -> Mapping[str, Any]:
    """The same for an import that failed."""
    params = {name: value for name, value in document.params.items() if name in PARAMETERS}
    error = document.error
    return {**params, "error": {"code": error.code, "detail": error.detail} if error is not None else None}


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
