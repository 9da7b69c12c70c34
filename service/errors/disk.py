"""The API's errors when the service's own disk is full or broken: for spools, uploads, and answers that wait for their
reader.
"""

import errno
from typing import Final

from .catalogue import ApiError

RETRY_AFTER: Final = 30
"""Seconds."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that the disk, or the service's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def is_outage(error: BaseException | None) -> bool:
    """Whether an error comes from the service's own disk: full, read-only, missing or broken."""
    return isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError)


def outage(error: BaseException) -> ApiError:
    """``disk_full`` or ``disk_unavailable``; the system's text goes to the log only."""
    if is_full(error):
        return ApiError("disk_full", internal=str(error), retry_after=RETRY_AFTER)
    return ApiError("disk_unavailable", internal=str(error), retry_after=RETRY_AFTER)
