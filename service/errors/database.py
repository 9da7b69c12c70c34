"""The API's error when the database does not answer."""

from ..documents import StoreUnavailable
from .catalogue import ApiError

RETRY_AFTER_OUTAGE = 5
"""Seconds."""
RETRY_AFTER_CONFLICT = 1


class told_as_outage:  # noqa: N801  # called like a function
    """Translates errors of the database within the block. A class, since a generator of contextlib costs more than much
    of the work.

    Raises:
        ApiError: ``documents_unavailable``, instead of ``StoreUnavailable``.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        """Raise the API's error instead of the store's."""
        if isinstance(error, StoreUnavailable):
            raise ApiError("documents_unavailable", internal=str(error), retry_after=RETRY_AFTER_OUTAGE) from error


def contended() -> ApiError:
    """The answer where a change lost against other writers of the same document for as long as it waits for its turn.

    That is no outage: the database works, and the change was not made.
    """
    return ApiError("write_conflict", retry_after=RETRY_AFTER_CONFLICT)
