"""The endpoints of issuers, cached for a moment."""

import time
from collections import OrderedDict
from typing import Final

from ..documents import DocumentStore
from .endpoints import ENDPOINT, Endpoint

CACHE_SIZE: Final = 1024
MAX_ENDPOINTS: Final = 100
"""Endpoints of an issuer that are looked at, at most; ``[webhooks] endpoints`` is no more."""


class EndpointDirectory:
    """Looks up the endpoints of an issuer.

    What it was told is remembered for ``ttl`` seconds, that there are none as well: finishing many imports does not ask
    the database each time, and a new endpoint is known to every process no later than that.
    """

    def __init__(self, store: DocumentStore, ttl: float) -> None:
        self._store = store
        self._ttl = ttl
        self._cache: OrderedDict[str, tuple[float, tuple[Endpoint, ...]]] = OrderedDict()

    async def of(self, issuer_id: str) -> tuple[Endpoint, ...]:
        """The issuer's endpoints, the disabled ones too.

        Raises:
            StoreUnavailable: it cannot be told.
        """
        cached = self._cache.get(issuer_id)
        if cached is not None and time.monotonic() < cached[0]:
            return cached[1]
        until = time.monotonic() + self._ttl  # from before the look: what is written during it may be missing
        records = await self._store.records.list(ENDPOINT, issuer_id, MAX_ENDPOINTS)
        found = tuple(map(Endpoint.of, records))
        self._cache[issuer_id] = (until, found)
        self._cache.move_to_end(issuer_id)
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return found

    def forget(self, issuer_id: str) -> None:
        """What is remembered of the issuer has changed."""
        self._cache.pop(issuer_id, None)
