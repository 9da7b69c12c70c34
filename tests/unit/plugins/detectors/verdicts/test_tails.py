"""Files that end too early: whole pictures without their end marker are accepted and noted, cut pixels are refused."""

import io
import warnings
from typing import Any

import pytest
from PIL import Image

from lading.plugins.detectors.pillow.limits import Recognised
from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import MODES, recognised, refusal, verdict

JPEGS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {"quality": 90}),
    "without subsampling": ("RGB", {"quality": 90, "subsampling": "4:4:4"}),
    "optimised": ("RGB", {"quality": 40, "optimize": True}),
    "progressive": ("RGB", {"quality": 90, "progressive": True}),
    "grey": ("L", {"quality": 75}),
    "four colours": ("CMYK", {"quality": 75}),
    "restart intervals": ("RGB", {"quality": 75, "restart_marker_rows": 1}),
    "progressive with restart intervals": ("RGB", {"quality": 75, "progressive": True, "restart_marker_rows": 1}),
}
SIDES = ((64, 48), (61, 7), (200, 130))
CUTS = (3, 4, 5, 8, 20, 60, 300)


def pixels(data: bytes) -> bytes | None:
    with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
        warnings.simplefilter("ignore")
        try:
            image.load()
        except OSError:
            return None
        return image.tobytes()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_lacks_its_end_or_pixels(kind: str, verify: str) -> None:
    mode, options = JPEGS[kind]
    for width, height in SIDES:
        for picture in (images.noise(width, height), images.noise(8, 6).resize((width, height))):
            data = images.encode(picture.convert(mode), "JPEG", **options)
            for ending in (b"", b"\xff", bytes(5000), b"\xff" + bytes(5000)):
                found = recognised(data[:-2] + ending, verify=verify)
                assert (found.format, found.width, found.notes) == ("JPEG", width, ("tail_missing",)), ending
            for cut in CUTS:
                rest = data[:-cut]
                if rest.endswith(b"\xff") or len(rest) < 700:
                    continue  # half a marker, or half a header
                for ending in (b"", bytes(5000)):
                    found_or_not = verdict(rest + ending, verify=verify)
                    # What a flat picture lacks may be said by what is there.
                    if isinstance(found_or_not, Recognised):
                        assert pixels(rest + b"\xff\xd9") == pixels(data), (width, cut, len(ending))


def test_a_progressive_jpeg_that_lacks_a_scan_is_cut() -> None:
    data = images.encode(images.noise(), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for at in starts[1:]:
        end = data.rindex(b"\xff\xc4", 0, at) if b"\xff\xc4" in data[at - 200 : at] else at
        assert refusal(data[:end])[0] == "image_corrupt"
    assert recognised(data[:-2]).notes == ("tail_missing",)


def test_a_jpeg_that_lacks_a_component_is_cut() -> None:
    head, scan = images.sample("jpeg").data[:-2].split(b"\xff\xda\x00\x0c\x03")
    one_of_three = head + b"\xff\xda\x00\x08\x01" + scan[:2] + scan[6:]
    assert refusal(one_of_three)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("name", ["png", "png-palette", "apng"])
def test_a_png_lacks_its_end_or_pixels(name: str, verify: str) -> None:
    sample = images.sample(name)
    whole, no_crc = sample.data[:-12], sample.data[:-16]
    comment = images.png_chunk(b"tEXt", b"Comment\0a text")
    for data in (
        whole,
        no_crc,
        whole[:-1],
        whole + comment,
        whole + comment[:-5],
        whole + bytes(3000),
        whole + b"\0\0",
    ):
        found = recognised(data, verify=verify)
        assert (found.frames, found.notes) == (sample.frames, ("tail_missing",))
    for data in (no_crc[:-1], no_crc[:-100], no_crc[:-1] + bytes(3000)):
        assert refusal(data, verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_a_png_of_which_only_the_first_pixels_have_come_is_cut(verify: str) -> None:
    data = images.sample("png").data
    start = data.index(b"IDAT") + 4
    pixels_of_it = data[start:-16]
    header, first = data[: start - 8], images.png_chunk(b"IDAT", pixels_of_it[:4000])
    assert refusal(header + first, verify=verify)[0] == "image_corrupt"
    second = images.png_chunk(b"IDAT", pixels_of_it[4000:])
    assert recognised(header + first + second, verify=verify).notes == ("tail_missing",)


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("name", ["gif", "gif-animated"])
def test_a_gif_lacks_its_end_or_pixels(name: str, verify: str) -> None:
    sample = images.sample(name)
    whole = sample.data[:-1]
    comment, control = b"!\xfe\x06a text\0", b"!\xf9\x04\0\0\0\0\0"
    for data in (whole, whole[:-1], whole + comment, whole + bytes(3000)):
        found = recognised(data, verify=verify)
        assert (found.frames, found.notes) == (sample.frames, ("tail_missing",))
    # A control block announces a frame; of another block, a part that was announced is missing.
    for data in (whole[:-2], whole[:-200], whole + comment[:-3], whole + control, whole + control + b","):
        assert refusal(data, verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("name", ["jpeg2000", "jpeg2000-codestream"])
def test_a_jpeg_2000_lacks_its_end_or_pixels(name: str, verify: str) -> None:
    data = images.sample(name).data
    assert recognised(data[:-2], verify=verify).notes == ("tail_missing",)
    assert refusal(data[:-3], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_an_icon_lacks_the_end_of_its_last_png(verify: str) -> None:
    small, large = (images.png(side, side, pixels=bytes(side * (side + 1))) for side in (8, 20))
    data = images.ico(large, small)
    found = recognised(data[:-12], verify=verify)
    assert (found.width, found.notes) == (20, ("tail_missing",))
    assert refusal(data[:-17], verify=verify)[0] == "image_corrupt"


def test_a_whole_file_has_no_notes() -> None:
    for name in images.SAMPLE_NAMES:
        assert recognised(images.sample(name).data).notes == (), name
