"""Reads a list: opens it, takes its rows in parts, in a thread."""

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .lines import LineRows
from .parquet import ParquetRows
from .rows import SUFFIXES, List, Row, Rows


def opened(listed: List, skipped: int) -> Rows:
    """The rows of a list, after the first ``skipped``. Blocks.

    Raises:
        ListFault: its form, or its columns.
        OSError: it cannot be read.
        ClickException: Parquet without pyarrow, or from standard input.
    """
    form = listed.form or (None if listed.path is None else SUFFIXES.get(listed.path.suffix.lower()))
    return ParquetRows(listed, skipped) if form == "parquet" else LineRows(listed, form, skipped)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that follow each other in the list; the same rows each time.

    Attributes:
        number: from 0.
    """

    number: int
    rows: Sequence[Row]


def parts(rows: Iterator[Row], number: int, size: int) -> Iterator[Part]:
    """The parts of the rows, the first one with this number. Blocks."""
    taken: list[Row] = []
    for row in rows:
        taken.append(row)
        if len(taken) == size:
            yield Part(number, taken)
            number, taken = number + 1, []
    if taken:
        yield Part(number, taken)


class Reader:
    """Reads parts in a thread of its own, which a stop leaves behind: the list may be a pipe that gives nothing.

    Args:
        found: the parts.
    """

    def __init__(self, found: Iterator[Part]) -> None:
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._asked: queue.SimpleQueue[asyncio.Future[Part | None]] = queue.SimpleQueue()
        self._turn = asyncio.Lock()
        threading.Thread(target=self._read, daemon=True, name="bulk-reader").start()

    async def next(self) -> Part | None:
        """The next part; None at the end.

        Raises:
            ListFault, OSError: the list cannot be read any further.
        """
        async with self._turn:
            future: asyncio.Future[Part | None] = self._loop.create_future()
            self._asked.put(future)
            return await future

    def _read(self) -> None:
        while True:
            future = self._asked.get()
            try:
                part, error = next(self._found, None), None
            except Exception as problem:  # noqa: BLE001  # whoever waits raises it
                part, error = None, problem
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(_tell, future, part, error)


def _tell(future: "asyncio.Future[Part | None]", part: Part | None, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(part)
