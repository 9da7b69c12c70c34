"""What the API says where its database does not answer."""

from ..documents import StoreUnavailable
from .catalogue import ApiError

RETRY_AFTER_OUTAGE = 5
"""Seconds."""


class told_as_outage:  # noqa: N801  # called like a function
    """Around work with the database. A class, since what contextlib makes costs more than much of the work.

    Raises:
        ApiError: ``documents_unavailable``, in place of ``StoreUnavailable``.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Raise what the API says, in place of what the store said."""
        if isinstance(error, StoreUnavailable):
            raise ApiError("documents_unavailable", internal=str(error), retry_after=RETRY_AFTER_OUTAGE) from error
