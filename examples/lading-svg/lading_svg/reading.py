"""The file as text: opened without being waited for, decoded strictly, in small pieces. Blocks; for a thread.

The encoding is decided here, and by the first bytes alone: UTF-16 where there is its byte order mark, else UTF-8. The
XML parser never sees any other, so that no two readers can take one file for two texts.
"""

import codecs
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lading.plugins.errors import ImageCorrupt
from lading_svg.errors import FileUnreadable

PIECE: Final = 32 * 1024
"""Bytes read, and parsed, at a time: about as much work as may be done before the next look at the clock."""

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class Text:
    """The text of a file.

    Attributes:
        byte_size: of the file.
        is_utf16: whether it is in UTF-16; known with the first piece.
    """

    def __init__(self, descriptor: int, byte_size: int) -> None:
        self.byte_size = byte_size
        self.is_utf16 = False
        self._descriptor = descriptor

    def pieces(self) -> Iterator[str]:
        """The text in non-empty pieces; to be iterated once.

        Raises:
            ImageCorrupt: after the text up to the place where it cannot be decoded.
            FileUnreadable: the file cannot be read.
        """
        data = self._read()
        mark, encoding = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
        self.is_utf16 = encoding != "utf-8"
        decoder = codecs.getincrementaldecoder(encoding)()
        data = data[len(mark) :]
        while True:
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                good = str(error.object[: error.start], encoding)
                if good:
                    yield good
                raise ImageCorrupt(f"not {encoding}") from error
            if text:
                yield text
            if not data:
                return
            data = self._read()

    def _read(self) -> bytes:
        try:
            return os.read(self._descriptor, PIECE)
        except OSError as error:
            raise FileUnreadable(type(error).__name__) from error


@contextmanager
def opened(path: Path) -> Iterator[Text]:
    """The text of the regular file at ``path``; nothing else is opened, and a pipe is not waited for.

    Raises:
        FileUnreadable: there is none, or it may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise FileUnreadable(type(error).__name__) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise FileUnreadable("no regular file")
        yield Text(descriptor, status.st_size)
    finally:
        os.close(descriptor)
