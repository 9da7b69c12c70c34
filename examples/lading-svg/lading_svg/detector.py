"""Recognises SVG 1.1 and SVG 2 documents that hold nothing active.

For the operator:

- It starts no process and opens no file but the one that it is given; nothing is ever fetched.
- While a file is read it takes some ten times ``max_value`` of memory, and up to 500 bytes for each of its elements.
- SVG with scripts, entities or external references is refused, not cleaned: what is stored is what was fetched.
"""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from lading.plugins import ImageInfo, SupportsEarlyRefusal, TypeDetector
from lading.plugins.errors import ImageCorrupt, NotAnImage, SideTooLong, TooManyPixels
from lading_svg.errors import DetectorClosed, TooLarge
from lading_svg.options import SvgOptions
from lading_svg.parsing import Watch, parse
from lading_svg.prolog import LONGEST, may_begin, root_at
from lading_svg.reading import opened

FORMAT, CONTENT_TYPE = "SVG", "image/svg+xml"


class SvgDetector(SupportsEarlyRefusal, TypeDetector):
    """See ``TypeDetector``. An ``svgz`` is left to others, as is XML that is not SVG."""

    contract_version = 1
    Options = SvgOptions

    def __init__(self, options: SvgOptions) -> None:
        self._options = options
        self._threads = ThreadPoolExecutor(options.threads, thread_name_prefix="lading-svg")
        self._slots = asyncio.Semaphore(options.threads)
        self._running: set[threading.Event] = set()
        self._closed = False

    def could_be(self, head: bytes) -> bool:
        """See ``SupportsEarlyRefusal.could_be``."""
        return may_begin(head)

    async def detect(self, path: Path) -> ImageInfo:
        """See ``TypeDetector.detect``. Waits for a free thread first; the caller sets the deadline for that.

        A cancellation takes effect when the thread has let go of the file, which it does within milliseconds.

        Raises:
            SvgRefused: it is SVG, and refused; see ``lading_svg.errors``.
            ImageTooComplex: reading takes more CPU time than the options allow.
            FileUnreadable, DetectorClosed: another attempt may succeed.
        """
        async with self._slots:
            if self._closed:
                raise DetectorClosed
            stop = threading.Event()
            self._running.add(stop)
            work = asyncio.get_running_loop().run_in_executor(self._threads, inspect, path, self._options, stop)
            try:
                return await asyncio.shield(work)
            finally:
                stop.set()
                await _end(work)
                self._running.discard(stop)

    async def close(self) -> None:
        """See ``TypeDetector.close``. Calls under way end with ``DetectorClosed``."""
        self._closed = True
        for stop in self._running:
            stop.set()
        await asyncio.to_thread(self._threads.shutdown)


async def _end(work: asyncio.Future[ImageInfo]) -> None:
    """Wait until it is over, however often the wait is cancelled: it is told to stop already."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((work,))
    work.exception()  # whoever was cancelled does not want to know


def inspect(path: Path, options: SvgOptions, stop: threading.Event) -> ImageInfo:
    """What the file is. Blocks; for a thread.

    Args:
        path: of the file.
        options: its limits.
        stop: ends the work when it is set.

    Raises:
        DetectError: it is refused, or another attempt may succeed.
    """
    watch = Watch(options.max_seconds, stop)
    with opened(path) as text:
        pieces = text.pieces()
        beginning, fault = _beginning(pieces)
        root = root_at(beginning, is_utf16=text.is_utf16)
        if fault:
            raise fault
        if text.byte_size > options.max_bytes:
            raise TooLarge(limit=options.max_bytes)
        width, height = parse(itertools.chain((beginning[root:],), pieces), options, watch)
    return _info(width, height, options)


def _beginning(pieces: Iterator[str]) -> tuple[str, ImageCorrupt | None]:
    """As much of the text as its root must begin in, and what is wrong behind it, if it ends too early."""
    beginning = ""
    try:
        while len(beginning) < LONGEST and (piece := next(pieces, "")):
            beginning += piece
            if not beginning.lstrip().startswith("<"):
                raise NotAnImage
    except ImageCorrupt as error:
        return beginning, error
    return beginning, None


def _info(width: float, height: float, options: SvgOptions) -> ImageInfo:
    if max(width, height) > options.max_side:
        raise SideTooLong(limit=options.max_side)
    if width * height > options.max_pixels:
        raise TooManyPixels(limit=options.max_pixels)
    return ImageInfo(FORMAT, CONTENT_TYPE, int(width), int(height))
