"""Plugins that do what a test says, as subclasses of the real contracts, and imports for them."""

import asyncio
import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lading.plugins.contracts import Fetched, Fetcher, ImageInfo, Source, TypeDetector
from lading.plugins.net.urls import host_of
from lading.plugins.options import PluginOptions
from lading.service.models import Import, Status
from lading.service.models.clock import Clock, SystemClock, truncate_to_milliseconds

INFO = ImageInfo("PNG", "image/png", 3, 2)
SECOND = timedelta(seconds=1)


def body_of(url: str) -> bytes:
    """The bytes that the scripted origin has under a url: no two urls have the same."""
    return hashlib.sha256(url.encode()).digest() * 40


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    """The chunks as a stream, with a chance for other tasks before each."""
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def make_import(clock: Clock | None = None, *, host: str = "origin", issuer: str = "issuer", **changes: Any) -> Import:
    """A queued import that is due, whose url tells its host and its issuer."""
    now = truncate_to_milliseconds((clock or SystemClock()).now())
    import_id = str(uuid.uuid4())
    url = f"test://{host}/{issuer}/{import_id}"
    document = Import(
        id=import_id,
        organization_id="organization",
        issuer_id=issuer,
        params={"url": url, "controller": "api/v1/imports", "action": "create"},
        created_at=now,
        updated_at=now,
        run_at=now,
        status=Status.QUEUED,
        host=host_of(url),
    )
    return replace(document, **changes)


class ScriptedFetcher(Fetcher):
    """Serves ``test`` urls with ``body_of``, and counts who fetches.

    Attributes:
        on_open: awaited before a source opens.
        chunks: makes the body.
        content_type: what is announced of it.
        on_release: awaited when a source closes, however it closes.
        opened: urls, in the order in which they were opened.
        now: how many are open, by host, by issuer and in all (under the empty string).
        peaks: the most that ``now`` ever was.
    """

    kind = "scripted"
    schemes = frozenset({"test"})

    def __init__(self, options: PluginOptions | None = None) -> None:
        self.options = options or PluginOptions()
        self.on_open: Callable[[Source], Awaitable[None]] | None = None
        self.chunks: Callable[[Source], AsyncIterator[bytes]] = lambda source: pieces(body_of(source.url))
        self.content_type: str | None = None
        self.on_release: Callable[[], Awaitable[None]] | None = None
        self.opened: list[str] = []
        self.now: Counter[str] = Counter()
        self.peaks: Counter[str] = Counter()
        self.closed = 0

    def check(self, source: Source) -> None:
        """Refuses nothing."""

    @asynccontextmanager
    async def open(self, source: Source) -> AsyncIterator[Fetched]:
        self.opened.append(source.url)
        with self._counted(source):
            try:
                if self.on_open is not None:
                    await self.on_open(source)
                yield Fetched(self.chunks(source), content_type=self.content_type, filename="origin.png")
            finally:
                if self.on_release is not None:
                    await self.on_release()

    async def close(self) -> None:
        self.closed += 1

    @contextmanager
    def _counted(self, source: Source) -> Iterator[None]:
        parts = urlsplit(source.url)
        names = ("", f"host {parts.hostname}", f"issuer {parts.path.split('/')[1]}")
        self.now.update(names)
        self.peaks |= self.now
        try:
            yield
        finally:
            self.now.subtract(names)


class ScriptedDetector(TypeDetector):
    """Says ``INFO`` of everything, unless ``on_detect`` says something else."""

    def __init__(self, options: PluginOptions | None = None) -> None:
        self.options = options or PluginOptions()
        self.on_detect: Callable[[Path], Awaitable[ImageInfo]] | None = None
        self.asked: list[Path] = []

    async def detect(self, path: Path) -> ImageInfo:
        self.asked.append(path)
        return INFO if self.on_detect is None else await self.on_detect(path)

    async def close(self) -> None:
        """Has nothing to release."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds; the test's own timeout bounds the wait."""
    while not condition():
        await asyncio.sleep(0.002)


async def rounds(count: int = 50) -> None:
    """Let every other task have so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)


def touched(document: Import) -> Import:
    """The document as somebody has written it who changes nothing that anybody looks at."""
    return replace(document, revision=document.revision + 1)
