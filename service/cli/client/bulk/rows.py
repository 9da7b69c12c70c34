"""What a list is, and what its rows are. ``lines`` reads text, CSV and NDJSON, ``parquet`` the rest; they block."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from ..send.lists import ListFault, is_parameter, merged

FORMATS: Final = ("text", "csv", "ndjson", "parquet")
SUFFIXES: Final = {
    ".txt": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
URL: Final = "url"


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a CSV or Parquet list are.

    Attributes:
        url: the column with the URLs; None for ``url``, in capitals or not.
        metadata: the columns whose values become metadata under their names.
        ignores_others: whether other columns that are no parameters are left out; else they are a fault.
    """

    url: str | None = None
    metadata: Sequence[str] = ()
    ignores_others: bool = False

    def plan(self, names: Sequence[str]) -> Sequence[str]:
        """The parameter that each column stands for; empty for a column that is left out.

        Raises:
            ListFault: a column is missing, or is no parameter.
        """
        url = self.url or next((name for name in names if name.lower() == URL), URL)
        for name in (url, *self.metadata):
            if name not in names:
                raise ListFault(f"there is no column {name!r}, but {', '.join(map(repr, names))}")
        return [self._parameter(name, url) for name in names]

    def _parameter(self, name: str, url: str) -> str:
        if name == url:
            return URL
        if name in self.metadata:
            return f"metadata[{name}]"
        if is_parameter(name) and name != URL:
            return name
        if self.ignores_others:
            return ""
        raise ListFault(f"column {name!r} is no parameter: give --metadata-column {name}, or --ignore-columns")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list.

    Attributes:
        number: from 1; of text and NDJSON, empty lines do not count.
        params: of the import; None where the row has a fault.
        fault: what is wrong with it.
    """

    number: int
    params: Mapping[str, Any] | None = field(repr=False)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class List:
    """A list that was named.

    Attributes:
        path: of the file; None for standard input.
        form: one of ``FORMATS``; None to guess it.
        common: parameters of all imports; those of a row take precedence.
        columns: of CSV and Parquet.
    """

    path: Path | None
    form: str | None
    common: Mapping[str, Any]
    columns: Columns = Columns()


class Rows(ABC):
    """An open list: an iterator, and a context manager."""

    def __init__(self, of: List, skipped: int) -> None:
        self._list = of
        self._skipped = skipped
        self._number = 0
        self._stack = ExitStack()
        self._rows: Iterator[Row] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    @property
    @abstractmethod
    def total(self) -> int | None:
        """Rows in all, if that is known or can be guessed by now."""

    def _row(self, entry: Mapping[str, Any]) -> Row:
        if "file" in entry:
            return Row(self._number, None, "'file' is for 'lading import'; a bulk has URLs")
        own = {key: value for key, value in entry.items() if key != "error"}
        return Row(self._number, merged(self._list.common, own))
