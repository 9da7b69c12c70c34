"""The processor ``metadata``: what goes, what stays, and what it does with files that are damaged on purpose."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.plugins.errors import MetadataUnremovable, OutputTooLarge, ProcessError
from lading.plugins.processors.metadata import exif as blocks
from lading.plugins.processors.metadata.pieces import MOST_BLOCKS
from tests.conftest import LONG
from tests.support.servers.programs import program
from tests.unit.plugins.processors.photos import (
    PROFILE,
    SECRET,
    Photo,
    exif,
    orientation,
    photo,
    photos,
    pixels,
    processed,
)

PHOTOS = photos()
PLACES = ("GPS", "Location", "City", "Country", "State", "Geo")


def test_there_are_enough_photos() -> None:
    assert len(PHOTOS) >= 60
    assert all(SECRET in one.data for one in PHOTOS if "GIF" not in one.format)


@pytest.mark.sampled(5)
@pytest.mark.gen_test
@pytest.mark.parametrize("remove", ["location", "all"])
@pytest.mark.parametrize("one", PHOTOS, ids=lambda one: one.name)
async def test_metadata_goes_and_the_picture_stays(one: Photo, remove: str, tmp_path: Path) -> None:
    made = await processed(one.data, one.format, one.orientation, tmp_path, remove=remove)
    assert made is not None
    assert SECRET not in made
    assert b"GPSLatitude" not in made
    assert pixels(made) == pixels(one.data)
    assert orientation(made) == orientation(one.data) == one.orientation
    if one.format != "GIF":
        assert pixels(made)[0][1] == PROFILE
        assert (b"A camera" in made) == (remove == "location"), "what no location is, stays unless all goes"
    again = await processed(made, one.format, one.orientation, tmp_path, remove=remove)
    assert again in (None, made), "the second time something else goes"


WRITTEN = (
    *("-GPSLatitude=48.8583", "-GPSLatitudeRef=N", "-GPSLongitude=2.2945", "-GPSLongitudeRef=E"),
    *("-IPTC:City=Paris", "-XMP-photoshop:City=Paris", "-XMP-iptcCore:Location=Champ de Mars", "-XMP:Country=France"),
)
"""What exiftool writes into each photo that Pillow has made."""


def test_exiftool_finds_no_place(tmp_path: Path) -> None:
    shown = PHOTOS if LONG else PHOTOS[::3]
    exiftool = program("exiftool", "libimage-exiftool-perl")
    names = [f"{number:03}.{one.format.lower()}" for number, one in enumerate(shown)]
    before, after = [tmp_path / "pillow", tmp_path / "exiftool"], tmp_path / "after"
    for folder in before:
        folder.mkdir()
        for name, one in zip(names, shown, strict=True):
            (folder / name).write_bytes(one.data)
    after.mkdir()
    write = [exiftool, "-q", "-q", "-m", "-overwrite_original", *WRITTEN, str(before[1])]
    subprocess.run(write, capture_output=True, check=False, timeout=120)
    for folder in before:
        for name, one in zip(names, shown, strict=True):
            data = (folder / name).read_bytes()
            made = asyncio.run(processed(data, one.format, one.orientation, tmp_path))
            assert made is not None
            assert pixels(made) == pixels(one.data), (folder.name, one.name)
            assert orientation(made) == one.orientation, (folder.name, one.name)
            (after / f"{folder.name}-{name}").write_bytes(made)
    told = {folder: places(exiftool, folder) for folder in (*before, after)}
    assert [len(found) for found in told.values()] == [len(shown), len(shown), 2 * len(shown)]
    for folder in before:
        assert sum(map(bool, told[folder].values())) >= 0.6 * len(shown), folder.name
    assert {name: tags for name, tags in told[after].items() if tags} == {}


def places(exiftool: str, folder: Path) -> dict[str, list[str]]:
    """What exiftool finds of places in each file of a folder."""
    command = [exiftool, "-j", "-a", "-G1", "-ee", "-U", "-r", str(folder)]
    found = json.loads(subprocess.run(command, capture_output=True, check=False, timeout=120).stdout)
    return {
        Path(one["SourceFile"]).name: sorted(tag for tag in one if any(place in tag for place in PLACES))
        for one in found
    }


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
async def test_a_file_without_metadata_is_left_as_it_is(kind: str, tmp_path: Path) -> None:
    bare = await processed(photo(kind, 1).data, kind, 1, tmp_path, remove="all")
    assert bare is not None
    assert await processed(bare, kind, 1, tmp_path, remove="all") is None
    assert await processed(b"BM anything", "BMP", 1, tmp_path) is None


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "ICO", "HEIF"])
async def test_a_format_that_it_does_not_know_is_refused_or_kept(kind: str, tmp_path: Path) -> None:
    with pytest.raises(MetadataUnremovable) as caught:
        await processed(b"anything", kind, 1, tmp_path)
    assert (caught.value.code, caught.value.retryable) == ("metadata_unremovable", False)
    assert kind in caught.value.detail
    assert await processed(b"anything", kind, 1, tmp_path, unknown="keep") is None


@pytest.mark.gen_test
async def test_an_output_that_would_be_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputTooLarge):
        await processed(PHOTOS[0].data, "JPEG", 1, tmp_path, max_bytes=100)
    assert (tmp_path / "output").stat().st_size == 0


@pytest.mark.sampled(4)
@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("PNG", b"\x89PNG\r\n\x1a\n" + (b"\0\0\0\0tEXt" + bytes(4)) * MOST_BLOCKS),
        ("GIF", b"GIF89a" + bytes(7) + b"\x21\xfe" + b"\1a" * MOST_BLOCKS + b"\0\x3b"),
        ("JPEG", b"\xff\xd8" + b"\xff" * 2 * MOST_BLOCKS + b"\xd9"),
        ("WEBP", b"RIFF\xff\xff\xff\x7fWEBP" + b"NONE\0\0\0\0" * MOST_BLOCKS),
    ],
    ids=["PNG", "GIF", "JPEG", "WEBP"],
)
async def test_a_file_of_countless_blocks_is_refused(kind: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(MetadataUnremovable):
        await processed(data, kind, 1, tmp_path)


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff\xd8", b"GIF89a", b"RIFF\4\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0"]
)
async def test_what_is_no_file_of_the_format_is_never_made_worse(kind: str, data: bytes, tmp_path: Path) -> None:
    try:
        made = await processed(data, kind, 6, tmp_path)
    except ProcessError:
        return
    assert made is None or len(made) <= len(data) + 100


@pytest.mark.sampled(2)
@pytest.mark.parametrize("remove", ["location", "all"])
@settings(max_examples=150 if LONG else 30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.sampled_from(PHOTOS), data=st.data())
def test_damage_raises_nothing_else(chosen: Photo, data: st.DataObject, remove: str, tmp_path: Path) -> None:
    damaged = bytearray(chosen.data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(damaged) - 1, 2000)))
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(1, len(damaged))))
    try:
        made = asyncio.run(processed(bytes(damaged[:cut]), chosen.format, chosen.orientation, tmp_path, remove=remove))
    except ProcessError:
        return
    assert made is None or len(made) <= len(damaged) + 100


@settings(max_examples=300 if LONG else 50, deadline=None)
@given(st.data())
def test_any_block_of_exif_is_edited_or_goes(data: st.DataObject) -> None:
    block = bytearray(exif(6).tobytes().removeprefix(blocks.PREFIX))
    for _ in range(data.draw(st.integers(0, 6))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(block))))
    edited = blocks.without_location(bytes(block[:cut]), 6)
    assert edited is None or len(edited) == len(block[:cut])


def test_an_edited_block_is_not_edited_again() -> None:
    for order in "<>":
        block = exif(6, order=order).tobytes().removeprefix(blocks.PREFIX)
        edited = blocks.without_location(block, 6)
        assert edited is not None
        assert SECRET in block
        assert SECRET not in edited
        assert blocks.without_location(edited, 6) == edited


def test_a_block_that_tells_another_orientation_goes() -> None:
    assert blocks.without_location(exif(3).tobytes().removeprefix(blocks.PREFIX), 6) is None


def test_a_directory_that_costs_too_much_goes() -> None:
    count = 60_000
    entries = b"\x25\x88\4\0\1\0\0\0\x08\0\0\0" * count
    assert blocks.without_location(b"II*\0\x08\0\0\0" + count.to_bytes(2, "little") + entries + bytes(4), 1) is None
