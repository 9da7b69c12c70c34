"""News of imports within a process: who waits for one is woken when it was written here.

What other processes write shows by looking at the store; see ``lading.service.imports.prefer_wait`` and
``lading.service.imports.events.stream``.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Wakes who watches an import, or an organisation's."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def tell(self, *names: str) -> None:
        """The import, or organisation, of that id was written just now."""
        for name in names:
            for event in self._watchers.get(name, ()):
                event.set()

    @contextmanager
    def watching(self, name: str) -> Iterator[asyncio.Event]:
        """An event that is set with every piece of news, and that the watcher clears."""
        event = asyncio.Event()
        self._watchers.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._watchers[name].discard(event)
            if not self._watchers[name]:
                del self._watchers[name]
