"""The base of the processor suite: the harness that an author fills in, and the checks of answers."""

import asyncio
import hashlib
import io
import itertools
import os
import warnings
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final

from PIL import Image

from ...contracts import ImageInfo
from ...contracts.processing import Output, Picture, Processed, Processor
from ...errors import ProcessError
from ...host.processing import problem_of_facts
from ..bodies import MIB
from ..cancellation import attempt
from ..forged import black_png
from ..images import Sample
from ..judging import assert_well_formed
from ..suite import Suite, slowness

MOST_BYTES: Final = 64 * MIB
"""The largest output, where a case does not set another limit."""
LARGE_SIDE: Final = 9400
MARKER: Final = "Zq7LadingMarker"
"""In every text of the client, and in the folder of the image: no public text of an error shows it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An image that the processor must refuse, and the exact class of the error."""

    sample: Sample
    error: type[ProcessError]


@dataclass(frozen=True, slots=True)
class Made:
    """The answer to one call, and the bytes of the new file; None where the image stays."""

    data: bytes | None
    facts: Mapping[str, Any]


class ProcessorHarness(Suite):
    """The methods that an author defines, and the helpers that the cases use."""

    optional: ClassVar[frozenset[str]] = frozenset({"repeatable_facts"})
    most_memory: ClassVar[int] = 200_000_000
    """Bytes that a large image may take of the service's own process."""

    @abstractmethod
    def make_processor(self) -> Processor:
        """Make a new processor. The kit calls it inside the running event loop."""

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Return images of every kind that the processor treats differently, none of which it refuses."""

    def rejected(self) -> Sequence[Rejected]:
        """Return images that the processor refuses; without them it refuses none."""
        return ()

    def large(self) -> Sample | None:
        """Return an image of many pixels; a PNG if one is among the samples. None skips the case of large images."""
        png = next((sample for sample in self.samples() if sample.format == "PNG"), None)
        return png and _large_png()

    def is_image(self, data: bytes) -> bool:
        """Whether a new file is an image; Pillow decides. Override it for formats that Pillow does not know."""
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
                image.load()
        except Exception:  # noqa: BLE001 - Pillow raises errors of many classes
            return False
        return True

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Processor]:
        """A processor; it is closed on exit."""
        processor = self.made(self.make_processor())
        try:
            yield processor
        finally:
            await processor.close()

    @contextmanager
    def file(self, data: bytes, name: str = "image") -> Iterator[Path]:
        """A file of these bytes, alone in a folder of its own; it is removed on exit."""
        folder = next(path for path in (self.place / f"{MARKER}{n}" for n in itertools.count()) if not path.exists())
        folder.mkdir(parents=True)
        path = folder / name
        path.write_bytes(data)
        try:
            yield path
        finally:
            path.unlink()

    async def call(
        self, processor: Processor, picture: Picture, what: str, max_bytes: int = MOST_BYTES
    ) -> Made | ProcessError:
        """The checked answer of the processor about one picture, or its checked refusal."""
        with output_of(max_bytes) as output:
            seconds = self.case_seconds / 2 * slowness()
            task = asyncio.create_task(attempt(processor.process(picture, output)))
            try:
                _, pending = await asyncio.wait((task,), timeout=seconds)
                assert not pending, f"{what}: process does not end within {seconds:.0f} s"
            finally:
                task.cancel()
                await asyncio.wait((task,))
            result, data = task.result(), output.path.read_bytes()
        assert len(data) <= max_bytes, f"{what}: it wrote {len(data)} bytes, and {max_bytes} are allowed"
        if isinstance(result, Exception):
            return judged(result, what)
        return _made(result, data, what)

    async def treat(self, processor: Processor, sample: Sample) -> Made:
        """The answer about a sample, whose new file is an image."""
        with self.file(sample.data) as path:
            return self.accepted(await self.call(processor, picture_of(sample, path), sample.name), sample.name)

    def accepted(self, result: Made | ProcessError, what: str) -> Made:
        """The answer, which is no refusal; its new file is an image."""
        assert isinstance(result, Made), f"{what}: the image is refused: {result!r}"
        assert result.data is None or self.is_image(result.data), f"{what}: the new file is no image"
        return result

    def assert_same(self, first: Made, second: Made, what: str) -> None:
        """Both answers are the same."""
        assert first.data == second.data, f"{what}: the new file has other bytes"
        if self.lacks("repeatable_facts") is None:
            assert first.facts == second.facts, f"{what}: the facts are {second.facts}, and were {first.facts}"


@cache
def _large_png() -> Sample:
    """As many pixels as Pillow decodes without a warning."""
    return Sample("a large PNG", black_png(LARGE_SIDE), "PNG", "image/png", LARGE_SIDE, LARGE_SIDE)


@contextmanager
def output_of(max_bytes: int = MOST_BYTES) -> Iterator[Output]:
    """An output, as Lading makes it: a file without a folder."""
    descriptor = os.memfd_create("output")
    try:
        yield Output(Path(f"/proc/{os.getpid()}/fd/{descriptor}"), max_bytes)
    finally:
        os.close(descriptor)


def picture_of(sample: Sample, path: Path, data: bytes | None = None, **more: Any) -> Picture:
    """The picture at a path: of the sample, or of other bytes that are said to be the sample."""
    held = sample.data if data is None else data
    info = ImageInfo(sample.format, sample.content_type, sample.width, sample.height, sample.frames, sample.orientation)
    values: dict[str, Any] = {
        "organization_id": "organisation",
        "issuer_id": "issuer",
        "album_id": MARKER,
        "filename": MARKER,
        "metadata": {"note": MARKER},
        "import_id": "import",
    }
    return Picture(path, len(held), hashlib.sha256(held).hexdigest(), info, **(values | more))


def judged(error: Exception, what: str) -> ProcessError:
    """The error of a call, if it is one that the contract allows."""
    assert isinstance(error, ProcessError), f"{what}: neither a Processed nor a ProcessError but {error!r}"
    assert_well_formed(error, what)
    assert MARKER not in error.detail, f"{what}: the client's text or the path is shown: {error.detail}"
    return error


def _made(answer: object, data: bytes, what: str) -> Made:
    assert isinstance(answer, Processed), f"{what}: neither a Processed nor a ProcessError but {answer!r}"
    assert type(answer.replaced) is bool, f"{what}: replaced is {answer.replaced!r}"
    assert data or not answer.replaced, f"{what}: it says that it replaced the image, and wrote nothing"
    assert answer.replaced or not data, f"{what}: it wrote {len(data)} bytes, and does not say that it replaced"
    problem = problem_of_facts(answer.facts)
    assert problem is None, f"{what}: the facts {problem}"
    return Made(data if answer.replaced else None, dict(answer.facts))
