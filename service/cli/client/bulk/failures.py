"""The file of failures."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self


class Failures:
    """The file of failures, as NDJSON; what a stop left behind the part that counts is cut off.

    A context manager; it blocks.

    Args:
        path: of the file; None to write nothing.
        written: bytes that count.
    """

    def __init__(self, path: Path | None, written: int) -> None:
        self._file: IO[bytes] | None = None
        self.written = written
        if path is not None:
            self._file = path.open("r+b" if path.exists() else "w+b")
            # It may be another file than that of the last run.
            self.written = min(written, self._file.seek(0, os.SEEK_END))
            self._file.truncate(self.written)
            self._file.seek(self.written)

    @property
    def is_open(self) -> bool:
        """Whether they are written."""
        return self._file is not None

    def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries, which are on the disk when this returns."""
        if self._file is None or not entries:
            return
        for entry in entries:
            self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.written = self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
