"""Notifications of written imports within one process, with the import as it was written.

Writes of other processes become visible by polling; see ``lading.service.imports.prefer_wait`` and
``lading.service.imports.events.stream``.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ..models import Import


class News(asyncio.Event):
    """Set by each notification; the watcher clears it.

    Attributes:
        written: the import as the last notification told it; None if it told none.
    """

    written: Import | None = None


class Changes:
    """Wakes the watchers of an import or an organisation."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[News]] = {}

    def tell(self, document: Import, written: Import | None) -> None:
        """Notify the watchers of an import and of its organisation of a write.

        Args:
            document: any state of the import.
            written: the import as it was written; None if another owner of the import wrote it.
        """
        for name in (document.id, document.organization_id):
            for news in self._watchers.get(name, ()):
                news.written = written
                news.set()

    @contextmanager
    def watching(self, name: str) -> Iterator[News]:
        """The news of the import or organisation with this id."""
        news = News()
        self._watchers.setdefault(name, set()).add(news)
        try:
            yield news
        finally:
            self._watchers[name].discard(news)
            if not self._watchers[name]:
                del self._watchers[name]
