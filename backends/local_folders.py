"""Which folders of ``backends.local`` are known to be durable, so that each is made durable once."""

import re
from typing import Final

MAX_OTHERS: Final = 10_000
"""Folders of any other form that are remembered; beyond them all of those are forgotten, which costs a sync each."""
_SHARD: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}")
_SHARDS: Final = 16**4


class DurableFolders:
    """A set of folders, by their path below the root. May be used by several threads.

    The folders of the service's own keys (``ab/cd``), 65,536 in the end, take a byte each: as a set of texts they would
    grow with the first hundreds of thousands of images to several megabytes.
    """

    def __init__(self) -> None:
        self._shards = bytearray(_SHARDS)
        self._others: set[str] = set()

    def __contains__(self, path: str) -> bool:
        number = _number(path)
        return path in self._others if number is None else bool(self._shards[number])

    def add(self, path: str) -> None:
        """Remember a folder."""
        number = _number(path)
        if number is not None:
            self._shards[number] = 1
            return
        if len(self._others) >= MAX_OTHERS:
            self._others.clear()
        self._others.add(path)


def _number(path: str) -> int | None:
    return int(path[:2] + path[3:], 16) if _SHARD.fullmatch(path) else None
