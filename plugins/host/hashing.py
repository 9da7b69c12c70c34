"""Hashes in the event loop without giving up the interpreter's lock."""

from typing import Protocol

_HELD_BYTES = 2047


class Digest(Protocol):
    """A hash object of ``hashlib``."""

    def update(self, data: memoryview, /) -> None:
        """Hash further bytes."""


def update_held(digest: Digest, data: bytes | bytearray) -> None:
    """Hash ``data``, some hundred KiB at most, without giving up the interpreter's lock.

    ``hashlib`` gives up the lock for more than 2047 bytes (https://docs.python.org/3/library/hashlib.html). While other
    threads are busy, the event loop would then wait for milliseconds to do work of microseconds.
    """
    with memoryview(data) as view:
        for start in range(0, len(view), _HELD_BYTES):
            digest.update(view[start : start + _HELD_BYTES])
