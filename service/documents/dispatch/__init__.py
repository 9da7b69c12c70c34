"""How workers come by queued imports: the seam beside ``DocumentStore``, which stays the truth.

``ByDocuments`` is the default: workers ask the database alone. ``nats/`` adds a broker.
It may use ``documents`` and ``models``. Begin with ``Dispatch`` below.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ...models import Import
from .. import Bounds, DocumentStore, SupportsWaiting


class BrokerUnavailable(Exception):
    """The broker does not answer, or does not work as it must."""


class Dispatch(ABC):
    """Gives queued imports to the worker of this process."""

    @property
    @abstractmethod
    def news(self) -> SupportsWaiting | None:
        """What wakes an idle worker; None if only polling tells of work. It never changes."""

    @abstractmethod
    def queued(self, document: Import) -> None:
        """An import was queued, durably, by this process. Never blocks, never raises."""

    @abstractmethod
    async def claim(self, worker_id: str, limit: int, bounds: Bounds) -> Sequence[Import]:
        """See ``DocumentStore.claim``: no import is given twice, and issuers have their turns.

        Raises:
            StoreUnavailable: the worker may have been given some.
        """

    @abstractmethod
    def written(self, import_id: str, document: Import | None) -> None:
        """The next state of a claimed import is written; None if the worker no longer owns it. Never blocks."""

    @abstractmethod
    def let_go(self, import_id: str) -> None:
        """The worker holds a claimed import no longer; nothing if its next state was ``written``. Never blocks."""


class ByDocuments(Dispatch):
    """Workers claim from the database. Nothing is told to anybody else."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    @property
    def news(self) -> SupportsWaiting | None:
        """See ``Dispatch.news``."""
        return self._store if isinstance(self._store, SupportsWaiting) else None

    def queued(self, document: Import) -> None:
        """See ``Dispatch.queued``."""

    async def claim(self, worker_id: str, limit: int, bounds: Bounds) -> Sequence[Import]:
        """See ``Dispatch.claim``."""
        return await self._store.claim(
            worker_id,
            limit,
            exclude_issuers=bounds.exclude_issuers,
            exclude_hosts=bounds.exclude_hosts,
            per_issuer=bounds.per_issuer,
        )

    def written(self, import_id: str, document: Import | None) -> None:
        """See ``Dispatch.written``."""

    def let_go(self, import_id: str) -> None:
        """See ``Dispatch.let_go``."""
