"""Notifications of written imports within one process.

Writes of other processes become visible by polling; see ``lading.service.imports.prefer_wait`` and
``lading.service.imports.events.stream``.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Wakes the watchers of an import or an organisation."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def tell(self, *names: str) -> None:
        """Notify the watchers of the import or organisation with this id of a write."""
        for name in names:
            for event in self._watchers.get(name, ()):
                event.set()

    @contextmanager
    def watching(self, name: str) -> Iterator[asyncio.Event]:
        """An event that each notification sets and the watcher clears."""
        event = asyncio.Event()
        self._watchers.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._watchers[name].discard(event)
            if not self._watchers[name]:
                del self._watchers[name]
