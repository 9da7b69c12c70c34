"""What the Pillow detector makes of good images, of other formats, and of no images."""

import os
from pathlib import Path

import pytest

from lading.plugins.detectors.pillow.formats import CONTENT_TYPES
from lading.plugins.errors import DetectorCrashed
from lading.plugins.testing import images
from lading.plugins.testing.detector.support import expected_of
from tests.unit.plugins.detectors.harness import linux, running


@pytest.mark.gen_test(timeout=60)
async def test_every_format_is_recognised(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name in images.SAMPLE_NAMES:
            sample = images.sample(name)
            assert await harness.detect(sample.data) == expected_of(sample), name


def test_the_samples_have_every_format_that_can_be_allowed() -> None:
    samples = {images.sample(name).format for name in images.SAMPLE_NAMES}
    assert samples == set(CONTENT_TYPES)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("refused", CONTENT_TYPES)
@pytest.mark.gen_test(timeout=30)
async def test_a_format_that_is_not_configured_is_refused(refused: str, tmp_path: Path) -> None:
    others = [other for other in CONTENT_TYPES if other != refused]
    async with running(tmp_path, formats=", ".join(others)) as harness:
        for name in images.SAMPLE_NAMES:
            sample = images.sample(name)
            if sample.format == refused:
                error = await harness.refusal(sample.data)
                assert (error.code, error.facts) == ("format_not_allowed", {"format": refused}), name


@pytest.mark.gen_test(timeout=30)
async def test_mpo_can_be_allowed_without_jpeg(tmp_path: Path) -> None:
    async with running(tmp_path, formats="MPO") as harness:
        assert (await harness.detect(images.sample("mpo").data)).format == "MPO"
        assert (await harness.refusal(images.jpeg())).code == "format_not_allowed"


@pytest.mark.gen_test(timeout=60)
async def test_a_known_format_that_is_never_allowed_is_named(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name, (format_name, data) in images.FOREIGN.items():
            error = await harness.refusal(data)
            assert (error.code, error.facts) == ("format_not_allowed", {"format": format_name}), name


@pytest.mark.gen_test(timeout=60)
async def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name, data in images.NOT_IMAGES.items():
            assert (await harness.refusal(data)).code == "not_an_image", name


@pytest.mark.gen_test(timeout=60)
async def test_a_polyglot_is_the_image_that_it_begins_as(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name, data in images.POLYGLOTS.items():
            assert (await harness.detect(data)).format.lower() == name.partition("-")[0]


@pytest.mark.parametrize(("bits", "frame"), [(12, 0xC1), (12, 0xC2), (16, 0xC3), (8, 0xC3), (2, 0xC0), (8, 0xC7)])
@pytest.mark.gen_test(timeout=30)
async def test_a_kind_of_jpeg_that_is_not_decoded_is_told_from_damage(bits: int, frame: int, tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        error = await harness.refusal(images.jpeg_of_bits(bits, frame))
        assert (error.code, error.facts["format"]) == ("image_not_supported", "JPEG")
        assert not error.retryable
        # The very same file with samples of 8 bits is as good as any.
        info = await harness.detect(images.jpeg_of_bits(8))
        assert (info.format, info.width, info.height) == ("JPEG", 8, 8)


@pytest.mark.gen_test(timeout=30)
async def test_what_stands_before_the_frame_of_a_jpeg_is_passed_over(tmp_path: Path) -> None:
    data = images.jpeg_of_bits(8)
    fill, thumbnail = b"\xff" * 9, b"\xff\xe1\0\x20" + images.jpeg_of_bits(12)[:30]
    async with running(tmp_path) as harness:
        for before in (fill, thumbnail, thumbnail + fill):
            assert (await harness.detect(data[:2] + before + data[2:])).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_size_is_told_before_any_orientation(tmp_path: Path) -> None:
    picture, turned = images.noise(40, 20), 6
    exif = picture.getexif()
    exif[0x0112] = turned
    async with running(tmp_path) as harness:
        for data in (
            images.encode(picture, "JPEG", exif=exif),
            images.encode(picture, "PNG", exif=exif),
            images.encode(picture, "WEBP", exif=exif),
            images.encode(picture, "TIFF", tiffinfo={274: turned}),
        ):
            info = await harness.detect(data)
            assert (info.width, info.height) == (40, 20), info.format


@pytest.mark.gen_test(timeout=30)
async def test_a_jpx_file_has_its_own_media_type(tmp_path: Path) -> None:
    data = images.sample("jpeg2000").data.replace(b"ftypjp2 ", b"ftypjpx ")
    async with running(tmp_path) as harness:
        assert (await harness.detect(data)).content_type == "image/jpx"


@pytest.mark.gen_test(timeout=30)
async def test_an_icon_measures_what_its_largest_image_does(tmp_path: Path) -> None:
    small, large = (images.png(side, side, pixels=bytes(side * (side + 1))) for side in (8, 20))
    async with running(tmp_path) as harness:
        info = await harness.detect(images.ico(large, small))
    assert (info.width, info.height, info.frames) == (20, 20, 1)


@linux
@pytest.mark.gen_test(timeout=30)
async def test_a_file_without_a_name_is_read_by_its_descriptor(tmp_path: Path) -> None:
    descriptor = os.memfd_create("spool")
    try:
        os.write(descriptor, images.jpeg())
        async with running(tmp_path) as harness:
            for process in (os.getpid(), "self"):
                info = await harness.detector.detect(Path(f"/proc/{process}/fd/{descriptor}"))
                assert info.format == "JPEG"
    finally:
        os.close(descriptor)


@pytest.mark.gen_test(timeout=30)
async def test_a_relative_path_means_what_it_means_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path) as harness:
        name = harness.file(images.jpeg()).name
        assert (await harness.detector.detect(Path(name))).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_a_strange_file_name_is_no_obstacle(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        path = harness.file(images.jpeg(), b"new\nline \xff \xc3\xa9.png")
        assert (await harness.detector.detect(path)).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_a_file_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        with pytest.raises(DetectorCrashed, match="cannot be read") as caught:
            await harness.detector.detect(tmp_path / "missing")
        assert caught.value.retryable
        assert (await harness.detect(images.jpeg())).format == "JPEG"


@pytest.mark.gen_test(timeout=30)
async def test_the_file_is_only_read(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        for name in images.SAMPLE_NAMES:
            path = harness.file(images.sample(name).data)
            path.chmod(0o400)
            before = path.stat()
            await harness.detector.detect(path)
            after = path.stat()
            assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    assert sum(1 for _ in tmp_path.iterdir()) == len(images.SAMPLE_NAMES)
