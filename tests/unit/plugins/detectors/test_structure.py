"""What the checks of structure read: no more than they need, whatever the file holds."""

import io

import pytest

from lading.plugins.detectors.pillow.detector import PillowOptions
from lading.plugins.detectors.pillow.limits import Damaged, Limits, Refused
from lading.plugins.detectors.pillow.structure.gif import measure_gif
from lading.plugins.detectors.pillow.structure.jpeg import check_jpeg

LIMITS: Limits = PillowOptions().limits


class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


@pytest.mark.parametrize(
    "data", [b"\xff\xd8" + b"\xff\0\xaa" * 20_000, b"\xff\xd8" + b"\xff\x01\0\0" * 20_000], ids=["stuffed", "alone"]
)
def test_many_short_runs_of_junk_in_a_jpeg_cost_little(data: bytes) -> None:
    content = data + b"\xff\xff" + bytes(1 << 20)
    file = Counted(content)
    check_jpeg(file, len(content), LIMITS)
    assert file.count < 200 * len(data)


def test_many_short_runs_of_junk_in_a_gif_cost_little() -> None:
    data = b"GIF89a" + bytes(7) + b"\xaa!\xfe\0" * 20_000
    content = data + bytes(2 << 20)
    file = Counted(content)
    with pytest.raises(Damaged):
        measure_gif(file, len(content), LIMITS)
    assert file.count < 200 * len(data)


@pytest.mark.parametrize("length", [b"", b"\0", b"\0\0", b"\0\1", b"\0\2", b"\xff\xff"])
@pytest.mark.parametrize("marker", [0x00, 0x01, 0xC0, 0xC3, 0xD9, 0xDA, 0xE1, 0xFF])
def test_the_walk_through_a_jpeg_comes_to_an_end(marker: int, length: bytes) -> None:
    for times in (1, 3):
        content = b"\xff\xd8" + (bytes([0xFF, marker]) + length + b"\x08") * times
        try:
            check_jpeg(io.BytesIO(content), len(content), LIMITS)
        except Refused:
            assert marker in (0xC0, 0xC3)
