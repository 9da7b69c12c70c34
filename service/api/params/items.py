"""The items of a batch, read while its body comes: NDJSON, a JSON array, or lines of semicolon-separated values.

A reader gets the body piece by piece and yields the complete items; at most one item is in memory. A malformed item
fails alone: the reader continues behind it, unless the beginning of the next item is unknown.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final

from ...errors.params import JsonInvalid, ParamsError
from ...imports.batches.items import Item
from . import ParamLimits, parse_json

MAX_ITEM_BYTES: Final = 64 * 1024
CSV_COLUMNS: Final = ("album_id", "url", "tags", "metadata")

_STRUCTURAL = re.compile(rb'["\[\]{},]')
_STRING_END = re.compile(rb'["\\]')
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
"""The mark that some programs write at the beginning of UTF-8; it is no part of the first item."""


class ItemTooLarge(ParamsError):
    """An item is larger than ``MAX_ITEM_BYTES``."""

    code = "item_too_large"

    def __init__(self) -> None:
        super().__init__(f"The item is larger than {MAX_ITEM_BYTES} bytes.")


class CsvInvalid(ParamsError):
    """A line does not have the columns ``album_id;url;tags;{metadata as JSON}``, or a quote that is not closed."""

    code = "csv_invalid"


class ItemReader(ABC):
    """Reads the items of a body.

    Attributes:
        fault: why it stopped reading before the end of the body; also the error of an item.
    """

    def __init__(self, limits: ParamLimits) -> None:
        self.limits = limits
        self.fault: ParamsError | None = None

    @abstractmethod
    def feed(self, chunk: bytes) -> Iterator[Item]:
        """The items that end in this piece of the body; iterate it to its end."""

    @abstractmethod
    def end(self) -> Iterator[Item]:
        """The items that end with the body."""

    def item(self, number: int, text: bytes) -> Item:
        """An item, from its text."""
        try:
            if not text:
                raise JsonInvalid("The element is empty.")  # reported like the other errors
            return Item(number, self.params(text))
        except ParamsError as error:
            return Item(number, None, error)

    def params(self, text: bytes) -> dict[str, Any]:
        """The parameters in an item's text.

        Raises:
            ParamsError: the text contains none.
        """
        return parse_json(text, self.limits)


class LineReader(ItemReader):
    """Items that are lines; empty lines are no items. A line ends with LF or CRLF."""

    def __init__(self, limits: ParamLimits) -> None:
        super().__init__(limits)
        self._line = bytearray()
        self._number = 0
        self._is_too_large = False

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """See ``ItemReader.feed``."""
        lines = chunk.split(b"\n")
        for piece in lines[:-1]:
            self._add(piece)
            yield from self._ended()
        self._add(lines[-1])

    def end(self) -> Iterator[Item]:
        """See ``ItemReader.end``: the last line needs no line break."""
        yield from self._ended()

    def _add(self, piece: bytes) -> None:
        if len(self._line) + len(piece) > MAX_ITEM_BYTES:
            self._is_too_large = True
            self._line.clear()
        elif not self._is_too_large:
            self._line += piece

    def _ended(self) -> Iterator[Item]:
        self._number += 1
        line, is_too_large = bytes(self._line).strip(_BLANK), self._is_too_large
        if self._number == 1:
            line = line.removeprefix(_BOM).lstrip(_BLANK)
        self._line.clear()
        self._is_too_large = False
        if is_too_large:
            yield Item(self._number, None, ItemTooLarge())
        elif line and not self.is_header(self._number, line):
            yield self.item(self._number, line)

    def is_header(self, number: int, line: bytes) -> bool:  # noqa: ARG002  # for those that have one
        """Whether a line is no item, but names the columns."""
        return False


class CsvReader(LineReader):
    """Lines ``album_id;url;tags;{metadata}``: commas separate tags, and the metadata is JSON, which may contain
    semicolons.

    A column may be quoted as in RFC 4180, but contains no line break: a line is an item, as the tools that write these
    files assume, so an unclosed quote costs one item and not all that follow. A first line that begins with
    ``album_id`` is a header.
    """

    def is_header(self, number: int, line: bytes) -> bool:
        """See ``LineReader.is_header``."""
        return number == 1 and line.partition(b";")[0].strip(b' "').lower() == b"album_id"

    def params(self, text: bytes) -> dict[str, Any]:
        """See ``ItemReader.params``."""
        try:
            rest = text.decode()
        except UnicodeDecodeError as error:
            raise CsvInvalid("The line is not UTF-8.") from error
        if ";" not in rest:
            # Most likely something else separates its columns, and all of it would become the album's name.
            raise CsvInvalid("The line has no semicolon, which parts the columns album_id;url;tags;{metadata}.")
        columns: list[str] = []
        while rest and len(columns) < len(CSV_COLUMNS):
            column, rest = _column(rest, is_last=len(columns) == len(CSV_COLUMNS) - 1)
            columns.append(column)
        if rest:
            raise CsvInvalid("The line has more than the columns album_id;url;tags;{metadata}.")
        found = dict(zip(CSV_COLUMNS, columns, strict=False))
        params: dict[str, Any] = {name: found[name] for name in ("album_id", "url") if found.get(name)}
        if tags := [tag.strip() for tag in found.get("tags", "").split(",") if tag.strip()]:
            params["tags"] = tags
        if metadata := found.get("metadata", "").strip():
            params["metadata"] = parse_json(metadata.encode(), self.limits)
        if not params:
            raise CsvInvalid("The line's columns are all empty.")
        return params


class ArrayReader(ItemReader):
    """The elements of one JSON array."""

    def __init__(self, limits: ParamLimits) -> None:
        super().__init__(limits)
        self._element = bytearray()
        self._number = 0
        self._depth = 0
        self._in_string = False
        self._is_escaped = False
        self._is_too_large = False
        self._is_over = False
        self._head: bytes | None = b""

    def feed(self, chunk: bytes) -> Iterator[Item]:
        """See ``ItemReader.feed``."""
        if self._head is not None:
            self._head += chunk
            if len(self._head) < len(_BOM) and _BOM.startswith(self._head):
                return
            chunk, self._head = self._head.removeprefix(_BOM), None
        position = 0
        while position < len(chunk) and self.fault is None:
            if self._is_over:
                yield from self._outside(chunk[position:])
                return
            if self._is_escaped:
                self._is_escaped = False
                self._keep(chunk[position : position + 1])
                position += 1
                continue
            match = (_STRING_END if self._in_string else _STRUCTURAL).search(chunk, position)
            if match is None:
                yield from self._text(chunk[position:])
                return
            yield from self._text(chunk[position : match.start()])
            position = match.end()
            if self.fault is None:
                yield from self._mark(match[0])

    def end(self) -> Iterator[Item]:
        """See ``ItemReader.end``."""
        if not self._is_over and self.fault is None:
            self._number += 1
            yield self._broken("The array does not come to an end.")

    def _text(self, text: bytes) -> Iterator[Item]:
        """The bytes between two marks."""
        if self._depth:
            self._keep(text)
        else:
            yield from self._outside(text)

    def _outside(self, text: bytes) -> Iterator[Item]:
        if text.strip(_BLANK):
            self._number += 1
            yield self._broken("The body is not one JSON array.")

    def _mark(self, mark: bytes) -> Iterator[Item]:  # one branch for each mark
        if self._in_string:
            self._keep(mark)
            self._in_string, self._is_escaped = mark != b'"', mark == b"\\"
        elif not self._depth:
            if mark == b"[":
                self._depth = 1
            else:
                yield from self._outside(mark)
        elif mark == b'"':
            self._in_string = True
            self._keep(mark)
        elif mark in b"[{":
            self._depth += 1
            self._keep(mark)
        elif mark in b"]}" and self._depth > 1:
            self._depth -= 1
            self._keep(mark)
        elif mark == b"," and self._depth > 1:
            self._keep(mark)
        elif mark == b"}":
            self._number += 1
            yield self._broken("The array has a brace that was not opened.")
        else:
            yield from self._ended(is_last=mark == b"]")

    def _ended(self, *, is_last: bool) -> Iterator[Item]:
        text, is_too_large = bytes(self._element).strip(_BLANK), self._is_too_large
        self._element.clear()
        self._is_too_large = False
        self._is_over = is_last
        if is_last and not text and not is_too_large and not self._number:
            return  # an empty array
        self._number += 1
        yield Item(self._number, None, ItemTooLarge()) if is_too_large else self.item(self._number, text)

    def _keep(self, text: bytes) -> None:
        if len(self._element) + len(text) > MAX_ITEM_BYTES:
            self._is_too_large = True
            self._element.clear()
        elif not self._is_too_large:
            self._element += text

    def _broken(self, detail: str) -> Item:
        self.fault = JsonInvalid(f"{detail} The service does not read the rest of the batch.")
        return Item(self._number, None, self.fault)


def _column(text: str, *, is_last: bool) -> tuple[str, str]:
    """A column, and the text after it."""
    if text.startswith('"'):
        end = 1
        while True:
            end = text.find('"', end)
            if end < 0:
                raise CsvInvalid(
                    "The line has a quote that is not closed; an item is one line, and has no line breaks."
                )
            if text[end + 1 : end + 2] != '"':
                break
            end += 2
        column, rest = text[1:end].replace('""', '"'), text[end + 1 :]
        if rest and not rest.startswith(";"):
            raise CsvInvalid("The line has something behind a quoted column.")
        return column, rest[1:]
    if is_last:
        return text, ""
    column, _, rest = text.partition(";")
    return column, rest


READERS: Final[dict[str, type[ItemReader]]] = {
    "application/x-ndjson": LineReader,
    "application/ndjson": LineReader,
    "application/jsonl": LineReader,
    "application/json": ArrayReader,
    "text/csv": CsvReader,
}
"""By the media type of the body."""
