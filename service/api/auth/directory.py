"""Finds issuers: first those of ``service.conf``, then those in the document store."""

import time
from collections import OrderedDict
from collections.abc import Mapping

from ...documents import DocumentStore
from ...models.issuers import Issuer

CACHE_SIZE = 1024


class IssuerDirectory:
    """Looks issuers up by id.

    An issuer from the store is cached for ``ttl`` seconds, so that not every request reads the database; disabling the
    issuer takes effect no later than that. Unknown ids are not cached, and the cache is bounded.
    """

    def __init__(self, configured: Mapping[str, Issuer], store: DocumentStore, ttl: float) -> None:
        self._configured = configured
        self._store = store
        self._ttl = ttl
        self._cache: OrderedDict[str, tuple[float, Issuer]] = OrderedDict()

    def take_over(self, configured: Mapping[str, Issuer]) -> None:
        """Use other issuers of ``service.conf`` from now on."""
        self._configured = configured

    async def get(self, issuer_id: str) -> Issuer | None:
        """The issuer, or None.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        configured = self._configured.get(issuer_id)
        if configured is not None:
            return configured
        cached = self._cache.get(issuer_id)
        if cached is not None and time.monotonic() < cached[0]:
            return cached[1]
        self._cache.pop(issuer_id, None)
        issuer = await self._store.get_issuer(issuer_id)
        if issuer is not None:
            self._cache[issuer_id] = (time.monotonic() + self._ttl, issuer)
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return issuer
