"""The base of the detector suite: the harness that an author fills in, and the checks of answers."""

import itertools
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import ClassVar, Final, TypeVar

from ...contracts import ImageInfo, TypeDetector
from ...errors import DetectError
from ..bodies import MIB
from ..cancellation import attempt
from ..images import Sample
from ..judging import assert_well_formed, is_code, is_media_type
from ..suite import Suite, Told, slowness
from .naming import are_one_format

LARGE: Final = 64_000_000
"""Size in bytes of the files that must not be read into memory whole."""

MEMORY: Final = 32 * MIB
"""How much of Python's memory a detector may take in this process, whatever the file."""

MOST_PIXELS: Final = 1_000_000_000
"""What claims more pixels than these, over all frames, is a bomb to any reader."""

CASE_BUDGET: Final = 2.0
"""Seconds that the many files of one case may take where each of them takes long, as where each needs a process."""

Outcome = ImageInfo | DetectError
"""What a call of ``detect`` ended with."""

Some = TypeVar("Some")


class Cost(Told):
    """What a file may cost too much of; ``told`` says which file is meant."""

    SLOW = "slow", "A whole file of a known format whose decoding takes more CPU time than the detector allows."
    GREEDY = "greedy", "A whole file of a known format whose decoding needs more memory than the detector allows."


@dataclass(frozen=True, slots=True)
class Costly:
    """A file that costs more than the detector allows.

    Attributes:
        data: its bytes.
        seconds: CPU time that the detector may spend on it before it refuses the file, with all threads and children.
        memory: bytes that the detector and its children may take meanwhile, beyond what they had.
    """

    data: bytes
    seconds: float = 30.0
    memory: int = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that the detector must refuse, and the exact class of the error."""

    name: str
    data: bytes
    error: type[DetectError]


class DetectorHarness(Suite):
    """The methods that an author defines, and the helpers that the cases use."""

    optional: ClassVar[frozenset[str]] = frozenset({"truncation", "several_frames", *Cost})
    _quickest_call: ClassVar[float | None] = None

    @abstractmethod
    def make_detector(self) -> TypeDetector:
        """Make a new detector. The kit calls it inside the running event loop."""

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Return good files of every format that the detector knows, with the expected answers; at least one file.

        A file must need each of its bytes, except for white space at the end and for ``Sample.tail``, so that the
        detector notices truncation.
        """

    @abstractmethod
    def refused(self) -> Sequence[Refused]:
        """Return files of its formats that the detector refuses: damaged, too large, malicious; at least one file."""

    def costly(self, cost: Cost) -> Costly | None:
        """Return a file of that cost, which ``make_limited`` refuses; see ``Cost.told``. None skips its cases."""
        return None

    def make_limited(self) -> TypeDetector:
        """Make a new detector for the files of ``costly``. Override it to give it low limits, so that cases are short.

        The limits must allow the first files of ``samples`` and ``refused``.
        """
        return self.make_detector()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[TypeDetector]:
        """A detector; it is closed on exit."""
        detector = self.made(self.make_detector())
        try:
            yield detector
        finally:
            await detector.close()

    @contextmanager
    def file(self, data: bytes | Iterable[bytes], name: str = "image") -> Iterator[Path]:
        """A file of these bytes, alone in a folder of its own; it is removed on exit."""
        folder = next(path for path in (self.place / str(number) for number in itertools.count()) if not path.exists())
        folder.mkdir(parents=True)
        path = folder / name
        with path.open("wb") as file:
            file.writelines((data,) if isinstance(data, bytes) else data)
        try:
            yield path
        finally:
            path.unlink()

    async def outcome(self, detector: TypeDetector, data: bytes | Iterable[bytes], what: str) -> Outcome:
        """What the detector makes of a file of these bytes."""
        with self.file(data) as path:
            return judged(await attempt(detector.detect(path)), what)

    async def affordable(self, detector: TypeDetector, files: Sequence[Some], least: int = 8) -> Sequence[Some]:
        """All of the files; or, where each takes long, as many of them, evenly spread, as ``CASE_BUDGET`` allows.

        Args:
            detector: what they are for.
            files: as many as there would best be.
            least: how many there are in any case.
        """
        cls = type(self)
        if cls._quickest_call is None:
            cls._quickest_call = min([await self._call_seconds(detector) for _ in range(3)]) / slowness()
        count = max(least, int(CASE_BUDGET / max(cls._quickest_call, 1e-6)))
        return files if count >= len(files) else [files[number * len(files) // count] for number in range(count)]

    async def _call_seconds(self, detector: TypeDetector) -> float:
        began = monotonic()
        await self.assert_recognised(detector, self.samples()[0])
        return monotonic() - began

    async def assert_recognised(self, detector: TypeDetector, sample: Sample) -> None:
        """The detector says of the sample what it is to say."""
        assert_says(await self.outcome(detector, sample.data, sample.name), sample)

    async def assert_refused(self, detector: TypeDetector, refused: Refused) -> None:
        """The detector refuses the file with exactly the class."""
        assert_raises(await self.outcome(detector, refused.data, refused.name), refused.error, refused.name)

    async def assert_works(self, detector: TypeDetector) -> None:
        """The detector is in order: it still knows a good file from a bad one."""
        await self.assert_recognised(detector, self.samples()[0])
        await self.assert_refused(detector, self.refused()[0])


# --- judging ----------------------------------------------------------------------------------------------------------


def judged(result: ImageInfo | Exception, what: str) -> Outcome:
    """The result of a call about a complete, readable file, if it is one that the contract allows."""
    if isinstance(result, ImageInfo):
        assert_plausible(result, what)
        return result
    assert isinstance(result, DetectError), f"{what}: neither an ImageInfo nor a DetectError but {result!r}"
    # Only what has nothing to do with the file may be tried again; this file will be the same the next time.
    assert not result.retryable, f"{what}: the file is refused, and yet another attempt is promised: {result}"
    assert_well_formed(result, what)
    return result


def assert_plausible(info: ImageInfo, what: str) -> None:
    """Every value is of its type and within its bounds."""
    assert isinstance(info.format, str), f"{what}: {info}"
    assert info.format == info.format.upper().strip(), f"{what}: {info}"
    assert info.format.isascii(), f"{what}: {info}"
    assert info.format, f"{what}: no format: {info}"
    assert isinstance(info.content_type, str), f"{what}: {info}"
    assert is_media_type(info.content_type), f"{what}: not a bare lower-case media type: {info}"
    for number in (info.width, info.height, info.frames):
        assert type(number) is int, f"{what}: {type(number).__name__} where int belongs: {info}"
        assert number >= 1, f"{what}: less than 1: {info}"
    assert type(info.orientation) is int, f"{what}: the orientation is no int: {info}"
    assert 1 <= info.orientation <= 8, f"{what}: an orientation that EXIF does not have: {info}"
    assert isinstance(info.notes, tuple), f"{what}: the notes are no tuple: {info}"
    assert all(is_code(note) for note in info.notes), f"{what}: a note is no code: {info}"


def assert_says(outcome: Outcome | Exception, sample: Sample) -> None:
    """The answer is the sample's; its format may have the other name of two, such as HEIF instead of HEIC."""
    expected = expected_of(sample)
    if isinstance(outcome, ImageInfo) and are_one_format(outcome.format, sample.format):
        expected = replace(expected, format=outcome.format)
    assert outcome == expected, f"{sample.name}: {outcome!r} instead of {expected!r}"


def expected_of(sample: Sample) -> ImageInfo:
    """What a detector must say of the sample."""
    return ImageInfo(
        format=sample.format,
        content_type=sample.content_type,
        width=sample.width,
        height=sample.height,
        frames=sample.frames,
        orientation=sample.orientation,
    )


def assert_refused_or_noted(outcome: Outcome, sample: Sample, missing: int, what: str) -> None:
    """The answer about a sample without its last bytes: only what holds no pixel may be missing, and it is noted."""
    if isinstance(outcome, ImageInfo):
        assert missing <= sample.tail, f"{what}: {outcome}"
        assert outcome.notes, f"{what}: no note: {outcome}"
        assert replace(outcome, notes=()) == expected_of(sample), f"{what}: {outcome}"


def assert_raises(outcome: Outcome, error: type[DetectError], what: str) -> None:
    """The answer is a refusal of exactly that class."""
    assert type(outcome) is error, f"{what}: {outcome!r} instead of {error.__name__}"


def beginning(data: bytes) -> bytes:
    """What tells most formats apart: the first bytes, or the brand behind a length (ISO/IEC 14496-12 section 4.3)."""
    return data[4:12] if data[4:8] == b"ftyp" else data[:4]
