"""New identifiers."""

import os
import uuid
from collections.abc import Iterator
from typing import Final

_AT_ONCE: Final = 128
_BYTES: Final = 16


def _random_uuids() -> Iterator[str]:
    while True:
        # One call to the operating system for many of them: for each it would give the interpreter's lock away.
        random = os.urandom(_AT_ONCE * _BYTES)
        for start in range(0, len(random), _BYTES):
            yield str(uuid.UUID(bytes=random[start : start + _BYTES], version=4))


_uuids = _random_uuids()


def new_uuid() -> str:
    """A random UUID (RFC 9562 section 5.4), from the operating system's generator.

    Called on the event loop alone. Processes that are forked would have the same ones in store; Lading starts its
    processes anew.
    """
    return next(_uuids)
