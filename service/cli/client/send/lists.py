"""Lists of imports: lines of URLs, CSV, and NDJSON. No I/O beyond the lines that are given."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

FORMATS: Final = ("text", "csv", "ndjson")
COLUMNS: Final = ("album_id", "url", "tags", "metadata")
"""The columns of a CSV list without a header, which are those of the service; ``;`` separates them."""
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://\S+|data:\S+", re.IGNORECASE)
_KNOWN: Final = re.compile(r"(album_id|url|file|filename|tags|metadata|dedupe|(metadata|headers|expect)\[[^]]+\])")
_DELIMITERS: Final = ",;\t"
LONGEST_QUOTE: Final = 60


class ListFault(ValueError):
    """A line of a list is none of its format. The message names the line."""


def is_url(text: str) -> bool:
    """Whether a word is a URL, of any scheme: the service decides which it fetches."""
    return _URL.fullmatch(text) is not None


def guess(first_line: str) -> str:
    """The format of a list by its first line that is not empty."""
    text = first_line.strip()
    if text.startswith(("{", '"')):
        return "ndjson"
    if is_url(text):
        return "text"
    return "csv" if delimiter_of(text) or ";" in text else "text"


def is_parameter(name: str) -> bool:
    """Whether a column of a list may have this name."""
    return _KNOWN.fullmatch(name) is not None


def merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of all imports and those of one, which take precedence, key by key in the metadata."""
    both = {**common, **own}
    if isinstance(own.get("metadata"), dict) and "metadata" in common:
        both["metadata"] = {**common["metadata"], **own["metadata"]}
    return both


def read(lines: Iterable[str], form: str) -> Iterator[Mapping[str, Any]]:
    """The parameters of imports, one mapping for each entry of a list.

    ``file`` stands for a path instead of a URL; ``error`` is what a file of failures says of an entry.

    Args:
        lines: with their line ends.
        form: of ``FORMATS``.

    Raises:
        ListFault: a line is malformed.
    """
    readers = {"text": _text, "csv": _csv, "ndjson": _ndjson}
    return readers[form](lines)


def _text(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not is_url(word):
            raise ListFault(f"line {number} is no URL: {_quoted(word)}. Give one URL a line; # begins a comment.")
        yield {"url": word}


def _ndjson(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line, parse_constant=_refuse)
            sent = {**entry, "file": ""} if isinstance(entry, dict) else entry  # names of files may be any bytes
            json.dumps(sent, ensure_ascii=False).encode()
        except ValueError:
            raise ListFault(f"line {number} is no JSON: {_quoted(line.strip())}") from None
        entry = {"url": entry} if isinstance(entry, str) else entry
        if not isinstance(entry, dict) or not ("url" in entry or "file" in entry):
            raise ListFault(f"line {number} has neither 'url' nor 'file'")
        yield entry


def _csv(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    source = iter(lines)
    first = next((line for line in source if line.strip()), "")
    delimiter = delimiter_of(first.strip())
    if delimiter:
        rows = csv.reader(source, delimiter=delimiter)
        columns = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        for name in columns:
            if not is_parameter(name):
                raise ListFault(f"there is no parameter {_quoted(name)}, which is the name of a column")
        yield from _entries(rows, columns, 1)
        return
    if first:
        yield from _entries(csv.reader([first], delimiter=";"), COLUMNS, 0)
    yield from _entries(csv.reader(source, delimiter=";"), COLUMNS, 1)


def _entries(rows: Any, columns: Sequence[str], before: int) -> Iterator[Mapping[str, Any]]:
    try:
        for row in rows:
            if row:
                yield entry_of(row, columns, f"line {before + rows.line_num}")
    except csv.Error as error:
        raise ListFault(f"line {before + rows.line_num} is no CSV: {error}") from None


def entry_of(row: Sequence[str], columns: Sequence[str], place: str) -> Mapping[str, Any]:
    """The parameters in a row of CSV.

    Args:
        row: its fields.
        columns: the parameter that each column stands for, such as ``metadata[title]``; empty for one that counts not.
        place: what messages call the row.

    Raises:
        ListFault: the row has more fields than columns, no URL, or malformed metadata.
    """
    if len(row) > len(columns):
        raise ListFault(f"{place} has {len(row)} fields, and there are {len(columns)} columns")
    entry: dict[str, Any] = {}
    for name, value in zip(columns, row, strict=False):
        if not name or not value.strip():
            continue
        outer, _, inner = name.partition("[")
        if inner:
            entry.setdefault(outer, {})[inner.removesuffix("]")] = value
        elif name == "tags":
            entry[name] = [tag.strip() for tag in value.split(",") if tag.strip()]
        elif name == "metadata":
            entry.setdefault(name, {}).update(_metadata(value, place))
        else:
            entry[name] = value.strip()
    if "file" not in entry and not is_url(entry.get("url", "")):
        raise ListFault(f"{place} has no URL: {_quoted(entry.get('url', ''))}")
    return entry


def _metadata(value: str, place: str) -> Mapping[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ListFault(f"{place}: 'metadata' is no JSON object: {_quoted(value)}")
    return found


def _refuse(name: str) -> None:
    """NaN and the infinities, which JSON has not (RFC 8259 section 6)."""
    raise ValueError(name)


def delimiter_of(line: str, url: str | None = None) -> str:
    """The delimiter of a header; empty if the line is none.

    Args:
        line: the first one of the list.
        url: the name of the column with the URLs, if it is not ``url``.
    """
    for delimiter in _DELIMITERS:
        names = [name.strip().strip('"') for name in line.split(delimiter)]
        if (url in names) if url else ("url" in map(str.lower, names) or "file" in names):
            return delimiter
    return ""


def _quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…")
