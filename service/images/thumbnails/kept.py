"""The cache of thumbnails, for the event loop: its disk may fail without harm to any request."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from ...observe.outages import Outage
from .cache import ThumbnailFolder, ThumbnailName

Result = TypeVar("Result")


class KeptThumbnails:
    """The thumbnails in a folder. No method raises anything: a disk that fails is logged.

    Args:
        folder: the folder.
        executor: for the blocking calls; None for the event loop's own.
    """

    def __init__(self, folder: ThumbnailFolder, executor: Executor | None = None) -> None:
        self._folder = folder
        self._executor = executor
        self._outage = Outage("the folder for thumbnails")

    async def get(self, name: ThumbnailName) -> bytes | None:
        """See ``ThumbnailFolder.get``."""
        return await self._quietly(lambda: self._folder.get(name))

    async def put(self, name: ThumbnailName, content: bytes) -> None:
        """See ``ThumbnailFolder.put``."""
        await self._quietly(lambda: self._folder.put(name, content))

    async def forget(self, key: str) -> None:
        """See ``ThumbnailFolder.forget``."""
        await self._quietly(lambda: self._folder.forget(key))

    async def expire(self) -> None:
        """See ``ThumbnailFolder.expire``."""
        await self._quietly(self._folder.expire)

    async def _quietly(self, function: Callable[[], Result]) -> Result | None:
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._executor, function)
        except OSError as error:
            self._outage.failed(str(error))
            return None
        self._outage.worked()
        return result
