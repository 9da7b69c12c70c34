"""The guards of fetchers and detectors: the rules of each contract that a plugin, a third party's too, might break.

That is, types of results, streams that are left early, and the time for a whole body. ``calls`` makes every call.
``lading.backends.guard.storage`` does the same for storage.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TypeVar

from ..capabilities import (
    LARGEST_THUMBNAIL,
    Finding,
    PostAnswer,
    SupportsEarlyRefusal,
    SupportsExplaining,
    SupportsPing,
    SupportsPosting,
    SupportsThumbnails,
)
from ..contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from ..contracts.quick import copied
from ..errors import DeadlineExceeded, DetectError, FetcherBusy, FetchError, PluginError
from .calls import Caller
from .pinging import pinger_of
from .record import Observer, ignore
from .replacing import Replaceable
from .schemes import trimmed
from .waits import MAX_WAIT
from .watch import Watch

Piece = TypeVar("Piece")

_END = object()
CLOSE_SECONDS = 5.0
"""Seconds that a plugin may take to release its resources, in addition to its deadline."""
POST_GRACE = 2.0
CONCURRENCY = 64


class GuardedFetcher(Fetcher):
    """A fetcher made safe to call. The guard owns the fetcher.

    In addition to the errors of ``Fetcher``, ``open`` and its stream raise ``DeadlineExceeded``. Every method raises
    ``PluginFault`` if the fetcher raises anything but a ``FetchError``, and ``PluginBlocked`` if it blocked the event
    loop.

    Args:
        fetcher: the plugin.
        name: its entry-point name.
        deadline: seconds from opening a source to the end of its body. The plugin's own limits should end it first.
        concurrency: the largest number of open sources; further ones wait for their turn, before their deadline begins.
        observer, watch: see ``lading.plugins.host.calls.Caller``.
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
        self._fetchers = Replaceable(fetcher, self._close)
        self._deadline = deadline
        self._caller = Caller("fetch", name, FetchError, concurrency=concurrency, observer=observer, watch=watch)
        self.kind = fetcher.kind  # type: ignore[misc]  # the contract's class attributes, read off this instance
        self.schemes = fetcher.schemes  # type: ignore[misc]
        self.explainer: SupportsExplaining | None = None
        """Explains the fetcher's verdicts, through the same caller; None if the fetcher cannot."""
        if isinstance(fetcher, SupportsExplaining):
            self.explainer = _GuardedExplainer(self._fetchers, self._caller, deadline)
        self.poster: SupportsPosting | None = None
        """Posts through a caller of its own, so that posts do not wait for fetches; None if the fetcher cannot."""
        if isinstance(fetcher, SupportsPosting):
            caller = Caller("fetch", name, FetchError, concurrency=concurrency, observer=observer, watch=watch)
            self.poster = _GuardedPoster(self._fetchers, caller)
        self.pinger: SupportsPing | None = pinger_of(fetcher, self._caller, self._fetchers.use)
        """Says whether the fetcher can work; None if it does not say."""

    @property
    def name(self) -> str:
        """The fetcher's entry-point name."""
        return self._caller.name

    def replace(self, fetcher: Fetcher) -> None:
        """Use another fetcher of the same class from now on. The guard closes the present one after its last use."""
        self._fetchers.replace(fetcher)

    def check(self, source: Source) -> None:
        """See ``Fetcher.check``."""
        source = _trimmed(source)
        self._caller.call_now("check", lambda: self._fetchers.present.check(source))

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        """See ``Fetcher.open``."""
        source = _trimmed(source)
        give_back = await self._take_turn()
        try:
            with self._fetchers.use() as fetcher:
                end = monotonic() + self._deadline
                opened, fetched = await self._caller.call("open", lambda: _enter(fetcher, source), end - monotonic())
                try:
                    pieces = _pieces(self._caller, "read", self._checked(fetched).chunks, bytes, end)
                    async with aclosing(pieces) as chunks:
                        yield copied(fetched, chunks=chunks)
                except BaseException:
                    with suppress(PluginError):  # the first error matters more
                        await self._release(opened, fetched)
                    raise
                await self._release(opened, fetched)
        finally:
            give_back()

    async def _take_turn(self) -> Callable[[], None]:
        """One of the turns of fetches. Waiting for it is no part of the fetch.

        Raises:
            FetcherBusy: there was none in time.
        """
        try:
            return await self._caller.take_turn("open", min(self._deadline, MAX_WAIT))
        except DeadlineExceeded as error:
            raise self._caller.stamp.judged(FetcherBusy("no turn of the fetcher was free"), "open") from error

    async def close(self) -> None:
        """See ``Fetcher.close``."""
        await self._fetchers.close()

    async def _close(self, fetcher: Fetcher) -> None:
        await self._caller.call("close", fetcher.close, CLOSE_SECONDS)

    def _checked(self, fetched: Fetched) -> Fetched:
        if not isinstance(fetched, Fetched):
            raise self._caller.stamp.fault(f"open gave {type(fetched).__name__}")
        return fetched

    async def _release(self, opened: AbstractAsyncContextManager[Fetched], fetched: Fetched) -> None:
        """Leave the fetcher's context. A generator that was left before its end is closed first."""

        async def leave() -> None:
            try:
                if isinstance(fetched, Fetched) and isinstance(fetched.chunks, AsyncGenerator):
                    await fetched.chunks.aclose()
            finally:
                await opened.__aexit__(None, None, None)

        await self._caller.call("release", leave, CLOSE_SECONDS)


class _GuardedExplainer(SupportsExplaining):
    """Makes the explanation of verdicts safe to call, through the caller of its fetcher."""

    def __init__(self, fetchers: Replaceable[Fetcher], caller: Caller, deadline: float) -> None:
        self._fetchers = fetchers
        self._caller = caller
        self._deadline = deadline

    async def explain(self, source: Source, *, follow: bool) -> AsyncGenerator[Finding, None]:
        """See ``SupportsExplaining.explain``."""
        source = _trimmed(source)
        end = monotonic() + self._deadline
        with self._fetchers.use() as explainer:
            if not isinstance(explainer, SupportsExplaining):
                raise self._caller.stamp.fault("it explains no more")
            findings = self._caller.call_now("explain", lambda: explainer.explain(source, follow=follow))
            async with aclosing(_pieces(self._caller, "explain", findings, Finding, end)) as pieces:
                async for finding in pieces:
                    yield finding

    def means(self, source: Source) -> tuple[tuple[str, str], ...]:
        """See ``SupportsExplaining.means``."""
        source, explainer = _trimmed(source), self._fetchers.present
        if not isinstance(explainer, SupportsExplaining):
            raise self._caller.stamp.fault("it explains no more")
        # Unpacked inside of the call: what is no pair is a fault of the plugin.
        return self._caller.call_now(
            "means", lambda: tuple((str(name), str(text)) for name, text in explainer.means(source))
        )


class _GuardedPoster(SupportsPosting):
    """Makes the posts of a fetcher safe to call."""

    def __init__(self, fetchers: Replaceable[Fetcher], caller: Caller) -> None:
        self._fetchers = fetchers
        self._caller = caller

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> PostAnswer:
        """See ``SupportsPosting.post``. The plugin has ``POST_GRACE`` more seconds to end by itself."""
        with self._fetchers.use() as poster:
            if not isinstance(poster, SupportsPosting):
                raise self._caller.stamp.fault("it posts no more")
            answer = await self._caller.call(
                "post",
                lambda: poster.post(trimmed(url), headers, body, timeout=timeout),
                timeout + POST_GRACE,
                in_turn=True,
            )
        if not isinstance(answer, PostAnswer):
            raise self._caller.stamp.fault(f"post gave {type(answer).__name__}")
        return answer


async def _enter(fetcher: Fetcher, source: Source) -> tuple[AbstractAsyncContextManager[Fetched], Fetched]:
    opened = fetcher.open(source)
    return opened, await opened.__aenter__()


def _trimmed(source: Source) -> Source:
    """The source without the white space around its url: no fetcher need know what clients paste."""
    url = trimmed(source.url)
    return source if url == source.url else copied(source, url=url)


async def _pieces(
    caller: Caller, operation: str, pieces: AsyncIterator[Piece], kind: type[Piece], end: float
) -> AsyncGenerator[Piece, None]:
    """The pieces of a plugin's stream, each within the time until ``end``."""
    while True:
        piece: Piece | object = await caller.call(operation, lambda: anext(pieces, _END), end - monotonic())
        if piece is _END:
            return
        if not isinstance(piece, kind):
            raise caller.stamp.fault(f"{operation} gave {type(piece).__name__}")
        yield piece


class GuardedDetector(SupportsEarlyRefusal, TypeDetector):
    """A detector made safe to call. The guard owns the detector. Errors: as ``GuardedFetcher``, for ``DetectError``.

    Args:
        detector: the plugin.
        name: its entry-point name.
        deadline: seconds that one call may take.
        concurrency: the largest number of concurrent calls; further calls wait for their turn, within their deadline.
        observer, watch: see ``lading.plugins.host.calls.Caller``.
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
        self._early = detector if isinstance(detector, SupportsEarlyRefusal) else None
        self._deadline = deadline
        self._caller = Caller("detect", name, DetectError, concurrency=concurrency, observer=observer, watch=watch)
        self.thumbnailer: SupportsThumbnails | None = None
        """Makes thumbnails, in the same turns as ``detect``; None if the detector cannot."""
        if isinstance(detector, SupportsThumbnails):
            self.thumbnailer = _GuardedThumbnailer(detector, self._caller, deadline)
        self.pinger: SupportsPing | None = pinger_of(detector, self._caller)
        """Says whether the detector can work; None if it does not say."""

    @property
    def name(self) -> str:
        """The detector's entry-point name."""
        return self._caller.name

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``."""
        info = await self._caller.call("detect", lambda: self._detector.detect(path), self._deadline, in_turn=True)
        if not isinstance(info, ImageInfo):
            raise self._caller.stamp.fault(f"detect gave {type(info).__name__}")
        return info

    def could_be(self, head: bytes) -> bool:
        """See ``SupportsEarlyRefusal.could_be``; True where the detector cannot tell."""
        early = self._early
        return early is None or self._caller.call_now("could_be", lambda: early.could_be(head)) is not False

    async def close(self) -> None:
        """See ``TypeDetector.close``."""
        await self._caller.call("close", self._detector.close, CLOSE_SECONDS)


class _GuardedThumbnailer(SupportsThumbnails):
    """Makes the thumbnails of a detector safe to call, through the caller of the detector."""

    def __init__(self, thumbnailer: SupportsThumbnails, caller: Caller, deadline: float) -> None:
        self._thumbnailer = thumbnailer
        self._caller = caller
        self._deadline = deadline

    @property
    def recipe(self) -> str:
        """See ``SupportsThumbnails.recipe``; with the name of the detector."""
        recipe = self._caller.call_now("recipe", lambda: self._thumbnailer.recipe)
        if not isinstance(recipe, str):
            raise self._caller.stamp.fault(f"recipe gave {type(recipe).__name__}")
        return f"{self._caller.name} {recipe}"

    async def thumbnail(self, path: Path, *, side: int, content_type: str) -> bytes:
        """See ``SupportsThumbnails.thumbnail``."""
        made = await self._caller.call(
            "thumbnail",
            lambda: self._thumbnailer.thumbnail(path, side=side, content_type=content_type),
            self._deadline,
            in_turn=True,
        )
        if not isinstance(made, bytes) or not 0 < len(made) <= LARGEST_THUMBNAIL:
            told = f"{len(made)} bytes" if isinstance(made, bytes) else type(made).__name__
            raise self._caller.stamp.fault(f"thumbnail gave {told}")
        return made
