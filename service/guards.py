"""The care that every fetcher and detector needs, third parties' included, around it rather than in it.

A deadline, the plugin's name on every error, and nothing but ``plugins.errors`` coming out. ``backends.guard`` does the
same for storage.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from plugins.care import care, stamped
from plugins.contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from plugins.errors import PluginError, PluginFault

_END = object()
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
            failure = stamped(error, self._name, "check")
            if failure is error:
                raise
            raise failure from error

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        end = monotonic() + self._deadline
        async with care(self._name, "open", end - monotonic()):
            opened = self._fetcher.open(source)
            fetched = await opened.__aenter__()
        try:
            async with aclosing(self._chunks(self._checked(fetched).chunks, end)) as chunks:
                yield replace(fetched, chunks=chunks)
        except BaseException:
            with suppress(PluginError):  # the error under way matters more
                await self._release(opened, fetched)
            raise
        await self._release(opened, fetched)

    async def close(self) -> None:
        """See ``Fetcher.close``."""
        async with care(self._name, "close", CLOSE_SECONDS):
            await self._fetcher.close()

    async def _chunks(self, chunks: AsyncIterator[bytes], end: float) -> AsyncGenerator[bytes, None]:
        while True:
            chunk: bytes | object
            async with care(self._name, "read", end - monotonic()):
                chunk = await anext(chunks, _END)
            if chunk is _END:
                return
            if not isinstance(chunk, bytes):
                raise self._fault(f"a piece of the body is of type {type(chunk).__name__}")
            yield chunk

    def _checked(self, fetched: Fetched) -> Fetched:
        if not isinstance(fetched, Fetched):
            raise self._fault(f"open gave {type(fetched).__name__}")
        return fetched

    def _fault(self, internal: str) -> PluginFault:
        fault = PluginFault(internal)
        fault.plugin = self._name
        return fault

    async def _release(self, opened: AbstractAsyncContextManager[Fetched], fetched: Fetched) -> None:
        """Leave the fetcher's context; a generator that was left before its end is closed first."""
        async with care(self._name, "release", CLOSE_SECONDS):
            try:
                if isinstance(fetched, Fetched) and isinstance(fetched.chunks, AsyncGenerator):
                    await fetched.chunks.aclose()
            finally:
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
        async with care(self._name, "detect", self._deadline):
            info = await self._detector.detect(path)
            if not isinstance(info, ImageInfo):
                raise PluginFault(f"detect gave {type(info).__name__}")
            return info

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        async with care(self._name, "close", CLOSE_SECONDS):
            await self._detector.close()
