"""JPEGs are decoded with an eighth of their sides: whatever decoding them whole would find is found all the same."""

import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image, ImageFile, JpegImagePlugin

from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Refused
from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import settings_of_a_child, verdict

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("RGB", {"quality": 90}),
    "without subsampling": ("RGB", {"quality": 90, "subsampling": "4:4:4"}),
    "optimised": ("RGB", {"quality": 40, "optimize": True}),
    "progressive": ("RGB", {"quality": 90, "progressive": True}),
    "grey": ("L", {"quality": 75}),
    "four colours": ("CMYK", {"quality": 75}),
    "RGB as it is": ("RGB", {"quality": 75, "keep_rgb": True}),
    "restart intervals": ("RGB", {"quality": 75, "restart_marker_rows": 1}),
}
SIDES = ((64, 48), (61, 7), (1, 1))


def encoded(kind: str, width: int, height: int) -> bytes:
    mode, options = KINDS[kind]
    return images.encode(images.noise(width, height, "RGB").convert(mode), "JPEG", **options)


def recognise(data: bytes, verify: str = "pixels") -> str:
    """What the detector says: the code of its refusal, or the image's format."""
    found = verdict(data, verify=verify)
    return found.code if isinstance(found, Refused) else found.format


def decoded_whole(data: bytes) -> str:
    """The same of a detector that has Pillow decode everything."""
    said = recognise(data, "structure")
    if said not in ("JPEG", "MPO"):
        return said
    try:
        with settings_of_a_child(PillowOptions().limits), Image.open(io.BytesIO(data)) as image:
            for frame in range(getattr(image, "n_frames", 1) if said == "MPO" else 1):
                image.seek(frame)
                image.load()
    except Exception:  # noqa: BLE001 - as the detector, which calls all of them damage
        return "image_corrupt"
    return said


def damaged(data: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Copies with wrong bits, with noise in one place, and with a piece less.

    All have their end: what becomes of a JPEG without is no matter of the scale that it is decoded at.
    """
    start = data.index(b"\xff\xda")
    copies = list(images.bit_flips(data, count))
    for _ in range(count):
        at = rng.randrange(start, len(data))
        size = rng.randrange(1, 40)
        copies += [data[:at] + rng.randbytes(size) + data[at + size :], data[:at] + data[at + size :]]
    yield from (copy for copy in copies if copy.endswith(b"\xff\xd9"))


@pytest.mark.sampled(4)
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_jpeg_is_judged_as_if_it_were_decoded_whole(kind: str) -> None:
    rng = random.Random(kind)
    verdicts = set()
    for width, height in SIDES:
        data = encoded(kind, width, height)
        assert recognise(data) == "JPEG"
        for copy in damaged(data, rng, 60):
            said = recognise(copy)
            assert said == decoded_whole(copy), copy.hex()
            verdicts.add(said)
    assert {"JPEG", "image_corrupt"} <= verdicts


def test_every_picture_of_a_file_is_judged_as_if_it_were_decoded_whole() -> None:
    data = images.multi_picture(*[images.DISPARITY] * 3)
    verdicts = {}
    for copy in (data, *damaged(data, random.Random(0), 150)):
        said = recognise(copy)
        assert said == decoded_whole(copy), copy.hex()
        verdicts[said] = copy
    assert {"MPO", "image_corrupt"} <= set(verdicts)


def test_every_picture_of_a_file_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load_end = JpegImagePlugin.JpegImageFile.load_end

    def watched(image: ImageFile.ImageFile) -> None:
        load_end(image)
        loaded.append(image.size)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_end", watched)
    assert recognise(images.multi_picture(*[images.DISPARITY] * 3)) == "MPO"
    assert loaded == [(8, 6)] * 3
