"""What becomes of a picture: upright, with its Exif and its colour profile, on white; and what stays as it came."""

import asyncio
import io
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lading_heic.boxes import is_heic
from lading_heic.detector import CONTENT_TYPE, FORMAT
from lading_heic.options import ConversionOptions
from lading_heic.processor import HeicProcessor
from lading_heic.suite import SAMPLES, sample
from PIL import Image

from lading.plugins import ImageInfo, Output, Picture, Processed

ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825


def picture(name: str, **more: Any) -> Picture:
    path = SAMPLES / f"{name}.heic"
    info = ImageInfo(FORMAT, CONTENT_TYPE, 128, 64)
    return replace(Picture(path, path.stat().st_size, "0" * 64, info, "organization", "issuer"), **more)


def processed(given: Picture, **options: Any) -> tuple[Processed, bytes]:
    """The answer of a processor, and what it wrote."""

    async def run() -> tuple[Processed, bytes]:
        processor = HeicProcessor(ConversionOptions(**options))
        descriptor = os.memfd_create("output")
        try:
            path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
            return await processor.process(given, Output(path, 10**6)), path.read_bytes()
        finally:
            os.close(descriptor)
            await processor.close()

    return asyncio.run(run())


def test_a_photo_is_upright_and_keeps_what_it_tells() -> None:
    answer, data = processed(picture("turned"))
    assert answer == Processed(replaced=True)
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.size) == ("JPEG", (64, 128))
    exif = image.getexif()
    assert (exif.get(ORIENTATION, 1), exif[MAKE]) == (1, "A camera")
    assert exif.get_ifd(GPS)
    assert image.info["icc_profile"]


def test_what_is_transparent_becomes_white() -> None:
    _, data = processed(picture("transparent"))
    image = Image.open(io.BytesIO(data))
    assert image.mode == "RGB"
    assert min(image.convert("L").crop((60, 61, 68, 64)).tobytes()) > 240


def test_a_better_quality_is_larger() -> None:
    assert len(processed(picture("plain"), quality=95)[1]) > len(processed(picture("plain"), quality=30)[1])


@pytest.mark.parametrize(
    ("options", "is_kept"),
    [
        ({"keep_organizations": "other, organization"}, True),
        ({"keep_albums": "raw"}, True),
        ({"keep_organizations": "raw", "keep_albums": "organization"}, False),
    ],
)
def test_the_operator_keeps_originals(options: dict[str, str], is_kept: bool) -> None:
    answer, data = processed(picture("plain", album_id="raw"), **options)
    assert answer.replaced is not is_kept
    assert bool(data) is not is_kept


def test_other_formats_stay() -> None:
    given = picture("plain", info=ImageInfo("PNG", "image/png", 128, 64))
    assert processed(given) == (Processed(), b"")


@pytest.mark.parametrize("brands", [b"avif....mif1", b"mif1....msf1", b"hevc....msf1"])
def test_other_brands_are_no_heic(brands: bytes) -> None:
    assert not is_heic((8 + len(brands)).to_bytes(4) + b"ftyp" + brands + b"heic")
    assert is_heic(sample("plain").data)
