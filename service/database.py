"""What the API says where its database does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.documents import StoreUnavailable
from service.errors import ApiError

RETRY_AFTER_OUTAGE = 5
"""Seconds."""


@contextmanager
def told_as_outage() -> Iterator[None]:
    """Around work with the database.

    Raises:
        ApiError: ``documents_unavailable``, in place of ``StoreUnavailable``.
    """
    try:
        yield
    except StoreUnavailable as error:
        raise ApiError("documents_unavailable", internal=str(error), retry_after=RETRY_AFTER_OUTAGE) from error
