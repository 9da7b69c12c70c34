"""What fits is decided by what decoding costs, before it begins, and the same in both depths of the check."""

import struct
from dataclasses import replace
from typing import Any, Final

import pytest

from lading.plugins.detectors.pillow import cost, decode, judgement
from lading.plugins.detectors.pillow.cost import Costly
from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Recognised, Refused
from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import verdict, verdict_within

DEPTHS: Final = ("pixels", "structure")


def refusal(data: bytes, **options: Any) -> dict[str, Any] | None:
    """The facts of the refusal of an image, with its code; None where it passes."""
    found = verdict(data, **options)
    return {"code": found.code, **found.facts} if isinstance(found, Refused) else None


def with_sides(jpeg: bytes, width: int, height: int) -> bytes:
    """The JPEG with other sides in the header of its frame."""
    at = max(jpeg.find(b"\xff" + bytes([kind])) for kind in (0xC0, 0xC2))
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def test_a_photo_of_a_large_camera_passes_by_default() -> None:
    data = images.encode(images.noise(200, 150).resize((8192, 6144)), "JPEG")
    assert refusal(data) is None
    assert refusal(data, max_pixels=50_000_000) == {"code": "too_many_pixels", "limit": 50_000_000}


@pytest.mark.parametrize(
    ("width", "height", "options", "fits"),
    [
        (12_000, 9_000, {}, True),
        (12_000, 9_000, {"progressive": True, "subsampling": 0}, True),
        (16_000, 12_500, {}, True),
        (16_000, 12_500, {"progressive": True}, True),
        (16_000, 12_500, {"progressive": True, "subsampling": 0}, False),
        (19_000, 19_000, {}, True),
        (19_000, 19_000, {"progressive": True}, False),
    ],
)
def test_the_coefficients_of_a_progressive_jpeg_decide(
    width: int, height: int, options: dict[str, Any], fits: bool
) -> None:
    data = with_sides(images.encode(images.noise(), "JPEG", **options), width, height) + bytes(30 << 20)
    for verify in ("structure",) if fits else DEPTHS:  # what fits would be decoded, and is not complete
        found = refusal(data, verify=verify)
        assert found == (None if fits else {"code": "image_too_complex", "resource": "memory"})


@pytest.mark.parametrize("verify", DEPTHS)
@pytest.mark.parametrize(
    ("name", "side"), [("PNG", 600), ("BMP", 600), ("TIFF", 600), ("WEBP", 300), ("AVIF", 300), ("JPEG2000", 280)]
)
def test_memory_decides_in_each_format(name: str, side: int, verify: str) -> None:
    data = images.encode(images.noise(30, 30).resize((side, side)), name)
    assert refusal(data, verify=verify, memory_limit=1 << 27) is None
    needed = cost.RESERVED + (1 << 20)
    # Less than an option can say: pictures that large take long to make.
    tight = replace(PillowOptions(verify=verify).limits, memory_limit=needed)
    found = verdict_within(data, tight)
    assert isinstance(found, Refused)
    assert (found.code, found.facts) == ("image_too_complex", {"resource": "memory"})


@pytest.mark.parametrize("verify", DEPTHS)
def test_cpu_time_is_judged_before_decoding(verify: str) -> None:
    data = images.slow_gif(1000, 900)  # 810 million pixels, twice 11 seconds
    assert refusal(data, verify=verify, cpu_limit=20) == {"code": "image_too_complex", "resource": "CPU time"}


# --- scans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", DEPTHS)
def test_scans_are_counted_before_decoding(verify: str) -> None:
    scans = {"code": "image_too_complex", "resource": "scans"}
    assert refusal(images.progressive_jpeg(cost.MAX_SCANS), verify=verify) is None
    assert refusal(images.progressive_jpeg(cost.MAX_SCANS + 1), verify=verify) == scans
    assert refusal(images.progressive_jpeg(500, 8000, 8000), verify=verify) == scans


def test_what_looks_like_a_scan_is_none() -> None:
    scan = b"\xff\xda\0\x08\1\1\0\1\1\0"
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 500 * len(scan)) + scan * 500
    data = images.progressive_jpeg(20)
    second = data.index(scan)
    for at in (2, second):  # before the frame, and between two scans
        assert refusal(data[:at] + comment + data[at:]) is None
    assert refusal(data + data * 20) is None  # behind the end of the image


def test_a_scan_that_lies_across_two_reads_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in range(2, 40):
        monkeypatch.setattr("lading.plugins.detectors.pillow.headers._READ_SIZE", size)
        for count, is_refused in ((cost.MAX_SCANS, False), (cost.MAX_SCANS + 1, True)):
            assert (refusal(images.progressive_jpeg(count, 500, 40), verify="structure") is not None) == is_refused


def test_a_sequential_jpeg_with_a_scan_for_each_colour_is_judged_as_a_progressive_one() -> None:
    data = images.encode(images.noise(), "JPEG", subsampling=0)
    start = data.index(b"\xff\xda")
    one_by_one = data[:start] + b"\xff\xda\0\x08\1\1\0\0\x3f\0" + data[start + 14 :]
    assert refusal(with_sides(data, 16_000, 12_500), verify="structure") is None
    assert refusal(with_sides(one_by_one, 16_000, 12_500)) == {"code": "image_too_complex", "resource": "memory"}


def test_costly_images_are_told_apart_before_they_are_decoded() -> None:
    limits = PillowOptions().limits
    with pytest.raises(Costly):
        verdict_within(images.slow_gif(100), limits, may_be_costly=False)
    for data in (images.jpeg(), images.slow_gif(50)):
        assert isinstance(verdict_within(data, limits, may_be_costly=False), Recognised)


@pytest.mark.parametrize("name", images.SAMPLE_NAMES)
def test_every_sample_has_a_cost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[cost.Cost] = []

    def spy(*arguments: Any) -> cost.Cost:
        found.append(judgement.judged(*arguments))
        return found[-1]

    monkeypatch.setattr(decode, "judged", spy)
    assert refusal(images.sample(name).data) is None
    (only,) = found
    assert 0 < only.memory < 1 << 20
    assert 0 < only.seconds < cost.COSTLY_SECONDS
