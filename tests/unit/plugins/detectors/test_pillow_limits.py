"""Bombs and limits: what is too large, too long or too slow is refused with its own code."""

import asyncio
import os
import signal
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lading.plugins.detectors.pillow.detector import PillowDetector, PillowOptions
from lading.plugins.detectors.pillow.formats import CONTENT_TYPES
from lading.plugins.errors import DetectorStalled, ImageTooComplex
from lading.plugins.testing import images
from tests.unit.plugins.detectors.harness import children, exists, linux, running

TOTAL, SIDE, FRAMES = 1_000_000_000, 20_000, 1000

BOMBS: dict[str, tuple[str, dict[str, Any]]] = {
    **dict.fromkeys(
        ("png", "gif", "gif-screen", "tiff", "icon", "second-in-icon", "jpeg", "jpeg2000", "bmp"),
        ("too_many_pixels", {"limit": TOTAL}),
    ),
    **dict.fromkeys(("gif-total", "tiff-total"), ("too_many_pixels", {"limit": TOTAL})),
    **dict.fromkeys(("png-side", "gif-side", "tiff-side", "icon-side"), ("side_too_long", {"limit": SIDE})),
    **dict.fromkeys(("gif-frames", "tiff-frames", "png-frames", "icon-frames"), ("too_many_frames", {"limit": FRAMES})),
    "webp": ("image_too_complex", {"resource": "memory"}),
    "jpeg-scans": ("image_too_complex", {"resource": "scans"}),
}


@pytest.mark.gen_test(timeout=60)
async def test_a_bomb_is_refused_by_what_it_claims(tmp_path: Path) -> None:
    # With CPU time for one second each, and hardly any of it needed: nothing is decoded.
    async with running(tmp_path, processes=1, cpu_limit=1) as harness:
        for name, expected in BOMBS.items():
            error = await harness.refusal(images.bombs()[name])
            assert (error.code, error.facts) == expected, name


@pytest.mark.gen_test(timeout=30)
async def test_a_text_bomb_is_refused_as_one(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for bomb in (images.png_text_bomb(), png_with_texts(5, 15 << 20)):
            error = await harness.refusal(bomb)
            assert (error.code, error.facts) == ("image_too_complex", {"resource": "memory for metadata"})


@pytest.mark.gen_test(timeout=60)
async def test_much_metadata_is_no_bomb(tmp_path: Path) -> None:
    plain = images.png_chunk(b"tEXt", b"Comment\0" + b"a" * (30 << 20))
    exif = images.png_chunk(b"eXIf", b"MM\0*" + bytes(1 << 20))
    async with running(tmp_path) as harness:
        for chunk in (plain, exif):
            assert (await harness.detect(images.png(1, 1, chunk, pixels=b"\0\0"))).format == "PNG"
        assert (await harness.detect(png_with_texts(1, 15 << 20))).format == "PNG"
        assert (await harness.detect(png_with_texts(50_000, 10))).format == "PNG"
        jpeg = images.jpeg()
        many = jpeg[:2] + (b"\xff\xe1\xff\xff" + b"Exif\0\0" + bytes(65527)) * 300 + jpeg[2:]
        assert (await harness.detect(many)).format == "JPEG"


def png_with_texts(number: int, size: int) -> bytes:
    """A good pixel and compressed texts of so many bytes each."""
    text = images.png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * size))
    return images.png(1, 1, *[text] * number, pixels=b"\0\0")


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("options", "data", "code"),
    [
        ({"max_pixels": 64 * 48}, images.jpeg(), None),
        ({"max_pixels": 64 * 48 - 1}, images.jpeg(), "too_many_pixels"),
        ({"max_pixels": 64 * 48 - 2}, images.jpeg(), "too_many_pixels"),
        ({"max_side": 64}, images.jpeg(), None),
        ({"max_side": 63}, images.jpeg(), "side_too_long"),
        ({"max_frames": 4}, images.sample("gif-animated").data, None),
        ({"max_frames": 3}, images.sample("gif-animated").data, "too_many_frames"),
        ({"max_frames": 3}, images.sample("apng").data, "too_many_frames"),
        ({"max_frames": 3}, images.sample("webp-animated").data, "too_many_frames"),
        ({"max_frames": 3}, images.sample("avif-animated").data, "too_many_frames"),
        ({"max_frames": 3}, images.sample("tiff-pages").data, "too_many_frames"),
        ({"max_frames": 1}, images.sample("mpo").data, "too_many_frames"),
        ({"max_frames": 2}, images.sample("ico").data, "too_many_frames"),
        ({"max_total_pixels": 4 * 64 * 48}, images.sample("tiff-pages").data, None),
        ({"max_total_pixels": 4 * 64 * 48 - 1}, images.sample("tiff-pages").data, "too_many_pixels"),
        ({"max_total_pixels": 4 * 64 * 48 - 1}, images.sample("avif-animated").data, "too_many_pixels"),
        ({"max_total_pixels": 2 * 64 * 48 - 1}, images.sample("mpo").data, "too_many_pixels"),
    ],
)
@pytest.mark.gen_test(timeout=30)
async def test_a_limit_is_exact(options: dict[str, Any], data: bytes, code: str | None, tmp_path: Path) -> None:
    async with running(tmp_path, **options) as harness:
        if code is None:
            await harness.detect(data)
        else:
            assert (await harness.refusal(data)).code == code


@pytest.mark.gen_test(timeout=60)
async def test_want_of_memory_is_told_and_survived(tmp_path: Path) -> None:
    large = images.png(1, 1, images.png_chunk(b"eXIf", bytes(70 << 20)), pixels=b"\0\0")
    detector = PillowDetector(PillowOptions(memory_limit=1 << 27))
    path = tmp_path / "image"
    try:
        path.write_bytes(large)
        with pytest.raises(ImageTooComplex) as caught:
            await detector.detect(path)
        path.write_bytes(images.jpeg())
        assert (await detector.detect(path)).format == "JPEG"
    finally:
        await detector.close()
    assert caught.value.facts == {"resource": "memory"}
    assert not caught.value.retryable


@pytest.mark.gen_test(timeout=60)
async def test_want_of_cpu_time_is_told_and_survived(tmp_path: Path) -> None:
    async with running(tmp_path, cpu_limit=1, wall_limit=50) as harness:
        error = await harness.refusal(images.slow_png(600_000))
        assert (error.code, error.facts) == ("image_too_complex", {"resource": "CPU time"})
        assert not error.retryable
        assert error.internal != "", "it was decoded"
        assert (await harness.detect(images.jpeg())).format == "JPEG"


@pytest.mark.gen_test(timeout=60)
async def test_cpu_time_is_counted_for_each_image_anew(tmp_path: Path) -> None:
    data = images.slow_gif(20)
    async with running(tmp_path, processes=1, cpu_limit=1, wall_limit=50) as harness:
        for _ in range(12):
            assert (await harness.detect(data)).frames == 20


@pytest.mark.gen_test(timeout=60)
async def test_a_child_that_is_stuck_says_nothing_of_the_image(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, wall_limit=0.3) as harness:
        async with harness.held() as (task, _):
            with pytest.raises(DetectorStalled) as caught:
                await task
        assert caught.value.retryable
        assert (await harness.detect(images.jpeg())).format == "JPEG"


@pytest.mark.gen_test(timeout=60)
async def test_a_child_that_works_on_may_take_as_long_as_its_cpu_limit_lets_it(tmp_path: Path) -> None:
    data = images.slow_gif(200)
    async with running(tmp_path, processes=1, cpu_limit=50, wall_limit=0.5) as harness:
        began = time.monotonic()
        assert (await harness.detect(data)).frames == 200
        assert time.monotonic() - began > 0.5, "too fast to tell anything"


@linux
@pytest.mark.gen_test(timeout=60)
async def test_a_child_that_hardly_gets_the_cpu_is_waited_for(tmp_path: Path) -> None:
    data = images.slow_gif(40)
    async with running(tmp_path, processes=1, cpu_limit=50, wall_limit=1) as harness:
        await harness.detect(images.jpeg())
        (child,) = harness.detector._pool._children
        call = asyncio.create_task(harness.detect(data))
        pid = child._transport.get_pid()
        for _ in range(6):  # three seconds, of which it runs for a fiftieth
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(0.49)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.01)
        assert (await call).frames == 40
        assert (await harness.detect(images.jpeg())).format == "JPEG"
        assert children() == {pid}


@linux
@pytest.mark.gen_test(timeout=60)
async def test_a_child_that_is_stopped_for_good_is_replaced_and_the_image_is_recognised(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, wall_limit=0.5) as harness:
        await harness.detect(images.jpeg())
        (stopped,) = children()
        os.kill(stopped, signal.SIGSTOP)
        assert (await harness.detect(images.jpeg())).format == "JPEG"
        assert not exists(stopped)


@pytest.mark.parametrize(
    "options",
    [
        {"formats": "JPEG, SVG"},
        {"formats": ""},
        {"max_pixels": 0},
        {"max_side": 0},
        {"max_frames": 0},
        {"max_total_pixels": 0},
        {"memory_limit": 1 << 26},
        {"cpu_limit": 0},
        {"wall_limit": 0},
        {"processes": 0},
        {"processes": 65},
        {"recycle_after": 0},
        {"verify": "nothing"},
        {"unknown": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PillowOptions(**options)


def test_formats_are_written_in_any_case() -> None:
    assert PillowOptions.model_validate({"formats": "jpeg, WebP"}).formats == ("JPEG", "WEBP")


def test_all_formats_are_allowed_by_default() -> None:
    assert PillowOptions().formats == tuple(CONTENT_TYPES)


def test_every_option_is_described() -> None:
    assert all(field.description for field in PillowOptions.model_fields.values())
