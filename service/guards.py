"""The care that every fetcher and detector needs, third parties' included, around it rather than in it.

A deadline, a bound on concurrency, the plugin's name on every error, and nothing but the errors of its kind coming out.
``backends.guard`` does the same for storage.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic

from plugins.care import Care, Observer, ignore
from plugins.contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from plugins.errors import DetectError, FetchError, PluginError
from plugins.watch import Watch

_END = object()
CLOSE_SECONDS = 5.0
"""How long a plugin may take to release what it holds, its deadline aside."""
CONCURRENCY = 64


class GuardedFetcher(Fetcher):
    """A fetcher with care around it; it owns the fetcher.

    Beyond what ``Fetcher`` says, ``open`` and its stream raise ``DeadlineExceeded``, and every method ``PluginFault``
    where the fetcher raises what is no ``FetchError``, and ``PluginBlocked`` where it blocked the event loop.

    Args:
        fetcher: the plugin.
        name: its entry-point name.
        deadline: seconds from opening a source to the end of its body. The plugin's own limits are to end it first.
        concurrency: how many sources are open at once; more wait their turn, within their deadline.
        observer, watch: see ``plugins.care.Care``.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        name: str,
        deadline: float,
        *,
        concurrency: int = CONCURRENCY,
        observer: Observer = ignore,
        watch: Watch | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._deadline = deadline
        self._care = Care("fetch", name, FetchError, concurrency=concurrency, observer=observer, watch=watch)
        self.kind = fetcher.kind  # type: ignore[misc]  # the contract's class attributes, read off this instance
        self.schemes = fetcher.schemes  # type: ignore[misc]

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``."""
        self._care.call_now("check", lambda: self._fetcher.check(source))

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        end = monotonic() + self._deadline
        async with self._care.turn(self._deadline):
            opened, fetched = await self._care.call("open", lambda: self._enter(source), end - monotonic())
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
        await self._care.call("close", self._fetcher.close, CLOSE_SECONDS)

    async def _enter(self, source: Source) -> tuple[AbstractAsyncContextManager[Fetched], Fetched]:
        opened = self._fetcher.open(source)
        return opened, await opened.__aenter__()

    async def _chunks(self, chunks: AsyncIterator[bytes], end: float) -> AsyncGenerator[bytes, None]:
        while True:
            chunk: bytes | object = await self._care.call("read", lambda: anext(chunks, _END), end - monotonic())
            if chunk is _END:
                return
            if not isinstance(chunk, bytes):
                raise self._care.fault(f"a piece of the body is of type {type(chunk).__name__}")
            yield chunk

    def _checked(self, fetched: Fetched) -> Fetched:
        if not isinstance(fetched, Fetched):
            raise self._care.fault(f"open gave {type(fetched).__name__}")
        return fetched

    async def _release(self, opened: AbstractAsyncContextManager[Fetched], fetched: Fetched) -> None:
        """Leave the fetcher's context; a generator that was left before its end is closed first."""

        async def leave() -> None:
            try:
                if isinstance(fetched, Fetched) and isinstance(fetched.chunks, AsyncGenerator):
                    await fetched.chunks.aclose()
            finally:
                await opened.__aexit__(None, None, None)

        await self._care.call("release", leave, CLOSE_SECONDS)


class GuardedDetector(TypeDetector):
    """A detector with care around it; it owns the detector. Errors: as ``GuardedFetcher``, for ``DetectError``.

    Args:
        detector: the plugin.
        name: its entry-point name.
        deadline: seconds that one call may take.
        concurrency: how many calls run at once; more wait their turn, within their deadline.
        observer, watch: see ``plugins.care.Care``.
    """

    def __init__(
        self,
        detector: TypeDetector,
        name: str,
        deadline: float,
        *,
        concurrency: int = CONCURRENCY,
        observer: Observer = ignore,
        watch: Watch | None = None,
    ) -> None:
        self._detector = detector
        self._deadline = deadline
        self._care = Care("detect", name, DetectError, concurrency=concurrency, observer=observer, watch=watch)

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``."""
        info = await self._care.call("detect", lambda: self._detector.detect(path), self._deadline, in_turn=True)
        if not isinstance(info, ImageInfo):
            raise self._care.fault(f"detect gave {type(info).__name__}")
        return info

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        await self._care.call("close", self._detector.close, CLOSE_SECONDS)
