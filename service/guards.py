"""The care that every fetcher and detector needs, third parties' included, around it rather than in it.

A deadline, the plugin's name on every error, and nothing but ``plugins.errors`` coming out. ``backends.guard`` does the
same for storage.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from plugins.contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from plugins.errors import DeadlineExceeded, PluginError, PluginFault

CLOSE_SECONDS = 5.0
"""How long a plugin may take to release what it holds, its deadline aside."""


class GuardedFetcher(Fetcher):
    """A fetcher with care around it; it owns the fetcher.

    Beyond what ``Fetcher`` says, ``open`` and its stream raise ``DeadlineExceeded``, and every method ``PluginFault``
    where the fetcher raises anything outside ``plugins.errors``.

    Args:
        fetcher: the plugin.
        name: its entry-point name.
        deadline: seconds from opening a source to the end of its body. The plugin's own limits are to end it first.
    """

    def __init__(self, fetcher: Fetcher, name: str, deadline: float) -> None:
        self._fetcher = fetcher
        self._name = name
        self._deadline = deadline
        self.kind = fetcher.kind  # type: ignore[misc]  # the contract's class attributes, read off this instance
        self.schemes = fetcher.schemes  # type: ignore[misc]

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``."""
        try:
            self._fetcher.check(source)
        except Exception as error:
            failure = _failure(self._name, "check", error)
            if failure is error:
                raise
            raise failure from error

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        end = monotonic() + self._deadline
        async with _care(self._name, "open", end):
            opened = self._fetcher.open(source)
            fetched = await opened.__aenter__()
        try:
            async with aclosing(self._chunks(fetched.chunks, end)) as chunks:
                yield replace(fetched, chunks=chunks)
        except BaseException:
            with suppress(PluginError):  # the error under way matters more
                await self._release(opened)
            raise
        await self._release(opened)

    async def close(self) -> None:
        """See ``Fetcher.close``."""
        async with _care(self._name, "close", monotonic() + CLOSE_SECONDS):
            await self._fetcher.close()

    async def _chunks(self, chunks: AsyncIterator[bytes], end: float) -> AsyncGenerator[bytes, None]:
        while True:
            async with _care(self._name, "read", end):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield chunk

    async def _release(self, opened: AbstractAsyncContextManager[Fetched]) -> None:
        async with _care(self._name, "release", monotonic() + CLOSE_SECONDS):
            await opened.__aexit__(None, None, None)


class GuardedDetector(TypeDetector):
    """A detector with care around it; it owns the detector. Errors: as ``GuardedFetcher``.

    Args:
        detector: the plugin.
        name: its entry-point name.
        deadline: seconds that one call may take.
    """

    def __init__(self, detector: TypeDetector, name: str, deadline: float) -> None:
        self._detector = detector
        self._name = name
        self._deadline = deadline

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``."""
        async with _care(self._name, "detect", monotonic() + self._deadline):
            return await self._detector.detect(path)

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        async with _care(self._name, "close", monotonic() + CLOSE_SECONDS):
            await self._detector.close()


@asynccontextmanager
async def _care(name: str, operation: str, end: float) -> AsyncIterator[None]:
    """Around one call to a plugin: its deadline, as a time of ``monotonic``, and its errors."""
    timeout = asyncio.timeout(max(0.0, end - monotonic()))
    try:
        async with timeout:
            yield
    except Exception as error:
        failure = _failure(name, operation, error, expired=timeout.expired())
        if failure is error:
            raise
        raise failure from error


def _failure(name: str, operation: str, error: Exception, *, expired: bool = False) -> PluginError:
    if expired:
        failure: PluginError = DeadlineExceeded(f"{operation} did not end before its deadline")
    elif isinstance(error, PluginError):
        failure = error
    else:
        failure = PluginFault(f"{operation} raised {type(error).__name__}")
    failure.plugin = name
    return failure
