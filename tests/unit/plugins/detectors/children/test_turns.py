"""Decoding places are shared: issuers take turns, and images that cost much leave a place to the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lading.plugins.errors import ImageTooComplex
from lading.plugins.host.turns import on_behalf_of
from lading.plugins.testing import images
from tests.unit.plugins.detectors.harness import Harness, running

COSTLY = images.slow_gif(100)
"""A second and more by the judgement."""
CHEAP = images.slow_gif(20)


class Race:
    """Detections of several issuers, and the order in which they end."""

    def __init__(self, harness: Harness) -> None:
        self.ended: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._harness = harness

    def start(self, issuer: str, data: bytes, number: int = 1) -> None:
        with on_behalf_of(issuer):
            self.tasks += [asyncio.create_task(self._detect(issuer, data)) for _ in range(number)]

    async def until(self, issuer: str) -> list[str]:
        """Wait until a detection of the issuer has ended; who has ended before."""
        while issuer not in self.ended:
            await asyncio.sleep(0.01)
            for task in self.tasks:
                assert not task.done() or task.exception() is None
        return self.ended[: self.ended.index(issuer)]

    async def _detect(self, issuer: str, data: bytes) -> None:
        await self._harness.detect(data)
        self.ended.append(issuer)


@asynccontextmanager
async def race(folder: Path, processes: int) -> AsyncIterator[Race]:
    async with running(folder, processes=processes, cpu_limit=60) as harness:
        for _ in range(processes):
            await harness.detect(images.jpeg())
        one = Race(harness)
        try:
            yield one
        finally:
            for task in one.tasks:
                task.cancel()
            await asyncio.gather(*one.tasks, return_exceptions=True)


@pytest.mark.gen_test(timeout=60)
async def test_costly_images_never_have_all_places(tmp_path: Path) -> None:
    async with race(tmp_path, processes=2) as one:
        one.start("hog", COSTLY, 6)
        await asyncio.sleep(0.2)  # they have been judged, mostly; the order of what follows is the same anyway
        one.start("guest", images.jpeg())
        assert len(await one.until("guest")) <= 1


@pytest.mark.gen_test(timeout=60)
async def test_costly_thumbnails_never_have_all_places(tmp_path: Path) -> None:
    async with running(tmp_path, processes=2) as harness:
        large = harness.file(images.encode(images.noise(1200, 1200), "PNG"))
        small = harness.file(images.jpeg())
        made: list[Path] = []

        async def make(issuer: str, path: Path) -> None:
            with on_behalf_of(issuer):
                await harness.detector.thumbnail(path, side=1200, content_type="image/webp")
            made.append(path)

        hog = [asyncio.create_task(make("hog", large)) for _ in range(6)]
        while len(harness.detector._costly._waiting.get("hog", ())) < 5:
            await asyncio.sleep(0.001)
        await make("guest", small)
        assert made.index(small) <= 1
        await asyncio.gather(*hog)


@pytest.mark.gen_test(timeout=60)
async def test_issuers_take_turns_with_cheap_images(tmp_path: Path) -> None:
    async with race(tmp_path, processes=1) as one:
        one.start("hog", CHEAP, 10)
        await asyncio.sleep(0)
        one.start("guest", images.jpeg())
        assert len(await one.until("guest")) <= 2


@pytest.mark.gen_test(timeout=90)
async def test_issuers_take_turns_with_costly_images(tmp_path: Path) -> None:
    async with race(tmp_path, processes=2) as one:
        one.start("hog", COSTLY, 8)
        await asyncio.sleep(0.2)
        one.start("guest", COSTLY)
        assert len(await one.until("guest")) <= 2


@pytest.mark.gen_test(timeout=110)
async def test_an_image_that_costs_more_than_its_header_says_becomes_costly(tmp_path: Path) -> None:
    # Its header says a tenth of a second; in fact it takes longer than a cheap one may, and less than the limit.
    async with running(tmp_path, processes=2, cpu_limit=60) as harness:
        harness.detector._cheap_cpu_limit = 1
        async with harness.detector._costly.turn():
            call = asyncio.create_task(harness.detect(images.slow_png(800_000)))
            while not harness.detector._costly._waiting:
                assert not call.done()
                await asyncio.sleep(0.01)
            assert (await harness.detect(images.jpeg())).format == "JPEG"
            assert not call.done()
        assert (await call).format == "PNG"


@pytest.mark.gen_test(timeout=60)
async def test_one_process_decodes_costly_images_as_well(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, cpu_limit=60) as harness:
        assert (await harness.detect(COSTLY)).frames == 100


@pytest.mark.gen_test(timeout=60)
async def test_twelve_jpegs_of_500_scans_cost_nobody_anything(tmp_path: Path) -> None:
    data = images.progressive_jpeg(500, 4000, 4000)
    async with running(tmp_path, cpu_limit=1) as harness:
        with on_behalf_of("hog"):
            found = await asyncio.gather(*(harness.refusal(data) for _ in range(12)))
        for error in found:
            assert isinstance(error, ImageTooComplex)
            assert error.facts == {"resource": "scans"}
