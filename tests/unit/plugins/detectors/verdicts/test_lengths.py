"""The lengths that a header announces are held against the file, whether pixels are decoded or not."""

import struct
from collections.abc import Mapping

import pytest

from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import MODES, recognised, refusal
from tests.unit.plugins.detectors.verdicts.directories import Values, page, tiff_of

RAW = page(40, 30)
TILED = {
    tag: value for tag, value in page(40, 30, t322=16, t323=16, t324=range(8, 8 + 6 * 256, 256)).items() if tag != 273
} | {325: [256] * 6}


def bmp(bits: int, width: int = 21, height: int = 8, *, compression: int = 0, core: bool = False) -> bytes:
    """An uncompressed BMP."""
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F) if compression else b""
    palette = bytes((3 if core else 4) << bits) if bits <= 8 else b""
    rows = bytes((width * bits + 31) // 32 * 4 * abs(height))
    if core:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    offset = 14 + len(info) + len(masks) + len(palette)
    return struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset) + info + masks + palette + rows


BMPS = {
    "1 bit": bmp(1),
    "4 bits": bmp(4),
    "8 bits": bmp(8),
    "24 bits": bmp(24),
    "32 bits": bmp(32),
    "upside down": bmp(24, height=-8),
    "bit fields": bmp(16, compression=3),
    "the oldest header": bmp(24, core=True),
}


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("kind", BMPS)
def test_a_bmp_has_all_its_rows(kind: str, verify: str) -> None:
    data = BMPS[kind]
    found = recognised(data, verify=verify)
    assert (found.width, found.height) == (21, 8)
    for kept in (0.02, 0.5, 0.9):
        assert refusal(data[: max(60, int(len(data) * kept))], verify=verify)[0] == "image_corrupt"
    assert refusal(data[:-5], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_a_tiff_has_all_its_strips_and_tiles(verify: str) -> None:
    rows = page(40, 30, t278=10, t273=[8, 408, 808], t279=[400, 400, 400])
    planes = page(40, 30, (8, 8, 8), t262=2, t284=2, t273=[8, 1208, 2408], t279=[1200] * 3)
    for fields, needed in ((RAW, 1200), (rows, 1200), (TILED, 1536), (planes, 3600)):
        for order in "<>":
            good = tiff_of(fields, pixels=bytes(needed), order=order)
            assert recognised(good, verify=verify).width == 40
            # The directory lies behind the pixels: the last of them are moved out of the file.
            short = tiff_of({**fields, **moved(fields, len(good))}, pixels=bytes(needed), order=order)
            assert refusal(short, verify=verify)[0] == "image_corrupt", needed


def moved(fields: Mapping[int, Values], by: int) -> dict[int, list[int]]:
    """The offsets of the strips or tiles, of which the last leads to the last bytes of the file."""
    tag = 324 if 324 in fields else 273
    offsets = fields[tag]
    values = [offsets] if isinstance(offsets, int) else list(offsets)
    return {tag: [*values[:-1], by - 100]}


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", None])
def test_a_tiff_that_begins_with_its_directory_is_cut_in_its_pixels(compression: str | None, verify: str) -> None:
    data = images.encode(images.noise(), "TIFF", compression=compression)
    assert recognised(data, verify=verify).format == "TIFF"
    if int.from_bytes(data[4:8], "little") == 8:
        for kept in (0.05, 0.5, 0.99):
            assert refusal(data[: int(len(data) * kept)], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_a_tiff_may_say_too_little_or_too_much_of_uncompressed_pixels(verify: str) -> None:
    for count in (0, 1, 10_000_000):
        assert recognised(tiff_of({**RAW, 279: count}, pixels=bytes(1200)), verify=verify).width == 40


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("options", [{}, {"no_jp2": True}])
def test_a_jpeg_2000_has_all_its_tiles(options: dict[str, bool], verify: str) -> None:
    data = images.encode(images.noise(100, 60), "JPEG2000", tile_size=(32, 32), **options)
    assert recognised(data, verify=verify).width == 100
    tiles = [at for at in range(len(data) - 12) if data[at : at + 4] == b"\xff\x90\x00\x0a"]
    assert len(tiles) == 8
    for at in tiles[1:]:  # cut where a tile begins, and within it
        for end in (at, at + 1, at + 8, at + 100):
            assert refusal(data[:end], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_a_jpeg_2000_whose_last_tile_has_no_length_is_read_to_its_end(verify: str) -> None:
    data = bytearray(images.sample("jpeg2000-codestream").data)
    at = data.index(b"\xff\x90\x00\x0a")
    data[at + 6 : at + 10] = bytes(4)
    assert recognised(bytes(data), verify=verify).format == "JPEG2000"


@pytest.mark.parametrize("verify", MODES)
@pytest.mark.parametrize("name", ["avif", "avif-animated", "webp", "webp-lossless", "webp-animated", "ico-bitmaps"])
def test_other_containers_have_all_their_parts(name: str, verify: str) -> None:
    data = images.sample(name).data
    for kept in (0.2, 0.5, 0.9, 0.99):
        assert refusal(data[: int(len(data) * kept)], verify=verify)[0] == "image_corrupt"


@pytest.mark.parametrize("verify", MODES)
def test_a_bitmap_of_an_icon_is_no_longer_than_its_entry(verify: str) -> None:
    data = bytearray(images.sample("ico-bitmaps").data)
    length, offset = struct.unpack_from("<II", data, 6 + 8)
    assert recognised(bytes(data), verify=verify).format == "ICO"
    struct.pack_into("<I", data, 6 + 8, length // 2)
    assert refusal(bytes(data), verify=verify)[0] == "image_corrupt"
    assert offset > 6
