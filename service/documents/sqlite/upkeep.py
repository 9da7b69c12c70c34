"""Copies and checks the SQLite file for the operator's commands. Each call opens a connection, in a thread."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from ....plugins.host.waits import to_its_end
from ..upkeep import Copying, Report, Upgrading, Version
from .engine.copying import copied_bytes, copy_file, faults_of, version_of
from .schema import SCHEMA_VERSION

_Result = TypeVar("_Result")


class SqliteUpkeep(Copying, Upgrading):
    """See ``Copying`` and ``Upgrading``.

    Args:
        path: the file.
        busy_timeout: how long to wait for the locks of other processes.
    """

    def __init__(self, path: Path, busy_timeout: timedelta) -> None:
        self._path = path
        self._busy_timeout = busy_timeout

    async def pending(self) -> tuple[str, ...]:
        """See ``Upgrading.pending``."""
        version = await self.version()
        if version.found in (None, version.known):
            return ()
        return (f"the schema has version {version.found}, and becomes version {version.known}",)

    async def version(self) -> Version:
        """See ``Copying.version``."""
        return Version(await asyncio.to_thread(version_of, self._path, self._busy_timeout), SCHEMA_VERSION)

    async def byte_size(self) -> int:
        """See ``Copying.byte_size``."""
        return await asyncio.to_thread(copied_bytes, self._path, self._busy_timeout)

    async def copy_to(self, path: Path, report: Report) -> None:
        """See ``Copying.copy_to``."""
        stop = Event()
        await _stoppable(partial(copy_file, self._path, path, self._busy_timeout, report, stop), stop)

    async def faults(self, path: Path, limit: int) -> tuple[str, ...]:
        """See ``Copying.faults``."""
        stop = Event()
        return await _stoppable(partial(faults_of, path, limit, stop), stop)


async def _stoppable(function: Callable[[], _Result], stop: Event) -> _Result:
    """Run the function in a thread. A cancellation sets ``stop`` and waits: whoever is cancelled may remove files."""
    return await to_its_end(asyncio.get_running_loop().run_in_executor(None, function), stop.set)
