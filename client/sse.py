"""Server-sent events: the parser of a stream (WHATWG HTML, section 9.2.6). It does no I/O."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from .errors import LadingError
from .results import Event

LONGEST_LINE: Final = 16 * 1024 * 1024
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


class EventParser:
    """Reads a stream piece by piece.

    Attributes:
        last_id: of the last event; a line ``id`` without an event sets it too.
        retry: seconds that the service wants a client to wait before it reconnects; None if it did not say.
    """

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self.retry: float | None = None
        self.restart()

    def restart(self) -> None:
        """Begin with another stream: what is incomplete is forgotten."""
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""
        self._type = ""
        self._id = self.last_id
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that end in a piece of the stream; iterate to the end.

        Raises:
            LadingError: ``answer_invalid``: an event is no JSON object, or is longer than any that the service sends.
        """
        text = self._rest + self._decoder.decode(chunk)
        # The LF of a CR LF may come in the next piece.
        held = "\r" if text.endswith("\r") else ""
        *lines, rest = _LINE_END.split(text[: len(text) - len(held)])
        self._rest = rest + held
        self._size += len(text)
        if self._size > LONGEST_LINE:
            raise LadingError("answer_invalid", detail="The server sends an event that has no end.")
        for line in lines:
            if not line:
                yield from self._dispatched()
            else:
                self._field(line)

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value[:9]) / 1000

    def _dispatched(self) -> Iterator[Event]:
        self.last_id = self._id
        data, kind = self._data, self._type
        self._data, self._type, self._size = [], "", len(self._rest)
        if data:
            yield Event(kind or "message", self.last_id, _object("\n".join(data)))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise LadingError("answer_invalid", detail="The server sends an event that is no JSON object.")
    return value
