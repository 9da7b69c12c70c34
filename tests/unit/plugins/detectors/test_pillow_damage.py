"""Damaged images: whatever is missing or wrong, the answer is coded and the children live on."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import TiffImagePlugin

from lading.plugins.detectors.pillow.formats import CONTENT_TYPES
from lading.plugins.errors import DetectError
from lading.plugins.testing import images
from lading.plugins.testing.detector.support import expected_of
from tests.conftest import LONG
from tests.unit.plugins.detectors.harness import Harness, children, running

COPIES = 60 if LONG else 15
"""Damaged copies of each sample, for each kind of damage."""
CODES_OF_DAMAGE = {
    "image_corrupt",
    "not_an_image",
    "format_not_allowed",
    "too_many_pixels",
    "side_too_long",
    "too_many_frames",
    "image_too_complex",
    "image_not_supported",
}


async def outcome(harness: Harness, data: bytes) -> str:
    try:
        info = await harness.detect(data)
    except DetectError as error:
        return error.code
    return info.format


@pytest.mark.parametrize("verify", ["pixels", "structure"])
@pytest.mark.gen_test(timeout=110)
async def test_no_truncated_image_passes_unless_its_pixels_are_there(verify: str, tmp_path: Path) -> None:
    async with running(tmp_path, processes=1, verify=verify) as harness:
        for name, sample in images.samples().items():
            for shorter in images.truncations(sample.data, COPIES):
                missing = len(sample.data) - len(shorter)
                if missing <= sample.tail:
                    expected = replace(expected_of(sample), notes=("tail_missing",))
                    assert await harness.detect(shorter) == expected, (name, missing)
                else:
                    assert await outcome(harness, shorter) in {"image_corrupt", "not_an_image"}, (name, missing)


@pytest.mark.gen_test(timeout=110)
async def test_wrong_bits_draw_a_coded_answer_and_kill_no_child(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        for name, sample in images.samples().items():
            await harness.detect(sample.data)
            before = children()
            for copy in images.bit_flips(sample.data, COPIES):
                assert await outcome(harness, copy) in CODES_OF_DAMAGE | set(CONTENT_TYPES), name
            assert children() == before, name


@pytest.mark.gen_test(timeout=110)
async def test_no_wrong_bit_in_a_critical_png_chunk_passes(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        for name in ("png", "png-palette", "apng"):
            data = images.sample(name).data
            start = data.index(b"IDAT")
            for at in range(start, start + 200):
                copy = bytearray(data)
                copy[at] ^= 0x10
                assert await outcome(harness, bytes(copy)) == "image_corrupt", (name, at)


@pytest.mark.gen_test(timeout=60)
async def test_what_follows_an_image_is_ignored(tmp_path: Path) -> None:
    async with running(tmp_path, processes=1) as harness:
        for name, sample in images.samples().items():
            assert (await harness.detect(sample.data + b"\0padding" * 20)).frames == sample.frames, name


@pytest.mark.parametrize(
    "junk",
    [b"\0\xda" + bytes(2 << 20), b"\xff" * (2 << 20)],
    ids=["a marker that is none", "padding"],
)
@pytest.mark.parametrize("at", [b"\xff\xc0", b"\xff\xda"], ids=["before the frame", "before the scan"])
@pytest.mark.gen_test(timeout=30)
async def test_much_that_is_no_part_of_a_jpeg_s_header_is_damage(junk: bytes, at: bytes, tmp_path: Path) -> None:
    data = images.sample("jpeg").data
    async with running(tmp_path, processes=1) as harness:
        error = await harness.refusal(data.replace(at, junk + at, 1))
        assert (error.code, error.internal) == ("image_corrupt", "1048576 bytes that are no part of an image")


def with_junk(name: str, junk: bytes) -> bytes:
    """A sample with other bytes before its second segment or its first block."""
    data = images.sample(name).data
    if name == "gif":
        at = 13 + (3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    else:
        at = 4 + int.from_bytes(data[4:6], "big")
    return data[:at] + junk + data[at:]


@pytest.mark.parametrize("name", ["jpeg", "gif"])
@pytest.mark.gen_test(timeout=30)
async def test_what_lies_between_segments_or_blocks_is_ignored_unless_it_is_much(name: str, tmp_path: Path) -> None:
    mebibyte = 1 << 20
    async with running(tmp_path, processes=1) as harness:
        assert (await harness.detect(with_junk(name, bytes(1000)))).format == name.upper()
        assert (await harness.detect(with_junk(name, bytes(mebibyte)))).format == name.upper()
        for junk in (bytes(mebibyte + 1), bytes(60 * mebibyte)):
            error = await harness.refusal(with_junk(name, junk))
            assert (error.code, error.internal) == ("image_corrupt", "1048576 bytes that are no part of an image")


@pytest.mark.gen_test(timeout=30)
async def test_a_kind_of_jpeg_that_is_not_decoded_is_found_behind_what_is_no_marker(tmp_path: Path) -> None:
    data = with_junk("jpeg", b"\0\0\xff\0\0\xda\xff\xff\xff")
    at = data.index(b"\xff\xc0")
    async with running(tmp_path) as harness:
        assert (await harness.detect(data)).format == "JPEG"
        error = await harness.refusal(data[: at + 1] + b"\xc3" + data[at + 2 :])
    assert error.code == "image_not_supported"


@pytest.mark.gen_test(timeout=30)
async def test_a_jpeg_whose_index_speaks_of_lost_pictures_is_a_jpeg(tmp_path: Path) -> None:
    data = images.sample("mpo").data
    first = data[: data.index(b"\xff\xd9\xff\xd8") + 2]
    async with running(tmp_path) as harness:
        info = await harness.detect(first)
        assert (info.format, info.frames) == ("JPEG", 1)
        assert (await harness.refusal(first[:-3])).code == "image_corrupt"
        assert (await harness.refusal(data[: len(first) + 100])).code == "image_corrupt"


@pytest.mark.gen_test(timeout=30)
async def test_every_image_of_an_icon_is_decoded(tmp_path: Path) -> None:
    good = images.png(20, 20, pixels=bytes(420))
    bad = images.png(8, 8, pixels=b"\0")
    async with running(tmp_path) as harness:
        assert (await harness.detect(images.ico(good, good))).format == "ICO"
        assert (await harness.refusal(images.ico(good, bad))).code == "image_corrupt"


@pytest.mark.gen_test(timeout=30)
async def test_a_tiff_may_lead_back_to_where_it_began(tmp_path: Path) -> None:
    data = bytearray(images.tiff(3))
    data[-4:] = (8).to_bytes(4, "little")
    async with running(tmp_path) as harness:
        assert (await harness.detect(bytes(data))).frames == 3


@pytest.mark.gen_test(timeout=30)
async def test_a_tiff_field_beyond_the_end_is_damage(tmp_path: Path) -> None:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "description " * 10
    data = images.encode(images.noise(8, 8), "TIFF", tiffinfo=info)
    at = data.index(b"description")
    moved = data.replace(at.to_bytes(4, "little"), len(data).to_bytes(4, "little"))
    assert moved != data
    async with running(tmp_path) as harness:
        assert (await harness.detect(data)).format == "TIFF"
        assert (await harness.refusal(moved)).code == "image_corrupt"


@pytest.mark.gen_test(timeout=30)
async def test_damaged_pixels_pass_only_where_the_structure_alone_is_verified(tmp_path: Path) -> None:
    data = images.png(100, 100, pixels=b"\0")
    async with running(tmp_path) as harness:
        assert (await harness.refusal(data)).code == "image_corrupt"
    async with running(tmp_path, verify="structure") as harness:
        assert (await harness.detect(data)).width == 100
        # Without the tail, only decoding tells whether the pixels are there.
        assert (await harness.refusal(data[:-1])).code == "image_corrupt"


@pytest.mark.gen_test(timeout=30)
async def test_text_for_the_log_holds_no_control_characters(tmp_path: Path) -> None:
    data = images.png(1, 1, pixels=b"\0\0").replace(b"IDAT", b"a\nbT")
    async with running(tmp_path) as harness:
        error = await harness.refusal(data)
    assert error.code == "image_corrupt"
    assert error.internal.isprintable()
    assert os.linesep not in str(error)
