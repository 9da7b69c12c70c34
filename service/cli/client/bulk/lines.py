"""The rows of text, CSV and NDJSON."""

import csv
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

from ..send.lists import ListFault, delimiter_of, entry_of, guess, read
from .rows import URL, List, Row, Rows

LONGEST_LINE: Final = 1024 * 1024


class LineRows(Rows):
    """Rows of text, CSV or NDJSON."""

    def __init__(self, of: List, form: str | None, skipped: int) -> None:
        super().__init__(of, skipped)
        raw: BinaryIO
        if of.path is None:
            # Of its own, and never closed: a thread may be waiting for more of it when the command ends.
            raw, self._size = os.fdopen(os.dup(0), "rb", closefd=False), 0
        else:
            raw, self._size = self._stack.enter_context(of.path.open("rb")), of.path.stat().st_size
        self._taken = 0
        self._rows = self._read(self._lines(raw), form)

    @property
    def total(self) -> int | None:
        """See ``Rows``: by the bytes that were read."""
        if not self._size or not self._number:
            return None
        return round(self._number * self._size / self._taken)

    def _lines(self, raw: BinaryIO) -> Iterator[str]:
        """Lines; one that is too long is cut, and what is no UTF-8 in them shows when they are encoded again."""
        is_first = True
        while line := raw.readline(LONGEST_LINE):
            self._taken += len(line)
            rest = line
            while not rest.endswith(b"\n") and len(rest) == LONGEST_LINE:
                rest = raw.readline(LONGEST_LINE)
                self._taken += len(rest)
            yield line.decode("utf-8-sig" if is_first else "utf-8", "surrogateescape")
            is_first = False

    def _read(self, lines: Iterator[str], form: str | None) -> Iterator[Row]:
        # Not before the first row is wanted: a pipe may not have given its first line yet.
        first = next((line for line in lines if line.strip()), "")
        lines, form = _chained(first, lines), form or guess(first)
        yield from self._csv(lines) if form == "csv" else self._simple(lines, form)

    def _simple(self, lines: Iterator[str], form: str) -> Iterator[Row]:
        for line in lines:
            word = line.strip()
            if not word or (form == "text" and word.startswith("#")):
                continue
            self._number += 1
            if self._number <= self._skipped:
                continue
            try:
                _check(line)
                yield self._row(next(iter(read([line], form))))
            except ListFault as fault:
                yield Row(self._number, None, str(fault).replace("line 1 ", "it ", 1))

    def _csv(self, lines: Iterator[str]) -> Iterator[Row]:
        first = next(lines, "")
        delimiter = delimiter_of(first.strip(), self._list.columns.url)
        if delimiter:
            names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
            columns = self._list.columns.plan(names)
            yield from self._csv_rows(csv.reader(lines, delimiter=delimiter), columns)
        else:
            columns = ("album_id", URL, "tags", "metadata")
            yield from self._csv_rows(csv.reader(_chained(first, lines), delimiter=";"), columns)

    def _csv_rows(self, reader: Any, columns: Sequence[str]) -> Iterator[Row]:
        while True:
            try:
                values = next(reader, None)
                if values is None:
                    return
                if not values:
                    continue
                self._number += 1
                if self._number <= self._skipped:
                    continue
                _check("".join(values))
                yield self._row(entry_of(values, columns, "it"))
            except csv.Error as fault:
                self._number += 1
                if self._number > self._skipped:
                    yield Row(self._number, None, f"it is no CSV: {fault}")
            except ListFault as fault:
                yield Row(self._number, None, str(fault))


def _check(line: str) -> None:
    if len(line) >= LONGEST_LINE:
        raise ListFault(f"it is longer than {LONGEST_LINE} bytes")
    try:
        line.encode()
    except UnicodeEncodeError:
        raise ListFault("it is not UTF-8") from None


def _chained(first: str, lines: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from lines
