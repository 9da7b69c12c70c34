"""New identifiers."""

import os
from collections.abc import Iterator
from typing import Final

_AT_ONCE: Final = 128
_DIGITS: Final = 32


def _random_uuids() -> Iterator[str]:
    while True:
        # One call to the operating system makes many ids, since each call gives up the interpreter's lock. The ids are
        # cut from one text: ``uuid.UUID`` takes as long as everything else that a request's head needs.
        random = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
        for start in range(0, len(random), _DIGITS):
            digits = random[start : start + _DIGITS]
            variant = "89ab"[int(digits[16], 16) % 4]
            yield f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


_uuids = _random_uuids()


def new_uuid() -> str:
    """A random UUID of version 4 (RFC 9562 section 5.4), from the operating system's generator.

    Called on the event loop only. Forked processes would share the prepared ids, so Lading starts its processes without
    forking.
    """
    return next(_uuids)
