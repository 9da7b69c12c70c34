"""Images that are refused by what they are: unread variants of a format, cameras' raw files, and other formats."""

import struct

import pytest
from PIL import TiffImagePlugin

from lading.plugins.detectors.pillow.detector import PillowDetector, PillowOptions
from lading.plugins.detectors.pillow.formats import HEAD_SIZE, identify
from lading.plugins.detectors.pillow.structure import tiff
from lading.plugins.testing import images
from tests.unit.plugins.detectors.verdicts.deciding import MODES, recognised, refusal
from tests.unit.plugins.detectors.verdicts.directories import page, tiff_of


@pytest.mark.parametrize("verify", MODES)
def test_a_sound_tiff_that_is_not_read_is_no_damage(verify: str) -> None:
    cases = {
        "RGB, 3 samples of 32 bits (floating point)": page(4, 4, (32,) * 3, t262=2, t339=(3, 3, 3), t279=192),
        "grey, 1 sample of 16 bits (floating point)": page(4, 4, 16, t339=3, t279=32),
        "grey, 1 sample of 64 bits (floating point)": page(2, 4, 64, t339=3, t279=64),
        "CMYK, 5 samples of 8 bits": page(2, 4, (8,) * 5, t262=5, t338=2, t279=40),
        "compression WebP": page(t259=50001),
        "compression JPEG 2000": page(t259=34712),
        "compression JPEG XL": page(t259=50002),
        "compression LERC": page(t259=34887),
        "compression 12345": page(t259=12345),
    }
    for reason, fields in cases.items():
        for order in "<>":
            data = tiff_of(fields, pixels=bytes(200), order=order)
            assert refusal(data, verify=verify) == ("image_not_supported", reason), order
            code, told = refusal(tiff_of(page(), fields, pixels=bytes(200), order=order), verify=verify)
            assert (code, reason in told) == ("image_not_supported", True), (order, told)
    assert recognised(tiff_of(page(4, 4, 32, t339=3, t279=64), pixels=bytes(64)), verify=verify).format == "TIFF"


def test_the_compressions_are_those_that_pillow_reads() -> None:
    assert set(TiffImagePlugin.COMPRESSION_INFO) - tiff.READ == {50001}  # which its libtiff lacks
    assert set(TiffImagePlugin.COMPRESSION_INFO) >= tiff.READ


@pytest.mark.parametrize("verify", MODES)
def test_a_sound_bmp_that_is_not_read_is_no_damage(verify: str) -> None:
    data = bytearray(images.sample("bmp").data)
    for compression, reason in ((4, "a JPEG inside"), (5, "a PNG inside"), (11, "CMYK"), (6, "bit fields with alpha")):
        struct.pack_into("<I", data, 30, compression)
        assert refusal(bytes(data), verify=verify) == ("image_not_supported", reason)
    struct.pack_into("<I", data, 30, 99)
    assert refusal(bytes(data), verify=verify)[0] == "image_corrupt"
    struct.pack_into("<HI", data, 28, 2, 0)
    assert refusal(bytes(data), verify=verify) == ("image_not_supported", "Unsupported BMP pixel depth (2)")


@pytest.mark.parametrize("verify", MODES)
def test_a_jpeg_that_is_not_read_is_no_damage(verify: str) -> None:
    for frame, bits, reason in (
        (0xF7, 8, "JPEG-LS"),
        (0xC3, 8, "lossless coding"),
        (0xC5, 8, "hierarchical coding"),
        (0xCB, 8, "lossless coding"),
        (0xC1, 12, "samples of 12 bits"),
    ):
        assert refusal(images.jpeg_of_bits(bits, frame), verify=verify) == ("image_not_supported", reason)
    grey = images.jpeg_of_bits(8)
    two = grey.replace(b"\0\x0b\x08\0\x08\0\x08\1\1\x11\0", b"\0\x0e\x08\0\x08\0\x08\2\1\x11\0\2\x11\0")
    assert two != grey
    assert refusal(two, verify=verify) == ("image_not_supported", "cannot handle 2-layer images")


THUMBNAIL = page(8, 8, t254=1)
SENSOR = page(4000, 3000, 16, t254=0, t259=7, t262=32803)


@pytest.mark.parametrize("verify", MODES)
def test_a_raw_file_of_a_camera_is_not_its_thumbnail(verify: str) -> None:
    cases = {
        "DNG": tiff_of({**THUMBNAIL, 0xC612: b"\1\4\0\0"}, below=[SENSOR]),
        "NEF": tiff_of({**THUMBNAIL, 271: b"NIKON CORPORATION\0"}, below=[page(160, 120, t254=1), SENSOR]),
        "ARW": tiff_of({**THUMBNAIL, 271: b"SONY\0"}, below=[{**SENSOR, 259: 32767}]),
        "PEF": tiff_of({**THUMBNAIL, 271: b"PENTAX \0", 259: 65535}),
        "SRW": tiff_of({**THUMBNAIL, 271: b"SAMSUNG\0"}, below=[SENSOR], order=">"),
        "3FR": tiff_of({**THUMBNAIL, 271: b"Hasselblad\0"}, below=[SENSOR]),
        "CR2": b"II*\0\x10\0\0\0CR\2\0" + tiff_of(THUMBNAIL)[12:],
        "IIQ": b"II*\0\x10\0\0\0IIII" + tiff_of(THUMBNAIL)[12:],
        "camera RAW": tiff_of(THUMBNAIL, below=[SENSOR]),
        "ERF": tiff_of({**THUMBNAIL, 271: b"SEIKO EPSON CORP.\0"}, THUMBNAIL, below=[{**SENSOR, 262: 34892}]),
    }
    cases["DNG "] = tiff_of({**page(), 0xC612: b"\1\4\0\0"})  # whose first directory is the picture
    for name, data in cases.items():
        assert refusal(data, verify=verify) == ("format_not_allowed", name.strip())


@pytest.mark.parametrize("verify", MODES)
def test_a_tiff_whose_picture_is_in_a_subdirectory_is_not_its_thumbnail(verify: str) -> None:
    data = tiff_of(THUMBNAIL, below=[page(800, 600, t254=0)])
    assert refusal(data, verify=verify) == ("image_not_supported", "the picture is in a subdirectory")


@pytest.mark.parametrize("verify", MODES)
def test_pages_and_pyramids_are_no_raw_files(verify: str) -> None:
    small = page(4, 4, t254=1)
    for data, frames in (
        (tiff_of(page(), small, small), 3),  # overviews behind the picture
        (tiff_of(page(t254=0), below=[small, small]), 1),  # overviews below it
        (tiff_of(page(t254=2), page(t254=2)), 2),
        (tiff_of({**page(), 271: b"NIKON CORPORATION\0"}), 1),  # which an editor has saved
        (tiff_of({**page(), 271: b"SONY\0"}, below=[small]), 1),
        (tiff_of({**page(), 330: 99_999}), 1),  # a subdirectory that is not there
        (tiff_of(small), 1),
    ):
        found = recognised(data, verify=verify)
        assert (found.format, found.frames, found.width) == ("TIFF", frames, found.width)


TGA = bytes((0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 24, 0, 1, 2, 3)) + bytes(8) + b"TRUEVISION-XFILE.\0"
FOREIGN = {
    "PBM": (b"P1\n1 1\n0\n", b"P4 8 8\n" + bytes(8)),
    "PGM": (b"P2\n# made by hand\n2 2\n255\n", b"P5\n2 2 255\n" + bytes(4)),
    "PPM": (b"P3 1 1 255", b"P6\n# a\n# b\n2 2\n255\n" + bytes(12)),
    "PAM": (b"P7\nWIDTH 2\nHEIGHT 2\n",),
    "PFM": (b"PF\n2 2\n-1.0\n", b"Pf\n2 2\n1.0\n"),
    "TGA": (TGA, TGA[:21] + bytes(9000) + TGA[21:]),
    "PCX": (b"\x0a\5\1\x08" + bytes(60) + b"\0\3" + bytes(62), b"\x0a\0\1\1" + bytes(60) + b"\0\1" + bytes(62)),
    "SGI": (b"\x01\xda\1\1\0\3\0\x08\0\x08\0\3" + bytes(500), b"\x01\xda\0\2\0\2" + bytes(506)),
    "Sun raster": (b"\x59\xa6\x6a\x95" + bytes(28),),
    "PSD": (b"8BPS\0\1" + bytes(20), b"8BPS\0\2" + bytes(20)),
    "DDS": (b"DDS \x7c\0\0\0",),
    "JPEG XL": (b"\xff\x0a\xfa\x1f", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl "),
    "JPEG XR": (b"II\xbc\x01" + bytes(28),),
    "HEIC": tuple(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" for brand in (b"heic", b"heix", b"hevc", b"mif1")),
    "HEIF": tuple(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1miaf" for brand in (b"avci", b"jpeg", b"mif1", b"vvic")),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>",),
    "PDF": (b"%PDF-1.4\n",),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6" + bytes(28)),
    "WMF": (b"\xd7\xcd\xc6\x9a" + bytes(18), b"\1\0\x09\0\0\3" + bytes(12)),
    "EMF": (b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60),),
    "OpenEXR": (b"v/1\x01\2\0\0\0",),
    "Radiance HDR": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", b"#?RGBE\n"),
    "QOI": (b"qoif" + bytes(10),),
    "FLIF": (b"FLIF31",),
    "BPG": (b"BPG\xfb" + bytes(10),),
    "FITS": (b"SIMPLE  =                    T",),
    "XCF": (b"gimp xcf v011\0",),
    "XPM": (b"/* XPM */\nstatic char *x[] = {",),
    "XBM": (b"#define im_width 16\n#define im_height 7\n",),
    "CUR": (b"\0\0\2\0\1\0\x20\x20\0\0\1\0\1\0\x30\1\0\0\x16\0\0\0",),
    "ICNS": (b"icns\0\0\1\0",),
    "MNG": (b"\x8aMNG\r\n\x1a\n",),
    "JNG": (b"\x8bJNG\r\n\x1a\n",),
    "DPX": (b"SDPX", b"XPDS"),
    "DICOM": (bytes(128) + b"DICM" + bytes(20),),
    "DjVu": (b"AT&TFORM\0\0\0\x20DJVU",),
    "ILBM": (b"FORM\0\0\0\x20ILBM",),
    "KTX2": (b"\xabKTX 20\xbb\r\n\x1a\n",),
    "ORF": (b"IIRO\x08\0\0\0", b"IIRS\x08\0\0\0", b"MMOR\0\0\0\x08"),
    "RW2": (b"IIU\0\x18\0\0\0",),
    "RAF": (b"FUJIFILMCCD-RAW 0201",),
    "CRW": (b"II\x1a\0\0\0HEAPCCDR",),
    "MRW": (b"\0MRM\0\0\0\0",),
    "X3F": (b"FOVb\0\0\2\0",),
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", FOREIGN)
def test_a_format_that_is_never_allowed_is_refused_by_its_name(name: str) -> None:
    for data in FOREIGN[name]:
        assert refusal(data) == ("format_not_allowed", name), data[:20]


def test_little_that_looks_like_a_signature_is_none() -> None:
    for text in (
        b"P5 is a node",
        b"P3",
        b"#define x",
        b"P6\n",
        b"SIMPLE",
        b"\x0a\x0a\x0a",
        b"\x01\xda",
        b"\0\0\2\0\0\0",
    ):
        assert refusal(text + bytes(100))[0] == "not_an_image", text
    for data in images.NOT_IMAGES.values():
        assert identify(data[:HEAD_SIZE], data[-18:]) is None
    for name in images.SAMPLE_NAMES:
        data = images.sample(name).data
        assert recognised(data + TGA[-26:]).format == images.sample(name).format


@pytest.mark.gen_test
async def test_no_format_that_is_refused_by_name_is_given_up_early() -> None:
    detector = PillowDetector(PillowOptions())
    try:
        for name, files in FOREIGN.items():
            for data in files:
                head = (data[:-18] if name == "TGA" else data) + bytes(HEAD_SIZE)
                assert detector.could_be(head[:HEAD_SIZE]), name
    finally:
        await detector.close()
