"""Notices writes to the SQLite file, so that idle workers see the imports that other processes queue.

An import that becomes due, such as a retry, is no write: a worker finds it when it polls the queue.
"""

import asyncio
import contextlib
import sqlite3
import threading
from typing import Final

from .. import StoreUnavailable
from .engine.threads import ConnectionThreads

LOOK_SECONDS: Final = 0.1
"""Between two looks. Each costs a tenth of a millisecond; what this process queues itself needs none."""


class SqliteNews:
    """Waits until another connection has written, by ``PRAGMA data_version``
    (https://sqlite.org/pragma.html#pragma_data_version).

    Args:
        readers: connections that never write. Which of them is asked is open, so each has its own last version, by its
            thread; a connection that replaces another starts again.
    """

    def __init__(self, readers: ConnectionThreads) -> None:
        self._readers = readers
        self._versions: dict[int, tuple[sqlite3.Connection, int]] = {}

    async def wait(self, timeout: float) -> None:
        """See ``SupportsWaiting.wait_for_work``. Where the file cannot be read, only time brings news."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    # Before each look: where everything is news, the worker looks at the queue ten times a second.
                    await asyncio.sleep(LOOK_SECONDS)
                    with contextlib.suppress(StoreUnavailable):
                        if await self._readers.run(self._is_new):
                            return

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        version: int = connection.execute("PRAGMA data_version").fetchone()[0]
        thread = threading.get_ident()
        before = self._versions.get(thread)
        self._versions[thread] = (connection, version)
        return before is None or before[0] is not connection or before[1] != version
