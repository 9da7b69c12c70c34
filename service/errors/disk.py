"""The API's errors when the service's own disk is full or broken: for spools, uploads, and answers that wait for their
reader.
"""

import errno
from typing import Final

from ..models import Failure
from .catalogue import ApiError

RETRY_AFTER: Final = 30
"""Seconds."""
FULL: Final = Failure("disk_full", "The service has no disk space for the image.", retryable=True)
UNAVAILABLE: Final = Failure("disk_unavailable", "The service cannot write the image to its disk.", retryable=True)
"""Failures of attempts at imports."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_THE_PROCESS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of a call that needs a disk, and whose cause is none."""


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that the disk, or the service's share of it, is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def is_outage(error: BaseException | None) -> bool:
    """Whether an error comes from the service's own disk: full, read-only, missing or broken."""
    return isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError)


def failure_of_disk(error: OSError) -> Failure | None:
    """The failure of an attempt that could not use the service's own disk; None if the disk is not the cause."""
    if not is_outage(error) or error.errno in _OF_THE_PROCESS:
        return None
    return FULL if is_full(error) else UNAVAILABLE


def outage(error: BaseException) -> ApiError:
    """``disk_full`` or ``disk_unavailable``; the system's text goes to the log only."""
    if is_full(error):
        return ApiError("disk_full", internal=str(error), retry_after=RETRY_AFTER)
    return ApiError("disk_unavailable", internal=str(error), retry_after=RETRY_AFTER)
