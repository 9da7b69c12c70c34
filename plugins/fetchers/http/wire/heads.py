"""The head of a response as it comes: bounded in bytes, and without the lines that are no fields. No I/O."""

import re
from typing import Final

from ....errors import OriginProtocolError

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 section 5.6.2
_SOUND_HEAD: Final = re.compile(rb"HTTP/1\.[01] [2-9]\d\d[^\r\n]*\r?\n(?:" + _TOKEN + rb":[^\r\n]*\r?\n)*\r?\n")
"""A final head, of nothing but fields: most heads are of this form and come at once."""
_FIELDS: Final = re.compile(rb"(?:" + _TOKEN + rb":[^\r\n]*\r?\n)+")
_EMPTY: Final = re.compile(rb"(?:\r?\n)+")
_FIELD: Final = re.compile(_TOKEN + rb":")
_SPACED_FIELD: Final = re.compile(rb"(" + _TOKEN + rb")[ \t]+:")
_FRAMING: Final = re.compile(rb"content-length|transfer-encoding", re.IGNORECASE)
_INTERIM: Final = re.compile(rb"HTTP/\d\.\d +1\d\d")
_MAX_ODD: Final = 64
_MAX_INTERIM: Final = 16
"""Servers send one or two; each costs as much as a final head."""
_BLANK: Final = (b" ", b"\t")


class HeadFilter:
    """Lets the head of one response through, interim (1xx) heads included, and tells where the body begins.

    What is no field line is left out, as browsers do: a line without a colon, a name in quotes, a name that is empty or
    that holds white space. White space between a name and its colon is removed, as RFC 9112 section 5.1 asks of
    proxies. Where such a line might say how long the body is, the head is refused: parsers disagree about it.

    Args:
        max_bytes: longest head that is let through, counted as it comes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._line = bytearray()
        self._passed = 0
        self._is_status = True
        self._is_interim = False
        self._is_skipped = False
        self._odd = 0
        self._interim = 0
        self.is_over = False
        """Whether the final head has come; nothing is read after it."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Read what arrived, up to the end of the final head.

        Returns:
            what the parser is given of the head, and the bytes of the body behind it.

        Raises:
            OriginProtocolError: the head is longer than allowed, follows too many interim heads, or leaves in doubt
                how long the body is.
        """
        if not self._line and self._is_status and (head := _SOUND_HEAD.match(data)):
            self._count(head.end())
            self.is_over = True
            return data[: head.end()], data[head.end() :]
        kept = bytearray()
        start = 0
        while not self.is_over:
            # Rows of lines that need no look are read at once: a head may have thousands.
            if not self._line and (row := (_EMPTY if self._is_status else _FIELDS).match(data, start)):
                self._count(row.end() - start)
                kept += b"" if self._is_status else row[0]
                self._is_skipped = False
                start = row.end()
            end = data.find(b"\n", start) + 1
            if not end:
                break
            self._count(end - start)
            self._line += data[start:end]
            kept += self._read_line()
            self._line.clear()
            self._passed = 0
            start = end
        if self.is_over:
            return bytes(kept), data[start:]
        self._count(len(data) - start)
        self._line += data[start:]
        if self._is_status:
            # Bytes that are no HTTP need not be lines: the parser is to see them at once.
            kept += self._line[self._passed :]
            self._passed = len(self._line)
        return bytes(kept), b""

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise OriginProtocolError(reason=f"its head is longer than {self._max_bytes} bytes")

    def _read_line(self) -> bytes:
        """What the parser is given of a line that is complete."""
        line = bytes(self._line)
        is_empty = line in (b"\n", b"\r\n")
        if self._is_status:
            if is_empty:  # parsers skip empty lines before the status line (RFC 9112 section 2.2)
                return line[self._passed :]
            self._is_status = False
            self._is_interim = _INTERIM.match(line) is not None
            self._interim += self._is_interim
            if self._interim > _MAX_INTERIM:
                raise OriginProtocolError(reason=f"more than {_MAX_INTERIM} interim heads come before its head")
            self._is_skipped = True  # no field has come that a folded line could go on with
            return line[self._passed :]
        if is_empty:
            self._is_status = self._is_interim
            self.is_over = not self._is_interim
            return line
        return self._field(line)

    def _field(self, line: bytes) -> bytes:
        if _FIELD.match(line):
            self._is_skipped = False
            return line
        self._odd += 1
        if self._odd > _MAX_ODD:
            raise OriginProtocolError(reason=f"its head has more than {_MAX_ODD} lines that are no fields")
        if line.startswith(_BLANK) and not self._is_skipped:
            return line  # a folded line goes on with the field before (RFC 9112 section 5.2)
        spaced = _SPACED_FIELD.match(line)
        name = spaced[1] if spaced else line.partition(b":")[0]
        if _FRAMING.fullmatch(name) if spaced else _FRAMING.search(name):
            raise OriginProtocolError(reason="a field that frames its body has a malformed name")
        self._is_skipped = spaced is None
        return name + line[spaced.end() - 1 :] if spaced else b""
