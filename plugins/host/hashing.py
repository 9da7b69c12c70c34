"""Hashing in the event loop, which is to keep the interpreter meanwhile."""

from typing import Protocol

_HELD_BYTES = 2047


class Digest(Protocol):
    """What ``hashlib`` makes."""

    def update(self, data: memoryview, /) -> None:
        """Hash further bytes."""


def update_held(digest: Digest, data: bytes | bytearray) -> None:
    """Hash ``data``, some hundred KiB at most, without letting another thread have the interpreter.

    ``hashlib`` lets it go for more than 2047 bytes (https://docs.python.org/3/library/hashlib.html), and who lets it go
    waits for milliseconds, where other threads are busy, to do what takes microseconds.
    """
    with memoryview(data) as view:
        for start in range(0, len(view), _HELD_BYTES):
            digest.update(view[start : start + _HELD_BYTES])
