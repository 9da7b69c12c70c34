"""Who watches fetches."""

from typing import Protocol

from ...storages.spool import Spool


class WatchesFetches(Protocol):
    """Learns how far fetches have come; see ``lading.service.imports.events.progress``."""

    def begin(self, import_id: str, fills: Spool, total: int | None) -> None:
        """A fetch begins. The size of ``fills`` is the progress."""
        ...

    def end(self, import_id: str) -> None:
        """The fetch has ended, successfully or not."""
        ...
