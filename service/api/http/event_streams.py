"""The bound on streams of events."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ...errors.catalogue import ApiError

RETRY_AFTER: Final = 10


class Streams:
    """The number of open streams.

    Args:
        limit: of all issuers.
        per_issuer: of one issuer.
    """

    def __init__(self, limit: int, per_issuer: int) -> None:
        self._limit = limit
        self._per_issuer = per_issuer
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, issuer_id: str) -> Iterator[None]:
        """Count a stream as open within the block.

        Raises:
            ApiError: ``too_many_streams``.
        """
        if self._open.total() >= self._limit or self._open[issuer_id] >= self._per_issuer:
            raise ApiError("too_many_streams", retry_after=RETRY_AFTER)
        self._open[issuer_id] += 1
        try:
            yield
        finally:
            self._open[issuer_id] -= 1
            if not self._open[issuer_id]:
                del self._open[issuer_id]
