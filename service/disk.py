"""What the API says where the service's own disk is full: of spools, of uploads, of answers that wait to be read."""

import errno
from typing import Final

from service.errors import ApiError

RETRY_AFTER: Final = 30
"""Seconds."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: BaseException | None) -> bool:
    """Whether an error says that the disk, or the share of it that the service may use, is full."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def full(error: BaseException) -> ApiError:
    """``disk_full``; the system's text is for the log alone."""
    return ApiError("disk_full", internal=str(error), retry_after=RETRY_AFTER)
