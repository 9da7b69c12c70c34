"""The endpoints of issuers, cached for a moment."""

import time
from collections import OrderedDict
from typing import Final

from ..documents import DocumentStore
from .endpoints import ENDPOINT, Endpoint

CACHE_SIZE: Final = 1024
MAX_ENDPOINTS: Final = 100
"""The largest number of endpoints of an issuer; ``[webhooks] endpoints`` is no larger."""


class EndpointDirectory:
    """Looks up the endpoints of an issuer.

    The result is cached for ``ttl`` seconds, an empty result too. So finishing many imports does not query the database
    each time, and every process knows a new endpoint within that time.
    """

    def __init__(self, store: DocumentStore, ttl: float) -> None:
        self._store = store
        self._ttl = ttl
        self._cache: OrderedDict[str, tuple[float, tuple[Endpoint, ...]]] = OrderedDict()

    async def of(self, issuer_id: str) -> tuple[Endpoint, ...]:
        """The issuer's endpoints, the disabled ones too.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        cached = self._cache.get(issuer_id)
        if cached is not None and time.monotonic() < cached[0]:
            return cached[1]
        until = time.monotonic() + self._ttl  # from before the query, which may miss a write during it
        records = await self._store.records.list(ENDPOINT, issuer_id, MAX_ENDPOINTS)
        found = tuple(map(Endpoint.of, records))
        self._cache[issuer_id] = (until, found)
        self._cache.move_to_end(issuer_id)
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return found

    def forget(self, issuer_id: str) -> None:
        """Drop the cached endpoints of the issuer."""
        self._cache.pop(issuer_id, None)
