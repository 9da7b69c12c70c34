"""Cases of the detector suite: damage, bombs, other formats, and what is no image at all."""

import random
from collections.abc import Iterable, Iterator
from itertools import product

import pytest

from ...contracts import ImageInfo, TypeDetector
from ...errors import DetectError, FormatNotAllowed, NotAnImage
from .. import images
from ..bodies import MIB, Body
from ..cancellation import attempt
from ..judging import bounded_memory
from .naming import NAMES, are_one_format, may_be_called
from .support import (
    LARGE,
    MEMORY,
    MOST_PIXELS,
    DetectorHarness,
    Outcome,
    assert_raises,
    assert_refused_or_noted,
    assert_says,
    beginning,
    judged,
)

FILES_PER_CASE = 300
"""About how many damaged files a case tries; they are shared out among the samples."""

FOLLOWERS = {
    "padding": bytes(1000),
    "noise": random.Random(1).randbytes(1000),
    "script": b"\n<script>alert(1)</script>\n",
    "archive": b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
    "document": b"%PDF-1.4\n1 0 obj\n%%EOF",
}
MARKER = "Zq7LadingMarker"


def repeated(piece: bytes) -> Iterator[bytes]:
    """``LARGE`` bytes of a repeated piece, never whole in memory."""
    block = piece * (MIB // len(piece))
    for rest in range(LARGE, 0, -len(block)):
        yield block[:rest]


def large_files() -> dict[str, Iterable[bytes]]:
    """Large files that are no image: the beginning of none, and what readers skip in search of one."""
    return {
        "zeros": repeated(b"\0"),
        "noise": Body(LARGE).pieces(MIB),
        "spaces": repeated(b" "),
        "lines": repeated(b"\r\n"),
        "letters": repeated(b"A"),
    }


class RefusingCases(DetectorHarness):
    async def test_every_refused_file_gives_its_class(self) -> None:
        """Each file of ``refused()`` raises the class of error that it states."""
        async with self.opened() as detector:
            assert self.refused(), "no files that are refused"
            for refused in self.refused():
                await self.assert_refused(detector, refused)

    async def test_refusals_do_no_lasting_harm(self) -> None:
        """The detector recognises good files as before, after each refusal."""
        samples = self.samples()
        async with self.opened() as detector:
            for number, refused in enumerate(self.refused()):
                sample = samples[number % len(samples)]
                await self.assert_recognised(detector, sample)
                await self.assert_refused(detector, refused)
                await self.assert_recognised(detector, sample)

    # --- damage -------------------------------------------------------------------------------------------------------

    async def test_truncated_files(self) -> None:
        """A sample cut off at many lengths raises a ``DetectError``."""
        self.require("truncation")
        async with self.opened() as detector:
            count = await self._share(detector)
            for sample in self.samples():
                shorter = images.truncations(sample.data.rstrip(), count)
                for data in (*shorter[:4], *shorter[25 : 25 + count]):
                    what = f"the first {len(data)} of {len(sample.data)} bytes of {sample.name}"
                    outcome = await self.outcome(detector, data, what)
                    assert_refused_or_noted(outcome, sample, len(sample.data) - len(data), what)

    async def test_the_first_bytes_alone(self) -> None:
        """The first few bytes of a sample raise a ``DetectError``."""
        self.require("truncation")
        async with self.opened() as detector:
            count = await self._share(detector)
            for sample in self.samples():
                for length in range(1, min(len(sample.data) // 2, count)):
                    what = f"the first {length} bytes of {sample.name}"
                    assert isinstance(await self.outcome(detector, sample.data[:length], what), DetectError), what

    async def test_wrong_bits(self) -> None:
        """A sample with flipped bits gives a result or a ``DetectError``, never another exception."""
        async with self.opened() as detector:
            count = await self._share(detector)
            for sample in self.samples():
                for number, data in enumerate(images.bit_flips(sample.data, count)):
                    await self.outcome(detector, data, f"{sample.name} with wrong bits, number {number}")
            await self.assert_works(detector)

    async def test_a_hole(self) -> None:
        """A sample with a range of zeros gives a result or a ``DetectError``, never another exception."""
        async with self.opened() as detector:
            for sample in self.samples():
                size = len(sample.data)
                for start, end in ((0, 4), (4, 32), (size // 3, size // 2), (size // 2, size)):
                    data = sample.data[:start] + bytes(end - start) + sample.data[end:]
                    await self.outcome(detector, data, f"{sample.name} with zeros from {start} to {end}")
            await self.assert_works(detector)

    # --- more than an image -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("follower", FOLLOWERS)
    async def test_something_behind_the_image(self, follower: str) -> None:
        """Data after the image changes no result; the detector may refuse the file."""
        async with self.opened() as detector:
            for sample in self.samples():
                outcome = await self.outcome(detector, sample.data + FOLLOWERS[follower], sample.name)
                if isinstance(outcome, ImageInfo):
                    assert_says(outcome, sample)

    async def test_two_images_in_one_file(self) -> None:
        """A file with two images is the first image, or the detector refuses it."""
        own = {sample.format: sample for sample in self.samples()}
        others = {sample.format: sample for sample in (images.sample("gif"), images.sample("png"))} | own
        async with self.opened() as detector:
            for first, second in product(own.values(), others.values()):
                if first.format != second.format:
                    what = f"{second.name} behind {first.name}"
                    outcome = await self.outcome(detector, first.data + second.data, what)
                    if isinstance(outcome, ImageInfo):
                        assert_says(outcome, first)

    async def test_a_page_before_the_image(self) -> None:
        """An HTML page followed by an image raises ``NotAnImage``."""
        async with self.opened() as detector:
            for sample in self.samples():
                data = b"<!doctype html><html><body>a page</body></html>\n" + sample.data
                outcome = await self.outcome(detector, data, sample.name)
                assert_raises(outcome, NotAnImage, f"a page of HTML before {sample.name}")

    # --- no image of these formats ------------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", images.NOT_IMAGES)
    async def test_what_is_no_image(self, name: str) -> None:
        """Text, archives, documents and other files without an image raise ``NotAnImage``."""
        async with self.opened() as detector:
            assert_raises(await self.outcome(detector, images.NOT_IMAGES[name], name), NotAnImage, name)
            await self.assert_works(detector)

    async def test_single_bytes(self) -> None:
        """A file of one byte raises ``NotAnImage``."""
        async with self.opened() as detector:
            for value in await self.affordable(detector, range(0, 256, 5)):
                what = f"the byte {value}"
                assert_raises(await self.outcome(detector, bytes([value]), what), NotAnImage, what)

    async def test_formats_of_others(self) -> None:
        """A format that the detector does not know raises ``NotAnImage`` or ``FormatNotAllowed``."""
        async with self.opened() as detector:
            for name, (format_name, data) in images.FOREIGN.items():
                if not self._may_know(format_name, data):
                    _assert_left_to_others(await self.outcome(detector, data, name), name)

    async def test_good_images_of_other_formats(self) -> None:
        """A good image of another format is recognised correctly, or left to other detectors."""
        async with self.opened() as detector:
            for sample in images.samples().values():
                if not self._may_know(sample.format, sample.data):
                    outcome = await self.outcome(detector, sample.data, sample.name)
                    if isinstance(outcome, ImageInfo):
                        assert_says(outcome, sample)
                    else:
                        _assert_left_to_others(outcome, sample.name)

    # --- bombs and bulk -----------------------------------------------------------------------------------------------

    async def test_bombs(self) -> None:
        """A decompression bomb needs at most 32 MiB of memory; beyond a billion pixels it is refused."""
        async with self.opened() as detector:
            for name, data in images.bombs().items():
                with bounded_memory(f"the bomb {name}", MEMORY):
                    outcome = await self.outcome(detector, data, f"the bomb {name}")
                if isinstance(outcome, ImageInfo):
                    pixels = outcome.width * outcome.height * outcome.frames
                    assert pixels <= MOST_PIXELS, f"the bomb {name} passes: {outcome}"
            await self.assert_works(detector)

    @pytest.mark.parametrize("name", large_files())
    async def test_a_large_file_that_is_no_image(self, name: str) -> None:
        """A file of 64 MB without an image raises ``NotAnImage``, in at most 32 MiB of memory."""
        async with self.opened() as detector:
            with self.file(large_files()[name]) as path:
                with bounded_memory(f"64 MB of {name}", MEMORY):
                    outcome = judged(await attempt(detector.detect(path)), name)
                assert_raises(outcome, NotAnImage, f"64 MB of {name}")
            await self.assert_works(detector)

    async def test_a_large_file_that_begins_as_an_image(self) -> None:
        """A sample followed by zeros up to 64 MB needs at most 32 MiB of memory."""
        async with self.opened() as detector:
            # One of each kind: where the beginning is the same, the search for the rest is.
            for sample in {beginning(sample.data): sample for sample in self.samples()}.values():
                for kept in (16, len(sample.data)):
                    what = f"the first {kept} bytes of {sample.name} and 64 MB of zeros"
                    with self.file(sample.data[:kept]) as path:
                        with path.open("r+b") as file:
                            file.truncate(LARGE)
                        with bounded_memory(what, MEMORY):
                            judged(await attempt(detector.detect(path)), what)
            await self.assert_works(detector)

    # --- what errors say ----------------------------------------------------------------------------------------------

    async def test_errors_tell_nothing_of_the_file(self) -> None:
        """The public text of an error shows no byte of the file, neither its name nor its folder."""
        async with self.opened() as detector:
            for name, data in await self.affordable(detector, list(self._marked()), least=20):
                with self.file(data, f"{MARKER}-name") as path:
                    outcome = judged(await attempt(detector.detect(path)), name)
                if isinstance(outcome, DetectError):
                    public = outcome.detail.lower()
                    assert MARKER.lower() not in public, f"{name}: bytes or name of the file are shown: {public}"
                    assert str(self.place).lower() not in public, f"{name}: the folder is shown: {public}"

    def _marked(self) -> Iterator[tuple[str, bytes]]:
        """Files with text in them that nobody is to see: samples and refused files, damaged by it."""
        marker = MARKER.encode()
        files = [(sample.name, sample.data) for sample in self.samples()]
        files += [(refused.name, refused.data) for refused in self.refused() if len(refused.data) < MIB]
        for name, data in files:
            for place in (0, 4, 8, 12, len(data) // 3, len(data) // 2, len(data)):
                yield f"{name} with a text at {place}", data[:place] + marker + data[place + len(marker) :]
        yield "text", marker * 100

    # --- helpers ------------------------------------------------------------------------------------------------------

    async def _share(self, detector: TypeDetector) -> int:
        """How many damaged files each sample gives."""
        files = len(await self.affordable(detector, range(FILES_PER_CASE)))
        return max(8, files // len(self.samples()))

    def _may_know(self, format_name: str, data: bytes) -> bool:
        """Whether the file may be of a format that the detector knows, if only by another name."""
        return any(
            are_one_format(sample.format, format_name)
            or beginning(sample.data) == beginning(data)
            or (sample.content_type in NAMES and may_be_called(sample.content_type, format_name))
            for sample in self.samples()
        )


def _assert_left_to_others(outcome: Outcome, what: str) -> None:
    assert type(outcome) in {NotAnImage, FormatNotAllowed}, f"{what}, a format of others: {outcome!r}"
