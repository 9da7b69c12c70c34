"""Orientation: as EXIF has it, or the container itself. Width and height stay as stored."""

import struct

import pytest

from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import MODES, recognised
from tests.unit.plugins.detectors.verdicts.directories import exif, page, tiff_of

WIDTH, HEIGHT = 40, 20


def oriented(name: str, data: bytes) -> bytes:
    """A small picture of the format, with these EXIF data."""
    return images.encode(images.noise(WIDTH, HEIGHT), name, exif=data)


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_told_in_each_format(orientation: int, verify: str) -> None:
    for order in "<>":
        files = [oriented(name, exif(orientation, order)) for name in ("JPEG", "PNG", "WEBP", "AVIF")]
        files.append(tiff_of(page(WIDTH, HEIGHT, t274=orientation), pixels=bytes(WIDTH * HEIGHT), order=order))
        for data in files:
            found = recognised(data, verify=verify)
            assert (found.width, found.height, found.orientation) == (WIDTH, HEIGHT, orientation), found.format


def test_an_image_that_says_nothing_is_upright() -> None:
    for name in images.SAMPLE_NAMES:
        assert recognised(images.sample(name).data).orientation == 1, name


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_there_is_not_is_none(orientation: int) -> None:
    for name in ("JPEG", "PNG", "WEBP"):
        assert recognised(oriented(name, exif(orientation))).orientation == 1
    data = tiff_of(page(t274=orientation))
    assert recognised(data).orientation == 1


def test_exif_data_that_cannot_be_read_say_nothing() -> None:
    good = exif(6)
    for bad in (
        good[:10],
        good[:-8],
        b"Exif\0\0",
        b"Exif\0\0no TIFF at all",
        good.replace(b"\x08\0\0\0", b"\xff\xff\xff\x7f"),
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40),
        b"Exif\0\0" + tiff_of({274: b"six letters"}, pixels=b""),
    ):
        assert recognised(images.jpeg()[:2] + segment(0xE1, bad) + images.jpeg()[2:]).orientation == 1, bad


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def test_a_wrong_field_beside_the_orientation_is_no_matter() -> None:
    data = b"Exif\0\0" + tiff_of({271: b"a maker that lies elsewhere", 274: 6}, pixels=b"")
    at = data.index(b"\x0f\x01") + 8
    moved = data[:at] + b"\0\xff\xff\0" + data[at + 4 :]
    jpeg = images.jpeg()
    assert recognised(jpeg[:2] + segment(0xE1, moved) + jpeg[2:]).orientation == 6


def test_the_first_exif_of_a_jpeg_counts() -> None:
    jpeg = images.jpeg()
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='3'/>")
    for before, expected in (
        (segment(0xE1, exif(6)) + segment(0xE1, exif(3)), 6),
        (xmp + segment(0xE1, exif(8)), 8),
        (xmp, 1),  # which no browser heeds
    ):
        assert recognised(jpeg[:2] + before + jpeg[2:]).orientation == expected


def test_the_pages_of_a_tiff_are_turned_as_the_first() -> None:
    assert recognised(tiff_of(page(t274=6), page(t274=3))).orientation == 6


def test_the_container_of_an_avif_turns_it() -> None:
    data = oriented("AVIF", exif(6))
    assert b"irot" in data
    assert recognised(data).orientation == 6
    # Pillow writes both; the boxes alone do.
    without = data.replace(b"Exif\0\0MM", b"Exif\0\0XX").replace(b"Exif\0\0II", b"Exif\0\0XX")
    assert recognised(without).orientation == 6


def test_a_chunk_with_a_wrong_crc_does_not_turn_a_png() -> None:
    data = bytearray(oriented("PNG", exif(6)))
    at = data.index(b"eXIf")
    data[at + 4 + int.from_bytes(data[at - 4 : at], "big")] ^= 1
    assert recognised(bytes(data)).orientation == 1
