"""The rows of a Parquet file, by pyarrow."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from ..send.lists import ListFault
from .rows import URL, List, Row, Rows

READ_ROWS: Final = 1000


class ParquetRows(Rows):
    """Rows of a Parquet file, by pyarrow."""

    def __init__(self, of: List, skipped: int) -> None:
        super().__init__(of, skipped)
        if of.path is None:
            raise click.UsageError("Parquet cannot be read from standard input: name the file.")
        try:
            from pyarrow import ArrowException  # noqa: PLC0415  # an extra, and slow to import
            from pyarrow.parquet import ParquetFile  # noqa: PLC0415
        except ImportError:
            raise click.ClickException("pyarrow is not installed: pip install 'lading[parquet]'") from None
        try:
            self._file = self._stack.enter_context(ParquetFile(of.path))
        except ArrowException as error:
            raise ListFault(f"it is no Parquet: {error}") from None
        self._fault = ArrowException
        names: Sequence[str] = self._file.schema_arrow.names
        plan = of.columns.plan(names)
        self._columns = {name: parameter for name, parameter in zip(names, plan, strict=True) if parameter}
        self._rows = self._read()

    @property
    def total(self) -> int | None:
        """See ``Rows``."""
        return int(self._file.metadata.num_rows)

    def _read(self) -> Iterator[Row]:
        groups: list[int] = []
        for group in range(self._file.metadata.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if not groups and self._number + rows <= self._skipped:
                self._number += rows
            else:
                groups.append(group)
        names = [*self._columns]
        try:
            for batch in self._file.iter_batches(READ_ROWS, row_groups=groups, columns=names):
                for values in batch.to_pylist(maps_as_pydicts="lossy"):
                    self._number += 1
                    if self._number > self._skipped:
                        yield self._parsed(values)
        except self._fault as error:
            raise ListFault(f"after row {self._number}: {error}") from None

    def _parsed(self, values: Mapping[str, Any]) -> Row:
        entry: dict[str, Any] = {}
        try:
            for name, parameter in self._columns.items():
                value = values.get(name)
                if value is None:
                    continue
                outer, _, inner = parameter.partition("[")
                if inner:
                    entry.setdefault(outer, {})[inner.removesuffix("]")] = _plain(value)
                elif outer == "metadata" and isinstance(value, str):
                    entry.setdefault(outer, {}).update(json.loads(value))
                elif outer == "metadata":
                    entry.setdefault(outer, {}).update(_plain(value))
                else:
                    entry[outer] = _plain(value)
        except (TypeError, ValueError) as error:
            return Row(self._number, None, f"a value has no form in JSON: {error}")
        if not entry.get(URL):
            return Row(self._number, None, "it has no URL")
        return self._row(entry)


def _plain(value: Any) -> Any:
    """A value as JSON has it; dates and decimals as text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        raise TypeError("it is bytes")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
