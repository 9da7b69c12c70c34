"""The kit's suites for the built-in fetchers, detector and processor, for ``lading plugins check`` and for tests.

Where options of ``service.conf`` are given, the suites start from them, and change only what the cases need.
"""

import base64
import socket
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar, Final

from PIL import ExifTags, Image

from .contracts import Fetcher, Source, TypeDetector
from .contracts.processing import Processor
from .detectors.pillow.detector import PillowDetector, PillowOptions
from .detectors.pillow.formats import HEAD_SIZE, identify
from .errors import (
    DetectError,
    FormatNotAllowed,
    ImageCorrupt,
    ImageNotSupported,
    ImageTooComplex,
    MalwareFound,
    MetadataUnremovable,
    NotAnImage,
    SideTooLong,
    TooManyFrames,
    TooManyPixels,
)
from .fetchers.data import DataFetcher, DataOptions
from .fetchers.http.fetcher import HttpFetcher
from .fetchers.http.options import HttpOptions, PortRange
from .processors.clamav.processor import ClamavOptions, ClamavProcessor
from .processors.metadata.processor import MetadataOptions, MetadataProcessor, Unknown
from .processors.placeholder.processor import PlaceholderOptions, PlaceholderProcessor
from .testing import (
    Cost,
    Costly,
    FetcherSuite,
    FetchLimits,
    Flaw,
    HttpFetcherSuite,
    Outage,
    ProcessorSuite,
    Refused,
    Rejected,
    Sample,
    TypeDetectorSuite,
    images,
)
from .testing.bodies import Body
from .testing.fetcher.http.support import HttpHarness
from .testing.processor.clamd import NEEDLE, fake_clamd


class HttpSuite(HttpFetcherSuite):
    """``HttpFetcher``, with the kit's own address and every port allowed."""

    refused_urls: ClassVar[Sequence[str]] = (
        *HttpHarness.refused_urls,
        "http://user:password@example.org/picture.png",
        "http://10.1/picture.png",
        "http://0xa9.0376.43518/latest/meta-data",
        "http://10.0.0.1/picture.png",
        "http://[::ffff:10.0.0.1]/picture.png",
        "http://169.254.169.254/latest/meta-data",
    )

    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        options = self.configured if isinstance(self.configured, HttpOptions) else HttpOptions()
        own: dict[str, Any] = {
            "allow_networks": tuple(map(ip_network, limits.networks)),
            "deny_networks": (),
            "allow_hosts": (),
            "deny_hosts": tuple(denied for denied in options.deny_hosts if not denied.matches("localhost")),
            "ports": (PortRange(1, 65535),),
            "max_bytes": limits.max_bytes,
            "total_timeout": limits.seconds,
            # As much as the cases need at least.
            "connections": max(options.connections, 8),
            "max_redirects": max(options.max_redirects, 3),
            "url_max_bytes": max(options.url_max_bytes, 1024),
        }
        return HttpFetcher(options.model_copy(update=own))


class DataSuite(FetcherSuite):
    """``DataFetcher``; the source is the url itself, so there is no origin to have flaws."""

    unsupported: ClassVar[Mapping[str, str]] = dict.fromkeys(Flaw, "a data: url has no origin")
    largest_body: ClassVar[int] = 1024**2
    refused_urls: ClassVar[Sequence[str]] = (
        "data:",
        "data:image/png",
        "data:image/png;base64",
        "data:image/png#fragment,",
    )

    def make_fetcher(self, limits: FetchLimits) -> Fetcher:
        options = self.configured if isinstance(self.configured, DataOptions) else DataOptions()
        return DataFetcher(options.model_copy(update={"max_bytes": min(limits.max_bytes, self.largest_body)}))

    async def serve(self, body: Body) -> Source:
        return Source("data:image/png;base64," + base64.b64encode(body.whole()).decode())

    async def serve_flawed(self, flaw: Flaw, body: Body) -> Source:  # noqa: ARG002 - the harness asks for it
        raise AssertionError(f"{flaw} is declared as unsupported")


_LIMITS: Final = ("max_pixels", "max_side", "max_frames", "max_total_pixels", "memory_limit", "verify")
"""The options that say which files are refused. The cases are made for their defaults."""

_LITTLE_MEMORY: Final = 1 << 27
"""Bytes of address space of a decoding process with which a greedy file needs little memory of the machine."""

_BOMBS: Final[Mapping[str, type[DetectError]]] = {
    "png-text": ImageTooComplex,
    "webp": ImageTooComplex,
    "jpeg-scans": ImageTooComplex,
    "png-side": SideTooLong,
    "gif-side": SideTooLong,
    "tiff-side": SideTooLong,
    "icon-side": SideTooLong,
    "gif-frames": TooManyFrames,
    "tiff-frames": TooManyFrames,
    "png-frames": TooManyFrames,
    "icon-frames": TooManyFrames,
}
"""What a bomb is refused for, where it is not for its pixels."""


@cache
def _slow_file() -> bytes:
    return images.slow_png(600_000)


class PillowSuite(TypeDetectorSuite):
    """``PillowDetector``, with the formats and processes that are configured, and its own limits."""

    @property
    def options(self) -> PillowOptions:
        """What the detector is made with."""
        default = PillowOptions()
        options = self.configured if isinstance(self.configured, PillowOptions) else default
        return options.model_copy(update={name: getattr(default, name) for name in _LIMITS})

    def make_detector(self) -> TypeDetector:
        return PillowDetector(self.options)

    def make_limited(self) -> TypeDetector:
        return PillowDetector(self.options.model_copy(update={"cpu_limit": 1, "memory_limit": _LITTLE_MEMORY}))

    def costly(self, cost: Cost) -> Costly:
        if cost is Cost.SLOW:
            return Costly(_slow_file(), seconds=2.0)
        return Costly(images.bombs()["png-text"], memory=2 * _LITTLE_MEMORY)

    def samples(self) -> Sequence[Sample]:
        return [sample for sample in images.samples().values() if sample.format in self.options.formats]

    def refused(self) -> Sequence[Refused]:
        files = [(name, data, _BOMBS.get(name, TooManyPixels)) for name, data in images.bombs().items()]
        files += [
            (f"{name}-truncated", images.broken()[f"{name}-truncated"], ImageCorrupt) for name in images.SAMPLE_NAMES
        ]
        files.append(("jpeg-12-bits", images.jpeg_of_bits(12), ImageNotSupported))
        files += [(name, data, FormatNotAllowed) for name, (_, data) in images.FOREIGN.items()]
        files += [(name, data, NotAnImage) for name, data in images.NOT_IMAGES.items()]
        return [
            Refused(name, data, error if self._may_be_allowed(data) else FormatNotAllowed)
            for name, data, error in files
        ]

    def _may_be_allowed(self, data: bytes) -> bool:
        return identify(data[:HEAD_SIZE]) in {None, *self.options.formats}


class MetadataSuite(ProcessorSuite):
    """``MetadataProcessor``, with what is configured to be removed; it refuses what it does not know."""

    def make_processor(self) -> Processor:
        options = self.configured if isinstance(self.configured, MetadataOptions) else MetadataOptions()
        return MetadataProcessor(options.model_copy(update={"unknown": Unknown.REFUSE}))

    def samples(self) -> Sequence[Sample]:
        with_gps = Image.Exif()
        with_gps.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (48.0, 51.0, 29.88)})
        noted: Mapping[str, Mapping[str, Any]] = {
            "JPEG": {"exif": with_gps, "comment": b"a note"},
            "PNG": {"exif": with_gps},
            "WEBP": {"exif": with_gps},
            "GIF": {"comment": b"a note"},
            "TIFF": {"exif": with_gps, "description": "a note"},
        }
        return [
            *(
                Sample(
                    f"{name} with metadata", images.encode(images.noise(), name, **more), name, f"image/{name.lower()}"
                )
                for name, more in noted.items()
            ),
            *(images.sample(name) for name in ("mpo", "apng", "gif-animated", "webp-animated", "bmp")),
        ]

    def rejected(self) -> Sequence[Rejected]:
        return [Rejected(images.sample(name), MetadataUnremovable) for name in ("avif", "jpeg2000")]


class PlaceholderSuite(ProcessorSuite):
    """``PlaceholderProcessor``, with what is configured; it refuses nothing."""

    def make_processor(self) -> Processor:
        options = self.configured if isinstance(self.configured, PlaceholderOptions) else PlaceholderOptions()
        return PlaceholderProcessor(options)

    def samples(self) -> Sequence[Sample]:
        return [images.sample(name) for name in ("jpeg", "png", "webp-animated", "tiff")]


class ClamavSuite(ProcessorSuite):
    """``ClamavProcessor``, with a clamd of the suite's own, since the operator's need not find what the cases send."""

    outages: Collection[Outage] = tuple(Outage)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="lading-clamd-") as folder:  # a path of a socket has 107 characters
            self._socket = Path(folder, "clamd.ctl")
            with fake_clamd(self._socket):
                yield

    @asynccontextmanager
    async def outage(self, outage: Outage) -> AsyncIterator[None]:
        away = self._socket.rename(self._socket.with_name("away"))
        try:
            if outage is Outage.SILENT:
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(self._socket))
                    listener.listen()
                    yield
            else:
                yield
        finally:
            away.rename(self._socket)

    def make_processor(self) -> Processor:
        options = self.configured if isinstance(self.configured, ClamavOptions) else ClamavOptions()
        return ClamavProcessor(options.model_copy(update={"address": str(self._socket)}))

    def samples(self) -> Sequence[Sample]:
        return [images.sample(name) for name in ("jpeg", "png", "gif-animated")]

    def rejected(self) -> Sequence[Rejected]:
        found = images.sample("png")
        return [Rejected(replace(found, name="a PNG with malware", data=found.data + NEEDLE), MalwareFound)]
