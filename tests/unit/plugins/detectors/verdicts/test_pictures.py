"""How many frames an image has: files of several JPEGs, and animated PNGs with a picture of their own."""

import struct

import pytest

from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import MODES, recognised, refusal

UNDEFINED, THUMBNAIL, LARGE_THUMBNAIL = 0, 0x010001, 0x010002


def first_of(data: bytes) -> bytes:
    """The first JPEG of several."""
    return data[: data.index(b"\xff\xd9\xff\xd8") + 2]


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize(
    "kinds",
    [
        (images.BASELINE, UNDEFINED),
        (images.BASELINE, THUMBNAIL),
        (images.BASELINE, THUMBNAIL, LARGE_THUMBNAIL),
        (images.BASELINE, UNDEFINED, UNDEFINED, UNDEFINED),
        (0x20000000 | images.BASELINE, 0x40000000 | THUMBNAIL),
        (UNDEFINED, UNDEFINED),
    ],
)
def test_a_photo_with_previews_or_gain_maps_is_a_jpeg(kinds: tuple[int, ...], verify: str) -> None:
    data = images.multi_picture(*kinds)
    found = recognised(data, verify=verify, formats="JPEG", max_frames=1)
    assert (found.format, found.content_type, found.frames, found.notes) == ("JPEG", "image/jpeg", 1, ())
    # What is no view is not looked at, as whatever follows an image.
    assert recognised(data[:-500], verify=verify).format == "JPEG"


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("kind", [images.PANORAMA, images.DISPARITY, images.MULTI_ANGLE])
def test_views_are_frames(kind: int, verify: str) -> None:
    for kinds, frames in (
        ((kind, kind), 2),
        ((kind, kind, kind, kind), 4),
        ((0x20000000 | kind, 0x80000000 | kind), 2),
        ((images.BASELINE, kind), 2),
        ((kind, kind, THUMBNAIL), 2),
        ((images.BASELINE, kind, THUMBNAIL, kind), 3),
        ((kind, THUMBNAIL), 1),
    ):
        data = images.multi_picture(*kinds)
        found = recognised(data, verify=verify)
        assert (found.format, found.frames) == ("MPO" if frames > 1 else "JPEG", frames), kinds
        if frames > 1:
            assert refusal(data, verify=verify, formats="JPEG") == ("format_not_allowed", "MPO")
            assert refusal(data, verify=verify, max_frames=frames - 1)[0] == "too_many_frames"
        if kinds[-1] == kind:
            assert refusal(data[:-3], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("kinds", [(images.DISPARITY,) * 2, (images.BASELINE, UNDEFINED)])
def test_a_stale_index_makes_no_views(kinds: tuple[int, ...]) -> None:
    data = images.multi_picture(*kinds)
    first = first_of(data)
    index = data[data.index(b"\xff\xe2") : data.index(b"\xff\xdb")]
    other = images.jpeg(200, 100, seed=7)
    moved = data.replace(b"\xff\xdb", b"\xff\xfe\x00\x09comment\xff\xdb", 1)
    for stale, width in (
        (first, 64),  # copied without what follows
        (first + bytes(len(data) - len(first)), 64),  # and padded
        (first + b"\xff" * 3000, 64),
        (other[:2] + index + other[2:], 200),  # copied into another picture
        (moved, 64),  # metadata behind it
        (first + b"\0padding" + data[len(first) :], 64),
    ):
        found = recognised(stale)
        assert (found.format, found.frames, found.width, found.notes) == ("JPEG", 1, width, ())


@pytest.mark.parametrize("at", range(4, 60, 5))
def test_an_index_that_cannot_be_read_is_none(at: int) -> None:
    data = bytearray(images.multi_picture(images.BASELINE, UNDEFINED))
    start = data.index(b"MPF\0") + at
    data[start : start + 4] = b"\xff\xfe\xfd\xfc"
    assert recognised(bytes(data)).format == "JPEG"


def apng(frames: int, *, is_first_outside: bool) -> bytes:
    """An animated PNG of so many frames of one pixel, whose ``IDAT`` is a frame as well or not."""
    pixel = bytes.fromhex("789c6360000000020001")
    number = 0
    chunks = [images.png_chunk(b"acTL", struct.pack(">II", frames, 0))]
    tail: list[bytes] = []
    for frame in range(frames):
        control = images.png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 1, 1, 0, 0, 1, 10, 0, 0))
        number += 1
        if frame == 0 and not is_first_outside:
            chunks.append(control)
            continue
        tail += [control, images.png_chunk(b"fdAT", struct.pack(">I", number) + pixel)]
        number += 1
    whole = images.png(1, 1, *chunks, pixels=b"\0\0")
    return whole[:-12] + b"".join(tail) + whole[-12:]


@pytest.mark.parametrize("verify", MODES)
def test_the_frames_of_an_animated_png_are_those_of_its_animation(verify: str) -> None:
    for frames in (1, 2, 5):
        for is_first_outside in (False, True):
            data = apng(frames, is_first_outside=is_first_outside)
            assert recognised(data, verify=verify, max_frames=frames).frames == frames
            assert refusal(data, verify=verify, max_frames=frames - 1)[0] == "too_many_frames" if frames > 1 else True


@pytest.mark.parametrize("verify", MODES)
def test_an_ancillary_chunk_with_a_wrong_crc_is_ignored(verify: str) -> None:
    kinds = {
        b"gAMA": struct.pack(">I", 45455),
        b"pHYs": struct.pack(">IIB", 2835, 2835, 1),
        b"tEXt": b"Comment\0a text",
        b"zTXt": b"Comment\0\0no zlib",
        b"iCCP": b"name\0\0no zlib",
        b"tIME": struct.pack(">HBBBBB", 2020, 1, 2, 3, 4, 5),
        b"tRNS": b"\0\0",
        b"eXIf": b"II*\0\x08\0\0\0",
        b"prVt": b"private",
    }
    good = images.png(1, 1, pixels=b"\0\0")
    for kind, content in kinds.items():
        chunk = images.png_chunk(kind, content)
        wrong = chunk[:-1] + bytes((chunk[-1] ^ 1,))
        for at in (33, len(good) - 12):  # before the pixels, and behind them
            data = good[:at] + wrong + good[at:]
            assert recognised(data, verify=verify).width == 1, kind
            icon = images.ico(data, good)
            assert recognised(icon, verify=verify).format == "ICO", kind
    palette = images.png_chunk(b"PLTE", bytes(3))
    for data in (good[:33] + palette[:-1] + b"\x01" + good[33:], good[:32] + b"\0" + good[33:]):
        assert refusal(data, verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("kind", [b"fcTL", b"fdAT"])
def test_a_frame_with_a_wrong_crc_is_damage(kind: bytes) -> None:
    data = bytearray(apng(3, is_first_outside=False))
    at = data.rindex(kind)
    data[at + 4 + int.from_bytes(data[at - 4 : at], "big")] ^= 1
    assert refusal(bytes(data))[0] == "image_corrupt"
